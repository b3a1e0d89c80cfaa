import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { correlation, rankCorrelation, ranks } from "./rank_correlation.ts";

Deno.test("ranks() shares the mean rank among equals", () => {
  deepEqual([...ranks([])], []);
  deepEqual([...ranks([0.3, -1, 7])], [2, 1, 3]);
  deepEqual([...ranks([5, 5, 1, 5, 9])], [3, 3, 1, 3, 5]);
  throws(() => ranks([1, NaN, 2]), { name: "RangeError", message: /got NaN$/ });
});

Deno.test("rankCorrelation() is Spearman's, as scipy 1.17.1 has it", () => {
  const check = (a: number[], b: number[], expected: number) =>
    equal(rankCorrelation(a, b).toFixed(9), expected.toFixed(9));
  // scipy.stats.spearmanr(a, b).statistic
  check([0.1, 0.4, 0.4, 0.8, 0.2], [0.2, 0.1, 0.6, 0.6, 0.6], 0.2867696673382022);
  check([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], -1);
  for (const flat of [[], [1], [0.1, 0.1, 0.1]]) check(flat, flat, 0);
  check([0.1, 0.2], [0.5, 0.5], 0);
});

Deno.test("correlation() is Pearson's", () => {
  equal(correlation([1, 2, 3, 4], [1, 2, 3, 6]).toFixed(9), (8 / Math.sqrt(5 * 14)).toFixed(9));
});
