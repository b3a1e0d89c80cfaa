/**
 * Generalized advantage estimation (Schulman et al., 2016, eq. 16) over environments in step with each other.
 *
 * ```ts
 * import { gae } from "./gae.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const advantages = new Float32Array(2);
 * gae({ rewards: [1, 1], values: [0, 0], ended: [0, 1], nextValues: [9] }, advantages, { gamma: 0.5, gaeLambda: 1 });
 * deepEqual([...advantages], [1.5, 1]);
 * ```
 *
 * @module
 */

/** What happened in T steps of N environments: entry t N + i is step t of environment i. */
export interface Experience {
  /** T x N. Where an episode was cut off, with γ V(its last observation) in it: what would have come. */
  readonly rewards: ArrayLike<number>;
  /** V of what was seen before each step, T x N. */
  readonly values: ArrayLike<number>;
  /** Whether an episode ended in the step, T x N. */
  readonly ended: ArrayLike<number>;
  /** V of what is seen after the last step, N. */
  readonly nextValues: ArrayLike<number>;
}

/** Writes Â of each step into `advantages`, T x N. */
export function gae(
  { rewards, values, ended, nextValues }: Experience,
  advantages: Float32Array | Float64Array,
  { gamma, gaeLambda }: { readonly gamma: number; readonly gaeLambda: number },
): void {
  const N = nextValues.length;
  for (let i = 0; i < N; i++) {
    let next = 0, nextValue = nextValues[i]!; // Â and V at t + 1
    for (let at = rewards.length - N + i; at >= 0; at -= N) {
      const goesOn = 1 - ended[at]!;
      const delta = rewards[at]! + gamma * nextValue * goesOn - values[at]!;
      advantages[at] = next = delta + gamma * gaeLambda * goesOn * next;
      nextValue = values[at]!;
    }
  }
}
