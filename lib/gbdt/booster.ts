/**
 * A trained model: predicts, says what it goes by, is saved and loaded as LightGBM's own text.
 *
 * ```ts ignore
 * using booster = loadModel(await Deno.readTextFile("model.txt"), lightgbm);
 * const [score] = predict(booster, [[12, 3, 0]]);
 * ```
 *
 * @module
 */
import type { Lightgbm, Model } from "../native/mod.ts";
import { parseModel, sealed } from "./model_text.ts";
import { matrix, type Row } from "./table.ts";

/** A model, until it is disposed of: then using it throws Deno.errors.BadResource. */
export interface Booster extends Disposable {
  /** Names of the columns that it was trained on, in their order. */
  readonly features: readonly string[];
  /** How many trees it has: where training ended early, those of the best round. */
  readonly rounds: number;
  /** Root mean squared error on the validation rows after each round of its training; empty without them and once loaded. */
  readonly losses: readonly number[];
  /** LightGBM's text of it. */
  readonly text: string;
  /** It in LightGBM's memory. */
  readonly model: Model;
}

/** A booster from a sound text. */
export function boosterOf(
  { text, features, losses }: Pick<Booster, "text" | "features" | "losses">,
  lightgbm: Lightgbm,
): Booster {
  const model = lightgbm.model(text);
  return {
    ...{ text, features, losses, model, rounds: model.rounds },
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}

/**
 * A prediction for each row, in the labels' unit. Rows have the features that it was trained on, in their order; throws a
 * RangeError where a row has more or fewer.
 */
export const predict = (
  { model, features }: Booster,
  rows: readonly Row[],
  { threads = 1 }: { readonly threads?: number } = {},
): Float64Array => model.predict(matrix(rows, features.length), { num_threads: threads, verbosity: -1 });

/** By feature, the strongest first: what its splits gained in squared error. */
export function importance({ model, features }: Booster): { feature: string; value: number }[] {
  const gains = model.importance("gain");
  return features.map((feature, i) => ({ feature, value: gains[i]! })).sort((a, b) => b.value - a.value);
}

/** LightGBM's text, which Python's lightgbm reads, with a checksum as its last line. */
export const saveModel = ({ text }: Booster): string => sealed(text);

/**
 * A booster from what `saveModel` gave, or from a regression that Python's lightgbm saved. Throws CorruptModelError where the
 * text is damaged, or of a kind that is never saved here: other objectives, splits by category, linear trees.
 */
export function loadModel(saved: string, lightgbm: Lightgbm): Booster {
  const { text, features } = parseModel(saved);
  return boosterOf({ text, features, losses: [] }, lightgbm);
}
