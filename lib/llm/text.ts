/**
 * What a server said, as an error can show it, and the size of a text to a tokenizer.
 *
 * @module
 */
import { toStorable, visible as seen } from "../text.ts";
import type { Completion } from "./model.ts";

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

/**
 * What a server told of first tokens, as `firsts` of a completion; nothing where it told none that can be read. `secrets` are
 * not kept.
 */
export function firstsOf(told: unknown, ...secrets: readonly string[]): Pick<Completion, "firsts"> {
  if (!Array.isArray(told)) return {};
  const read = told.flatMap((each) =>
    typeof each?.token === "string" && Number.isFinite(each.logprob)
      ? [[without(toStorable(each.token), secrets), each.logprob] as const]
      : []
  );
  return read.length === 0 ? {} : { firsts: Object.fromEntries(read.reverse()) }; // of two that read the same, the likelier
}
