/**
 * Exact McNemar test (the sign test on the pairs that differ), as `scipy.stats.binomtest(wins, wins + losses)`.
 *
 * ```ts
 * import { mcnemar } from "./mcnemar.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(mcnemar(9, 1), 2 * (1 + 10) / 2 ** 10);
 * equal(mcnemar(3, 3), 1);
 * ```
 *
 * @module
 */

/** The two-sided p-value of `wins` against `losses` under even odds; ties are not counted. 1 without either. */
export function mcnemar(wins: number, losses: number): number {
  for (const count of [wins, losses]) {
    if (!(Number.isSafeInteger(count) && count >= 0)) {
      throw new RangeError(
        `Cannot test as wins and losses must be whole numbers from 0: got ${wins} and ${losses}`,
      );
    }
  }
  const n = wins + losses, k = Math.min(wins, losses);
  if (2 * k === n) return 1;
  // 2^(1-n) times the sum of n over i for i up to k; whole numbers, so exact as long as they fit a double
  let term = 1, sum = 1, exponent = 1 - n;
  for (let i = 1; i <= k; i++) {
    term = term * (n - i + 1) / i;
    sum += term;
    if (sum > 2 ** 900) {
      term /= 2 ** 900;
      sum /= 2 ** 900;
      exponent += 900;
    }
  }
  return Math.min(1, sum * 2 ** exponent);
}
