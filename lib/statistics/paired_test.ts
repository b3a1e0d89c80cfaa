import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { integer, random } from "../random.ts";
import { golden, near } from "./golden.ts";
import { paired } from "./paired.ts";

const compare = (before: readonly number[], after: readonly number[]) =>
  paired(before, after, { random: random(1), resamples: 999 });

Deno.test("paired() takes McNemar's test for 0 and 1, and sign flips for the rest", () => {
  const check = (before: number[], after: number[], test: string, pValue: number) => {
    const got = compare(before, after);
    equal(got.test, test);
    near(got.pValue, pValue, [before, after]);
    equal(got.significant, pValue < 0.05);
  };
  check([0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1], "mcnemar", 2 / 2 ** 5);
  check([0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], "mcnemar", 2 / 2 ** 6);
  check([1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0], "mcnemar", 2 / 2 ** 6);
  check([0, 0, 0, 0, 0, 0.5], [1, 1, 1, 1, 1, 1], "sign-flip", 2 / 2 ** 6);
});

Deno.test("paired() is defined without pairs, with one, and where all differences are equal", () => {
  const nothing = { pValue: 1, significant: false };
  deepEqual(compare([], []), { mean: 0, ci95: [-1, 1], ...nothing, test: "mcnemar", n: 0 });
  deepEqual(compare([0], [1]), { mean: 1, ci95: [1 - 0.95 * 2, 1], ...nothing, test: "mcnemar", n: 1 });
  deepEqual(compare([1], [1]), { mean: 0, ci95: [-0.95, 0.95], ...nothing, test: "mcnemar", n: 1 });
  const { mean, ci95: [, high] } = compare(Array(7).fill(0), Array(7).fill(1 - 2 ** -51)); // its mean is rounded up
  ok(mean <= high, `${mean}, ${high}`);
  const same = Array(100).fill(0.5), unseen = 1 - 0.05 ** 0.01;
  deepEqual(compare(same, same), { mean: 0, ci95: [-unseen, unseen], ...nothing, test: "sign-flip", n: 100 });
});

Deno.test("paired() takes the interval of scipy.stats.ttest_1samp under 10 pairs", () => {
  for (const [before, after, interval] of golden().few) {
    compare(before, after).ci95.forEach((bound, i) => near(bound, interval[i]!, [before, after]));
  }
});

Deno.test("paired() never leaves its ranges", () => {
  const score = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));
  const pairs = fc.array(fc.tuple(score, score), { maxLength: 40 });
  fc.assert(fc.property(pairs, (pairs) => {
    const { mean, ci95: [low, high], pValue, significant, n } = compare(
      pairs.map(([a]) => a),
      pairs.map(([, b]) => b),
    );
    equal(n, pairs.length);
    ok(mean >= -1 && mean <= 1 && low >= -1 && high <= 1 && low <= mean && mean <= high);
    ok(pValue >= 0 && pValue <= 1);
    ok(significant || (low <= 0 && high >= 0));
  }));
});

Deno.test("the interval of paired() covers the truth 90 times of 100 or more, at any number of pairs", () => {
  const chance = random("coverage");
  for (const n of [2, 5, 9, 10, 20, 60]) {
    for (const [won, lost] of [[0.3, 0.1], [0.1, 0.02], [0.05, 0], [0.8, 0], [0.1, 0.1]] as const) {
      let covered = 0;
      for (let run = 0; run < 200; run++) {
        const draws = Array.from({ length: n }, () => chance());
        const before = draws.map((draw) => draw < lost ? 1 : draw < lost + won ? 0 : integer(2, chance));
        const after = draws.map((draw, i) => draw < lost ? 0 : draw < lost + won ? 1 : before[i]!);
        const { ci95: [low, high] } = paired(before, after, { random: chance.fork(run), resamples: 200 });
        if (low <= won - lost + 1e-9 && won - lost - 1e-9 <= high) covered++;
      }
      ok(covered >= 180, `${covered} of 200 with ${n} pairs, ${won} won, ${lost} lost`);
    }
  }
});

Deno.test("paired() refuses scores of different questions and scores outside of [0, 1]", () => {
  throws(
    () => compare([0], [0, 1]),
    /Cannot compare as both must score the same questions: got 1 and 2 scores/,
  );
  throws(() => compare([0], [1.5]), /Cannot compare as scores must be from 0 to 1: got 1.5/);
  throws(() => compare([NaN], [1]), RangeError);
});
