/**
 * The normal distribution and Student's t: what intervals are made of.
 *
 * ```ts
 * import { normalCdf, normalQuantile, studentQuantile } from "./normal.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(normalQuantile(0.975).toFixed(6), "1.959964");
 * equal(normalCdf(-1.96).toFixed(6), "0.024998");
 * equal(studentQuantile(0.975, 9).toFixed(6), "2.262157");
 * ```
 *
 * @module
 */

const density = (x: number): number => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);

/** Φ(x), the probability of a standard normal draw below `x`: a series in the middle (Marsaglia, 2004), Laplace's continued fraction in the tails. */
export function normalCdf(x: number): number {
  if (x > 3) return 1 - normalCdf(-x);
  if (x < -3) {
    let fraction = -x;
    for (let k = 200; k > 0; k--) fraction = -x + k / fraction;
    return density(x) / fraction;
  }
  let sum = x;
  for (let k = 3, term = x; sum + term !== sum; k += 2) sum += term *= x * x / k;
  return 0.5 + density(x) * sum;
}

/** The x with Φ(x) = `p`: ±Infinity at 1 and 0. Throws a RangeError unless `p` is in [0, 1]. */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) {
    throw new RangeError(`Cannot find the quantile as p must be from 0 to 1: got ${p}`);
  }
  if (p === 0 || p === 1) return p === 0 ? -Infinity : Infinity;
  if (p > 0.5) return -normalQuantile(1 - p);
  // Abramowitz and Stegun, 26.2.22, good to 0.003; each step of Halley's after it triples the digits
  const t = Math.sqrt(-2 * Math.log(p));
  let x = (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t) - t;
  for (let step = 0; step < 3; step++) {
    const u = (normalCdf(x) - p) / density(x);
    x -= u / (1 + x * u / 2);
  }
  return x;
}

/** The quantile of Student's t with a whole number of degrees of freedom, for `p` in [0.5, 1) (Abramowitz and Stegun, 26.7.3 and 26.7.4). */
export function studentQuantile(p: number, freedom: number): number {
  let low = 0, high = Math.PI / 2; // of the angle whose tangent is t / √freedom
  for (let step = 0; step < 60; step++) {
    const angle = (low + high) / 2;
    if (studentWithin(angle, freedom) < 2 * p - 1) low = angle;
    else high = angle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/** The probability that |t| stays below √freedom tan(angle). */
function studentWithin(angle: number, freedom: number): number {
  const odd = freedom % 2, cos = Math.cos(angle);
  let sum = 0, term = odd ? cos : 1;
  for (let k = odd + 2; k <= freedom; k += 2) {
    sum += term;
    term *= cos * cos * (k - 1) / k;
  }
  const rest = Math.sin(angle) * sum;
  return odd ? 2 / Math.PI * (angle + rest) : rest;
}
