/**
 * k-fold cross-validation, as Python's `lightgbm.cv` does it: all folds grow round by round, and training ends early by their
 * mean loss. Bins are those of all rows, so a fold knows where the numbers of the others lie, but none of their labels.
 *
 * ```ts ignore
 * const { rmse, baseline, rankCorrelation } = crossValidate(table, {}, { lightgbm });
 * ```
 *
 * @module
 */
import type { Lightgbm } from "../native/mod.ts";
import { mean } from "../statistics/mod.ts";
import { boosterOf, predict } from "./booster.ts";
import { fit } from "./fit.ts";
import { grow } from "./grow.ts";
import { complete, nativeParams, type Params } from "./params.ts";
import { deal, pickRows, type Table } from "./table.ts";
import { checkBag, datasetOf, textOf } from "./train.ts";

/** Over the folds; `std` is of the folds themselves, not an estimate for more of them. */
export interface Spread {
  readonly mean: number;
  readonly std: number;
}

/** What a model with these parameters is worth on rows that it has not seen. */
export interface CrossValidation {
  /** Root mean squared error at the best round, over the folds. */
  readonly rmse: Spread;
  /** The same of predicting for each fold the mean label of the others: a model above it has learned nothing. */
  readonly baseline: Spread;
  /** Of the predictions below. */
  readonly r2: number;
  /** Of the predictions below: Spearman's. */
  readonly rankCorrelation: number;
  /** The best round; all rounds without early stopping. */
  readonly rounds: number;
  /** Root mean squared error after each round up to the best. */
  readonly losses: readonly Spread[];
  /** For each row, by the model that has not seen it. */
  readonly predictions: Float64Array;
}

/** How rows are dealt. */
export interface CrossValidationOptions {
  readonly lightgbm: Lightgbm;
  /** How many, dealt by chance; or the indices of the rows of each, every row in one, as `deal` gives them. @default {5} */
  readonly folds?: number | readonly (readonly number[])[];
  /** Told after each round, from 1; `loss` is the mean over the folds. */
  readonly onRound?: (round: number, loss?: number) => void;
}

/** Trains a model for each fold on the rows of the others. Throws as `train` does, and a RangeError for folds that are no partition. */
export function crossValidate(
  table: Table,
  params: Params,
  { lightgbm, folds = 5, onRound }: CrossValidationOptions,
): CrossValidation {
  const all = complete(params);
  const { rounds, earlyStopping, seed } = all;
  const native = nativeParams(params);
  using stack = new DisposableStack();
  const whole = stack.use(datasetOf(table, native, lightgbm));
  const parts = partition(table.rows.length, folds, seed).map(({ held, others }) => {
    checkBag(others.length, all);
    const part = (indices: readonly number[]) => stack.use(whole.subset(Int32Array.from(indices), native));
    const training = stack.use(lightgbm.training(part(others), native));
    training.validate(part(held));
    return { held, others, training };
  });

  const losses: Spread[] = [];
  const growth = grow(() => {
    for (const { training } of parts) training.update();
    losses.push(spread(parts.map(({ training }) => training.loss())));
    return losses.at(-1)!.mean;
  }, { rounds, patience: earlyStopping, onRound });
  const best = growth.best ?? rounds;

  const predictions = new Float64Array(table.rows.length);
  const baselines = parts.map(({ held, others, training }) => {
    using booster = boosterOf(
      { text: textOf(training, best), features: table.features, losses: [] },
      lightgbm,
    );
    const seen = pickRows(table, others), unseen = pickRows(table, held);
    for (const [at, prediction] of predict(booster, unseen.rows).entries()) {
      predictions[held[at]!] = prediction;
    }
    return fit(unseen.rows.map(() => mean(seen.labels)), unseen.labels).rmse;
  });
  const { r2, rankCorrelation } = fit(predictions, table.labels);
  return {
    ...{ rmse: losses[best - 1]!, baseline: spread(baselines), r2, rankCorrelation },
    ...{ rounds: best, losses: losses.slice(0, best), predictions },
  };
}

/** Each fold with the indices of all others, both ascending as LightGBM wants them. */
function partition(n: number, folds: number | readonly (readonly number[])[], seed: number) {
  const given = typeof folds === "number" ? deal([...Array(n).keys()], folds, seed) : folds;
  const all = new Set(given.flat());
  const missing = Array.from({ length: n }, (_, i) => i).find((i) => !all.has(i));
  if (
    given.length < 2 || given.flat().length !== n || missing !== undefined ||
    given.some((fold) => fold.length === 0)
  ) {
    throw new RangeError(
      `Cannot cross-validate as each of ${n} rows must be in one of 2 or more folds: got folds of ${
        given.map((fold) => fold.length).join(", ")
      }`,
    );
  }
  return given.map((fold) => {
    const own = new Set(fold);
    return {
      held: [...own].sort((a, b) => a - b),
      others: [...all].filter((i) => !own.has(i)).sort((a, b) => a - b),
    };
  });
}

function spread(values: readonly number[]): Spread {
  const center = mean(values);
  return { mean: center, std: Math.sqrt(mean(values.map((value) => (value - center) ** 2))) };
}
