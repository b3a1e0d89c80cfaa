/**
 * The golden file data/golden/statistics.json: scipy's numbers, for the tests beside this file.
 *
 * @module
 */
import { ok } from "node:assert/strict";

type Numbers = readonly number[];

/** Reads the golden file. */
export const golden = (): {
  readonly mcnemar: readonly (readonly [wins: number, losses: number, pValue: number])[];
  readonly signFlips: readonly (readonly [differences: Numbers, pValue: number])[];
  readonly lattices: readonly (readonly [whole: Numbers, parts: number, pValue: number])[];
  readonly drawn: readonly (readonly [differences: Numbers, pValue: number])[];
  readonly resampled:
    readonly (readonly [values: Numbers, means: Numbers, Numbers, bca: Numbers, z0: number, a: number])[];
  readonly intervals: readonly (readonly [values: Numbers, percentile: Numbers, bca: Numbers])[];
  readonly few: readonly (readonly [before: Numbers, after: Numbers, interval: Numbers])[];
  readonly normal: readonly (readonly [x: number, p: number])[];
  readonly quantiles: readonly (readonly [p: number, x: number])[];
  readonly student: readonly (readonly [p: number, freedom: number, t: number])[];
  readonly wilson: readonly (readonly [successes: number, n: number, interval: Numbers])[];
} => JSON.parse(Deno.readTextFileSync(new URL("../../data/golden/statistics.json", import.meta.url)));

/** Fails unless the numbers agree to 1e-9, relative to the wanted one where that is above 1. */
export const near = (got: number, wanted: number, what: unknown): void =>
  ok(
    Math.abs(got - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)),
    `${JSON.stringify(what)}: got ${got}, wanted ${wanted}`,
  );
