import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ensurePython } from "../python/mod.ts";
import { findLibrary } from "./library.ts";
import { Lightgbm, type Matrix } from "./lightgbm.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const path = await findLibrary("lightgbm", await ensurePython({ root: ROOT, group: "learn" }));

const params = {
  objective: "regression",
  metric: "rmse",
  num_leaves: 2,
  min_data_in_leaf: 1,
  num_threads: 1,
  verbosity: -1,
};
const names = ["first", "Länge", "第三"];

/** Rows whose label is the first number, above or below one half. */
function sample(rows: number): { matrix: Matrix; labels: number[] } {
  const values = Float64Array.from({ length: rows * 3 }, (_, i) => (i * 7 % 11) / 11);
  return {
    matrix: { values, rows, columns: 3 },
    labels: Array.from({ length: rows }, (_, i) => values[i * 3]! > 0.5 ? 1 : 0),
  };
}

Deno.test("Lightgbm trains, measures, writes and predicts", () => {
  using lightgbm = new Lightgbm(path);
  const { matrix, labels } = sample(100);
  using dataset = lightgbm.dataset(matrix, { labels, names, params });
  using validation = lightgbm.dataset(matrix, { labels, names, params, reference: dataset });
  using training = lightgbm.training(dataset, params);
  training.validate(validation);
  const losses = Array.from({ length: 30 }, () => {
    training.update();
    return training.loss();
  });
  equal(losses.every((loss, i) => i === 0 || loss < losses[i - 1]!), true, String(losses));

  using model = lightgbm.model(training.text());
  equal(model.columns, 3);
  equal(model.rounds, 30);
  const predictions = model.predict(matrix, params);
  deepEqual(Array.from(predictions, Math.round), labels);
  const squares = labels.map((label, i) => (label - predictions[i]!) ** 2);
  const rmse = Math.sqrt(squares.reduce((sum, square) => sum + square) / 100);
  equal(rmse.toFixed(12), losses.at(-1)!.toFixed(12));
  deepEqual(model.importance("split"), Float64Array.of(30, 0, 0));
  deepEqual(model.importance("gain").map((gain) => gain > 0 ? 1 : 0), Float64Array.of(1, 0, 0));
  equal(model.predict({ values: new Float64Array(0), rows: 0, columns: 3 }, params).length, 0);

  using early = lightgbm.model(training.text(4));
  equal(early.rounds, 4);
  equal(training.text().includes(`feature_names=${names.join(" ")}\n`), true);
});

Deno.test("Lightgbm.subset() keeps rows, bins and labels", () => {
  using lightgbm = new Lightgbm(path);
  const { matrix, labels } = sample(60);
  using dataset = lightgbm.dataset(matrix, { labels, names, params });
  using part = dataset.subset(Int32Array.from({ length: 30 }, (_, i) => 2 * i), params);
  deepEqual([part.rows, part.columns], [30, 3]);
  using training = lightgbm.training(part, params);
  training.validate(dataset);
  for (let round = 0; round < 60; round++) training.update();
  equal(training.loss() < 0.01, true); // on all rows: what it learned from half of them
});

Deno.test("Lightgbm refuses what does not fit before memory is read", () => {
  using lightgbm = new Lightgbm(path);
  const { matrix, labels } = sample(40);
  const whole = { labels, names, params };
  using dataset = lightgbm.dataset(matrix, whole);
  using training = lightgbm.training(dataset, params);
  training.update();
  using model = lightgbm.model(training.text());
  const rows: [string, () => unknown][] = [
    ["values", () => lightgbm.dataset({ ...matrix, rows: 41 }, whole)],
    ["values", () => lightgbm.dataset({ ...matrix, columns: 4 }, whole)],
    ["labels", () => lightgbm.dataset(matrix, { ...whole, labels: labels.slice(1) })],
    ["names", () => lightgbm.dataset(matrix, { ...whole, names: names.slice(1) })],
    ["columns", () =>
      lightgbm.dataset({ values: new Float64Array(40), rows: 20, columns: 2 }, {
        ...{ labels: labels.slice(20), names: names.slice(1), params, reference: dataset },
      })],
    ["values", () => model.predict({ ...matrix, rows: 1000 }, params)],
    ["columns", () => model.predict({ values: new Float64Array(40), rows: 20, columns: 2 }, params)],
  ];
  for (const [what, work] of rows) {
    throws(work, { name: "RangeError", message: new RegExp(`Cannot hand ${what} to LightGBM`) });
  }
});
