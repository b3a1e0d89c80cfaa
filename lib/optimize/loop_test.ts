import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import type { Example } from "../dataset/example.ts";
import { random } from "../random.ts";
import { demonstrate } from "./operators/demonstrate.ts";
import type { Operator } from "./operators/operator.ts";
import { reflect } from "./operators/reflect.ts";
import { optimize, type Options, type Outcome, type Prompt, Stop, type Trial } from "./mod.ts";

const COLOURS = ["red", "green", "blue", "grey"];
const examples = (n: number, from = 0): Example[] =>
  Array.from({ length: n }, (_, i) => {
    const colour = COLOURS[(from + i) % COLOURS.length]!;
    return {
      id: `q${from + i}`,
      question: `Which colour has thing number ${from + i}?`,
      references: [colour],
    };
  });

/** Right on a share of questions that grows with the demos, the same for the same prompt and question. */
function learner(prompt: Prompt, { id, references: [right] }: Example): string {
  const knows = Math.min(0.9, prompt.demos.length / 16) + (prompt.outputPrompt === "" ? 0 : 0.05);
  return random(`${id}/${prompt.demos.length % 3}`)() < knows ? right! : "Well, it depends.";
}

const base: Options = {
  seedPrompt: { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
  train: examples(40),
  validation: examples(60, 100),
  random: random(1),
  answer: (prompt, example) => Promise.resolve({ text: learner(prompt, example), completion: example.id }),
  score: (answer, { references }) => references.includes(answer) ? 1 : 0,
  ask: () =>
    Promise.resolve({ text: "<system_prompt>Be exact.</system_prompt>", finish: "stop", usage: null }),
};

async function run(options: Partial<Options> = {}): Promise<{ trials: Trial[]; outcome: Outcome }> {
  const search = optimize({ ...base, ...options });
  const trials: Trial[] = [];
  for (;;) {
    const next = await search.next();
    if (next.done) return { trials, outcome: next.value };
    trials.push(next.value);
  }
}

/** What two runs must have in common to be the same run. */
const essence = ({ trials, outcome }: Awaited<ReturnType<typeof run>>) => ({
  ...outcome,
  seed: outcome.seed.index,
  best: outcome.best.prompt,
  trials: trials.map(({ candidate: { prompt, operator, parents, results }, accepted, reason, calls }) => (
    { prompt, operator, parents, seen: [...results.keys()].sort(), accepted, reason, calls }
  )),
});

Deno.test("optimize() finds a better prompt and keeps its lineage", async () => {
  const { trials, outcome } = await run({ target: 1 });
  const share = ({ results }: Trial["candidate"]) =>
    [...results.values()].reduce((sum, { score }) => sum + score, 0) / results.size;
  ok(share(outcome.best) > share(outcome.seed) + 0.3, `${share(outcome.seed)} -> ${share(outcome.best)}`);
  deepEqual(trials.map(({ candidate }) => candidate.index), trials.map((_, i) => i));
  for (const { candidate } of trials.slice(1)) {
    ok(candidate.parents.every((parent) => parent < candidate.index));
  }
  equal(trials.filter(({ accepted }) => accepted).at(-1)!.candidate, outcome.best);
});

Deno.test("optimize() gives the same trials in whatever order the answers arrive", async () => {
  const jitter = random("jitter");
  const late = async <T>(value: Promise<T>): Promise<T> => {
    for (let turns = Math.floor(jitter() * 20); turns > 0; turns--) await null;
    return await value;
  };
  deepEqual(
    essence(
      await run({
        answer: (...args) => late(base.answer(...args)),
        ask: (...args) => late(base.ask(...args)),
      }),
    ),
    essence(await run()),
  );
});

Deno.test("optimize() proposes as many demos as there is room for, however long questions are, or the seed prompt", async () => {
  const long = (examples: readonly Example[]) =>
    examples.map((example) => ({ ...example, question: `${example.question} ${"very ".repeat(500)}` }));
  const { trials } = await run({ train: long(base.train), validation: long(base.validation), target: 1 });
  const refused = trials.filter(({ reason }) => reason.startsWith("over-long"));
  ok(refused.length <= trials.length / 10, `${refused.length} of ${trials.length}`);
  ok(trials.some(({ accepted, candidate }) => accepted && candidate.prompt.demos.length >= 3));

  const heavy = base.train.map((example, i) =>
    i % 5 === 0 ? { ...example, question: `${example.question} ${"very ".repeat(2_000)}` } : example
  );
  const mixed = (await run({ train: heavy, target: 1 })).trials;
  equal(mixed.filter(({ reason }) => reason.startsWith("over-long")).length, 0);
  ok(mixed.some(({ candidate }) => candidate.prompt.demos.length > 16));

  const seedPrompt = { ...base.seedPrompt, systemPrompt: "Be exact. ".repeat(1_300) };
  const wordy = await run({ seedPrompt, target: 1 });
  ok(wordy.trials.some(({ accepted, candidate }) => accepted && candidate.prompt.demos.length >= 8));
});

Deno.test("optimize() gives other trials for another seed", async () => {
  const [a, b] = [await run(), await run({ random: random(2) })];
  ok(JSON.stringify(essence(a).trials) !== JSON.stringify(essence(b).trials));
});

Deno.test("optimize() ends for the reason that comes first", async () => {
  const rows: [Partial<Options>, string][] = [
    [{ target: 0.5 }, "target"],
    [{ target: 1, maxIterations: 1 }, "iterations"],
    [{ target: 1, maxIterations: 0 }, "iterations"],
    [{ target: 1, maxIterations: 50, patience: 2 }, "patience"],
    [{ target: 1, maxCalls: 100 }, "budget"],
    [{ target: 1, maxCalls: 0 }, "budget"],
  ];
  for (const [options, reason] of rows) {
    equal((await run(options)).outcome.stopReason, reason, JSON.stringify(options));
  }
});

Deno.test("optimize() ends where no operator applies, or none can be paid for", async () => {
  const dear: Operator = { ...demonstrate, name: "dear", asks: 30 };
  const never: Operator = { ...demonstrate, name: "never", applies: () => false };
  const endless = { target: 1, maxIterations: Infinity, patience: Infinity };
  const poor = await run({ ...endless, operators: [dear], breadth: 1, opening: 1, maxCalls: 45 });
  deepEqual([poor.outcome.stopReason, poor.outcome.calls, poor.trials.length], ["budget", 10, 1]);
  const idle = await run({ ...endless, operators: [never] });
  deepEqual([idle.outcome.stopReason, idle.outcome.calls, idle.trials.length], ["patience", 10, 1]);
});

Deno.test("optimize() says target only when the whole split was seen", async () => {
  const { outcome } = await run({ target: 0.6 });
  equal(outcome.stopReason, "target");
  equal(outcome.best.results.size, base.validation.length);
});

Deno.test("optimize() never asks for more answers than maxCalls", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(600), fc.integer({ min: 1, max: 90 }), fc.nat(), async (maxCalls, size, seed) => {
      let asked = 0;
      const { outcome } = await run({
        maxCalls,
        target: 1,
        validation: examples(size, 100),
        random: random(seed),
        answer: (...args) => (asked++, base.answer(...args)),
        ask: (...args) => (asked++, base.ask(...args)),
      });
      ok(asked <= maxCalls, `${asked} of ${maxCalls}`);
      equal(outcome.calls, asked);
    }),
    { numRuns: 40 },
  );
});

Deno.test("optimize() counts the grades that a model must give, and none that it gave before", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(600), fc.nat(), async (maxCalls, seed) => {
      let asked = 0, spared = 0;
      const graded = new Set<string>();
      const { outcome } = await run({
        ...{ maxCalls, callsEach: 2, target: 1, random: random(seed) },
        validation: examples(40, 100),
        answer: (prompt, example) => {
          asked++;
          return example.id.endsWith("3") ? Promise.resolve(null) : base.answer(prompt, example);
        },
        score: (text, example) => {
          const grade = JSON.stringify([example.id, text]);
          if (graded.has(grade)) spared++;
          else asked++;
          graded.add(grade);
          return base.score(text, example);
        },
        ask: (...args) => (asked++, base.ask(...args)),
      });
      ok(asked <= maxCalls, `${asked} of ${maxCalls}`);
      equal(outcome.calls, asked);
      if (maxCalls > 200) ok(spared > 0);
    }),
    { numRuns: 40 },
  );
});

Deno.test("optimize() asks the optimizer model under a small budget, and makes no proposal that cannot enter the race", async () => {
  const surrogate: Options["surrogate"] = (prompts) => Promise.resolve(prompts.map(() => 0));
  for (const maxCalls of [40, 60, 100, 150]) {
    for (const options of [{}, { surrogate }]) {
      let asked = 0;
      for (let seed = 0; seed < 10; seed++) {
        const { trials, outcome } = await run({
          ...{ maxCalls, target: 1, random: random(seed), ...options },
          ask: () => {
            const text = `<system_prompt>Try ${++asked}.</system_prompt>`;
            return Promise.resolve({ text, finish: "stop", usage: null });
          },
        });
        ok(outcome.calls <= maxCalls);
        ok(trials.filter(({ candidate: { results } }) => results.size > 0).length > 1);
        if (!("surrogate" in options)) ok(!trials.some(({ reason }) => reason.startsWith("not raced")));
      }
      ok(asked >= 3, `${asked} with ${maxCalls} calls each`);
    }
  }
});

Deno.test("optimize() ends in good order when a call is stopped, and keeps the best so far", async () => {
  for (const reason of ["budget", "interrupted"] as const) {
    let left = 500;
    const { outcome } = await run({
      target: 1,
      answer: (...args) => left-- > 0 ? base.answer(...args) : Promise.reject(new Stop(reason, "enough")),
    });
    equal(outcome.stopReason, reason);
    ok(outcome.best.index > 0);
  }
});

Deno.test("optimize() decides a race by what there is when the money ends within a heat, among its answers or their grades", async () => {
  const rows: ((pay: () => Promise<void>) => Partial<Options>)[] = [
    (pay) => ({ answer: (...args) => pay().then(() => base.answer(...args)) }),
    (pay) => ({ score: (...args) => pay().then(() => base.score(...args)) }),
  ];
  for (const [i, paying] of rows.entries()) {
    let left = 100; // of 10 for the seed prompt and 160 for the first heat
    const { outcome, trials } = await run({
      target: 1,
      ...paying(() => left-- > 0 ? Promise.resolve() : Promise.reject(new Stop("budget", "enough"))),
    });
    equal(outcome.stopReason, "budget", `${i}`);
    ok(outcome.best.index > 0, `${i}`);
    equal(trials.reduce((sum, { candidate }) => sum + candidate.results.size, 0), 100, `${i}`);
  }
});

Deno.test("optimize() waits for all answers of a heat before it passes an error on", async () => {
  let [begun, ended] = [0, 0];
  await rejects(
    run({
      answer: async (prompt, example) => {
        begun++;
        if (begun === 3) throw new Error("no such model");
        for (let turns = 0; turns < 50; turns++) await null;
        ended++;
        return { text: learner(prompt, example), completion: "" };
      },
    }),
    /no such model/,
  );
  equal(ended, begun - 1);
});

Deno.test("optimize() leaves a question out for those who have no answer to it", async () => {
  const { trials } = await run({
    answer: (prompt, example) => example.id === "q100" ? Promise.resolve(null) : base.answer(prompt, example),
  });
  ok(trials.every(({ candidate }) => !candidate.results.has("q100")));
});

Deno.test("optimize() shows earlier rejections to the optimizer model", async () => {
  const asked: string[] = [];
  await run({
    target: 1,
    maxIterations: 4,
    patience: 4,
    operators: [reflect],
    ask: (messages) => {
      asked.push(messages.at(-1)!.content);
      return Promise.resolve({
        text: `<system_prompt>Try ${asked.length}.</system_prompt>`,
        finish: "stop",
        usage: null,
      });
    },
  });
  ok(asked.some((text) => text.includes("Tried before without success") && /Try \d+\./.test(text)));
});

Deno.test("optimize() races what the surrogate promises most", async () => {
  const { trials } = await run({
    maxIterations: 1,
    target: 1,
    operators: [demonstrate],
    surrogate: (prompts) => Promise.resolve(prompts.map(({ demos }) => demos.length / 16)),
  });
  const raced = trials.filter(({ candidate, predicted }) => predicted !== null && candidate.results.size > 0);
  const passedOver = trials.filter(({ reason }) => reason.startsWith("not raced"));
  ok(raced.length > 0 && passedOver.length > 0);
  ok(Math.min(...raced.map((t) => t.predicted!)) >= Math.max(...passedOver.map((t) => t.predicted!)));
});

Deno.test("optimize() lets the policy edit", async () => {
  const { trials } = await run({
    target: 1,
    policy: ({ prompt }) =>
      Promise.resolve({
        prompt: { ...prompt, systemPrompt: `${prompt.systemPrompt} Only one word.` },
        edits: [{ action: "add_constraint", predicted: 0.1 }],
      }),
  });
  const edited = trials.find(({ candidate }) => candidate.operator === "edit")!;
  equal(edited.candidate.note, "add_constraint");
  deepEqual(edited.candidate.edits, [{ action: "add_constraint", predicted: 0.1 }]);
  ok(edited.candidate.prompt.systemPrompt.endsWith("Only one word."));
});

Deno.test("optimize() needs validation questions", async () => {
  await rejects(run({ validation: [] }), RangeError);
});

/** Says "red" whatever is asked, but for a bias: how likely each colour is tells what is right. */
function leaning(known: boolean): Partial<Options> {
  const likely = (right: string) =>
    COLOURS.map((colour) => (colour === "red" ? 3 : 0) + (colour === right ? 2 : 0));
  const said = ({ demos, bias = {} }: Prompt, right: string) => {
    const weights = likely(right).map((weight, i) => weight + (bias[COLOURS[i]!] ?? 0));
    return demos.length === 0 ? "Well." : COLOURS[weights.indexOf(Math.max(...weights))]!;
  };
  const answer: Options["answer"] = (prompt, { id, references: [right] }) =>
    Promise.resolve({ text: said(prompt, right!), completion: id });
  return {
    ...{ answer, target: 1 },
    ...known
      ? {
        tell: async (prompt, example) => ({
          ...(await answer(prompt, example))!,
          firsts: [{
            said: "red",
            likely: Object.fromEntries(
              likely(example.references[0]!).map((weight, i) => [COLOURS[i]!, weight - 6]),
            ),
          }],
        }),
      }
      : {},
  };
}

Deno.test("optimize() calibrates prompts where the model tells what it might have said", async () => {
  const { trials, outcome } = await run(leaning(true));
  equal(outcome.stopReason, "target");
  equal(outcome.best.operator, "calibrate");
  equal(trials.length, 1 + 6); // no more challengers than later
  deepEqual(Object.keys(outcome.best.prompt.bias!).sort(), [...COLOURS].sort());
  equal(outcome.best.prompt.bias!.red, 0); // the others are raised
  ok(!trials.some(({ candidate: { prompt } }) => prompt.bias && Object.keys(prompt.bias).length === 0));
  equal((await run({ ...leaning(false), patience: 1 })).outcome.best.prompt.bias, undefined);
});

Deno.test("optimize() calibrates every challenger once the best prompt has a bias", async () => {
  const biased: boolean[][] = [];
  const { trials } = await run({
    ...{ ...leaning(true), maxIterations: 3, patience: 3 },
    score: (answer, { references }) => references.includes(answer) ? 0.9 : 0,
    surrogate(prompts) {
      biased.push(prompts.map(({ bias }) => bias !== undefined));
      return Promise.resolve(prompts.map(() => 0));
    },
  });
  ok(biased[0]!.includes(true)); // what a surrogate is shown is what will be raced
  ok(biased.slice(1).flat().every((one) => one));
  const raced = trials.filter(({ iteration, candidate: { results } }) => iteration > 1 && results.size > 0);
  ok(raced.length > 0);
  for (const { candidate: { prompt } } of raced) ok(prompt.bias, prompt.outputPrompt);
});

Deno.test("optimize() spends no more than it may on calibration, and ends where it cannot pay for one", async () => {
  for (const maxCalls of [1, 20, 31, 32, 33, 53, 54, 100, 150, 300, 1000]) {
    let asked = 0;
    const { answer, tell, ...rest } = leaning(true);
    const { outcome } = await run({
      ...rest,
      answer: (...given) => (asked++, answer!(...given)),
      tell: (...given) => (asked++, tell!(...given)),
      ask: (given) => (asked++, base.ask(given)),
      score: (answer, { references }) => references.includes(answer) ? 0.9 : 0,
      ...{ maxCalls, maxIterations: Infinity, patience: Infinity },
    });
    equal(outcome.stopReason, "budget");
    equal(outcome.calls, asked);
    ok(asked <= maxCalls, `${asked} of ${maxCalls}`);
    equal(outcome.best.prompt.bias !== undefined, maxCalls >= 32); // ten of the seed prompt, twelve probes, ten of a challenger
  }
});

Deno.test("optimize() leaves a prompt without a bias where nothing is told", async () => {
  const { answer, ...rest } = leaning(true);
  const { trials } = await run({ ...rest, answer: answer!, tell: answer!, maxIterations: 1 });
  ok(trials.length > 1);
  ok(trials.every(({ candidate: { prompt } }) => prompt.bias === undefined));
});
