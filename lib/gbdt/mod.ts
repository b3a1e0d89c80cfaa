/**
 * Gradient-boosted trees by LightGBM: the same numbers as Python's, without Python.
 *
 * ```ts ignore
 * using lightgbm = new Lightgbm(await findLibrary("lightgbm", await ensurePython({ root, group: "learn" })));
 * const { training, validation } = holdOut(table);
 * using booster = train(training, { numLeaves: 15 }, { lightgbm, validation });
 * const [score] = predict(booster, [[12, 3, 0]]);
 * await Deno.writeTextFile("model.txt", saveModel(booster));
 * ```
 *
 * What predictions are worth:
 *
 * ```ts
 * import { fit } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(fit([0.2, 0.4, 0.3], [0.1, 0.9, 0.5]).rankCorrelation, 1);
 * ```
 *
 * @module
 */
export { DEFAULTS, type Params } from "./params.ts";
export { deal, holdOut, pickRows, type Row, type Table } from "./table.ts";
export { train, type TrainOptions } from "./train.ts";
export {
  crossValidate,
  type CrossValidation,
  type CrossValidationOptions,
  type Spread,
} from "./cross_validate.ts";
export { type Booster, importance, loadModel, predict, saveModel } from "./booster.ts";
export { CorruptModelError } from "./model_text.ts";
export { type Fit, fit } from "./fit.ts";
