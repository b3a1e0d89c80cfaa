/**
 * What a model is trained on: a row of numbers for each thing measured, and what was measured.
 *
 * ```ts
 * import { holdOut } from "./table.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const rows = Array.from({ length: 50 }, (_, i) => [i, i % 7]);
 * const { training, validation } = holdOut({ features: ["length", "words"], rows, labels: rows.map(([x]) => x! / 50) });
 * equal(training.rows.length, 40);
 * equal(validation.rows.length, 10);
 * ```
 *
 * @module
 */
import type { Matrix } from "../native/mod.ts";
import { random, shuffle } from "../random.ts";

/** As many numbers as there are features; NaN where one is missing. */
export type Row = ArrayLike<number>;

/** Rows with their labels. */
export interface Table {
  /** Names of the columns: different, not empty, without white space and any of `,:=[]{}"`, which LightGBM's text cannot hold. */
  readonly features: readonly string[];
  readonly rows: readonly Row[];
  /** One for each row, finite; LightGBM keeps 24 bits of each. */
  readonly labels: ArrayLike<number>;
}

/** Some rows of a table, in the order of `indices`. */
export const pickRows = ({ features, rows, labels }: Table, indices: readonly number[]): Table => ({
  features,
  rows: indices.map((i) => rows[i]!),
  labels: indices.map((i) => labels[i]!),
});

/**
 * Parts the rows by chance: `share` of them, at least one, are for validation. Rows with one name in `groups` stay together, of
 * which as many are held out as are not too many rows. Throws a RangeError where there are not 2 to part.
 */
export function holdOut(
  table: Table,
  { share = 0.2, seed = 42, groups }: {
    readonly share?: number;
    readonly seed?: number;
    /** A name for each row. @default {each row is a group} */
    readonly groups?: readonly unknown[];
  } = {},
): { training: Table; validation: Table } {
  const n = table.rows.length, whole = together(groups ?? [...table.rows.keys()]);
  if (whole.length < 2) {
    throw new RangeError(
      `Cannot hold out ${groups ? "groups" : "rows"} as there must be 2 or more: got ${whole.length}`,
    );
  }
  if (!(share > 0 && share < 1)) {
    throw new RangeError(`Cannot hold out rows as share must be in (0, 1): got ${share}`);
  }
  const smallest = Math.min(...whole.map((rows) => rows.length));
  const most = Math.min(n - 1, Math.max(smallest, Math.round(n * share)));
  const held = new Set<number>();
  for (const rows of shuffle(whole, random(seed))) {
    if (held.size + rows.length <= most) rows.forEach((i) => held.add(i));
  }
  const part = (holds: boolean) =>
    pickRows(table, Array.from(table.rows.keys()).filter((i) => held.has(i) === holds));
  return { training: part(false), validation: part(true) };
}

/** The indices of the rows of each group, of rows that have these names. */
const together = (groups: readonly unknown[]): number[][] => [
  ...Map.groupBy(groups.keys(), (i) => groups[i]).values(),
];

/**
 * Deals the indices of rows to `k` folds by chance, as evenly as can be; each fold ascends. Rows with one name in `groups` stay
 * together.
 */
export function deal(groups: readonly unknown[], k: number, seed: number): number[][] {
  const whole = together(groups);
  if (!(Number.isInteger(k) && k >= 2 && k <= whole.length)) {
    throw new RangeError(
      `Cannot deal to folds as there must be 2 to ${whole.length} of them: got ${k}`,
    );
  }
  const folds = Array.from({ length: k }, (): number[] => []);
  for (const rows of shuffle(whole, random(seed))) {
    folds.reduce((least, fold) => fold.length < least.length ? fold : least).push(...rows);
  }
  return folds.map((fold) => fold.toSorted((a, b) => a - b));
}

/** Throws a RangeError or a TypeError that says which row, label or name is wrong. */
export function checkTable({ features, rows, labels }: Table): void {
  checkFeatures(features);
  if (rows.length === 0) throw new RangeError("Cannot train as there must be rows: got none");
  if (labels.length !== rows.length) {
    throw new RangeError(
      `Cannot train as ${rows.length} rows must have as many labels: got ${labels.length}`,
    );
  }
  for (let i = 0; i < labels.length; i++) {
    if (!Number.isFinite(labels[i]) || !Number.isFinite(Math.fround(labels[i]!))) {
      throw new RangeError(`Cannot train as label ${i} must be a finite number of 32 bits: got ${labels[i]}`);
    }
  }
}

function checkFeatures(features: readonly string[]): void {
  if (features.length === 0) throw new RangeError("Cannot train as there must be features: got none");
  const seen = new Set<string>();
  for (const name of features) {
    // deno-lint-ignore no-control-regex
    if (!/^[^\s\x00-\x1f,:=[\]{}"]+$/u.test(name) || !name.isWellFormed()) {
      throw new TypeError(
        `Cannot train as a feature's name must not be empty nor have white space or ,:=[]{}" in it: got ${
          JSON.stringify(name)
        }`,
      );
    }
    if (seen.has(name)) throw new TypeError(`Cannot train as features must differ: got ${name} twice`);
    seen.add(name);
  }
}

/** The rows as LightGBM reads them. Throws a RangeError where a row is not `columns` long, a TypeError where it holds no number. */
export function matrix(rows: readonly Row[], columns: number): Matrix {
  const values = new Float64Array(rows.length * columns);
  for (const [i, row] of rows.entries()) {
    if (row.length !== columns) {
      throw new RangeError(
        `Cannot use row ${i} as it must have ${columns} numbers, one for each feature: got ${row.length}`,
      );
    }
    for (let j = 0; j < columns; j++) {
      const value = row[j];
      if (typeof value !== "number") {
        throw new TypeError(
          `Cannot use row ${i} as it must hold numbers (NaN where one is missing): got ${value}`,
        );
      }
      values[i * columns + j] = value;
    }
  }
  return { values, rows: rows.length, columns };
}
