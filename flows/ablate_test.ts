import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RECORD } from "../lib/report/testing.ts";
import { contribution } from "./ablate.ts";

/** A search that its budget left so many test answers of the best prompt, all worth the same. */
const search = (score: number, answers: number) => ({
  record: {
    ...RECORD,
    experiment: { ...RECORD.experiment, after: answers > 0 ? 5 : null },
    answers: Array.from({ length: answers }, (_, i) => ({
      ...RECORD.answers[0]!,
      version: 5,
      example: `q${i}`,
      score,
    })),
  },
});

Deno.test("contribution() compares searches by the test questions that both answered, and no others", () => {
  const neither = [search(0.5, 4), search(0.5, 0), search(0.25, 2)];
  const both = [search(1, 3), search(1, 4), search(0.75, 6)];
  const { test, n, against_neither } = contribution("both", neither, both);
  deepEqual([test, n], [0.875, 2]);
  deepEqual([against_neither!.mean, against_neither!.n], [0.5, 2]);
  equal(contribution("neither", neither, neither).test, 0.375);
  equal(contribution("both", neither.slice(1, 2), both.slice(1, 2)).n, 0);
});
