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

/** Rows of so many groups, which take turns, some longer than others; a row's label is its group. */
function grouped(groups: number) {
  const labels = Array.from(
    { length: groups },
    (_, turn) => Array.from({ length: groups - turn }, (_, i) => i),
  )
    .flat();
  return { features: ["at"], rows: labels.map((_, i) => [i]), labels };
}

Deno.test("holdOut() and deal() keep the rows of a group together", () => {
  for (const [n, held] of [[2, 1], [3, 1], [11, 13]] as const) { // of 3, 6 and 66 rows
    const table = grouped(n), all = [...table.rows.keys()], groups = table.labels.map(String);
    const { training, validation } = holdOut(table, { groups });
    const [seen, unseen] = [training, validation].map(({ labels }) => new Set(Array.from(labels)));
    equal(seen!.isDisjointFrom(unseen!), true);
    equal(validation.rows.length <= held && validation.rows.length > held / 2, true);
    deepEqual(
      [training, validation].flatMap(({ rows }) => rows.map((row) => row[0]!)).sort((a, b) => a - b),
      all,
    );

    const folds = deal(groups, Math.min(n, 5), 1);
    deepEqual(folds.flat().toSorted((a, b) => a - b), all);
    const inFolds = folds.map((fold) => new Set(fold.map((i) => groups[i])).size);
    equal(inFolds.reduce((sum, size) => sum + size), n); // no group is in two folds
    equal(Math.min(...inFolds) > 0, true);
  }
  throws(() => holdOut(grouped(2), { groups: ["a", "a", "a"] }), { message: /groups .*2 or more: got 1/ });
  throws(() => deal(["a", "a", "a"], 2, 1), { name: "RangeError", message: /folds .*got 2/ });
});

Deno.test("deal() makes folds that differ by one row at most", () => {
  for (const [n, k] of [[2, 2], [10, 5], [13, 5], [83, 7]] as const) {
    const folds = deal([...Array(n).keys()], k, 1);
    deepEqual(folds.flat().toSorted((a, b) => a - b), [...Array(n).keys()]);
    for (const fold of folds) {
      deepEqual(fold, fold.toSorted((a, b) => a - b));
      equal(fold.length === Math.floor(n / k) || fold.length === Math.ceil(n / k), true);
    }
  }
});
