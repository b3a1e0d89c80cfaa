import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { clarity } from "./clarity.ts";
import type { Prompt } from "./edits/prompt.ts";
import { OBSERVATION_SIZE, observer } from "./observation.ts";

const of = (systemPrompt: string): Prompt => ({ systemPrompt, outputPrompt: "", demos: [] });

Deno.test("observer() brings features to a size that a network can begin with", async () => {
  const rows: [column: string, value: number, scaled: number][] = [
    ["system_length", 0, 0],
    ["system_length", 12_000, 1],
    ["output_words", 2000, 1],
    ["output_words", 43.732, 0.5], // √2001 - 1
    ["demo_count", 16, 1],
    ["demo_mean_length", 12_000, 1],
    ["demo_balance", 0.7, 0.7],
    ["calibrated", 1, 1],
    ["system_embedding_20", 0.0510310, 1],
    ["system_embedding_1", -0.0510310, -1],
    ["another", 100, 1],
    ["another", -100, -1],
  ];
  const look = observer({
    columns: rows.map(([column]) => column),
    features: () => rows.map(([, value]) => value),
  });
  const { observation } = await look(of("x"));
  rows.forEach(([column, , wanted], i) => equal(observation[i]!.toFixed(5), wanted.toFixed(5), column));
});

Deno.test("observer() gives features, padding and the expected score", async () => {
  const columns = ["a_length", "b_balance"];
  const look = observer({ columns, features: () => [5, 0.25], predict: (row) => row[0]! + row[1]! });
  const { observation, score } = await look(of("x"));
  equal(score, 5.25);
  deepEqual([...observation], [
    ...[Math.fround(Math.log(6) / Math.log(12_001)), 0.25],
    ...Array(98).fill(0),
    5.25,
  ]);
  equal(observation.length, OBSERVATION_SIZE);
  equal(OBSERVATION_SIZE, 101);
});

Deno.test("observer() expects the clarity of a prompt where there is no model", async () => {
  const space = { kind: "labels", labels: ["a", "b"] } as const, prompt = of("Answer a or b.");
  const { score } = await observer({ columns: [], features: () => [], space })(prompt);
  equal(score, clarity(prompt, space));
  ok(score > clarity(prompt));
});

Deno.test("observer() asks for the features of a prompt once, and is no promise then", async () => {
  const asked: string[] = [];
  const features = ({ systemPrompt }: Prompt) => (asked.push(systemPrompt), Promise.resolve([1]));
  const look = observer({ columns: ["x"], features, predict: () => 0, remembered: 2 });
  const both = [look(of("a")), look(of("a"))];
  deepEqual(asked, ["a"]); // in the same turn, so that an embedder can make batches
  equal(await both[0], await both[1]);
  equal(look(of("a")), await both[0]);
  await look(of("b"));
  await look(of("c")); // "a" is forgotten
  await look(of("a"));
  deepEqual(asked, ["a", "b", "c", "a"]);
});

Deno.test("observer() tells a calibrated prompt from one that is not", async () => {
  const look = observer({
    columns: ["x"],
    features: ({ bias }) => [bias === undefined ? 0 : 1],
    predict: (row) => row[0]!,
  });
  const scores = [await look(of("a")), await look({ ...of("a"), bias: {} })].map(({ score }) => score);
  deepEqual(scores, [0, 1]);
});

Deno.test("observer() refuses what a network could not learn from, and tries again after a failure", async () => {
  throws(() => observer({ columns: Array(101).fill("x"), features: () => [] }), {
    name: "RangeError",
    message: "Cannot observe prompts as there must be at most 100 features: got 101",
  });
  const rows: [row: number[], score: number, message: string][] = [
    [[1], 0, "Cannot observe a prompt as its features must be 2: got 1"],
    [[1, NaN], 0, "Cannot observe a prompt as b must be finite: got NaN"],
    [[1, 2], Infinity, "Cannot observe a prompt as the expected score must be finite: got Infinity"],
  ];
  for (const [row, score, message] of rows) {
    const look = observer({ columns: ["a", "b"], features: () => row, predict: () => score });
    await rejects(async () => await look(of("x")), { name: "RangeError", message });
  }
  let times = 0;
  const features = () => ++times === 1 ? Promise.reject(new Error("gone")) : Promise.resolve([1]);
  const look = observer({ columns: ["a"], features });
  await rejects(async () => await look(of("x")), /gone/);
  ok(await look(of("x")));
});
