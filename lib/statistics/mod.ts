/**
 * Whether a difference is more than luck: intervals and exact tests for paired scores; and whether two columns have one order.
 *
 * ```ts
 * import { paired } from "./mod.ts";
 * import { random } from "../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const { mean, ci95: [low, high], significant } = paired([0.5, 0.25], [0.75, 0.5], { random: random(7) });
 * equal(mean, 0.25);
 * equal(low < 0 && high > 0, true); // two questions prove nothing
 * equal(significant, false);
 * ```
 *
 * @module
 */
export { type Comparison, paired, type PairedOptions } from "./paired.ts";
export { mcnemar } from "./mcnemar.ts";
export { signFlip, type SignFlipOptions } from "./sign_flip.ts";
export { bootstrap, type BootstrapOptions, type Interval } from "./bootstrap.ts";
export { wilson } from "./wilson.ts";
export { corpusInterval, meanInterval } from "./scores.ts";
export { normalCdf, normalQuantile } from "./normal.ts";
export { correlation, mean, rankCorrelation, ranks } from "./rank_correlation.ts";
