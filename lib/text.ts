/**
 * Text from outside: what a reader can see of it, and what a database can keep of it.
 *
 * ```ts
 * import { isStorable, json, toStorable, visible } from "./text.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(visible("\u001b[31mred\n\u202e"), "\\u001b[31mred\\u000a\\u202e");
 * equal(visible("a long text", 6), "a long…");
 * equal(json({ text: "red\u009b31m" }), '{"text":"red\\u009b31m"}');
 * equal(isStorable("half a pair: \ud83d"), false);
 * equal(toStorable("NUL: \0"), "NUL: \ufffd");
 * ```
 *
 * @module
 */

/**
 * `text` on one line, at most `most` characters of it, with what cannot be seen (controls, marks that turn the writing
 * direction, letters without width, halves of pairs) as escapes: it cannot steer a terminal or hide a second text.
 */
export const visible = (text: string, most = Infinity): string =>
  text.length > most
    ? escaped(text.slice(0, most).replace(/[\ud800-\udbff]$/, "")) + "…" // no half of a pair
    : escaped(text);

const escaped = (text: string): string =>
  text.replace(/[^\S ]|[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : unit(character);
  });

/** `\u202e` */
const unit = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * `value` as JSON, on one line also for readers to whom U+2028 ends one; what cannot be seen is escaped in it, so that it
 * can neither steer a terminal nor tell a model what a person does not see. The joiners and U+FE0F, which make words of some
 * scripts, and emoji, stay.
 */
export const json = (value: unknown): string =>
  JSON.stringify(value).replace(UNSEEN, (character) => character.split("").map(unit).join(""));

const UNSEEN =
  /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]--[\u200c\u200d\ufe0f]]/gv;

/** Whether PostgreSQL can keep `text` and give it back unchanged: it has neither NUL nor half of a surrogate pair. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** `text` with U+FFFD for what PostgreSQL refuses. */
export const toStorable = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd");
