/**
 * What every model looks like from inside Quintet: one function from a request to a completion.
 *
 * @module
 */

/** One turn of a chat. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Everything a caller decides about one call; all of it is part of the completion's key. */
export interface ModelRequest {
  readonly messages: readonly Message[];
  /** 0 is greedy. */
  readonly temperature: number;
  /** Tokens the completion may have at most. */
  readonly maxTokens: number;
  /** Which draw, when the same request is to be answered more than once at temperature > 0. @default {0} */
  readonly sample?: number;
  /** Whether `firsts` of the completion are wanted. @default {false} */
  readonly firsts?: boolean;
  /**
   * By the id of a token, as a decimal string, nats that are added to its log-probability wherever in the reply it may come
   * (`logit_bias` of OpenAI's API). A provider that cannot do so throws; nothing is left out in silence.
   */
  readonly bias?: Readonly<Record<string, number>>;
  /** What a reply may be, whole; in any order. A provider that cannot hold a reply to that lets the model say anything. */
  readonly choices?: readonly string[];
}

/** Tokens as the provider counts them. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Why a completion ended: by itself, at `maxTokens`, held back by the provider, or something else. */
export type Finish = "stop" | "length" | "filter" | "other";

/** An answer as it came, trimmed of nothing. */
export interface Completion {
  readonly text: string;
  readonly finish: Finish;
  /** Null when the provider did not say. */
  readonly usage: Usage | null;
  /**
   * The first tokens of the answer, and which else there might have been, where that was wanted and the provider told it.
   * llama.cpp tells how likely they are before `bias` is added.
   */
  readonly firsts?: readonly FirstToken[];
}

/** One of the first tokens of an answer. */
export interface FirstToken {
  /** Its text. */
  readonly said: string;
  /** Log-probabilities of the likeliest tokens at its place, by their text. */
  readonly likely: Readonly<Record<string, number>>;
}

/** Tokens that are told for each place, as many as OpenAI tells: a right answer that is none of them is far away. */
export const LIKELIEST = 20;
/** Tokens of an answer that are kept as its first ones. */
export const FIRSTS = 8;

/** A model behind a provider. Retries are not its business: one `complete` is at most one request on the wire. */
export interface LanguageModel {
  /** As on the command line: `local`, `openai:NAME@BASE_URL`, `vertex:NAME`. */
  readonly name: string;
  /** What changes its answers beside the request (provider, model, digest of the weights, endpoint); part of the key. */
  readonly identity: Readonly<Record<string, string>>;
  /** A bound on the prompt tokens of a request, never below the truth: what the ledger reserves before the call. */
  promptTokensAtMost(request: ModelRequest): number;
  /** Sends one request. Throws ProviderError, or the signal's reason. */
  complete(request: ModelRequest, options?: { signal?: AbortSignal }): Promise<Completion>;
  /**
   * The ids of the tokens of a reply that is `text`, for `bias`; null where they cannot be told. It asks for no completion, so
   * nothing is paid. A model that lacks it takes no bias. Throws ProviderError where nobody answers.
   */
  tokensOf?(text: string, options?: { signal?: AbortSignal }): Promise<readonly string[] | null>;
}

/** Who asks: the budget is shared, the bill is kept apart. */
export type Role = "primary" | "optimizer" | "evaluator" | "grader";

/** A call that did not give an answer. `retryable` is decided where the error is made. */
export class ProviderError extends Error {
  override name = "ProviderError";
  /** Whether the same request may succeed later: 408, 409, 429, 5xx, a lost connection, an unreadable body. */
  readonly retryable: boolean;
  /** Whether any other request would fail the same way: a wrong key, no money left, an unknown model, a provider that is down. */
  readonly fatal: boolean;
  /** Whether it says nothing of what was asked: the provider was asked too often, or in words it does not take. */
  readonly blameless: boolean;
  /** Whether the answer did not come in time, so that fewer at once may be answered. */
  readonly late: boolean;
  /** HTTP status, or 0 when there was none. */
  readonly status: number;
  /** What the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Tokens the failed call may have been billed for, when the server said so. */
  readonly usage: Usage | null;

  constructor(
    message: string,
    {
      status = 0,
      retryable = status === 0 || [408, 409, 429].includes(status) || status >= 500,
      fatal = [401, 402, 403, 404].includes(status),
      blameless = retryable && status === 429,
      late = [408, 504].includes(status),
      retryAfterMs,
      usage = null,
      cause,
    }: {
      status?: number;
      retryable?: boolean;
      fatal?: boolean;
      blameless?: boolean;
      late?: boolean;
      retryAfterMs?: number;
      usage?: Usage | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause });
    this.retryable = retryable;
    this.fatal = fatal;
    this.blameless = blameless;
    this.late = late;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.usage = usage;
  }
}
