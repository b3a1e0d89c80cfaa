import {
  deepStrictEqual as deepEqual,
  match,
  notDeepStrictEqual as notDeepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { byMetric } from "../evaluate/mod.ts";
import {
  completionKey,
  type Message,
  type ModelRequest,
  ProviderError,
  recorder,
  type Sleep,
  tapeModel,
} from "../llm/mod.ts";
import {
  type Context,
  messages,
  type Operator,
  optimize,
  type Outcome,
  type Trial,
} from "../optimize/mod.ts";
import { type Random, random } from "../random.ts";
import { mcnemar, wilson } from "../statistics/mod.ts";
import {
  type Database,
  type ExperimentRecord,
  promptOf,
  type PromptRow,
  readExperiment,
  resumeExperiment,
} from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { type Progress, runExperiment, type Setup, type Surroundings, type Unreadable } from "./mod.ts";
import {
  apprentice,
  author,
  begun,
  type Fate,
  judge,
  leaning,
  MIGRATIONS,
  questionTypes,
  simulated,
  thoughtful,
} from "./testing.ts";

type Options = Parameters<typeof begun>[1];

/** Begins an experiment, runs it to its end, reads it back. */
async function run(db: Database, options: Options = {}) {
  const [setup, around] = await begun(db, options);
  const reason = await runExperiment(setup, around);
  return { setup, around, reason, record: await readExperiment(db, setup.id) };
}

/** Runs an experiment again, as a later process does: with what it has in the store and nothing else. */
async function resume(db: Database, [setup, around]: [Setup, Surroundings], changes: Partial<Setup> = {}) {
  await resumeExperiment(db, setup.id, {});
  const { version } = setup.primary.identity;
  const primary = simulated(apprentice, { version: version! }),
    optimizer = simulated(author, { version: version! });
  const { stop: _, ...others } = around;
  await runExperiment({ ...setup, primary, optimizer, ...changes }, others);
  return { primary, optimizer, record: await readExperiment(db, setup.id) };
}

/** What two runs have in common that are the same run. */
const essence = ({ experiment, trials, metrics, answers }: ExperimentRecord) => ({
  ...{ status: experiment.status, stop_reason: experiment.stop_reason, error: experiment.error },
  ...{ before: experiment.before, after: experiment.after, improvement: experiment.improvement },
  ...{ low: experiment.ci_low, high: experiment.ci_high, p: experiment.p_value, test: experiment.test },
  trials: trials.map(({ prompt_id: _, ...trial }) => trial),
  metrics,
  answers,
});

/** Models of one version, which two experiments may share. */
const pair = (version: string, fate: Fate = () => {}) => ({
  primary: simulated(apprentice, { version, fate }),
  optimizer: simulated(author, { version, fate }),
});

const rows = async <Row>(db: Database, sql: string, ...params: unknown[]): Promise<Row[]> =>
  (await db.query<Row>(sql, params)).rows;

const share = (scores: number[]) => scores.reduce((sum, score) => sum + score, 0) / scores.length;

/** The search alone, in memory. */
async function searched(
  { dataset, seed, seedPrompt, search, metric }: Setup,
  maxCalls: number,
) {
  const trials: Trial[] = [];
  const said = (text: string) => Promise.resolve({ text, completion: "" });
  const loop = optimize({
    ...search,
    seedPrompt,
    train: dataset.train,
    validation: dataset.validation,
    random: random(seed).fork("search"),
    answer: (prompt, { question }) => said(apprentice(messages(prompt, question)).trim()),
    score: "judge" in metric ? () => null : byMetric(metric).score,
    ask: (messages) => Promise.resolve({ text: author(messages), finish: "stop", usage: null }),
    maxCalls,
  });
  let next: IteratorResult<Trial, Outcome>;
  while (!(next = await loop.next()).done) trials.push(next.value);
  return { trials, outcome: next.value };
}

Deno.test("runExperiment() keeps what the search and the claim came to", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const table = [
    ["iterations", { search: { target: 1, maxIterations: 3 } }],
    ["target", { search: { target: 0.4, breadth: 1 } }], // the rest of its questions is asked after the last trial
    ["patience", { search: { target: 1, patience: 1 }, optimizerTokens: 640 }],
  ] as const;
  for (const [ending, options] of table) {
    const { setup, reason, record } = await run(db, options);
    const { experiment, trials, metrics, answers } = record;
    const { trials: bare, outcome } = await searched(setup, 600 - 2 * 16);
    const best = outcome.best.index;
    ok(best > 0);
    deepEqual([reason, outcome.stopReason], [ending, ending]);
    deepEqual(
      trials.map(({ index, iteration, operator, parent, metadata, accepted, reason, calls, ...row }) => ({
        ...{ index, iteration, operator, parent, metadata, accepted, reason, calls },
        prompt: promptOf(row),
        seen: row.questions_seen,
        validation: row.validation?.toFixed(9),
      })),
      bare.map(({ candidate: { index, operator, prompt, parents, note, results }, ...trial }) => ({
        ...{ index, iteration: trial.iteration, operator, parent: parents[0] ?? null },
        ...{
          metadata: { parents, note },
          accepted: trial.accepted,
          reason: trial.reason,
          calls: trial.calls,
        },
        prompt,
        seen: results.size,
        validation: results.size > 0
          ? share([...results.values()].map((r) => r.score)).toFixed(9)
          : undefined,
      })),
    );
    deepEqual(
      await rows(
        db,
        `select i.index, p.version from iterations i join prompts p on p.id = i.incumbent_id
          where i.experiment_id = $1 order by i.index`,
        setup.id,
      ),
      [...new Set(bare.map(({ iteration }) => iteration))].map((index) => ({
        index,
        version: bare.findLast(({ accepted, iteration }) => accepted && iteration <= index)!.candidate.index,
      })),
    );

    deepEqual([experiment.status, experiment.stop_reason, experiment.error], ["finished", ending, null]);
    deepEqual([experiment.before, experiment.after, experiment.cached], [0, best, 0]);
    ok(experiment.seconds > 0 && experiment.ended_at! >= experiment.started_at);
    const scores = (of: number) => answers.filter(({ version }) => version === of).map(({ score }) => score);
    deepEqual([...new Set(answers.map(({ version }) => version))], [0, best]);
    for (const { version, value, n, ci_low, ci_high } of metrics) {
      deepEqual([scores(version).length, n, value], [16, 16, share(scores(version))]);
      deepEqual([ci_low, ci_high], wilson(value * n, n));
    }
    const differences = scores(best).map((score, i) => score - scores(0)[i]!);
    equal(experiment.improvement, share(differences));
    const [won, lost] = [1, -1].map((d) => differences.filter((difference) => difference === d).length);
    equal(experiment.p_value, mcnemar(won!, lost!));
  }
});

Deno.test("runExperiment() asks with a prompt's bias, in the search and for the claim", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const primary = simulated(apprentice), seedPrompt = { systemPrompt: "Sort.", outputPrompt: "", demos: [] };
  const { setup: { dataset } } = await run(db, {
    primary: { ...primary, tokensOf: (text) => Promise.resolve([`${text.length}`]) },
    seedPrompt: { ...seedPrompt, bias: { entity: 2 } },
    search: { target: 1, maxIterations: 1 },
  });
  const asked = ({ question }: { question: string }) => JSON.stringify(messages(seedPrompt, question));
  const { validation, test } = dataset;
  for (const [questions, least] of [[validation, 10], [test, 16]] as const) {
    const own = new Set(questions.map(asked));
    const biases = primary.asked.filter((request) => own.has(JSON.stringify(request.messages))).map((r) =>
      r.bias
    );
    ok(biases.length >= least);
    for (const bias of biases) deepEqual(bias, { 6: 2 });
  }
});

Deno.test("runExperiment() calibrates with a model that leans, and goes on with no other", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { train } = await questionTypes(),
    labels = [...new Set(train.map(({ references: [label] }) => label!))].sort();
  const lean = (version: string, fate?: Fate) =>
    leaning(simulated(apprentice, { version, ...fate && { fate } }), labels);
  const whole = await run(db, { ...pair("lean"), primary: lean("lean") });
  const [best] = whole.record.trials.filter(({ accepted }) => accepted).slice(-1);
  equal(best!.operator, "calibrate");
  deepEqual(Object.keys(best!.bias!).sort(), labels);
  ok(whole.record.experiment.after! - whole.record.experiment.before! > 0.3);

  const stop = new AbortController(), calls = whole.record.experiment.calls;
  let seen = 0;
  const fate: Fate = () => {
    if (++seen === calls - 60) stop.abort();
  };
  const begin = await begun(db, {
    ...{ ...pair("cut lean"), primary: lean("cut lean", fate), around: { stop: stop.signal } },
  });
  equal(await runExperiment(...begin), "interrupted");
  await rejects(
    resume(db, begin),
    /^ProviderError: Cannot go on as local must tell tokens.*, and resume$/,
  );
  const { record } = await resume(db, begin, { primary: lean("cut lean") });
  deepEqual(essence(record), essence(whole.record));
  equal(record.experiment.calls, calls);
});

Deno.test("runExperiment() says once whether it calibrates, whatever the model's server says later", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const labels = [...new Set((await questionTypes()).train.map(({ references: [label] }) => label!))].sort();
  const able = (version: string, tells: () => boolean | "down") => {
    const model = leaning(simulated(apprentice, { version }), labels);
    return {
      ...model,
      async tokensOf(text: string) {
        const told = tells();
        if (told === "down") throw new ProviderError("Cannot ask", { status: 503 });
        return told ? await model.tokensOf!(text) : null;
      },
    };
  };
  const biased = ({ trials }: ExperimentRecord) => trials.some(({ bias }) => bias !== null);
  const plain = await run(db, { ...pair("mute"), primary: able("mute", () => false) });
  equal(biased(plain.record), false);
  const begin = await begun(db, { ...pair("able"), primary: able("able", () => false) });
  await runExperiment(...begin);
  const resumed = await resume(db, begin, { primary: able("able", () => true) });
  deepEqual(essence(resumed.record), essence(plain.record));

  // One that is still starting is waited for with a call, and then asked again.
  const whole = await run(db, { ...pair("whole"), primary: able("whole", () => true) });
  let started = false;
  const primary = able("starting", () => started || "down");
  const starting = {
    ...primary,
    complete(...args: Parameters<typeof primary.complete>) {
      started = true;
      return primary.complete(...args);
    },
  };
  const { record } = await run(db, { ...pair("starting"), primary: starting });
  ok(biased(whole.record));
  deepEqual(essence(record), essence(whole.record));
});

Deno.test("runExperiment() counts what the models saw, and asks the test questions last, for two prompts", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { primary, optimizer } = pair("spied");
  const { setup: { dataset, seedPrompt }, record } = await run(db, { primary, optimizer });
  deepEqual(
    record.bill.map(({ role, calls, failed, lost }) => [role, calls, failed, lost]),
    [["primary", primary.asked.length, 0, 0], ["optimizer", optimizer.asked.length, 0, 0]],
  );
  deepEqual(
    record.bill.map((row) => row.prompt_tokens + row.completion_tokens),
    [primary.served.tokens, optimizer.served.tokens],
  );
  const keys = await rows<{ key: string }>(db, "select key from calls where state = 'answered'");
  deepEqual(
    keys.map(({ key }) => key).sort(),
    [primary, optimizer].flatMap((model) => model.asked.map((asked) => completionKey(model.identity, asked)))
      .sort(),
  );

  const best = record.trials[record.experiment.after!]!;
  const bestPrompt = promptOf(best);
  const isTest = (text: string) => dataset.test.some(({ question }) => text.includes(question));
  const sent = primary.asked.map(({ messages }) => messages);
  const first = sent.findIndex((chat) => isTest(chat.at(-1)!.content));
  const asText = (chats: unknown[]) => chats.map((chat) => JSON.stringify(chat)).sort();
  deepEqual(
    asText(sent.slice(first)),
    asText(
      [seedPrompt, bestPrompt].flatMap((prompt) =>
        dataset.test.map(({ question }) => messages(prompt, question))
      ),
    ),
  );
  ok(!sent.slice(0, first).some((chat) => chat.some(({ content }) => isTest(content))));
  ok(!optimizer.asked.some(({ messages }) => messages.some(({ content }) => isTest(content))));
  ok(optimizer.asked.length > 0);
});

Deno.test("runExperiment() gives the same trials for the same seed, in whatever order the answers arrive", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const late = (jitter: Random): Fate => () => delay(3 * jitter());
  const runs = [];
  for (const [concurrency, seed] of [[1, 1], [5, 1], [64, 1], [16, 2]] as const) {
    const models = pair(`${concurrency}`, concurrency === 1 ? undefined : late(random(concurrency)));
    runs.push(essence((await run(db, { ...models, seed, around: { concurrency } })).record));
  }
  deepEqual(runs[1], runs[0]);
  deepEqual(runs[2], runs[0]);
  notDeepEqual(runs[3]!.trials, runs[0]!.trials);
});

Deno.test("runExperiment() ends at every cap without passing it, and keeps enough for the claim", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  for (
    const [cap, at] of [
      ["calls", 150],
      ["tokens", 60_000],
      ["cost", 9_000_000_000n],
      ["seconds", 20],
    ] as const
  ) {
    let now = 0;
    const { primary, optimizer } = pair(`${cap} ${at}`, async () => {
      await delay(1);
      now += 100;
    });
    const { setup, reason, record } = await run(db, {
      primary,
      optimizer,
      caps: { [cap]: at },
      search: { target: 1, maxIterations: 100, patience: 100 },
      around: { elapsed: () => now },
    });
    const name = `${cap} ${at}`;
    deepEqual([reason, record.experiment.status], ["budget", "finished"], name);
    ok(record.experiment.after! > 0, name);
    deepEqual(record.metrics.map(({ n }) => n), [16, 16], name);
    equal(record.experiment.test_n, 16, name);

    const spent = {
      calls: primary.asked.length + optimizer.asked.length,
      tokens: primary.served.tokens + optimizer.served.tokens,
      cost: BigInt(Math.round(record.experiment.cost_usd * 1e12)),
      seconds: now / 1000,
    };
    ok(spent[cap] <= at, `${name}: ${spent[cap]}`);
    ok(Number(spent[cap]) > 0.7 * Number(at) - 60, `${name} is used: ${spent[cap]}`);
    const unsent = record.bill.reduce((sum, { failed }) => sum + failed, 0); // announced, and too late to be sent
    equal(record.experiment.calls - unsent, spent.calls, name);
    ok(unsent === 0 || cap === "seconds", `${name}: ${unsent} not sent`);
    const isTest = primary.asked.map(({ messages }) =>
      setup.dataset.test.some(({ question }) => messages.at(-1)!.content.includes(question))
    );
    equal(
      isTest.lastIndexOf(false),
      isTest.indexOf(true) - 1,
      `${name}: nothing but test after the first test`,
    );
  }
});

Deno.test("runExperiment() spends what a cap leaves for the claim on the same questions under both prompts", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const dataset = await questionTypes({ train: 32, validation: 32, test: 150 });
  for (
    const [cap, at, least] of [["tokens", 60_000, 15], ["cost", 9_000_000_000n, 15], [
      "seconds",
      60,
      15,
    ]] as const
  ) {
    let now = 0;
    const { record } = await run(db, {
      ...pair(`claim ${cap}`, async () => {
        await delay(1);
        now += 100;
      }),
      dataset,
      caps: { calls: 800, [cap]: at },
      search: { target: 1, maxIterations: 100, patience: 100 },
      around: { elapsed: () => now },
    });
    const [before, after] = record.metrics;
    const asked = (version: number) =>
      record.answers.filter((row) => row.version === version).map(({ example }) => example);
    ok(before!.n === after!.n && after!.n >= least && after!.n < 120, `${cap}: ${before!.n}, ${after!.n}`);
    equal(record.experiment.test_n, after!.n, cap);
    deepEqual(asked(before!.version), asked(after!.version), cap);
  }
});

Deno.test("runExperiment() leaves nothing of the search under way when the claim begins", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  let [now, places] = [0, 0];
  const chatty: Operator = {
    name: "chatty",
    practises: 0,
    asks: 2,
    applies: () => true,
    async propose({ ask }) {
      const place = places++;
      for (const turn of ["first", "second"]) await ask([{ role: "user", content: `${place}, ${turn}` }]);
      return { refused: "talked only" };
    },
  };
  const asked = Promise.withResolvers<void>();
  const optimizer = simulated(author, {
    fate: async (_, n) => {
      if (n === 3) asked.resolve();
      await asked.promise;
      if (n === 1) now = 71_000; // of which the claim has 30 seconds: the search has ended
      else if (n === 2) await delay(30);
      else throw new ProviderError("busy", { status: 503, retryAfterMs: 15 });
    },
  });
  const primary = simulated(apprentice, { fate: () => delay(now > 0 ? 60 : 0) }); // a claim that takes its time
  const { reason, record } = await run(db, {
    primary,
    optimizer,
    caps: { seconds: 100 },
    search: { operators: [chatty], breadth: 3, opening: 3 },
    around: { elapsed: () => now, retry: { random: random(1), maxRetries: 1 } },
  });
  equal(reason, "budget");
  deepEqual(optimizer.asked.map(({ messages }) => messages[0]!.content), [
    "0, first",
    "1, first",
    "2, first",
  ]);
  equal(record.metrics[0]!.n, 16);
});

Deno.test("runExperiment() measures fewer test questions where the calls are few, the same ones for both prompts", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { primary, optimizer } = pair("few");
  const { record } = await run(db, { primary, optimizer, caps: { calls: 80 } });
  deepEqual(record.metrics.map(({ n }) => n), [12, 12]); // 30 of 100, for two prompts
  equal(record.experiment.test_n, 12);
  for (const calls of [1, 2, 12]) {
    const models = pair(`few ${calls}`);
    const { record, reason } = await run(db, { ...models, caps: { calls } });
    equal(reason, "budget");
    ok(models.primary.asked.length <= calls);
    deepEqual(record.metrics.map(({ version, n }) => [version, n]), [[0, 1]]);
  }
});

Deno.test("runExperiment() is interrupted at any call, and resumed ends as if it had not been", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const whole = await run(db, pair("whole"));
  const calls = whole.record.experiment.calls;
  for (const cut of [1, 57, calls - 60, calls - 20]) {
    const stop = new AbortController();
    let seen = 0;
    const fate: Fate = () => {
      if (++seen === cut) stop.abort();
    };
    const first = pair(`cut ${cut}`, fate);
    const begin = await begun(db, { ...first, around: { stop: stop.signal } });
    equal(await runExperiment(...begin), "interrupted");
    const cutOff = await readExperiment(db, begin[0].id);
    deepEqual([cutOff.experiment.status, cutOff.experiment.stop_reason, cutOff.experiment.improvement], [
      "interrupted",
      "interrupted",
      null,
    ]);
    ok(seen < cut + 16, `${cut}: ${seen} calls`);

    const second = await resume(db, begin);
    const asked = ({ primary, optimizer }: Pick<typeof second, "primary" | "optimizer">) =>
      [...primary.asked, ...optimizer.asked].map((request) => JSON.stringify(request));
    const before = new Set(asked(first));
    deepEqual(asked(second).filter((request) => before.has(request)), [], "nothing is asked twice");
    equal(before.size + asked(second).length, calls);
    equal(second.record.experiment.calls, calls);
    deepEqual(essence(second.record), essence(whole.record));
    const { seconds } = cutOff.experiment;
    ok(second.record.experiment.seconds > 0 && seconds > 0);
  }
});

Deno.test("runExperiment() gives calls in flight some grace, then ends them and keeps them as failed", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const stop = new AbortController();
  const hang: Fate = (_, n, signal) =>
    n < 30 ? undefined : new Promise((_, reject) => {
      signal!.addEventListener("abort", () => reject(signal!.reason));
      if (n === 30) stop.abort();
    });
  const begin = await begun(db, { ...pair("hang", hang), around: { stop: stop.signal, graceMs: 20 } });
  equal(await runExperiment(...begin), "interrupted");
  const { experiment, bill } = await readExperiment(db, begin[0].id);
  deepEqual([experiment.status, bill[0]!.lost], ["interrupted", 0]);
  ok(bill[0]!.failed > 0);
  equal((await resume(db, begin)).record.experiment.status, "finished");

  const late = new AbortController();
  late.abort();
  const models = pair("never");
  equal((await run(db, { ...models, around: { stop: late.signal } })).reason, "interrupted");
  equal(models.primary.asked.length, 0);
});

Deno.test("runExperiment() says that it is alive while its calls hang", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  let id = "";
  const beats = new Set<number>();
  const untilAlive: Fate = async (_, n) => {
    for (let tries = 0; n === 20 && beats.size < 3; tries++) {
      ok(tries < 500, "no heartbeat");
      const [row] = await rows<{ at: Date }>(
        db,
        "select heartbeat_at as at from experiments where id = $1",
        id,
      );
      beats.add(row!.at.getTime());
      await delay(5);
    }
  };
  const [setup, around] = await begun(db, { ...pair("alive", untilAlive), around: { beatMs: 10 } });
  id = setup.id;
  await runExperiment(setup, around);
  equal(beats.size, 3);
});

Deno.test("runExperiment() fails with what cannot be mended, and sends nothing more", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const table: [Error, "primary" | "optimizer"][] = [
    [new ProviderError("Cannot ask as the key is wrong", { status: 401 }), "primary"],
    [new ProviderError("Cannot ask as there is no such model", { status: 404 }), "optimizer"],
    [new Error("a fault of ours"), "primary"],
  ];
  for (const [error, role] of table) {
    const models = pair(error.message);
    const fail: Fate = (_, n) => {
      if (role === "optimizer" || n === 25) throw error;
    };
    const broken = {
      ...models,
      [role]: simulated(role === "primary" ? apprentice : author, { version: error.message, fate: fail }),
    };
    const begin = await begun(db, {
      ...broken,
      around: { concurrency: 4 },
    });
    await rejects(runExperiment(...begin), error);
    const sent = () => broken.primary.asked.length + broken.optimizer.asked.length;
    const atTheEnd = sent();
    await delay(50);
    equal(sent(), atTheEnd);
    const { experiment, bill, metrics } = await readExperiment(db, begin[0].id);
    deepEqual([experiment.status, experiment.stop_reason, metrics], ["failed", null, []]);
    equal(experiment.error, error.message);
    equal(bill.reduce((sum, { lost }) => sum + lost, 0), 0);
    if (role === "primary") {
      const { length } = broken.primary.asked;
      ok(length < 25 + 2 * 4, `${length} were sent`); // others were in flight, and while this one was written down
    }
    equal((await resume(db, begin)).record.experiment.status, "finished");
  }
});

Deno.test("runExperiment() leaves nothing under way when it fails", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const talking = (...texts: string[]) => async ({ ask }: Context) => {
    for (const content of texts) await ask([{ role: "user", content }]);
    return { refused: "talked only" };
  };
  const places: Operator["propose"][] = [
    talking("in flight", "never sent"),
    talking("longer in flight"),
    talking("waits for its second attempt"),
    async () => {
      await delay(30);
      throw new Error("a fault of an operator");
    },
  ];
  const faulty: Operator = {
    name: "faulty",
    practises: 0,
    asks: 2,
    applies: () => true,
    propose: (context) => places.shift()!(context),
  };
  const optimizer = simulated(author, {
    fate: ({ messages: [message] }) => {
      if (message!.content === "in flight") return delay(50);
      if (message!.content === "longer in flight") return delay(100);
      throw new ProviderError("busy", { status: 503 });
    },
  });
  let woken = false;
  const sleep: Sleep = (_, signal) =>
    new Promise((_, reject) =>
      signal!.addEventListener("abort", () => {
        woken = true;
        reject(signal!.reason);
      })
    );
  const [setup, around] = await begun(db, {
    optimizer,
    search: { operators: [faulty], breadth: 4, opening: 4 },
    around: { retry: { random: random(1), maxRetries: 1, sleep } },
  });
  await rejects(runExperiment(setup, around), /a fault of an operator/);
  equal(woken, true);
  deepEqual(
    (await readExperiment(db, setup.id)).bill.map((
      { role, calls, failed, lost },
    ) => [role, calls, failed, lost]),
    [["primary", 10, 0, 0], ["optimizer", 3, 1, 0]],
  );
  await delay(20);
  equal(optimizer.asked.length, 3);
});

Deno.test("runExperiment() counts a question that the provider refuses for nobody", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { test, validation } = await questionTypes({ train: 40, validation: 40, test: 16 });
  const filtered = [test[3]!, test[9]!, validation[1]!, validation[30]!];
  const refuse: Fate = ({ messages }) => {
    const { content } = messages.at(-1)!;
    if (filtered.some(({ question }) => content.includes(question))) {
      throw new ProviderError("filtered", { status: 400 });
    }
  };
  const { record, setup } = await run(db, pair("filtered", refuse));
  deepEqual(record.metrics.map(({ n }) => n), [14, 14]);
  equal(record.experiment.test_n, 14);
  const scored = await rows<{ key: string }>(
    db,
    `select distinct e.key from scores s join examples e on e.id = s.example_id where e.split <> 'train'`,
  );
  deepEqual(scored.filter(({ key }) => filtered.some(({ id }) => id === key)), []);
  equal(
    record.bill[0]!.failed,
    (await rows(db, "select from calls where experiment_id = $1 and error = 'filtered'", setup.id)).length,
  );
  ok(record.bill[0]!.failed >= 4 && record.experiment.after! > 0);
});

Deno.test("runExperiment() throws when a write fails, tears nothing, and can be resumed", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const whole = await run(db, pair("whole"));
  await db.query(`create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'no room on the disk'; end $$`);
  const table = [
    ["trials", "insert", "new.index = 8"],
    ["scores", "insert", "true"],
    ["calls", "insert", "new.role = 'optimizer'"],
    ["calls", "update", "new.role = 'optimizer'"],
    ["metrics_records", "insert", "true"],
    ["comparisons", "insert", "true"],
    ["experiments", "update", "new.status in ('finished', 'failed')"],
  ] as const;
  for (const [table_, event, when] of table) {
    const name = `${event} of ${table_} where ${when}`;
    const begin = await begun(db, pair(name));
    await db.query(
      `create trigger refuse before ${event} on ${table_} for each row when (${when}) execute function refuse()`,
    );
    await rejects(runExperiment(...begin), /no room on the disk/, name);
    await db.query(`drop trigger refuse on ${table_}`);

    const { experiment, trials, bill } = await readExperiment(db, begin[0].id);
    if (table_ !== "experiments") {
      deepEqual([experiment.status, experiment.error], ["failed", "no room on the disk"], name);
    }
    equal(experiment.improvement, null, name); // also where it was made, and the run has not ended by it
    const [counts] = await rows<{ prompts: number; iterations: number }>(
      db,
      `select (select count(*) from prompts where experiment_id = $1) as prompts,
              (select count(distinct iteration_id) from trials where experiment_id = $1) as iterations`,
      begin[0].id,
    );
    equal(counts!.prompts, trials.length, name);
    if (when.includes("8")) ok(trials.length > 0 && trials.length <= 8, name);
    ok(bill.reduce((sum, { lost }) => sum + lost, 0) === 0 || event === "update", name);
    deepEqual(essence((await resume(db, begin)).record), essence(whole.record), name);
  }

  await db.query(
    `create trigger refuse before update on experiments for each row when (new.status = 'failed') execute function refuse()`,
  );
  const denied = new ProviderError("Cannot ask as the key is wrong", { status: 401 });
  const deny: Fate = () => {
    throw denied;
  };
  await rejects(run(db, pair("denied", deny)), denied, "the first error is the one to mend");
});

Deno.test("runExperiment() resumed with other caps is the run with those caps, and keeps no row of the other", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const caps = (calls: number, maxIterations = 4) => ({
    caps: { calls },
    search: { target: 1, maxIterations, patience: 6 },
  });
  const all = async (id: string) => ({
    ...essence(await readExperiment(db, id)),
    scores: await rows(
      db,
      `select p.version, e.key, s.value
         from scores s join prompts p on p.id = s.prompt_id join examples e on e.id = s.example_id
        where p.experiment_id = $1
        order by p.version, e.key`,
      id,
    ),
    kept: await rows(
      db,
      `select (select count(*) from prompts where experiment_id = $1) as prompts,
              (select count(*) from iterations where experiment_id = $1) as iterations,
              (select count(*) from metrics_records where experiment_id = $1) as measurements`,
      id,
    ),
  });
  const table = [
    [caps(280), caps(900)],
    [caps(900), caps(900, 1)],
    [caps(900), caps(1)],
  ] as const;
  for (const [i, [before, after]] of table.entries()) {
    const whole = await run(db, { ...pair(`${i} whole`), ...after });
    const begin = await begun(db, { ...pair(`${i}`), ...before });
    await runExperiment(...begin);
    await resume(db, begin, after);
    deepEqual(await all(begin[0].id), await all(whole.setup.id), `${i}`);
  }

  // What was spent counts: fewer calls than that leave none to measure another best prompt with.
  const slowly = (calls: number) => ({
    ...caps(calls),
    search: {
      target: 1,
      maxIterations: 12,
      patience: 12,
      opening: 1,
      breadth: 3,
      limits: { demos: 4, characters: 12_000 },
    },
  });
  const begin = await begun(db, { ...pair("spent"), ...slowly(900) });
  await runExperiment(...begin);
  const { trials } = await readExperiment(db, begin[0].id);
  const last = trials.findLast(({ accepted }) => accepted)!;
  const earlier = Math.max(
    ...trials.filter(({ iteration }) => iteration < last.iteration).map(({ calls }) => calls),
  );
  const { record } = await resume(db, begin, slowly(earlier + 2 * 16 + 5)); // as many as the claim takes, and no heat
  ok(record.trials.findLast(({ accepted }) => accepted)!.index > 0);
  deepEqual([record.experiment.stop_reason, record.experiment.after], ["budget", null]);
  deepEqual(record.metrics.map(({ version }) => version), [0]);
  deepEqual([...new Set(record.answers.map(({ version }) => version))], [0]);
});

Deno.test("runExperiment() that comes to other prompts, and is cut off, has no score of a prompt that is no more", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const begin = await begun(db, { ...pair("cut"), caps: { calls: 2000 } });
  await runExperiment(...begin);
  const stop = new AbortController();
  const onProgress = ({ phase, iteration }: Progress) =>
    phase === "primary_inference" && iteration === 2 && stop.abort();
  const updated = { ...begin[0], seed: 2 }; // as another version of this program may
  equal(await runExperiment(updated, { ...begin[1], stop: stop.signal, onProgress }), "interrupted");
  const scored = await rows<PromptRow & { question: string; sent: Message[] }>(
    db,
    `select p.system_prompt, p.output_prompt, p.demos, p.bias, e.question, c.request -> 'messages' as sent
       from scores s
       join prompts p on p.id = s.prompt_id
       join examples e on e.id = s.example_id
       join completions c on c.key = s.completion_key
      where e.split = 'validation'`,
  );
  ok(scored.length > 100);
  for (const { question, sent, ...row } of scored) deepEqual(sent, messages(promptOf(row), question));
});

Deno.test("runExperiment() replayed shows no less while it is on, and twice at once", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const begin = await begun(db, pair("twice"));
  await runExperiment(...begin);
  const whole = essence(await readExperiment(db, begin[0].id));
  for (const { record } of await Promise.all([resume(db, begin), resume(db, begin)])) {
    deepEqual(essence(record).trials, whole.trials);
    deepEqual(essence(record).answers, whole.answers);
  }
  const stop = new AbortController();
  const onProgress = ({ asked }: Progress) => asked === 30 && stop.abort();
  equal(await runExperiment(begin[0], { ...begin[1], stop: stop.signal, onProgress }), "interrupted");
  deepEqual(essence(await readExperiment(db, begin[0].id)), {
    ...{ ...whole, status: "interrupted", stop_reason: "interrupted" },
    ...{ before: null, after: null, improvement: null, low: null, high: null, p: null, test: null },
  });
});

Deno.test("runExperiment() replayed writes no row again, and mends those that are not as they were", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const begin = await begun(db, pair("kept"));
  await runExperiment(...begin);
  const rows = async (what: string) => {
    const selects = ["prompts", "iterations", "trials", "scores"].map((table) =>
      `select array_agg((${what})::text order by (${what})::text) as rows from ${table} t`
    );
    return (await db.query(selects.join(" union all "))).rows;
  };
  const written = "ctid", said = "to_jsonb(t) - 'created_at'";
  const [places, whole] = [await rows(written), await rows(said)];
  await resume(db, begin);
  deepEqual(await rows(written), places);

  const changes = [
    "update scores set value = 0.5",
    "update iterations set incumbent_id = (select id from prompts where version = 0)",
    "update trials set reason = 'another'",
    "update prompts set output_prompt = 'another' where version > 0",
    "delete from trials where index = (select max(index) from trials)",
  ];
  for (const change of changes) {
    ok((await db.query(change)).rowCount > 0, change);
    await resume(db, begin);
    deepEqual(await rows(said), whole, change);
  }
});

Deno.test("runExperiment() pays a judge from the same budget, two calls for a scored question", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  for (const calls of [240, 600]) {
    const { primary, optimizer } = pair(`judged ${calls}`);
    const grader = simulated(judge, { version: `${calls}` });
    const [setup, around] = await begun(db, {
      primary,
      optimizer,
      metric: { judge: grader },
      caps: { calls },
    });
    let asked = 0;
    await runExperiment(setup, { ...around, onProgress: (now) => asked = now.asked });
    const record = await readExperiment(db, setup.id);
    equal(asked, record.experiment.calls); // however many equal answers were graded
    const bill = Object.fromEntries(record.bill.map(({ role, calls }) => [role, calls]));
    equal(bill.grader, grader.asked.length);
    ok(grader.asked.length > 0);
    ok(grader.asked.length + primary.asked.length + optimizer.asked.length <= calls);
    deepEqual(record.metrics.map(({ n }) => n), [16, 16]);
    equal(record.metrics[0]!.signature, "judge|model:local|marks:0-10|version:0.1.0");
    const right = record.answers.filter(({ answer, reference_texts }) =>
      reference_texts.includes(answer.trim())
    );
    deepEqual(record.answers.filter(({ score }) => score === 1), right);
    ok(right.length > 0 && record.experiment.after! > 0);
    equal(setup.dataset.test.length, 16);
  }
});

Deno.test("runExperiment() ends after the first block of answers when not one grade of a judge can be read", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const rows: [calls: number, validation: number, first: number][] = [
    [600, 40, 10],
    [10, 40, 1], // too few for a search: it is said of the claim
    [600, 6, 6], // too few in the first block to tell: the race says more
  ];
  for (const [calls, validation, first] of rows) {
    const dataset = await questionTypes({ train: 40, validation, test: 16 });
    const { primary, optimizer } = pair(`rambled at ${calls}, ${validation}`);
    const grader = simulated(() => "Ten out of ten!", { version: `${calls}, ${validation}` });
    const begin = await begun(db, {
      ...{ dataset, primary, optimizer, metric: { judge: grader }, caps: { calls } },
    });
    await rejects(runExperiment(...begin), {
      ...{ name: "ProviderError", retryable: false, fatal: false }, // of a sweep the others go on
      message: /as none of \d+ could be read: each must be {"score": N}, got "Ten out of ten!": begin anew /,
    });
    const { experiment, metrics } = await readExperiment(db, begin[0].id);
    deepEqual([experiment.status, experiment.stop_reason, metrics], ["failed", "unreadable", []]);
    if (validation === 40) deepEqual([primary.asked.length, grader.asked.length], [first, first]);
    else equal(primary.asked.length, (1 + 16) * first); // the challengers' first heat, and no more
  }
});

Deno.test("runExperiment() tells at its end how many grades could not be read", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { primary, optimizer } = pair("rambled at times");
  const grader = simulated((messages) =>
    JSON.parse(messages.at(-1)!.content).question.length % 7 === 0 ? "Ten out of ten!" : judge(messages)
  );
  const told: Unreadable[] = [];
  const [setup, around] = await begun(db, { primary, optimizer, metric: { judge: grader } });
  await runExperiment(setup, { ...around, onUnreadable: (grades) => told.push(grades) });
  const { metrics } = await readExperiment(db, setup.id);
  const { length: unread } = setup.dataset.test.filter(({ question }) => question.length % 7 === 0);
  equal(told.length, 1);
  match(
    told[0]!.text,
    new RegExp(`^local gave ${told[0]!.count} of \\d+ answers no grade that can be read: each `),
  );
  ok(unread > 0 && told[0]!.count > 2 * unread); // those of the search as well
  deepEqual(metrics.map(({ n }) => n), [16 - unread, 16 - unread]);
});

Deno.test("runExperiment() ends after the first block when a model spends its tokens before it says anything", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const rows: [calls: number, thought: string, first: number, judged: boolean][] = [
    [600, "", 10, false],
    [600, "<think>\nThis is a", 10, false],
    [10, " \n", 1, false], // too few for a search: it is said of the claim
    [600, "", 10, true],
  ];
  for (const [calls, thought, first, judged] of rows) {
    const { primary, optimizer } = pair(`thought ${thought} at ${calls} ${judged}`);
    const thinker = thoughtful(judged ? simulated(judge) : primary, () => thought);
    const begin = await begun(db, {
      ...judged ? { primary, metric: { judge: thinker } } : { primary: thinker },
      ...{ optimizer, caps: { calls } },
    });
    const [what, tokens, mend] = judged
      ? ["grades", 256, "another model that grades (--optimizer), or with a metric (--metric)"]
      : ["answers", 16, "--answer-tokens 2048"];
    const message =
      `Cannot score anything as local said nothing in any of ${first} ${what}: its ${tokens} tokens ran out ` +
      `first (thinking takes them, too): begin anew with ${mend}`;
    await rejects(runExperiment(...begin), {
      ...{ name: "ProviderError", retryable: false, fatal: false, message },
    });
    const { experiment, metrics } = await readExperiment(db, begin[0].id);
    deepEqual([experiment.stop_reason, experiment.error, metrics], ["unreadable", message, []]);
    equal(thinker.asked.length, first);
  }
});

Deno.test("runExperiment() ends after the first block when a model refuses whatever it is asked", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  for (const judged of [false, true]) {
    const refuse = (): never => {
      throw new ProviderError("Invalid model name", { status: 400 });
    };
    const models = pair(`refused ${judged}`),
      refusing = simulated(judged ? judge : apprentice, { fate: refuse });
    const begin = await begun(db, {
      ...models,
      ...judged ? { metric: { judge: refusing } } : { primary: refusing },
      caps: { calls: 600 },
    });
    const message = "Cannot go on as local refused each of 10 requests, the last one so: Invalid model name";
    const failed = { name: "ProviderError", status: 400, retryable: false, fatal: false, message };
    await rejects(runExperiment(...begin), failed);
    const { experiment, metrics } = await readExperiment(db, begin[0].id);
    deepEqual([experiment.status, experiment.stop_reason, experiment.error], ["failed", null, message]);
    deepEqual(metrics, []);
    equal(refusing.asked.length, 10);
  }
});

Deno.test("runExperiment() tells at its end in how many replies a model said nothing", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const models = pair("thought at times");
  const question = ({ messages }: ModelRequest) => messages.at(-1)!.content;
  const primary = thoughtful(
    models.primary,
    (request) => question(request).length % 7 === 0 ? "" : undefined,
  );
  const optimizer = thoughtful(models.optimizer, () => "");
  const told: string[] = [];
  const [setup, around] = await begun(db, { primary, optimizer });
  await runExperiment(setup, { ...around, onSilent: (line) => told.push(line) });
  const silent = primary.asked.filter((request) => question(request).length % 7 === 0).length;
  const line = (count: string, tokens: number, option: string) =>
    `local said nothing in ${count}: its ${tokens} tokens ran out first (thinking takes them, too): begin anew with ${option} 2048`;
  const proposals = optimizer.asked.length;
  ok(silent > 0 && proposals > 0);
  deepEqual(told, [
    line(`${silent} of ${primary.asked.length} answers`, 16, "--answer-tokens"),
    line(`${proposals} of ${proposals} proposals`, 64, "--optimizer-tokens"),
  ]);
});

Deno.test("runExperiment() counts the seconds of earlier processes", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const models = pair("late");
  const { reason, record } = await run(db, {
    ...models,
    caps: { seconds: 60 },
    around: { secondsBefore: 60, elapsed: () => 0 },
  });
  deepEqual([reason, record.experiment.status, record.experiment.seconds], ["budget", "finished", 60]);
  deepEqual([models.primary.asked.length, record.metrics, record.experiment.improvement], [0, [], null]);
});

Deno.test("runExperiment() on a tape is the recorded run, and any other request is an error", async () => {
  const { primary, optimizer } = pair("taped");
  const recorders = { primary: recorder(primary), optimizer: recorder(optimizer) };
  const recorded = await (async () => {
    await using db = await testDatabase({ folder: MIGRATIONS });
    return (await run(db, recorders)).record;
  })();
  const tapes = {
    primary: tapeModel(recorders.primary.tape()),
    optimizer: tapeModel(recorders.optimizer.tape()),
  };
  await using db = await testDatabase({ folder: MIGRATIONS });
  deepEqual(essence((await run(db, { ...tapes, around: { concurrency: 3 } })).record), essence(recorded));
  await rejects(run(db, { ...tapes, seed: 2 }), /no recording/);
});

Deno.test("runExperiment() reports its phases, its answers and the best score", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const seen: Progress[] = [];
  const [setup, around] = await begun(db, pair("watched"));
  await runExperiment(setup, { ...around, onProgress: (progress) => seen.push(progress) });
  const phases = seen.map(({ phase, iteration }) => `${phase} ${iteration}`);
  deepEqual([phases[0], phases.at(-1)], ["primary_inference 0", "test 2"]);
  deepEqual(
    [...new Set(phases)].filter((phase) => phase.endsWith("1")).map((phase) => phase.split(" ")[0]),
    [
      "primary_inference",
      "baseline_evaluation",
      "optimizer_refine",
      "refined_inference",
      "refined_evaluation",
      "compare_and_log",
    ],
  );
  const { experiment, trials } = await readExperiment(db, setup.id);
  const last = seen.at(-1)!;
  for (const [i, { asked, spent }] of seen.entries()) {
    ok(i === 0 || asked >= seen[i - 1]!.asked);
    ok(spent.calls >= asked, "no answer before its call"); // nothing was in the store
  }
  equal(last.spent.calls, experiment.calls);
  equal(last.asked, experiment.calls);
  ok(last.asked > trials.at(-1)!.calls);
  const best = trials[experiment.after!]!;
  ok(Math.abs(last.best.score - best.validation!) < 1e-9);
  equal(last.best.n, best.questions_seen);
});
