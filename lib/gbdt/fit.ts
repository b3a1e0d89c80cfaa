/**
 * How near predictions come to what was measured.
 *
 * ```ts
 * import { fit } from "./fit.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(fit([1, 2, 3, 4], [1, 2, 3, 6]), { n: 4, rmse: 1, r2: 1 - 4 / 14, rankCorrelation: 1 });
 * ```
 *
 * @module
 */

/** Predictions against labels. */
export interface Fit {
  readonly n: number;
  /** Root of the mean squared error, in the labels' unit. */
  readonly rmse: number;
  /** Share of the labels' variance that is explained: 1 at best, 0 as good as their mean, below it worse. */
  readonly r2: number;
  /** Spearman's, in [-1, 1]: whether the order is right. */
  readonly rankCorrelation: number;
}

/**
 * Compares them. Where all labels are equal, r2 is 1 if all are met and 0 if not, as in scikit-learn; where the labels or the
 * predictions are all equal, there is no order, and the rank correlation is 0. Throws a RangeError for none, where lengths
 * differ, or where a number is not finite.
 */
export function fit(predictions: ArrayLike<number>, labels: ArrayLike<number>): Fit {
  const n = labels.length;
  if (n === 0 || predictions.length !== n) {
    throw new RangeError(
      `Cannot compare ${predictions.length} predictions with ${n} labels: there must be as many, and some`,
    );
  }
  const center = mean(labels);
  let missed = 0, varied = 0;
  for (let i = 0; i < n; i++) {
    const prediction = predictions[i]!, label = labels[i]!;
    if (!Number.isFinite(prediction) || !Number.isFinite(label)) {
      throw new RangeError(
        `Cannot compare prediction ${i} with its label as both must be finite: got ${prediction} and ${label}`,
      );
    }
    missed += (prediction - label) ** 2;
    varied += (label - center) ** 2;
  }
  const r2 = !constant(labels) ? 1 - missed / varied : missed > 0 ? 0 : 1;
  const order = constant(labels) || constant(predictions)
    ? 0
    : correlation(ranks(predictions), ranks(labels));
  return { n, rmse: Math.sqrt(missed / n), r2, rankCorrelation: order };
}

const constant = (values: ArrayLike<number>): boolean => {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
};

/** Of numbers; NaN for none. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** From 1 upwards; equal values share their mean rank. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let at = from; at < to; at++) ranks[order[at]!] = (from + 1 + to) / 2;
  }
  return ranks;
}

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
