/**
 * Text from outside: what a model said as a database can hold it, and what a server said as an error can show it.
 *
 * @module
 */

/** `text` with NUL and unpaired surrogates, which PostgreSQL refuses, replaced by U+FFFD. */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd");

const LONGEST = 300;

/** `text` on one line: shortened, without `secret`, with characters that cannot be seen as escapes. */
export function visible(text: string, secret = ""): string {
  const safe = (secret === "" ? text : text.replaceAll(secret, "[key]")).trim();
  const short = safe.length > LONGEST ? safe.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, "") + "…" : safe;
  return short.replace(/\s+/g, " ").replace(
    /[\p{Cc}\p{Cf}\p{Cs}]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

/** Bytes of `text` in UTF-8: no tokenizer of the byte-level kind makes more tokens of it. */
export const utf8Length = (text: string): number => encoder.encode(text).length;

const encoder = new TextEncoder();
