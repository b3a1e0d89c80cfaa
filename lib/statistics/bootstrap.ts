/**
 * Bootstrap intervals of a mean (Efron, 1987), as `scipy.stats.bootstrap` computes them.
 *
 * ```ts
 * import { bootstrap } from "./bootstrap.ts";
 * import { random } from "../random.ts";
 * import { ok } from "node:assert/strict";
 *
 * const [low, high] = bootstrap([0.2, 0.4, 0.4, 0.6, 0.9], { random: random(7) });
 * ok(low > 0.25 && low < 0.4 && high > 0.6 && high < 0.75);
 * ```
 *
 * @module
 */
import type { Random } from "../random.ts";
import { normalCdf, normalQuantile } from "./normal.ts";

/** From low to high. */
export type Interval = readonly [low: number, high: number];

/** How an interval is drawn. */
export interface BootstrapOptions {
  readonly random: Random;
  /** At least 100. @default {9999} */
  readonly resamples?: number;
  /** In (0, 1). @default {0.95} */
  readonly confidence?: number;
  /** `bca` corrects the percentiles for bias and skew. @default {"bca"} */
  readonly method?: "bca" | "percentile";
}

/**
 * The interval of the mean of `values`. It knows only what it has seen: at few values it is too short, and where all
 * are equal it is that one value. `meanInterval` mends both for scores, `paired` for pairs of them. Throws a RangeError without values.
 */
export function bootstrap(
  values: readonly number[],
  { random, resamples = 9999, confidence = 0.95, method = "bca" }: BootstrapOptions,
): Interval {
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(`Cannot draw an interval as confidence must be between 0 and 1: got ${confidence}`);
  }
  const means = resampledMeans(values, resamples, random);
  const z = normalQuantile((1 + confidence) / 2);
  return method === "bca"
    ? bcaInterval(values, means, z)
    : percentileInterval(means, normalCdf(-z), normalCdf(z));
}

/** The means of `resamples` samples drawn from `values` with replacement, in ascending order. */
export function resampledMeans(values: readonly number[], resamples: number, random: Random): Float64Array {
  const n = values.length;
  if (n === 0 || !values.every(Number.isFinite)) {
    throw new RangeError(
      `Cannot resample as there must be values, all finite: got ${n ? values.join(", ") : "none"}`,
    );
  }
  if (!(Number.isInteger(resamples) && resamples >= 100)) {
    throw new RangeError(`Cannot resample as resamples must be a whole number from 100: got ${resamples}`);
  }
  const pool = Float64Array.from(values);
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += pool[Math.floor(random() * n)]!;
    means[r] = sum / n;
  }
  return means.sort();
}

/** The quantiles `low` and `high` of ascending `means`, interpolated between neighbours as numpy does. */
export const percentileInterval = (means: Float64Array, low: number, high: number): Interval => [
  quantile(means, low),
  quantile(means, high),
];

function quantile(sorted: Float64Array, p: number): number {
  const at = p * (sorted.length - 1), below = Math.floor(at);
  const a = sorted[below]!, b = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return a + (b - a) * (at - below);
}

/** The bias-corrected and accelerated interval of ascending `means`, `z` standard deviations to each side. */
export function bcaInterval(values: readonly number[], means: Float64Array, z: number): Interval {
  if (means[0] === means.at(-1)) return [means[0]!, means[0]!];
  const { z0, acceleration } = bcaCorrections(values, means);
  const level = (z: number): number => normalCdf(z0 + (z0 + z) / (1 - acceleration * (z0 + z)));
  return percentileInterval(means, level(-z), level(z));
}

/** Efron's z₀, from the share of means below that of `values` (ties count half), and a, from the jackknife: for a mean a sum of cubes. */
export function bcaCorrections(
  values: readonly number[],
  means: Float64Array,
): { z0: number; acceleration: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const tie = 1e-12 * values.reduce((sum, value) => sum + Math.abs(value), 0) / n; // sums of one set, in two orders
  let below = 0;
  for (const other of means) below += other < mean - tie ? 1 : other <= mean + tie ? 0.5 : 0;
  let squares = 0, cubes = 0;
  for (const value of values) {
    squares += (value - mean) ** 2;
    cubes += (value - mean) ** 3;
  }
  return { z0: normalQuantile(below / means.length), acceleration: cubes / (6 * squares ** 1.5) };
}
