import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import type { Cell, System } from "./cell.ts";
import { contest, reachedAt, spread, told } from "./table.ts";

/** A cell whose best prompt is right on the first `right` of ten test questions from 100 calls on. */
const cell = (system: System, seed: number, right: number): Cell => ({
  ...{ task: "t", system, seed, most: 200, questions: "", version: "", seconds: 1, failure: null },
  count: { calls: 200, tokens: { prompt: 1, completion: 1 }, span: 1, refused: 0 },
  incumbents: [{
    ...{ calls: 100, validation: 0, prompt: { system: "", demos: [] } },
    test: Array.from({ length: 10 }, (_, i) => i < right ? 1 : 0),
  }],
});

Deno.test("contest() tells the mean over seeds, and how far the seeds lie apart", () => {
  const cells = [
    ...[[1, 9], [2, 7], [3, 5]].map(([seed, right]) => cell("quintet", seed!, right!)),
    ...[[3, 2], [1, 4], [2, 3]].map(([seed, right]) => cell("bootstrap", seed!, right!)),
    cell("gepa", 1, 1),
  ];
  const made = contest({ name: "t", kind: "own" }, cells, [50, 200]);
  deepEqual(reachedAt(made, 50), []);
  deepEqual(
    reachedAt(made, 200).map(({ system, score, searches }) => [system, score.toFixed(3), searches]),
    [
      ["quintet", "0.700", [0.9, 0.7, 0.5]],
      ["bootstrap", "0.300", [0.4, 0.3, 0.2]],
      ["gepa", "0.100", [0.1]],
    ],
  );
  const [own, peer] = reachedAt(made, 200);
  equal(own!.against, null);
  ok(Math.abs(peer!.against!.mean - 0.4) < 1e-9);
  const lines = told([made], new Map()).split("\n");
  match(lines[1]!, /^t +Quintet +3 +none +70\.0 \[.*\] sd 20\.0 /);
  match(lines[3]!, /^t +GEPA +1 +none +10\.0 \[[^s]*\] +/);
});

Deno.test("spread() is the sample's standard deviation", () => {
  equal(spread([0.5]), null);
  equal(spread([0.25, 0.75]), Math.sqrt(0.125));
});
