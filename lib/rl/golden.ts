/**
 * The golden file data/golden/rl.json: the numbers of Gymnasium and Stable-Baselines3, for the tests beside this file.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Blas, openBlas, plainBlas } from "../native/mod.ts";
import { ensurePython } from "../python/mod.ts";
import type { CartPoleState } from "./cart_pole.ts";

type Numbers = readonly number[];

/** What an update was asked for, by PPO's names. */
export interface UpdateSettings {
  readonly batchSize: number;
  readonly epochs: number;
  readonly gamma: number;
  readonly gaeLambda: number;
  readonly clipRange: number;
  readonly valueCoef: number;
  readonly entropyCoef: number;
  readonly maxGradNorm: number;
  readonly learningRate: number;
  readonly normalizeAdvantage: boolean;
}

/** Reads the golden file. */
export const golden = (): {
  readonly cart_poles: readonly (readonly [
    start: CartPoleState,
    steps: readonly (readonly [
      action: number,
      observation: Numbers,
      reward: number,
      terminated: boolean,
      truncated: boolean,
    ])[],
  ])[];
  readonly updates: readonly (readonly [
    seed: number,
    observationSize: number,
    actions: number,
    steps: number,
    environments: number,
    settings: UpdateSettings,
    old: Readonly<Record<"logProbs" | "values" | "advantages" | "returns", Numbers>>,
    nextValues: Numbers,
    losses: Readonly<Record<string, number>>,
    norm: number,
    everyTenth: Numbers,
  ])[];
} => JSON.parse(Deno.readTextFileSync(new URL("../../data/golden/rl.json", import.meta.url)));

/** The recipe of data/golden/rl.py, to the last bit. */
export function drawing(seed: number) {
  let state = seed;
  const draw = () => (state = state * 48271 % 2147483647) / 2147483647;
  return {
    draw,
    floats: (size: number, spread = 1) =>
      Float32Array.from({ length: size }, () => (2 * draw() - 1) * spread),
    /** Brings numbers into the order of the next permutation. */
    permute(indices: Int32Array): void {
      for (let i = 0; i < indices.length; i++) indices[i] = i;
      for (let i = indices.length - 1; i > 0; i--) {
        const j = Math.floor(draw() * (i + 1));
        [indices[i], indices[j]] = [indices[j]!, indices[i]!];
      }
    },
  };
}

/** Fails unless all numbers agree to `within`, relative to the wanted one where that is above 1. */
export function near(got: ArrayLike<number>, wanted: ArrayLike<number>, within: number, what: string): void {
  ok(got.length === wanted.length, `${what}: got ${got.length} numbers, wanted ${wanted.length}`);
  for (let i = 0; i < wanted.length; i++) {
    const apart = Math.abs(got[i]! - wanted[i]!);
    ok(
      apart <= within * Math.max(1, Math.abs(wanted[i]!)),
      `${what}: number ${i} is ${got[i]}, wanted ${wanted[i]}`,
    );
  }
}

/** Both ways to multiply: OpenBLAS of the wheel in requirements/learn.txt, and TypeScript. */
export async function bothBlas(): Promise<readonly Blas[]> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const native = await openBlas(await ensurePython({ root, group: "learn" }));
  ok(native.name === "openblas");
  return [native, plainBlas()];
}
