/**
 * Sign-flip permutation test of paired differences: were the pairs exchangeable, each difference would be as likely
 * with the other sign. As `scipy.stats.permutation_test(permutation_type="samples")` on a mean, two-sided.
 *
 * ```ts
 * import { signFlip } from "./sign_flip.ts";
 * import { random } from "../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(signFlip([0.1, 0.2, 0.3, 0.4], { random: random(1) }), 2 / 2 ** 4);
 * ```
 *
 * @module
 */
import type { Random } from "../random.ts";

/** How flips are drawn where they are too many to count. */
export interface SignFlipOptions {
  readonly random: Random;
  /** @default {9999} */
  readonly resamples?: number;
}

const COUNTABLE = 30; // differences: 2^15 sums of each half
const FINEST = 100; // a lattice of hundredths
const LATTICE_STEPS = 2e7;

/**
 * The share of all sign flips whose sum is at least as far from 0 as that of `differences`; 1 where there are none.
 * Exact for up to 30 differences that are not 0, and for any reasonable number of them on a lattice of hundredths or
 * coarser; otherwise of `resamples` random flips, with the one observed added (Phipson and Smyth, 2010).
 */
export function signFlip(
  differences: readonly number[],
  { random, resamples = 9999 }: SignFlipOptions,
): number {
  if (!differences.every(Number.isFinite)) {
    throw new RangeError(`Cannot test as all differences must be finite: got ${differences.join(", ")}`);
  }
  const sizes = Float64Array.from(differences, Math.abs).filter((size) => size > 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  // equal sums may differ in their last digits, so that what is nearly as far counts as as far
  const observed = Math.abs(differences.reduce((sum, difference) => sum + difference, 0)) - 1e-12 * total;
  if (observed <= 0) return 1;
  const unit = latticeUnit(sizes);
  if (unit !== undefined && sizes.length * total / unit <= LATTICE_STEPS) {
    return onLattice(sizes.map((size) => Math.round(size / unit)), observed / unit);
  }
  if (sizes.length <= COUNTABLE) return byCounting(sizes, observed);
  return byDrawing(sizes, observed, resamples, random);
}

/** The largest 1/k that all sizes are multiples of. */
function latticeUnit(sizes: Float64Array): number | undefined {
  for (let k = 1; k <= FINEST; k++) {
    if (sizes.every((size) => size * k > 0.5 && Math.abs(size * k - Math.round(size * k)) < 1e-12)) {
      return 1 / k;
    }
  }
}

/** The distribution of the sum of those that are flipped to plus, one difference after the other. */
function onLattice(sizes: Float64Array, observed: number): number {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const probability = new Float64Array(total + 1);
  probability[0] = 1;
  let most = 0;
  for (const size of sizes) {
    most += size;
    for (let sum = most; sum >= 0; sum--) {
      probability[sum] = (probability[sum]! + (sum >= size ? probability[sum - size]! : 0)) / 2;
    }
  }
  let p = 0;
  for (let plus = 0; plus <= total; plus++) {
    if (Math.abs(2 * plus - total) >= observed) p += probability[plus]!;
  }
  return Math.min(1, p);
}

/** All sums, as those of one half against those of the other. */
function byCounting(sizes: Float64Array, observed: number): number {
  const half = sizes.length >> 1;
  const left = signedSums(sizes.subarray(0, half)), right = signedSums(sizes.subarray(half));
  let count = 0;
  let from = right.length; // of the right sums that reach far enough with this left one
  for (const sum of left) {
    while (from > 0 && sum + right[from - 1]! >= observed) from--;
    count += right.length - from;
  }
  return Math.min(1, 2 * count / 2 ** sizes.length); // the distribution is symmetric
}

/** The sums under every choice of signs, ascending. */
function signedSums(sizes: Float64Array): Float64Array {
  const sums = new Float64Array(2 ** sizes.length);
  let filled = 1;
  for (const size of sizes) {
    for (let i = 0; i < filled; i++) {
      sums[filled + i] = sums[i]! + size;
      sums[i]! -= size;
    }
    filled *= 2;
  }
  return sums.sort();
}

function byDrawing(sizes: Float64Array, observed: number, resamples: number, random: Random): number {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let count = 1;
  for (let r = 0; r < resamples; r++) {
    let flipped = 0;
    for (let i = 0, bits = 0; i < sizes.length; i++, bits >>= 1) {
      if (i % 32 === 0) bits = (random() * 2 ** 32) | 0;
      flipped += (bits & 1) * sizes[i]!;
    }
    if (Math.abs(total - 2 * flipped) >= observed) count++;
  }
  return count / (resamples + 1);
}
