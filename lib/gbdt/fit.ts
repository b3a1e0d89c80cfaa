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
import { mean, rankCorrelation } from "../statistics/mod.ts";

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
  return { n, rmse: Math.sqrt(missed / n), r2, rankCorrelation: rankCorrelation(predictions, labels) };
}

const constant = (values: ArrayLike<number>): boolean => {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
};
