/**
 * What a server said, as an error can show it, and the size of a text to a tokenizer.
 *
 * @module
 */
import { visible as seen } from "../text.ts";

const LONGEST = 300;

/** `text` on one line: shortened, white space folded, without `secrets`, with what cannot be seen as escapes. */
export const visible = (text: string, ...secrets: readonly string[]): string =>
  seen(without(text, secrets).trim().replace(/\s+/g, " "), LONGEST);

/** `text` with `[key]` for each of `secrets`. */
export const without = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((rest, secret) => secret === "" ? rest : rest.replaceAll(secret, "[key]"), text);

/** Bytes of `text` in UTF-8: no tokenizer of the byte-level kind makes more tokens of it. */
export const utf8Length = (text: string): number => encoder.encode(text).length;

const encoder = new TextEncoder();
