import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { tableOf } from "./golden.ts";
import { deal, holdOut } from "./table.ts";

Deno.test("holdOut() parts rows with their labels, by the seed", () => {
  for (
    const [n, share, held] of [[2, 0.2, 1], [5, 0.2, 1], [100, 0.2, 20], [7, 0.99, 6], [10, 0.01, 1]] as const
  ) {
    const table = tableOf(["plain", 1, n, 3]);
    const { training, validation } = holdOut(table, { share });
    equal(validation.rows.length, held);
    const parts = [training, validation].flatMap(({ rows, labels }) =>
      rows.map((row, i) => [row, labels[i]])
    );
    const sorted = parts.toSorted((a, b) =>
      table.rows.indexOf(a[0] as number[]) - table.rows.indexOf(b[0] as number[])
    );
    deepEqual(sorted, table.rows.map((row, i) => [row, table.labels[i]]));
  }
  const table = tableOf(["plain", 1, 30, 3]);
  deepEqual(holdOut(table), holdOut(table, { seed: 42 }));
  equal(holdOut(table).validation.rows[0] === holdOut(table, { seed: 5 }).validation.rows[0], false);
  throws(() => holdOut(tableOf(["plain", 1, 1, 3])), { name: "RangeError", message: /2 or more: got 1/ });
  throws(() => holdOut(table, { share: 1 }), { name: "RangeError", message: /share .*got 1/ });
});

Deno.test("deal() makes folds that differ by one row at most", () => {
  for (const [n, k] of [[2, 2], [10, 5], [13, 5], [83, 7]] as const) {
    const folds = deal(n, k, 1);
    deepEqual(folds.flat().toSorted((a, b) => a - b), [...Array(n).keys()]);
    for (const fold of folds) {
      deepEqual(fold, fold.toSorted((a, b) => a - b));
      equal(fold.length === Math.floor(n / k) || fold.length === Math.ceil(n / k), true);
    }
  }
});
