/**
 * Tokens: the bound that is reserved before a call, and the provider's count after it, believed where it can be true.
 *
 * ```ts
 * import { promptTokensAtMost, usageOf } from "./usage.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const request = { messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 8 } as const;
 * equal(promptTokensAtMost(request), 5 + 16 + 256);
 * deepEqual(usageOf(9, 2, "Hi"), { promptTokens: 9, completionTokens: 2 });
 * equal(usageOf(9, 2e9, "Hi"), null);
 * ```
 *
 * @module
 */
import type { ModelRequest, Usage } from "./model.ts";
import { utf8Length } from "./text.ts";

/**
 * A bound on prompt tokens for tokenizers that make no more tokens than bytes: byte-pair encoding, and SentencePiece with
 * byte fallback. 16 a message for the marks around it, 256 for what a chat template puts in front by itself.
 */
export const promptTokensAtMost = ({ messages }: ModelRequest): number =>
  messages.reduce((sum, { content }) => sum + utf8Length(content) + 16, 256);

/** Tokens that no prompt and no answer exceeds: the longest contexts of 2026 have as many. */
const MOST = 2 ** 20;

/**
 * Two counts as a bill, or null when they cannot be one: half a bill, a prompt of no tokens, a text that cost nothing, more
 * than any model takes. One above what was reserved is believed: a model that thinks may not heed what it was allowed, and a
 * chat template may put more in front than anybody knows of.
 */
export function usageOf(promptTokens: unknown, completionTokens: unknown, text: string): Usage | null {
  return isCount(promptTokens, 1) && isCount(completionTokens, text === "" ? 0 : 1)
    ? { promptTokens, completionTokens }
    : null;
}

/** The bill of what was not sent. */
export const NOTHING: Usage = { promptTokens: 0, completionTokens: 0 };

const isCount = (value: unknown, least: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MOST;
