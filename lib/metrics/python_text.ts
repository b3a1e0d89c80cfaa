/**
 * Python's idea of space, word, digit and punctuation, where JavaScript's differs.
 *
 * JavaScript's `\s` has U+FEFF and lacks U+0085 and U+001C to U+001F; its `\w`, `\d` and `\b` know ASCII only. The
 * classes here equal those of Python's `str` and `re` on every character that Unicode 14 assigns. Lower case needs
 * nothing: `toLowerCase` and `str.lower` agree, final sigma and dotted I included.
 *
 * ```ts
 * import { split } from "./python_text.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(split(" a\u00a0b\u0085\ufeffc "), ["a", "b", "\ufeffc"]);
 * ```
 *
 * @module
 */

/** The inside of a character class: what `str.isspace` holds for, and `\s`. */
export const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

/** The inside of a character class: `str.isalnum` and the underscore, `\w`. */
export const WORD = String.raw`\p{L}\p{N}_`;

/** `string.punctuation`: the 32 of ASCII. */
export const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/** `string.digits`: ASCII only, unlike `\d`. */
export const DIGITS = /[0-9]/g;

const SPACES = new RegExp(`[${SPACE}]+`, "u");

/** `text.split()`: the runs between spaces; none of an empty text. */
export const split = (text: string): string[] => text.split(SPACES).filter((word) => word !== "");

/** `text.rstrip()`. */
export function rstrip(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

/** `str.isspace` of one UTF-16 unit; no space lies beyond the basic plane. */
export const isSpace = (unit: number): boolean =>
  unit <= 0x20 ? (unit >= 9 && unit <= 13) || unit >= 0x1c : unit >= 0x85 && isRareSpace(unit);

const isRareSpace = (unit: number): boolean =>
  unit === 0x85 || unit === 0xa0 || unit === 0x1680 || (unit >= 0x2000 && unit <= 0x200a) ||
  unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x205f || unit === 0x3000;
