import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import { random, shuffle } from "../random.ts";
import type { Example, SplitName } from "./example.ts";
import { FRACTIONS, type Fractions, normalize, splitBySeed } from "./split.ts";

const examples = (n: number, answer: (i: number) => string): Example[] =>
  Array.from(
    { length: n },
    (_, i) => ({ id: `row-${i}`, question: `question ${i}`, references: [answer(i)] }),
  );

const sizes = (splits: readonly SplitName[]): number[] =>
  ["train", "validation", "test"].map((name) => splits.filter((split) => split === name).length);

Deno.test("normalize() folds white space and case, and composes", () => {
  const rows = [
    ["  A  b\n\tC ", "a b c"],
    ["a\u00a0b\tc", "a b c"],
    ["STRASSE straße ΣΑΣ", "strasse strasse σας"],
    ["Cafe\u0301 İ", "café i\u0307"],
    ["\ufeff", ""],
  ] as const;
  for (const [text, expected] of rows) equal(normalize(text), expected);
});

Deno.test("splitBySeed() deals out by the fractions", () => {
  const rows: [n: number, fractions: Fractions, expected: number[]][] = [
    [3, FRACTIONS, [1, 1, 1]],
    [4, FRACTIONS, [1, 1, 2]],
    [20, FRACTIONS, [5, 5, 10]],
    [401, FRACTIONS, [100, 100, 201]],
    [3, { train: 0.8, validation: 0.1, test: 0.1 }, [1, 1, 1]],
    [50, { train: 0.8, validation: 0.1, test: 0.1 }, [40, 5, 5]],
    [1000, { train: 0.333, validation: 0.333, test: 0.334 }, [333, 333, 334]],
  ];
  for (const [n, fractions, expected] of rows) {
    for (const answer of [String, (i: number) => `${i % 3}`]) {
      deepEqual(sizes(splitBySeed(examples(n, answer), 1, fractions)), expected, `${n} rows`);
    }
  }
});

Deno.test("splitBySeed() has every answer in every split that four rows share", () => {
  for (const seed of [1, 2, "three"]) {
    const rows = [...examples(40, (i) => i < 4 ? "rare" : i < 12 ? " Some" : "much")];
    const splits = splitBySeed(rows, seed);
    const of = (...answers: string[]) =>
      sizes(splits.filter((_, i) => answers.includes(rows[i]!.references[0]!)));
    ok(of("rare").every((n) => n >= 1), `rare ${of("rare")}, seed ${seed}`);
    ok(of(" Some").every((n) => n >= 1), `some ${of(" Some")}, seed ${seed}`);
    deepEqual(sizes(splits), [10, 10, 20]);
  }
  for (let seed = 0; seed < 100; seed++) { // wherever in the order they come
    const rows = examples(40, (i) => i < 4 ? "rare" : i < 5 + seed % 4 ? "lone" : "much");
    const rare = splitBySeed(rows, seed).filter((_, i) => rows[i]!.references[0] === "rare");
    ok(sizes(rare).every((n) => n >= 1), `rare ${sizes(rare)}, seed ${seed}`);
  }
});

Deno.test("splitBySeed() does not look at the order of the file, nor at ids", () => {
  const rows = examples(101, (i) => `${i % 7}`);
  const expected = new Map(splitBySeed(rows, 5).map((split, i) => [rows[i]!.question, split]));
  const mixed = shuffle(rows, random(1)).map((row, i) => ({ ...row, id: `other-${i}` }));
  splitBySeed(mixed, 5).forEach((split, i) => equal(split, expected.get(mixed[i]!.question)));
});

Deno.test("splitBySeed() gives every row its chance in every split", () => {
  const rows = examples(40, (i) => `${i % 5}`);
  const seeds = Array.from({ length: 400 }, (_, seed) => splitBySeed(rows, seed));
  rows.forEach((_, i) => {
    const [train, validation, test] = sizes(seeds.map((splits) => splits[i]!));
    // 100, 100 and 200 expected; 5 standard deviations are 43 and 50
    ok(
      Math.abs(train! - 100) < 43 && Math.abs(validation! - 100) < 43 && Math.abs(test! - 200) < 50,
      `row ${i}`,
    );
  });
});

Deno.test("splitBySeed() refuses fractions that are none", () => {
  const rows: Fractions[] = [
    { train: 0.5, validation: 0.5, test: 0 },
    { train: 0.5, validation: 0.5, test: 0.5 },
    { train: 1.5, validation: -1, test: 0.5 },
    { train: NaN, validation: 0.5, test: 0.5 },
  ];
  for (const fractions of rows) {
    throws(() => splitBySeed(examples(9, String), 1, fractions), {
      name: "RangeError",
      message: /^Cannot split as fractions must each be above 0 and together 1: current values are /,
    });
  }
});
