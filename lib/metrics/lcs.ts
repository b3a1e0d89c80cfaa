/**
 * Longest common subsequences of token numbers: the length alone, bit-parallel, and one of them, by table.
 *
 * ```ts
 * import { lcsLength, markLcs } from "./lcs.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const a = [1, 2, 3, 4], b = [2, 4, 1];
 * equal(lcsLength(a, b), 2);
 * const marks = new Uint8Array(4);
 * markLcs(a, b, marks);
 * deepEqual(marks, Uint8Array.of(0, 1, 0, 1));
 * ```
 *
 * @module
 */

/**
 * The length of the longest common subsequence, 32 cells of the table at a time (Hyyrö, 2004, fig. 4): bit j of the
 * row `V` is 0 where the table's row grows by one from column j to j + 1.
 */
export function lcsLength(a: readonly number[], b: readonly number[]): number {
  const places = placesOf(a);
  const words = (a.length + 31) >>> 5;
  const V = new Int32Array(words).fill(-1), M = new Int32Array(words);
  for (const token of b) {
    const at = places.get(token);
    if (at === undefined) continue;
    for (const i of at) M[i >>> 5]! |= 1 << i;
    for (let word = 0, carry = 0; word < words; word++) {
      const v = V[word]!, m = M[word]!;
      const sum = (v >>> 0) + ((v & m) >>> 0) + carry;
      carry = sum > 0xffffffff ? 1 : 0;
      V[word] = sum | (v & ~m);
    }
    for (const i of at) M[i >>> 5] = 0;
  }
  let length = 0;
  for (const v of V) length += ones(~v);
  return length;
}

/** Where each token stands. */
function placesOf(tokens: readonly number[]): Map<number, number[]> {
  const places = new Map<number, number[]>();
  tokens.forEach((token, i) => {
    const at = places.get(token);
    if (at === undefined) places.set(token, [i]);
    else at.push(i);
  });
  return places;
}

function ones(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * Sets `marks[i]` for the places of `a` in one longest common subsequence with `b`: of several, the one that
 * rouge_score 0.1.2 reads out of its table (from the end, to the left only where that keeps more).
 */
export function markLcs(a: readonly number[], b: readonly number[], marks: Uint8Array): void {
  const words = (b.length + 32) >>> 5; // of a row of `left`: one bit for each column and for column 0
  const left = new Int32Array(words * (a.length + 1));
  const row = new Int32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const token = a[i - 1]!;
    for (let j = 1, corner = 0, before = 0; j <= b.length; j++) {
      const above = row[j]!;
      if (token === b[j - 1]) before = corner + 1;
      else if (before > above) left[i * words + (j >>> 5)]! |= 1 << j;
      else before = above;
      row[j] = before;
      corner = above;
    }
  }
  for (let i = a.length, j = b.length; i > 0 && j > 0;) {
    if (a[i - 1] === b[j - 1]) {
      marks[--i] = 1;
      j--;
    } else if ((left[i * words + (j >>> 5)]! >>> (j & 31)) & 1) j--;
    else i--;
  }
}
