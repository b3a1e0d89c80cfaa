/**
 * A seeded random generator that is passed as a value: the same seed gives the same draws everywhere.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand), seeded by hashing a label with xmur3, so that
 * `fork("demos")` and `fork("bandit")` are independent streams: drawing more from one never shifts the other.
 *
 * ```ts
 * import { random, shuffle } from "./random.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(shuffle([1, 2, 3, 4], random(7)), shuffle([1, 2, 3, 4], random(7)));
 * ```
 *
 * @module
 */

/** A stream of draws. */
export interface Random {
  /** The next draw, uniform in [0, 1), with 32 bits. */
  (): number;
  /** An independent stream named `label`; it does not depend on how much was drawn from this one. */
  fork(label: string | number): Random;
}

/** A generator for `seed`: a number or any text. */
export function random(seed: number | string): Random {
  const hash = xmur3(String(seed));
  let a = hash(), b = hash(), c = hash(), counter = 1;
  const next = (): number => {
    const t = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next(); // sfc32 mixes its seed in 12 rounds
  return Object.assign(next, { fork: (label: string | number) => random(`${seed}/${label}`) });
}

/** A whole number, uniform in [0, n). */
export const integer = (n: number, random: Random): number => Math.floor(random() * n);

/** One of `items`, uniform; throws a RangeError when there are none. */
export function pick<T>(items: readonly T[], random: Random): T {
  if (items.length === 0) throw new RangeError("Cannot pick from an empty list");
  return items[integer(items.length, random)]!;
}

/** A shuffled copy (Fisher and Yates). */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = integer(i + 1, random);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}

/** `k` different items in random order, or all of them when there are fewer. */
export const sample = <T>(items: readonly T[], k: number, random: Random): T[] =>
  shuffle(items, random).slice(0, k);

/** A standard normal draw (Box and Muller, 1958). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

/** xmur3: a text to a stream of 32-bit seeds (after MurmurHash3's finalizer). */
function xmur3(text: string): () => number {
  let h = 1779033703 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 3432918353);
    h = (h << 13) | (h >>> 19);
  }
  return () => {
    h = Math.imul(h ^ (h >>> 16), 2246822507);
    h = Math.imul(h ^ (h >>> 13), 3266489909);
    return (h ^= h >>> 16) >>> 0;
  };
}
