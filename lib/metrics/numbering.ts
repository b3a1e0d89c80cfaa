/**
 * Tokens as whole numbers: what is counted and compared afterwards is an integer, and no token becomes a string.
 *
 * ```ts
 * import { type Emit, numbered, tokens } from "./numbering.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const letters = {
 *   prepare: (text: string) => text.toLowerCase(),
 *   cut(_: Uint8Array, from: number, to: number, emit: Emit) {
 *     for (let i = from; i < to; i++) emit(i, i + 1);
 *   },
 * };
 * deepEqual(tokens("Abba", letters), ["a", "b", "b", "a"]);
 * deepEqual(numbered(["Abba", "cab"], letters), [[0, 1, 1, 0], [2, 0, 1]]);
 * ```
 *
 * @module
 */

/** Takes a token as its first byte and its end. */
export type Emit = (start: number, end: number) => void;

/** Where a text is cut into tokens; only tokens of one ASCII character may follow another without a gap. */
export interface Cutter {
  /** What is done to the text first. */
  prepare(text: string): string;
  /** Hands each token of the UTF-8 `bytes` between `from` and `to` to `emit`, in order. */
  cut(bytes: Uint8Array, from: number, to: number, emit: Emit): void;
}

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The tokens of `text`, as strings. */
export function tokens(text: string, cutter: Cutter): string[] {
  const bytes = encoder.encode(cutter.prepare(text));
  const found: string[] = [];
  cutter.cut(bytes, 0, bytes.length, (start, end) => found.push(decoder.decode(bytes.subarray(start, end))));
  return found;
}

// A slot of the table: which call wrote it, the token's hash, where it stands, and its number.
const CALL = 0, HASH = 1, START = 2, END = 3, NUMBER = 4, STRIDE = 8;

// Reused from call to call, as making them would cost more than the reading: a slot of an earlier call is empty.
let bytes = new Uint8Array(0);
let table = new Int32Array(0);
let call = 0, mask = 0, names = 0;
let numbers: number[] = [];

/** The tokens of all `texts`, numbered from 0 in the order of their first appearance: equal tokens, equal numbers. */
export function numbered(texts: readonly string[], cutter: Cutter): number[][] {
  const prepared = texts.map(cutter.prepare);
  reserve(prepared.reduce((sum, { length }) => sum + length, 0));
  let from = 0;
  return prepared.map((text) => {
    const to = from + encoder.encodeInto(text, bytes.subarray(from)).written;
    numbers = [];
    cutter.cut(bytes, from, to, add);
    from = to;
    return numbers;
  });
}

/** Adds the number of the token from byte `start` to before `end`. */
function add(start: number, end: number): void {
  const source = bytes, slots = table;
  let hash = end - start;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ source[i]!, 0x01000193); // FNV-1a
  for (let slot = (hash ^ (hash >>> 15)) & mask;; slot = (slot + 1) & mask) {
    const at = slot * STRIDE;
    if (slots[at + CALL] !== call) {
      slots[at + CALL] = call;
      slots[at + HASH] = hash;
      slots[at + START] = start;
      slots[at + END] = end;
      slots[at + NUMBER] = names;
      numbers.push(names++);
      return;
    }
    if (slots[at + HASH] === hash && same(source, slots[at + START]!, slots[at + END]!, start, end)) {
      numbers.push(slots[at + NUMBER]!);
      return;
    }
  }
}

function same(source: Uint8Array, from: number, to: number, start: number, end: number): boolean {
  if (to - from !== end - start) return false;
  for (let i = from, j = start; j < end; i++, j++) if (source[i] !== source[j]) return false;
  return true;
}

/** Room for the bytes of `units` UTF-16 units, and an empty table for their tokens. */
function reserve(units: number): void {
  if (bytes.length < 3 * units) bytes = new Uint8Array(6 * units);
  // as gaps or single ASCII characters part them, there are fewer different tokens than this, and a slot stays empty
  const slots = 2 ** Math.ceil(Math.log2(units / 2 + 130));
  if (table.length < slots * STRIDE || call === 2 ** 31 - 1) {
    table = new Int32Array(Math.max(table.length, slots * STRIDE));
    call = 0;
  }
  mask = slots - 1;
  names = 0;
  call++;
}
