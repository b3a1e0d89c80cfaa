/**
 * How much sets have in common, each with each.
 *
 * ```ts
 * import { overlaps } from "./overlap.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const [first] = overlaps([new Set("abc"), new Set("bcd"), new Set("e")]);
 * deepEqual([...first!], [3, 2, 0]);
 * ```
 *
 * @module
 */

/** Members that each set shares with each. By the sets that a member is in: most pairs have few or none in common. */
export function overlaps<T>(sets: readonly ReadonlySet<T>[]): Uint32Array[] {
  const holders = new Map<T, number[]>();
  sets.forEach((set, i) => {
    for (const member of set) {
      const all = holders.get(member);
      if (all) all.push(i);
      else holders.set(member, [i]);
    }
  });
  const common = sets.map(() => new Uint32Array(sets.length));
  for (const all of holders.values()) {
    for (const a of all) {
      for (const b of all) common[a]![b]!++;
    }
  }
  return common;
}
