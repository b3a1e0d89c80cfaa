import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { answerSpace, optimize, type Policy } from "../optimize/mod.ts";
import { random } from "../random.ts";
import { act, ACTIONS } from "./edits/edit.ts";
import type { Prompt, Task } from "./edits/prompt.ts";
import { editEpisodes, editPolicy } from "./edit_policy.ts";
import { observer } from "./observation.ts";

const task: Task = {
  train: Array.from(
    { length: 9 },
    (_, i) => ({ question: `Question ${i}?`, references: [i % 2 === 0 ? "yes" : "no"] }),
  ),
  space: { kind: "labels", labels: ["no", "yes"] },
  limits: { demos: 3, characters: 2000 },
};
const look = observer({ columns: [], features: () => Promise.resolve([]), space: task.space });
const prompt: Prompt = { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] };
const liking = (...names: (typeof ACTIONS[number])[]) => () =>
  Promise.resolve(ACTIONS.map((name) => names.includes(name) ? 30 - names.indexOf(name) : 0));

Deno.test("editPolicy() takes the best action until it changes nothing", async () => {
  const rows: [logits: () => Promise<number[]>, edits: number, actions: string[]][] = [
    [liking("add_example"), 8, Array(3).fill("add_example")],
    [liking("add_example"), 2, Array(2).fill("add_example")],
    [liking("remove_text", "add_step_by_step"), 8, ["add_step_by_step"]], // the first edit changes something
    [() => Promise.resolve(Array(10).fill(0)), 8, ["add_constraint", "add_constraint"]], // the first of equals
  ];
  for (const [logits, edits, actions] of rows) {
    const made = await editPolicy({ logits, look, task, edits, greedy: true })({ prompt }, random(1));
    deepEqual(made.actions, actions);
    equal(made.edits[0]!.before, (await look(prompt)).score);
    equal(made.edits.at(-1)!.after, (await look(made.prompt)).score);
  }
});

Deno.test("editPolicy() draws the better actions more often, the same ones from the same seed", async () => {
  const possible = ACTIONS.filter((name, i) => act(name, prompt, task, random(i)) !== prompt);
  const rows: [weights: Record<string, number>, shares: Record<string, number>][] = [
    [{ add_step_by_step: 5, add_reasoning_hint: 4 }, { add_step_by_step: 5, add_reasoning_hint: 4 }], // of e
    [{ add_step_by_step: 0.03, add_reasoning_hint: 0.024 }, { add_step_by_step: 5, add_reasoning_hint: 4 }],
    [{ add_step_by_step: 900, add_reasoning_hint: 720 }, { add_step_by_step: 5, add_reasoning_hint: 4 }],
    [{}, {}], // of equals each
  ];
  for (const [weights, powers] of rows) {
    const edit = editPolicy({
      logits: () => ACTIONS.map((name) => weights[name] ?? 0),
      look,
      task,
      edits: 1,
    });
    const times: Record<string, number> = {};
    for (let seed = 0; seed < 400; seed++) {
      const made = await edit({ prompt }, random(seed));
      if (seed < 20) deepEqual(await edit({ prompt }, random(seed)), made);
      for (const action of made.actions) times[action] = (times[action] ?? 0) + 1;
    }
    const sum = possible.reduce((sum, name) => sum + Math.exp(powers[name] ?? 0), 0);
    for (const name of possible) {
      const share = Math.exp(powers[name] ?? 0) / sum;
      const near = 4 * Math.sqrt(400 * share * (1 - share)); // 4 standard deviations
      ok(Math.abs((times[name] ?? 0) - 400 * share) < near, `${name} of ${JSON.stringify([weights, times])}`);
    }
  }
});

Deno.test("editEpisodes() begins at start prompts, each episode by chance of its own", async () => {
  const other: Prompt = { ...prompt, systemPrompt: "Please answer." };
  const edit = editPolicy({ logits: () => Array(ACTIONS.length).fill(0), look, task, edits: 2 });
  const given = { episodes: 30, random: random(1) };
  const made = await editEpisodes(edit, [prompt, other], given);
  deepEqual(await editEpisodes(edit, [prompt, other], given), made);
  const begun = new Set(made.map(({ edits }) => edits[0]!.before));
  deepEqual(begun, new Set([(await look(prompt)).score, (await look(other)).score]));
  ok(new Set(made.map(({ actions }) => actions.join())).size > 5);
  for (const { prompt, edits, gain } of made) equal(gain, (await look(prompt)).score - edits[0]!.before);
});

Deno.test("editPolicy() sees each prompt as it is edited", async () => {
  const seen: number[] = [];
  const logits = (observation: Float32Array) => (seen.push(observation.at(-1)!), ACTIONS.map((_, i) => -i));
  const { edits } = await editPolicy({ logits, look, task, greedy: true })({ prompt }, random(1));
  deepEqual(
    seen.map((score) => score.toFixed(6)),
    [edits[0]!.before, ...edits.map(({ after }) => after)].map((score) => score.toFixed(6)),
  );
});

Deno.test("editPolicy() leaves a prompt that no action changes", async () => {
  const bare: Prompt = { systemPrompt: "", outputPrompt: "", demos: [] };
  const nothing: Task = { train: [], limits: { demos: 0, characters: 0 } };
  const made = await editPolicy({ logits: liking(), look, task: nothing })({ prompt: bare }, random(1));
  deepEqual(made, { prompt: bare, actions: [], edits: [], gain: 0 });
});

Deno.test("editPolicy() is the operator `edit` of a search", async () => {
  const examples = task.train.map(({ question, references }, i) => ({
    id: `${i}`,
    question,
    references: [...references],
  }));
  const policy: Policy = editPolicy({
    ...{ logits: liking("add_constraint"), look, edits: 1, greedy: true },
    task: { ...task, train: examples, space: answerSpace(examples) },
  });
  const search = optimize({
    ...{
      seedPrompt: prompt,
      train: examples.slice(0, 4),
      validation: examples.slice(4),
      random: random(1),
      policy,
    },
    answer: (prompt, { references }) =>
      Promise.resolve({
        text: prompt.outputPrompt.includes("one of: no, yes") ? references[0]! : "?",
        completion: "",
      }),
    score: (answer, { references }) => references.includes(answer) ? 1 : 0,
    ask: () => Promise.resolve({ text: "", finish: "stop", usage: null }),
  });
  const notes: string[] = [];
  for await (const { candidate } of search) if (candidate.operator === "edit") notes.push(candidate.note);
  ok(notes.includes("add_constraint"), JSON.stringify(notes));
});
