/**
 * Whether what came after is better than what was before, question by question.
 *
 * ```ts
 * import { paired } from "./paired.ts";
 * import { random } from "../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const before = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0], after = [1, 1, 1, 1, 0, 1, 1, 1, 1, 0];
 * const { mean, pValue, significant, test } = paired(before, after, { random: random(1) });
 * equal(mean, 0.6);
 * equal(pValue, 2 / 2 ** 6); // six questions won, none lost
 * equal(significant, true);
 * equal(test, "mcnemar");
 * ```
 *
 * @module
 */
import type { Random } from "../random.ts";
import { bcaInterval, type Interval, resampledMeans } from "./bootstrap.ts";
import { mcnemar } from "./mcnemar.ts";
import { studentQuantile } from "./normal.ts";
import { signFlip } from "./sign_flip.ts";

/** Two-sided, at 0.05. */
export interface Comparison {
  /** Of after minus before, in [-1, 1]; 0 without pairs. */
  readonly mean: number;
  /** Of that mean, with 95 % confidence, within [-1, 1]. */
  readonly ci95: Interval;
  readonly pValue: number;
  /** Whether `pValue` is below 0.05. If not, 0 is in the interval; if so, it may still be, as the two argue differently. */
  readonly significant: boolean;
  /** `mcnemar` where all scores are 0 or 1, else `sign-flip`; both are exact where `signFlip` says so. */
  readonly test: "mcnemar" | "sign-flip";
  readonly n: number;
}

/** Chance for what is drawn: resamples of the interval, and flips where they are too many to count. */
export interface PairedOptions {
  readonly random: Random;
  /** Of each, at least 100. @default {9999} */
  readonly resamples?: number;
}

/**
 * Compares scores in [0, 1] of the same questions. The interval is BCa, at levels widened as Student's t is against
 * the normal (Hesterberg's expanded percentile, 2015). What resampling cannot see is bounded instead: under 10 pairs
 * it is Student's t-interval, and where all n differences are equal it allows for what n draws miss with a chance of
 * 5 %, a share of 1 - 0.05^(1/n) at -1 or at 1; so without pairs it is [-1, 1]. What the test does not bear out the
 * interval does not claim: it is stretched to 0 where the p-value is not below 0.05. Nothing is ever NaN.
 *
 * Throws a RangeError where lengths differ or a score is outside of [0, 1].
 */
export function paired(
  before: readonly number[],
  after: readonly number[],
  { random, resamples = 9999 }: PairedOptions,
): Comparison {
  check(before, after);
  const n = before.length;
  const differences = after.map((score, i) => score - before[i]!);
  const binary = [...before, ...after].every((score) => score === 0 || score === 1);
  const pValue = binary
    ? mcnemar(differences.filter((d) => d > 0).length, differences.filter((d) => d < 0).length)
    : signFlip(differences, { random: random.fork("flips"), resamples });
  const significant = pValue < 0.05;
  const mean = n === 0 ? 0 : sum(differences) / n;
  const [low, high] = interval(differences, resamples, random.fork("resamples"));
  const held = significant ? [mean] : [mean, 0]; // the mean, too: where all are nearly 1, rounding can put it outside
  return {
    mean,
    ci95: [Math.min(low, ...held), Math.max(high, ...held)],
    pValue,
    significant,
    test: binary ? "mcnemar" : "sign-flip",
    n,
  };
}

function interval(differences: readonly number[], resamples: number, random: Random): Interval {
  const n = differences.length;
  const [first = 0] = differences;
  if (differences.every((d) => Math.abs(d - first) < 1e-12)) {
    const unseen = 1 - 0.05 ** (1 / n);
    return n === 0 ? [-1, 1] : [first - unseen * (first + 1), first + unseen * (1 - first)];
  }
  const z = studentQuantile(0.975, n - 1) * Math.sqrt(n / (n - 1));
  if (n >= 10) return bcaInterval(differences, resampledMeans(differences, resamples, random), z);
  const mean = sum(differences) / n;
  const reach = z * Math.sqrt(sum(differences.map((d) => (d - mean) ** 2))) / n;
  return [Math.max(-1, mean - reach), Math.min(1, mean + reach)];
}

const sum = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function check(before: readonly number[], after: readonly number[]): void {
  if (before.length !== after.length) {
    throw new RangeError(
      `Cannot compare as both must score the same questions: got ${before.length} and ${after.length} scores`,
    );
  }
  const wrong = [...before, ...after].find((score) => !(score >= 0 && score <= 1));
  if (wrong !== undefined) throw new RangeError(`Cannot compare as scores must be from 0 to 1: got ${wrong}`);
}
