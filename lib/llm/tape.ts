/**
 * Tapes: completions of a real model, recorded once and replayed in tests. A request that is not on the tape fails.
 *
 * ```ts
 * import { recorder, tapeModel } from "./tape.ts";
 * import { strictEqual as equal, rejects } from "node:assert/strict";
 * import type { LanguageModel } from "./model.ts";
 *
 * const echo: LanguageModel = {
 *   name: "local",
 *   identity: { provider: "local" },
 *   promptTokensAtMost: () => 9,
 *   complete: ({ messages }) => Promise.resolve({ text: messages.at(-1)!.content, finish: "stop", usage: null }),
 * };
 * const request = { messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 8 } as const;
 *
 * const recording = recorder(echo);
 * await recording.complete(request);
 * const replay = tapeModel(recording.tape());
 * equal((await replay.complete(request)).text, "Hello");
 * await rejects(replay.complete({ ...request, temperature: 1 }), /no recording/);
 * ```
 *
 * @module
 */
import { completionKey } from "./ledger.ts";
import type { Completion, LanguageModel, ModelRequest } from "./model.ts";
import { visible } from "./text.ts";

/** A recorded model: what it was, and its answers in the order of their keys. JSON as it is. */
export interface Tape {
  readonly name: string;
  readonly identity: Readonly<Record<string, string>>;
  readonly answers: readonly Recording[];
}

/** One request and its answer. */
export interface Recording {
  readonly key: string;
  readonly request: ModelRequest;
  readonly promptTokensAtMost: number;
  readonly completion: Completion;
}

/** Plays a tape: the recorded answer of each request, an Error for any other. */
export function tapeModel(tape: Tape): LanguageModel {
  const answers = new Map(tape.answers.map((answer) => [answer.key, answer]));
  const find = (request: ModelRequest): Recording => {
    const answer = answers.get(completionKey(tape.identity, request));
    if (answer) return answer;
    const asked = visible(request.messages.at(-1)?.content ?? "");
    throw new Error(`Cannot replay a request as the tape of ${tape.name} has no recording of it: "${asked}"`);
  };
  return {
    name: tape.name,
    identity: tape.identity,
    promptTokensAtMost: (request) => find(request).promptTokensAtMost,
    complete: async (request, { signal } = {}) => {
      await Promise.resolve();
      signal?.throwIfAborted();
      return find(request).completion;
    },
  };
}

/**
 * A model that records every answer of `model`; errors are not recorded. It tells no first tokens, as the tape will not, so
 * that what is searched while it records is searched again when that is replayed.
 */
export function recorder(model: LanguageModel): LanguageModel & { tape(): Tape } {
  const answers = new Map<string, Recording>();
  return {
    name: model.name,
    identity: model.identity,
    promptTokensAtMost: (request) => model.promptTokensAtMost(request),
    async complete(request, options) {
      const completion = await model.complete(request, options);
      const key = completionKey(model.identity, request);
      answers.set(key, { key, request, promptTokensAtMost: model.promptTokensAtMost(request), completion });
      return completion;
    },
    tape: () => ({
      name: model.name,
      identity: model.identity,
      answers: [...answers.values()].sort((a, b) => a.key < b.key ? -1 : 1),
    }),
  };
}
