/**
 * "Did you mean …?": the known name that a mistyped one is near to.
 *
 * ```ts
 * import { nearest } from "./nearest.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const metrics = ["exact_match", "f1", "bleu"];
 * equal(nearest("exact-match", metrics), "exact_match");
 * equal(nearest("exact", metrics), "exact_match");
 * equal(nearest("rouge", metrics), undefined);
 * ```
 *
 * @module
 */

/** The one of `names` that `word` is but for case, a missing tail, or a quarter of its letters; the nearest one if several. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const near = names.map((name) => ({ name, slips: slips(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, slips }) => slips <= Math.max(1, Math.floor(name.length / 4)))
    .sort((a, b) => a.slips - b.slips);
  return near[0]?.name;
}

function slips(word: string, name: string): number {
  return word.length >= 3 && name.startsWith(word) ? 1 : edits(word, name);
}

/** Damerau's distance with adjacent swaps (optimal string alignment), for short words. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(change, last[j]! + 1, row[j - 1]! + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
