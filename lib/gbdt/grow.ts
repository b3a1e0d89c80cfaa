/**
 * Rounds of boosting and when to stop: LightGBM's callback `early_stopping`.
 *
 * ```ts
 * import { grow } from "./grow.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const losses = [3, 2, 2, 2.5, 1];
 * deepEqual(grow((round) => losses[round - 1], { rounds: 5, patience: 2 }), { best: 2, losses: [3, 2, 2, 2.5] });
 * ```
 *
 * @module
 */

/** What a training went through. */
export interface Growth {
  /** The round with the lowest loss, the earliest of equals; undefined where all rounds are to be kept. */
  readonly best: number | undefined;
  /** After each round; empty where there is none. */
  readonly losses: readonly number[];
}

/**
 * Calls `next` for each round from 1. It ends `patience` rounds after the best; with a patience of 0, or where `next` gives no
 * loss, it goes through all `rounds`.
 */
export function grow(
  next: (round: number) => number | undefined,
  { rounds, patience, onRound }: {
    readonly rounds: number;
    readonly patience: number;
    readonly onRound?: (round: number, loss?: number) => void;
  },
): Growth {
  const losses: number[] = [];
  let best = 1;
  for (let round = 1; round <= rounds; round++) {
    const loss = next(round);
    onRound?.(round, loss);
    if (loss === undefined) continue;
    losses.push(loss);
    if (loss < losses[best - 1]!) best = round;
    else if (patience > 0 && round - best >= patience) break;
  }
  return { best: patience > 0 && losses.length > 0 ? best : undefined, losses };
}
