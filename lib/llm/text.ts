/**
 * What a server said, as an error can show it; the size of a text to a tokenizer; texts as a grammar.
 *
 * @module
 */
import { toStorable, visible as seen } from "../text.ts";
import { type Completion, FIRSTS, type FirstToken } from "./model.ts";

const LONGEST = 300;

/** `text` on one line: shortened, white space folded, without `secrets`, with what cannot be seen as escapes. */
export const visible = (text: string, ...secrets: readonly string[]): string =>
  seen(without(text, secrets).trim().replace(/\s+/g, " "), LONGEST);

/** `text` with `[key]` for each of `secrets`. */
export const without = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((rest, secret) => secret === "" ? rest : rest.replaceAll(secret, "[key]"), text);

/**
 * A reply without the thoughts that some servers hand on before it, between `<think>` and `</think>`; the template of some
 * models has said the first mark already. Thoughts that were cut off stay: there is no reply.
 */
export function spoken(reply: string): string {
  const end = reply.indexOf("</think>"), begin = reply.indexOf("<think>");
  const thought = begin < 0 || begin > end || reply.slice(0, begin).trim() === "";
  return end >= 0 && thought ? reply.slice(end + "</think>".length).trimStart() : reply;
}

/** Bytes of `text` in UTF-8: no tokenizer of the byte-level kind makes more tokens of it. */
export const utf8Length = (text: string): number => encoder.encode(text).length;

const encoder = new TextEncoder();

/**
 * What a server told of an answer's tokens, as `firsts` of a completion, up to the first that cannot be read. `secrets` are not
 * kept.
 */
export function firstsOf(told: unknown, ...secrets: readonly string[]): Pick<Completion, "firsts"> {
  const clean = (text: string) => without(toStorable(text), secrets);
  const firsts: FirstToken[] = [];
  for (const place of Array.isArray(told) ? told.slice(0, FIRSTS) : []) {
    const { token: said, top_logprobs: top } = place ?? {};
    const likely = (Array.isArray(top) ? top : []).flatMap((each) =>
      typeof each?.token === "string" && Number.isFinite(each.logprob)
        ? [[clean(each.token), each.logprob] as const]
        : []
    );
    if (typeof said !== "string" || likely.length === 0) break;
    firsts.push({ said: clean(said), likely: Object.fromEntries(likely.reverse()) }); // of two that read the same, the likelier
  }
  return firsts.length === 0 ? {} : { firsts };
}

/** A grammar of `choices` and nothing else, in llama.cpp's notation (GBNF). */
export const grammarOf = (choices: readonly string[]): string =>
  `root ::= ${choices.map((choice) => `"${choice.replace(SPECIAL, escaped)}"`).join(" | ")}`;

// deno-lint-ignore no-control-regex -- what a quoted text of a grammar may not hold as it is
const SPECIAL = /["\\\x00-\x1f\x7f]/g;
const escaped = (sign: string) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`;
