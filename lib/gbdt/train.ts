/**
 * Training, round by round, as Python's `lightgbm.train` does it: the same library, the same calls, the same numbers.
 *
 * It runs where it is called and gives the event loop no turn: call it in a worker where that matters.
 *
 * ```ts ignore
 * using lightgbm = new Lightgbm(await findLibrary("lightgbm", python));
 * const { training, validation } = holdOut(table);
 * using booster = train(training, { numLeaves: 31 }, { lightgbm, validation });
 * ```
 *
 * @module
 */
import type { Dataset, Lightgbm, NativeParams, Training } from "../native/mod.ts";
import { type Booster, boosterOf } from "./booster.ts";
import { grow } from "./grow.ts";
import { complete, nativeParams, type Params } from "./params.ts";
import { checkTable, matrix, type Table } from "./table.ts";

/** What a training may be given beside rows and parameters. */
export interface TrainOptions {
  readonly lightgbm: Lightgbm;
  /** Rows to measure the loss on after each round; training may end early by it. Without them every round is kept. */
  readonly validation?: Table;
  /** Told after each round, from 1; `loss` is the root mean squared error on the validation rows. */
  readonly onRound?: (round: number, loss?: number) => void;
}

/**
 * Trains a model. Where all labels are equal it predicts them, and where rows are too few to split (`minDataInLeaf`) or
 * features do not differ, the labels' mean. Throws a RangeError or a TypeError for rows, labels, names or parameters that
 * LightGBM could not take, or would take wrongly.
 */
export function train(
  table: Table,
  params: Params,
  { lightgbm, validation, onRound }: TrainOptions,
): Booster {
  const all = complete(params);
  const { rounds, earlyStopping } = all;
  const native = nativeParams({ ...params, earlyStopping: validation ? earlyStopping : 0 });
  using dataset = datasetOf(table, native, lightgbm);
  checkBag(dataset.rows, all);
  if (validation && validation.features.join() !== table.features.join()) {
    throw new TypeError("Cannot train as the validation rows must have the same features in the same order");
  }
  using held = validation && datasetOf(validation, native, lightgbm, dataset);
  using training = lightgbm.training(dataset, native);
  if (held) training.validate(held);
  const { best, losses } = grow(() => {
    training.update();
    return held && training.loss();
  }, { rounds, patience: earlyStopping, onRound });
  return boosterOf({ text: textOf(training, best), features: [...table.features], losses }, lightgbm);
}

/**
 * The text of the first `rounds`, all unless given. Throws a RangeError for a random forest with a tree that found no split:
 * LightGBM predicts 0 for it, so that the mean of the trees would be wrong without a word.
 */
export function textOf(training: Training, rounds?: number): string {
  const text = training.text(rounds);
  if (/^average_output$/m.test(text) && /^num_leaves=1$/m.test(text)) {
    throw new RangeError(
      "Cannot train a random forest as some of its trees found no split: give more rows, a lower minDataInLeaf, or use gbdt",
    );
  }
  return text;
}

/** Throws a RangeError where a tree would see no row. */
export function checkBag(rows: number, { baggingFraction, baggingFreq }: Required<Params>): void {
  if (baggingFreq > 0 && Math.floor(rows * baggingFraction) === 0) {
    throw new RangeError(
      `Cannot train as a tree must see a row or more: got a baggingFraction of ${baggingFraction} of ${rows}`,
    );
  }
}

/** The rows in bins. */
export function datasetOf(
  table: Table,
  params: NativeParams,
  lightgbm: Lightgbm,
  reference?: Dataset,
): Dataset {
  checkTable(table);
  const { features: names, rows, labels } = table;
  return lightgbm.dataset(matrix(rows, names.length), { names, labels, params, reference });
}
