/**
 * The score interval of a share (Wilson, 1927): honest where all or none succeeded, unlike a bootstrap.
 *
 * ```ts
 * import { wilson } from "./wilson.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(wilson(0, 10).map((bound) => bound.toFixed(4)), ["0.0000", "0.2775"]);
 * ```
 *
 * @module
 */
import type { Interval } from "./bootstrap.ts";
import { normalQuantile } from "./normal.ts";

/** The interval of the chance of success after `successes` of `n`; [0, 1] when `n` is 0. */
export function wilson(successes: number, n: number, { confidence = 0.95 } = {}): Interval {
  if (!(Number.isSafeInteger(n) && Number.isSafeInteger(successes) && successes >= 0 && successes <= n)) {
    throw new RangeError(
      `Cannot draw an interval as successes must be from 0 to n: got ${successes} of ${n}`,
    );
  }
  return around(successes / n, n, confidence);
}

/** The same about any share `p`, also one that no count of `n` has. */
export function around(p: number, n: number, confidence: number): Interval {
  if (n === 0) return [0, 1];
  const z = normalQuantile((1 + confidence) / 2);
  const centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const reach = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  return [p === 0 ? 0 : centre - reach, p === 1 ? 1 : centre + reach];
}
