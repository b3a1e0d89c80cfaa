/**
 * Tokens: the bound that is reserved before a call, and the provider's count after it, believed where it can be true.
 *
 * ```ts
 * import { promptTokensAtMost, usageOf } from "./usage.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const request = { messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 8 } as const;
 * equal(promptTokensAtMost(request), 5 + 16 + 256);
 * deepEqual(usageOf(9, 2, { request, text: "Hi" }), { promptTokens: 9, completionTokens: 2 });
 * equal(usageOf(9, 2e9, { request, text: "Hi" }), null);
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

/**
 * Two counts as a bill, or null when they cannot be one: half a bill, a prompt of no tokens, a text that cost nothing,
 * more than the prompt could have taken, more than was allowed and than the text shows.
 */
export function usageOf(
  promptTokens: unknown,
  completionTokens: unknown,
  { request, text }: { request: ModelRequest; text: string },
): Usage | null {
  const least = text === "" ? 0 : 1;
  const most = Math.max(request.maxTokens, utf8Length(text) + 1); // + 1: the mark that ends it
  return isCount(promptTokens, 1, promptTokensAtMost(request)) && isCount(completionTokens, least, most)
    ? { promptTokens, completionTokens }
    : null;
}

/** The bill of what was not sent. */
export const NOTHING: Usage = { promptTokens: 0, completionTokens: 0 };

const isCount = (value: unknown, least: number, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
