import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import type { FirstToken } from "../llm/model.ts";
import { calibration, type Probe, probesFor } from "./calibration.ts";

/** `n` probes that began with the likeliest of tokens, and went on with the likeliest of others. */
const many = (n: number, label: string, ...tokens: FirstToken["likely"][]): Probe[] => {
  const firsts = tokens.map((likely) => ({
    said: Object.keys(likely).reduce((a, b) => likely[b]! > likely[a]! ? b : a),
    likely,
  }));
  return Array(n).fill({ firsts, label });
};

Deno.test("calibration() makes each label as likely as it is right", () => {
  const rows: [what: string, labels: string[], probes: Probe[], expected: Record<string, number>][] = [
    ["no lean, no bias", ["a", "b"], [...many(2, "a", { a: -1, b: -2 }), ...many(2, "b", { a: -2, b: -1 })], {
      ...{ a: 0, b: 0 },
    }],
    // by exp(-0.5) and exp(-2.5), and exp(-1.5) twice: "a" leads by 2 or 0, so that 1 is in the middle
    ["a lean of one", ["a", "b"], [
      ...many(900, "a", { a: -0.5, b: -2.5 }),
      ...many(900, "b", { a: -1.5, b: -1.5 }),
    ], {
      ...{ a: 0, b: 1 },
    }],
    ["a token that only begins the label, in capitals", ["abbreviation", "place"], [
      ...many(900, "abbreviation", { " Ab": -2, place: -1 }),
      ...many(900, "place", { " Ab": -4, place: -1 }),
    ], { abbreviation: 2, place: 0 }],
    // "c" is told nowhere, and is taken to be e times less likely than "b"
    ["a label that was not among the likeliest", ["a", "c"], [
      ...many(900, "a", { a: 0, b: -3 }),
      ...many(900, "c", { a: 0, b: -3 }),
    ], { a: 0, c: 4 }],
    // the shared token is said half the time and right two times in three: the odds double
    ["labels that share their token", ["a", "very b", "very c"], [
      ...many(900, "a", { a: -1, very: -1 }),
      ...many(900, "very b", { a: -1, very: -1 }),
      ...many(900, "very c", { a: -1, very: -1 }),
    ], { a: 0, "very b": 0.69, "very c": 0.69 }],
    // all begin with "x", which is said, and go on as in "a lean of one"
    ["labels that part later", ["x_a", "x_b"], [
      ...many(900, "x_a", { x: -0.1 }, { _: -0.2, "-": -1 }, { a: -0.5, b: -2.5 }),
      ...many(900, "x_b", { x: -0.1 }, { _: -0.2, "-": -1 }, { a: -1.5, b: -1.5 }),
    ], { x_a: 0, x_b: 1 }],
    // "a" is what was said where no other label goes on
    ["a label with which another goes on", ["a", "a b"], [
      ...many(900, "a", { a: 0 }, { "<end>": Math.log(0.8), " b": Math.log(0.2) }),
      ...many(900, "a b", { a: 0 }, { "<end>": Math.log(0.8), " b": Math.log(0.2) }),
    ], { a: 0, "a b": 1.39 }],
  ];
  for (const [what, labels, probes, expected] of rows) deepEqual(calibration(probes, labels), expected, what);
});

Deno.test("calibration() parts labels by the replies that went so far, whatever others said", () => {
  const [sure, other] = [{ " a": -0.5, " b": -2.5 }, { y: 0, x: -20 }];
  const bias = calibration([
    ...many(900, "x a", { x: 0, y: -20 }, sure),
    ...many(900, "x b", { x: 0, y: -20 }, sure),
    ...many(900, "y", other, { "": 0 }), // where what would have followed "x" is not told
  ], ["x a", "x b", "y"]);
  ok(Math.abs(bias["x b"]! - bias["x a"]! - 2) < 0.01, JSON.stringify(bias));
});

Deno.test("calibration() makes little of what one reply says of a label", () => {
  const copied = ["Olga", "Omar", "Maria", "Marco", "Ivan"]; // from the question, each of them once
  const begun = (said: string, missed: string) => ({ [said]: -0.001, [missed]: -15 });
  const probes = [
    ...many(1, "Olga", begun("O", "M"), begun("lga", "mar")),
    ...many(1, "Omar", begun("O", "M"), begun("mar", "lga")),
    ...many(1, "Maria", begun("Mar", "O"), begun("ia", "co")),
    ...many(1, "Marco", begun("O", "Mar"), begun("slo", "mar")), // but here
    ...many(1, "Ivan", begun("I", "O")),
  ];
  const bias = calibration(probes, copied);
  ok(Math.max(...Object.values(bias)) < 14, JSON.stringify(bias)); // "Marco" said there would have the others wrong
});

Deno.test("calibration() keeps the shares that labels have", () => {
  const probes = [...many(3000, "a", { a: -0.7, b: -0.7 }), ...many(1000, "b", { a: -0.7, b: -0.7 })];
  const { a, b } = calibration(probes, ["a", "b"]);
  ok(Math.abs(a! - b! - Math.log(3)) < 0.01, `${a} - ${b}`); // where the model knows nothing, three in four are "a"
});

Deno.test("probesFor() asks for twelve, one for each label at least, and none where there are no labels", () => {
  const labels = (n: number) => Array.from({ length: n }, (_, i) => `${i}`);
  deepEqual(
    [
      probesFor({ kind: "labels", labels: labels(2) }),
      probesFor({ kind: "labels", labels: labels(20) }),
      probesFor({ kind: "number" }),
    ],
    [12, 20, 0],
  );
});
