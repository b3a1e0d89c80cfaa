import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { plainBlas } from "../native/mod.ts";
import { pick, random } from "../random.ts";
import { act, ACTIONS } from "./edits/edit.ts";
import { fingerprint, type Prompt, type Task } from "./edits/prompt.ts";
import { type Environment, vectorize } from "./environment.ts";
import { type Look, observer } from "./observation.ts";
import { ppo } from "./ppo.ts";
import { editJournal, promptEnv } from "./prompt_env.ts";
import { evaluatePolicy, finish } from "./training.ts";

const labels = ["animal", "plant", "stone"];
const task: Task = {
  train: labels.flatMap((label) =>
    [1, 2, 3].map((n) => ({ question: `Is thing ${n} a ${label}?`, references: [label] }))
  ),
  space: { kind: "labels", labels },
  limits: { demos: 4, characters: 2000 },
};
const startPrompts: Prompt[] = [
  { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
  {
    systemPrompt: "You are a very kind guide. It is important to note that you should help. Name the class.",
    outputPrompt: "Please answer.",
    demos: [],
  },
  {
    systemPrompt:
      "Rules: 1) read it, 2) decide, 3) reply. Never guess. You like walks in the park with {name}.",
    outputPrompt: "",
    demos: [],
  },
];
const columns = ["system_length", "output_length", "demo_count"];
const row = (
  { systemPrompt, outputPrompt, demos }: Prompt,
) => [systemPrompt.length, outputPrompt.length, demos.length];
const sync = (): Look => observer({ columns, features: row, space: task.space });
/** Answers a while later, the first last. */
const slow = (): Look => {
  let waiting = 5;
  const features = async (prompt: Prompt) => {
    await new Promise((resolve) => setTimeout(resolve, waiting = Math.max(0, waiting - 1)));
    return row(prompt);
  };
  return observer({ columns, features, space: task.space });
};

const action = (name: typeof ACTIONS[number]) => ACTIONS.indexOf(name);

Deno.test("promptEnv() edits, and rewards what an edit adds", async () => {
  for (const look of [sync(), slow()]) {
    const environment = promptEnv({ startPrompts, task, look, edits: 6 });
    equal(environment.observationSize, 101);
    equal(environment.actions, 10);
    for (let seed = 0; seed < 60; seed++) {
      const chance = random(seed);
      let observation = await environment.reset(seed), sum = 0;
      const start = environment.prompt, first = (await look(start)).score;
      ok(startPrompts.includes(start));
      for (;;) {
        const before = environment.prompt;
        const step = await environment.step(pick([...ACTIONS.keys()], chance));
        const { score, observation: seen } = await look(environment.prompt);
        sum += step.reward;
        ok(Math.abs(first + sum - score) < 1e-9);
        equal(step.terminated, environment.prompt === before);
        equal(step.truncated, environment.editHistory.length === 6);
        deepEqual(step.observation, seen);
        if (!step.terminated) observation = step.observation;
        else deepEqual([step.reward, step.observation], [0, observation]);
        if (step.terminated || step.truncated) break;
      }
      const { editHistory } = environment;
      editHistory.forEach(({ before, episode }, i) => {
        equal(episode, seed);
        equal(before, i === 0 ? first : editHistory[i - 1]!.after);
      });
    }
  }
});

Deno.test("an episode is a function of its seed and its actions, whoever answers first", async () => {
  const trace = async (look: Look) => {
    const journal = editJournal();
    const environments = vectorize(
      Array.from({ length: 4 }, () => promptEnv({ startPrompts, task, look, edits: 4, journal })),
      random("environments"),
    );
    await environments.reset();
    const chance = random("actions"), rewards: number[] = [];
    for (let t = 0; t < 100; t++) {
      await environments.step(Array.from({ length: 4 }, () => pick([...ACTIONS.keys()], chance)));
      rewards.push(...environments.rewards, ...environments.terminated, ...environments.truncated);
      rewards.push(...environments.observations);
    }
    return { rewards, best: journal.bestPrompts(20) };
  };
  const [one, again] = [await trace(sync()), await trace(slow())];
  deepEqual(one.rewards, again.rewards);
  deepEqual(one.best.map(({ prompt }) => prompt), again.best.map(({ prompt }) => prompt));
});

Deno.test("editJournal() keeps the best prompts with the shortest way to each", async () => {
  const journal = editJournal(), look = sync();
  const environment = promptEnv({ startPrompts: startPrompts.slice(0, 1), task, look, edits: 3, journal });
  const episode = async (...names: (typeof ACTIONS[number])[]) => {
    await environment.reset(1);
    for (const name of names) await environment.step(action(name));
  };
  await episode("add_step_by_step", "add_constraint");
  await episode("add_constraint", "add_step_by_step");
  await episode("add_constraint", "add_constraint");
  const best = journal.bestPrompts(9);
  deepEqual(
    best.map(({ edits }) => edits.map(({ action }) => action)),
    [
      ["add_constraint"], // one more of equal clarity is no better: the fewest edits come first
      ["add_constraint", "add_constraint"],
      ["add_constraint", "add_step_by_step"],
      ["add_step_by_step"],
    ].toSorted((a, b) => score(b) - score(a) || a.length - b.length),
  );
  function score(names: string[]): number {
    return best.find(({ edits }) => edits.map(({ action }) => action).join() === names.join())!.score;
  }
  deepEqual(journal.bestPrompts(2), best.slice(0, 2));
  deepEqual(journal.bestPrompts(0), []);
  equal(journal.editHistory.length, 6);
  for (const { prompt, score, start, edits } of best) {
    equal(score, (await look(prompt)).score);
    equal(score, edits.at(-1)!.after);
    deepEqual(edits.reduce((prompt, { action }) => act(action, prompt, task, random(1)), start), prompt);
  }
});

Deno.test("editJournal() does not grow without end, and forgets the worst", () => {
  const journal = editJournal({ edits: 10, prompts: 5 });
  for (let i = 0; i < 100; i++) {
    const score = i * 37 % 100;
    const prompt = { systemPrompt: `${score}`, outputPrompt: "", demos: [] };
    journal.add({
      prompt,
      score,
      start: prompt,
      edits: [{ episode: i, action: "add_example", before: 0, after: score }],
    });
  }
  ok(journal.editHistory.length <= 20);
  equal(journal.editHistory.at(-1)!.episode, 99);
  deepEqual(journal.bestPrompts(5).map(({ score }) => score), [99, 98, 97, 96, 95]);
  ok(journal.bestPrompts(100).length <= 10);
});

Deno.test("promptEnv() refuses what it cannot do", async () => {
  const look = sync();
  throws(() => promptEnv({ startPrompts: [], task, look }), {
    name: "RangeError",
    message: /at least 1 to start with: got 0$/,
  });
  throws(() => promptEnv({ startPrompts, task, look, edits: 0 }), {
    name: "RangeError",
    message: /edits must be 1 or more: got 0$/,
  });
  const environment = promptEnv({ startPrompts, task, look, edits: 1 });
  throws(() => environment.step(0), /reset must come first$/);
  await environment.reset(1);
  throws(() => environment.step(10), { name: "RangeError", message: /must be one of 0 to 9: got 10$/ });
  await environment.step(0);
  throws(() => environment.step(0), /reset must come first$/); // cut off
  const broken = promptEnv({
    startPrompts,
    task,
    look: observer({ columns, features: () => Promise.reject(new Error("gone")) }),
  });
  await rejects(async () => await vectorize([broken], random(1)).reset(), /gone/);
});

Deno.test("PPO learns to edit: it gains more in an episode than chance does", async () => {
  const look = sync();
  const environment = (): Environment => promptEnv({ startPrompts, task, look });
  const training = ppo(vectorize([environment(), environment()], random("environments")), {
    ...{
      totalTimesteps: 4096,
      nSteps: 512,
      learningRate: 1e-3,
      blas: plainBlas(),
      random: random("training"),
    },
  });
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const returns: number[] = [];
  const policy = await finish(
    training,
    ({ episodes }) => returns.push(mean(episodes.map((episode) => episode.return))),
  );
  const learned = mean(
    await evaluatePolicy(policy, environment(), { episodes: 60, random: random("evaluation") }),
  );
  ok(learned > 2 * returns[0]!, `${learned} after ${returns}`); // the first rollout is nearly chance
});

Deno.test("prompts that are equal are one", () => {
  const [a] = startPrompts;
  equal(fingerprint(a!), fingerprint({ demos: [], outputPrompt: "", systemPrompt: a!.systemPrompt }));
});
