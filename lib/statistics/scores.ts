/**
 * The 95 % interval of what scores in [0, 1] come to: their mean, or what a corpus is worth where that is no mean.
 *
 * ```ts
 * import { corpusInterval, meanInterval } from "./scores.ts";
 * import { random } from "../random.ts";
 * import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
 *
 * deepEqual(meanInterval([1, 1, 1, 0], { random: random(1) }).map((bound) => bound.toFixed(2)), ["0.30", "0.95"]);
 * deepEqual(meanInterval([0.5, 0.5], { random: random(1) }).map((bound) => bound.toFixed(2)), ["0.09", "0.91"]);
 *
 * const right = [9, 1, 8, 2, 9, 3, 7, 9, 1, 8], words = [10, 2, 8, 2, 10, 5, 9, 11, 2, 8];
 * const share = (places: readonly number[]) =>
 *   places.reduce((sum, i) => sum + right[i]!, 0) / places.reduce((sum, i) => sum + words[i]!, 0);
 * const [low, high] = corpusInterval(right.length, share, { random: random(1) });
 * ok(low < 57 / 67 && high > 57 / 67);
 * ```
 *
 * @module
 */
import { integer, type Random } from "../random.ts";
import { bootstrap, type BootstrapOptions, type Interval, percentileInterval } from "./bootstrap.ts";
import { around } from "./wilson.ts";

/** Scores below which resampling knows too little: of five that are uniform its interval has the truth 86 times of 100. */
const FEW = 10;

/**
 * The interval of the mean of `scores`: BCa, but Wilson's where it is a share of zeros and ones, where there are under 10 scores,
 * and where all are equal. Scores between 0 and 1 spread no wider than zeros and ones of the same mean, so for them Wilson's is
 * rather too wide than too narrow. [0, 1] without scores.
 */
export function meanInterval(
  scores: readonly number[],
  options: Pick<BootstrapOptions, "random" | "resamples">,
): Interval {
  const n = scores.length, [first] = scores;
  const binary = scores.every((score) => score === 0 || score === 1);
  if (!binary && n >= FEW && scores.some((score) => score !== first)) return bootstrap(scores, options);
  return around(scores.reduce((sum, score) => sum + score, 0) / n, n, CONFIDENCE);
}

const CONFIDENCE = 0.95;

/** Samples of a corpus: as many as its worth is computed of in a second or so. */
const SAMPLES = 999;

/**
 * The interval of `worth`, the score in [0, 1] of any of the `n` segments of a corpus, by their places: percentiles of samples
 * drawn with replacement (Koehn, 2004). It has the score of the corpus itself in it; Wilson's about that under 10 segments, and
 * where all samples are worth the same.
 */
export function corpusInterval(
  n: number,
  worth: (places: readonly number[]) => number,
  { random }: { readonly random: Random },
): Interval {
  const whole = worth(Array.from({ length: n }, (_, i) => i));
  const worths = Float64Array.from(
    { length: n < FEW ? 0 : SAMPLES },
    () => worth(Array.from({ length: n }, () => integer(n, random))),
  ).sort();
  if (worths[0] === worths.at(-1)) return around(whole, n, CONFIDENCE);
  const [low, high] = percentileInterval(worths, (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2);
  return [Math.min(low, whole), Math.max(high, whole)];
}
