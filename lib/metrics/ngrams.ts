/**
 * Clipped n-gram matches, the counts under BLEU and ROUGE-N, on whole numbers instead of joined strings.
 *
 * The n-grams of the references form a trie, kept in one open-addressing table: a node is the slot of
 * (parent, token), so an n-gram costs one probe more than the (n-1)-gram before it and no text is joined or hashed.
 *
 * ```ts
 * import { matches } from "./ngrams.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const the = 0, cat = 1;
 * // "the the" against "the cat": "the" counts once, as the reference has it once
 * deepEqual(matches([the, the], [[the, cat]], 2), [1, 0]);
 * ```
 *
 * @module
 */

// A slot of the table: which call wrote it, its key, and its counts.
const CALL = 0, PARENT = 1, TOKEN = 2, MOST = 3, REFERENCE = 4, HERE = 5, SEEN = 6, STRIDE = 8;

// Reused from call to call, as clearing it would cost more than the counting: a slot of an earlier call is empty.
let table = new Int32Array(0);
let call = 0, mask = 0;

/**
 * How many n-grams of `hypothesis` the references have too, for n = 1 to `order`: each counts at most as often as in
 * the one reference that has it most (Papineni et al., 2002, §2.1). Fastest when the hypothesis' tokens have the
 * lowest numbers.
 */
export function matches(
  hypothesis: readonly number[],
  references: readonly (readonly number[])[],
  order: number,
): number[] {
  reserve(references, order);
  const most = hypothesis.reduce((most, token) => Math.max(most, token), -1);
  for (let r = 0; r < references.length; r++) add(references[r]!, r + 1, order, most);
  const slots = table, correct = new Array<number>(order).fill(0);
  for (let i = 0; i < hypothesis.length; i++) {
    const end = Math.min(order, hypothesis.length - i);
    for (let n = 0, node = 0; n < end; n++) {
      node = find(node, hypothesis[i + n]!);
      if (slots[node + CALL] !== call) break; // no reference has it, so none has a longer one
      if (++slots[node + SEEN]! <= slots[node + MOST]!) correct[n]!++;
      node++;
    }
  }
  return correct;
}

/** Adds the n-grams of the `r`th reference, but none with a token above `most`, which the hypothesis cannot have. */
function add(tokens: readonly number[], r: number, order: number, most: number): void {
  const slots = table;
  for (let i = 0; i < tokens.length; i++) {
    const end = Math.min(order, tokens.length - i);
    for (let n = 0, parent = 0; n < end; n++) {
      const token = tokens[i + n]!;
      if (token > most) break;
      const node = find(parent, token);
      if (slots[node + CALL] !== call) {
        slots[node + CALL] = call;
        slots[node + PARENT] = parent;
        slots[node + TOKEN] = token;
        slots[node + MOST] = slots[node + REFERENCE] = slots[node + SEEN] = 0;
      }
      if (slots[node + REFERENCE] !== r) {
        slots[node + REFERENCE] = r;
        slots[node + HERE] = 0;
      }
      const count = ++slots[node + HERE]!;
      if (count > slots[node + MOST]!) slots[node + MOST] = count;
      parent = node + 1; // 0 is the root
    }
  }
}

/** The slot that holds (parent, token), or the empty one where it belongs. */
function find(parent: number, token: number): number {
  const slots = table;
  let hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(token + 1, 0x85ebca6b);
  hash ^= hash >>> 15;
  for (let slot = hash & mask;; slot = (slot + 1) & mask) {
    const node = slot * STRIDE;
    if (slots[node + CALL] !== call) return node;
    if (slots[node + PARENT] === parent && slots[node + TOKEN] === token) return node;
  }
}

/** An empty table with at least two slots for each n-gram. */
function reserve(references: readonly (readonly number[])[], order: number): void {
  const ngrams = references.reduce((sum, { length }) => sum + length * order, 1);
  const slots = 2 ** Math.ceil(Math.log2(2 * ngrams));
  if (table.length < slots * STRIDE || call === 2 ** 31 - 1) {
    table = new Int32Array(Math.max(table.length, slots * STRIDE));
    call = 0;
  }
  mask = slots - 1;
  call++;
}
