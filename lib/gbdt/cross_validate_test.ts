import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { crossValidate } from "./cross_validate.ts";
import { fit } from "./fit.ts";
import { golden, near, openLightgbm, tableOf } from "./golden.ts";

const { cross } = golden();

Deno.test("crossValidate() gives what Python's lightgbm.cv gives", async () => {
  using lightgbm = await openLightgbm();
  for (const [params, spec, k, means, stds, baseline, predictions] of cross) {
    const what = { params, spec, k }, table = tableOf(spec);
    const indices = Array.from(table.rows.keys());
    const folds = Array.from({ length: k }, (_, fold) => indices.filter((i) => i % k === fold));
    const found = crossValidate(table, params, { lightgbm, folds });
    equal(found.rounds, means.length, JSON.stringify(what));
    near(found.losses.map(({ mean }) => mean), means, what);
    near(found.losses.map(({ std }) => std), stds, what);
    near([found.rmse.mean, found.rmse.std], [means.at(-1)!, stds.at(-1)!], what);
    near([found.baseline.mean, found.baseline.std], baseline, what);
    near(found.predictions, predictions, what);
    const { r2, rankCorrelation } = fit(found.predictions, table.labels);
    deepEqual([found.r2, found.rankCorrelation], [r2, rankCorrelation]);
  }
});

Deno.test("crossValidate() deals rows by the seed", async () => {
  using lightgbm = await openLightgbm();
  const table = tableOf(["plain", 1, 83, 5]);
  const of = (seed: number) => crossValidate(table, { seed, rounds: 5 }, { lightgbm });
  deepEqual(of(1), of(1));
  equal(of(1).rmse.mean === of(2).rmse.mean, false);
});

Deno.test("crossValidate() refuses folds that are no partition", async () => {
  using lightgbm = await openLightgbm();
  const table = tableOf(["plain", 1, 6, 3]);
  const rows: [number | number[][], RegExp][] = [
    [1, /there must be 2 to 6 of them: got 1/],
    [7, /got 7/],
    [2.5, /got 2\.5/],
    [[[0, 1, 2, 3, 4, 5]], /each of 6 rows must be in one of 2 or more folds/],
    [[[0, 1, 2], [3, 4]], /got folds of 3, 2/],
    [[[0, 1, 2], [3, 4, 4]], /got folds of 3, 3/],
    [[[0, 1, 2], [3, 4, 6]], /got folds of 3, 3/],
    [[[0, 1, 2, 3], [3, 4, 5]], /got folds of 4, 3/],
    [[[0, 1, 2], [3, 4, 5], []], /got folds of 3, 3, 0/],
  ];
  for (const [folds, message] of rows) {
    throws(() => crossValidate(table, {}, { lightgbm, folds }), { name: "RangeError", message });
  }
});
