/**
 * The wire format of protocol buffers, written: a message is the concatenation of its fields.
 *
 * ```ts
 * import { message, text, varint } from "./protobuf.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(varint(1, 300), Uint8Array.of(0x08, 0xac, 0x02));
 * deepEqual(message(3, varint(1, 150)), Uint8Array.of(0x1a, 0x03, 0x08, 0x96, 0x01));
 * deepEqual(text(2, "hi"), Uint8Array.of(0x12, 0x02, 0x68, 0x69));
 * ```
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 *
 * @module
 */

const VARINT = 0, LENGTH = 2, FIXED32 = 5;

/** A field of an integer type or an enumeration; negative ones take ten bytes, as for `int64`. */
export const varint = (field: number, value: number | bigint): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([...digits(field << 3 | VARINT), ...digits(value)]);

/** A field of type `float`. */
export function float(field: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return concat([Uint8Array.from(digits(field << 3 | FIXED32)), bytes]);
}

/** A field of type `bytes`. */
export const bytes = (field: number, value: Uint8Array): Uint8Array<ArrayBuffer> =>
  concat([Uint8Array.from([...digits(field << 3 | LENGTH), ...digits(value.length)]), value]);

/** A field of type `string`. */
export const text = (field: number, value: string): Uint8Array<ArrayBuffer> =>
  bytes(field, new TextEncoder().encode(value));

/** A field that is a message of these fields. */
export const message = (field: number, ...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> =>
  bytes(field, concat(fields));

/** One after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Seven bits a byte, the least first; all but the last say that more follow. */
function digits(value: number | bigint): number[] {
  const found: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    found.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  found.push(Number(rest));
  return found;
}
