/**
 * What a training depends on beside its rows.
 *
 * ```ts
 * import { DEFAULTS, nativeParams } from "./params.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(DEFAULTS.learningRate, 0.05);
 * equal(nativeParams({ boosting: "random_forest" }).boosting, "rf");
 * ```
 *
 * @module
 */
import type { NativeParams } from "../native/mod.ts";

/** Regression, with the squared error as loss. Each has LightGBM's meaning. */
export interface Params {
  /** `gbdt`: each tree mends what those before it leave; `random_forest`: the mean of trees on different rows. @default {"gbdt"} */
  readonly boosting?: "gbdt" | "random_forest";
  /** What share of a tree is added, in (0, 1]; a random forest has no use for it. @default {0.05} */
  readonly learningRate?: number;
  /** At most, of a tree. @default {31} */
  readonly numLeaves?: number;
  /** At least, of a leaf: with fewer than twice as many rows nothing is learned but the mean. @default {20} */
  readonly minDataInLeaf?: number;
  /** Share of the features that a tree may use, in (0, 1]. @default {0.9} */
  readonly featureFraction?: number;
  /** Share of the rows that a tree sees, in (0, 1]. @default {0.8} */
  readonly baggingFraction?: number;
  /** After how many rounds other rows are drawn; 0 for never. @default {5} */
  readonly baggingFreq?: number;
  /** Trees at most. @default {100} */
  readonly rounds?: number;
  /** Rounds without a better loss on the validation rows before training ends; 0 to go on. @default {10} */
  readonly earlyStopping?: number;
  /** Of rows and features drawn. @default {42} */
  readonly seed?: number;
  /** For few rows one is fastest. The same number gives the same model. @default {1} */
  readonly threads?: number;
}

/** Of every parameter. */
export const DEFAULTS: Required<Params> = {
  boosting: "gbdt",
  learningRate: 0.05,
  numLeaves: 31,
  minDataInLeaf: 20,
  featureFraction: 0.9,
  baggingFraction: 0.8,
  baggingFreq: 5,
  rounds: 100,
  earlyStopping: 10,
  seed: 42,
  threads: 1,
};

const INT = 2 ** 31 - 1;

/** By parameter: LightGBM's name, its bounds, and its kind: a fraction is above the lower bound. */
const NUMBERS = {
  learningRate: ["learning_rate", 0, 1, "fraction"],
  numLeaves: ["num_leaves", 2, 1024, "whole"], // memory grows with it: 250 MB for 60 features at 1,024
  minDataInLeaf: ["min_data_in_leaf", 0, INT, "whole"],
  featureFraction: ["feature_fraction", 0, 1, "fraction"],
  baggingFraction: ["bagging_fraction", 0, 1, "fraction"],
  baggingFreq: ["bagging_freq", 0, INT, "whole"],
  rounds: ["num_iterations", 1, INT, "whole"],
  earlyStopping: ["early_stopping_round", 0, INT, "whole"],
  seed: ["seed", 0, INT, "whole"],
  threads: ["num_threads", 1, 256, "whole"],
} as const;

/** All parameters with their defaults. Throws a RangeError or a TypeError for one that is wrong. */
export function complete(params: Params): Required<Params> {
  const unknown = Object.keys(params).find((name) => !Object.hasOwn(DEFAULTS, name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot train as there is no parameter ${JSON.stringify(unknown)}: there are ${
        Object.keys(DEFAULTS).join(", ")
      }`,
    );
  }
  const given = Object.entries(params).filter(([, value]) => value !== undefined);
  const all: Required<Params> = { ...DEFAULTS, ...Object.fromEntries(given) };
  for (const [name, [, low, high, kind]] of Object.entries(NUMBERS)) {
    const value = all[name as keyof typeof NUMBERS];
    const whole = kind === "whole";
    if (!(whole ? Number.isInteger(value) && value >= low : value > low) || value > high) {
      const bounds = whole ? `a whole number in [${low}, ${high}]` : `in (${low}, ${high}]`;
      throw new RangeError(`Cannot train as ${name} must be ${bounds}: got ${value}`);
    }
  }
  if (all.boosting !== "gbdt" && all.boosting !== "random_forest") {
    throw new TypeError(`Cannot train as boosting must be gbdt or random_forest: got ${all.boosting}`);
  }
  if (
    all.boosting === "random_forest" && (all.baggingFraction === 1 || all.baggingFreq === 0) &&
    all.featureFraction === 1
  ) {
    throw new RangeError(
      "Cannot train a random forest as its trees would all be the same: " +
        "baggingFraction or featureFraction must be below 1, and baggingFreq above 0",
    );
  }
  return all;
}

/**
 * As LightGBM wants them. Histograms are built by column always: LightGBM would time both ways and take the faster one, so
 * that a busy machine might get another model.
 */
export function nativeParams(params: Params): NativeParams {
  const all = complete(params);
  return {
    objective: "regression",
    metric: "rmse",
    boosting: all.boosting === "gbdt" ? "gbdt" : "rf",
    ...Object.fromEntries(
      Object.entries(NUMBERS).map(([name, [native]]) => [native, all[name as keyof typeof NUMBERS]]),
    ),
    deterministic: true,
    force_col_wise: true,
    verbosity: -1,
  };
}
