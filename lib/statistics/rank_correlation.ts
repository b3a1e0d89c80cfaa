/**
 * Spearman's rank correlation: whether two columns of numbers have one order, as `scipy.stats.spearmanr` computes it.
 *
 * ```ts
 * import { rankCorrelation } from "./rank_correlation.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(rankCorrelation([1, 2, 3], [0.1, 0.2, 40]), 1);
 * equal(rankCorrelation([1, 2, 3], [7, 7, 7]), 0); // no order at all
 * ```
 *
 * @module
 */

/** In [-1, 1]; 0 where a side does not vary. */
export const rankCorrelation = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  correlation(ranks(a), ranks(b));

/** Pearson's, of ranks Spearman's; 0 where a side does not vary. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const centerA = mean(a), centerB = mean(b);
  let both = 0, varA = 0, varB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i]! - centerA, y = b[i]! - centerB;
    both += x * y;
    varA += x * x;
    varB += y * y;
  }
  return varA === 0 || varB === 0 ? 0 : both / Math.sqrt(varA * varB);
}

/** From 1 upwards; equal values share their mean rank. Throws a RangeError for NaN, which has no place among others. */
export function ranks(values: ArrayLike<number>): Float64Array {
  if (Array.from(values).some(Number.isNaN)) {
    throw new RangeError("Cannot rank as there must be numbers only: got NaN");
  }
  const order = Uint32Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let at = from; at < to; at++) ranks[order[at]!] = (from + 1 + to) / 2;
  }
  return ranks;
}

/** Of numbers; NaN for none. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}
