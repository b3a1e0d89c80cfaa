import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { fit } from "./fit.ts";
import { golden, near } from "./golden.ts";

Deno.test("fit() gives the numbers of numpy and scipy", () => {
  for (const [predictions, labels, ...wanted] of golden().fits) {
    const { rmse, r2, rankCorrelation } = fit(predictions, labels);
    near([rmse, r2, rankCorrelation], wanted, { predictions, labels });
  }
});

Deno.test("fit() is a number where there is no order or no variance", () => {
  const rows: [number[], number[], number, number, number][] = [
    [[1], [1], 0, 1, 0],
    [[1], [3], 2, 0, 0],
    [[0.1, 0.1, 0.1], [0.1, 0.1, 0.1], 0, 1, 0],
    [[1, 2, 3], [2, 2, 2], Math.sqrt(2 / 3), 0, 0],
    [[2, 2, 2], [1, 2, 3], Math.sqrt(2 / 3), 0, 0],
  ];
  for (const [predictions, labels, rmse, r2, rankCorrelation] of rows) {
    deepEqual(fit(predictions, labels), { n: labels.length, rmse, r2, rankCorrelation });
  }
});

Deno.test("fit() refuses what cannot be compared", () => {
  const rows: [number[], number[], RegExp][] = [
    [[], [], /0 predictions with 0 labels/],
    [[1], [1, 2], /1 predictions with 2 labels/],
    [[1, NaN], [1, 2], /prediction 1 .*got NaN and 2/],
    [[1, 2], [1, Infinity], /prediction 1 .*got 2 and Infinity/],
  ];
  for (const [predictions, labels, message] of rows) {
    throws(() => fit(predictions, labels), { name: "RangeError", message });
  }
});
