/**
 * The golden file data/golden/gbdt.json: the numbers of Python's lightgbm, for the tests beside this file.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findLibrary, Lightgbm } from "../native/mod.ts";
import { ensurePython } from "../python/mod.ts";
import type { Params } from "./params.ts";
import type { Table } from "./table.ts";

type Numbers = readonly number[];
type Spec = readonly [
  kind: "plain" | "steps" | "gaps" | "flat" | "constant",
  seed: number,
  n: number,
  columns: number,
];

/** Reads the golden file. */
export const golden = (): {
  readonly trainings: readonly (readonly [
    params: Params,
    training: Spec,
    validation: Spec | null,
    rounds: number,
    losses: Numbers,
    predictions: Numbers,
    gain: Numbers,
    split: Numbers,
  ])[];
  readonly cross: readonly (readonly [
    params: Params,
    table: Spec,
    folds: number,
    means: Numbers,
    stds: Numbers,
    baseline: readonly [mean: number, std: number],
    predictions: Numbers,
  ])[];
  readonly saved: readonly (readonly [params: Params, table: Spec, text: string, predictions: Numbers])[];
  readonly fits: readonly (readonly [Numbers, labels: Numbers, rmse: number, r2: number, rho: number])[];
} => JSON.parse(Deno.readTextFileSync(new URL("../../data/golden/gbdt.json", import.meta.url)));

/** Rows and labels by the recipe of data/golden/gbdt.py, to the last bit. */
export function tableOf([kind, seed, n, columns]: Spec): Table {
  let state = seed;
  const draw = () => (state = state * 48271 % 2147483647) / 2147483647;
  const rows: number[][] = [], labels: number[] = [];
  for (let i = 0; i < n; i++) {
    let row = Array.from({ length: columns }, draw);
    const label = row[0]! * 0.5 + row[1]! * row[2]! * 0.25 + (row[3]! > 0.5 ? 0.125 : 0) + draw() * 0.125;
    if (kind === "steps") row = row.map((value) => Math.floor(value * 4));
    if (kind === "gaps") {
      row = row.map((value) => draw() < 0.2 ? NaN : value);
      if (row[4]! > 0.9) row[4] = Infinity;
      if (row[5]! < 0.1) row[5] = -Infinity;
    }
    if (kind === "flat") row = row.map(() => 1);
    rows.push(row);
    labels.push(kind === "constant" ? 0.7 : label);
  }
  return { features: Array.from({ length: columns }, (_, i) => `Column_${i}`), rows, labels };
}

/** What the golden models are asked. */
export const probes = (columns: number): Table["rows"] => [
  ...tableOf(["plain", 21, 25, columns]).rows,
  ...tableOf(["gaps", 22, 25, columns]).rows,
];

/** Fails unless all numbers agree to 1e-9, relative to the wanted one where that is above 1. */
export function near(got: ArrayLike<number>, wanted: Numbers, what: unknown): void {
  ok(
    got.length === wanted.length,
    `${JSON.stringify(what)}: got ${got.length} numbers, wanted ${wanted.length}`,
  );
  for (const [i, value] of wanted.entries()) {
    ok(
      Math.abs(got[i]! - value) <= 1e-9 * Math.max(1, Math.abs(value)),
      `${JSON.stringify(what)}: number ${i} is ${got[i]}, wanted ${value}`,
    );
  }
}

/** The library of the wheel in requirements/learn.txt. */
export async function openLightgbm(): Promise<Lightgbm> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  return new Lightgbm(await findLibrary("lightgbm", await ensurePython({ root, group: "learn" })));
}
