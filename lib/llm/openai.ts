/**
 * Models behind an OpenAI-compatible server: OpenAI itself, llama.cpp, vLLM, Ollama, LM Studio.
 *
 * One `complete` is one request. A server that refuses a parameter by its name is remembered: the call fails with a
 * retryable error, and the next request leaves the parameter out or says it the other way.
 *
 * ```ts ignore
 * const model = openai("llama3.2", { baseUrl: "http://localhost:11434" });
 * const { text } = await model.complete({ messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 16 });
 * ```
 *
 * @module
 */
import { type Completion, type Finish, type LanguageModel, ProviderError, type Usage } from "./model.ts";
import { toStorable } from "../text.ts";
import { utf8Length, visible } from "./text.ts";

/** Where OpenAI answers. */
export const OPENAI_URL = "https://api.openai.com/v1";

/** How to reach the server. */
export interface OpenAIOptions {
  /** With or without `/v1`. @default {OPENAI_URL} */
  readonly baseUrl?: string | undefined;
  /** Sent as a bearer token, and shown nowhere. */
  readonly apiKey?: string | undefined;
  readonly fetch?: typeof fetch;
  /** From sending to the first byte of the answer, which most servers send when all is written. @default {300_000} */
  readonly answerTimeoutMs?: number;
  /** Between two pieces of the body. @default {30_000} */
  readonly bodyTimeoutMs?: number;
  /** Bytes; a longer body is an error. @default {8_388_608} */
  readonly maxBodyBytes?: number;
  /** Milliseconds since 1970, for a Retry-After that is a date. */
  readonly now?: () => number;
}

/** The model `name` of an OpenAI-compatible server. Its text comes with NUL and lone surrogates as U+FFFD. */
export function openai(name: string, options: OpenAIOptions = {}): LanguageModel {
  const endpoint = endpointOf(options.baseUrl ?? OPENAI_URL);
  const apiKey = options.apiKey?.trim() ?? "";
  if (!/^[\x21-\x7e]*$/.test(apiKey)) {
    throw new TypeError("Cannot use the API key as it must be letters, digits and signs without spaces");
  }
  const dialect: Dialect = {
    maxTokens: endpoint === OPENAI_URL ? "max_completion_tokens" : "max_tokens",
    temperature: true,
  };
  return {
    name: endpoint === OPENAI_URL ? `openai:${name}` : `openai:${name}@${endpoint}`,
    identity: { provider: "openai", model: name, endpoint },
    // 16 a message for the marks around it, 256 for what a chat template puts in front by itself
    promptTokensAtMost: ({ messages }) =>
      messages.reduce((sum, { content }) => sum + utf8Length(content) + 16, 256),
    async complete({ messages, temperature, maxTokens }, { signal } = {}) {
      const sent = { ...dialect };
      const body = {
        model: name,
        messages: messages.map(({ role, content }) => ({ role, content })),
        ...sent.temperature ? { temperature } : {},
        [sent.maxTokens]: maxTokens,
      };
      const { status, headers, text } = await post(`${endpoint}/chat/completions`, body, {
        ...options,
        apiKey,
        signal,
      });
      if (status < 200 || status > 299) {
        const adapted = status === 400 && adapt(dialect, sent, text);
        throw refusal(status, headers, text, { apiKey, endpoint, adapted, now: options.now ?? Date.now });
      }
      return completionOf(text, headers, apiKey);
    },
  };
}

/** Parameters that servers disagree about. */
interface Dialect {
  maxTokens: "max_completion_tokens" | "max_tokens";
  temperature: boolean;
}

/** Learns from a 400 that refuses a parameter by its name; says whether the next request will be another one. */
function adapt(dialect: Dialect, sent: Dialect, body: string): boolean {
  const { param, message = body } = errorOf(body) ?? {};
  const refused = (name: string) =>
    (param === name || new RegExp(`\\b${name}\\b`).test(message)) &&
    /unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|extra/i.test(
      message,
    );
  if (sent.temperature && refused("temperature")) dialect.temperature = false;
  else if (refused(sent.maxTokens)) {
    dialect.maxTokens = sent.maxTokens === "max_tokens" ? "max_completion_tokens" : "max_tokens";
  } else return false;
  return true;
}

function endpointOf(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new TypeError(
      `Cannot use ${
        visible(baseUrl.replace(/\/\/[^/]*@/, "//…@"))
      } as a base URL: it must be like http://localhost:8080/v1, ` +
        "without user, password, query",
    );
  }
  const path = url.pathname.replace(/\/+$/, "").replace(/\/chat\/completions$/, "");
  return url.origin + (path === "" ? "/v1" : path);
}

interface Posted {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends one request and reads the whole answer. A redirect is not followed: the key would go with it. */
async function post(
  url: string,
  body: unknown,
  {
    apiKey,
    signal,
    fetch: send = fetch,
    answerTimeoutMs = 300_000,
    bodyTimeoutMs = 30_000,
    maxBodyBytes = 8 << 20,
  }:
    & Omit<OpenAIOptions, "apiKey">
    & { apiKey: string; signal: AbortSignal | undefined },
): Promise<Posted> {
  const hung = new AbortController();
  const within = (ms: number, what: string) =>
    setTimeout(() => hung.abort(new ProviderError(`Cannot ask ${url} as ${what} within ${ms / 1000} s`)), ms);
  let timer = within(answerTimeoutMs, "it did not answer");
  let status = 0;
  try {
    const response = await send(url, {
      method: "POST",
      redirect: "manual",
      headers: { "content-type": "application/json", ...apiKey ? { authorization: `Bearer ${apiKey}` } : {} },
      body: JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, hung.signal]) : hung.signal,
    });
    status = response.status;
    const { headers } = response;
    const decoder = new TextDecoder();
    let text = "", bytes = 0;
    const reader = response.body?.getReader();
    while (reader) {
      clearTimeout(timer);
      timer = within(bodyTimeoutMs, "its answer stopped and did not go on");
      const { value, done } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (bytes > maxBodyBytes) {
        await reader.cancel();
        throw new ProviderError(
          `Cannot read the answer of ${url} as it is longer than ${maxBodyBytes} bytes`,
          {
            status,
            retryable: false,
          },
        );
      }
      text += decoder.decode(value, { stream: true });
    }
    return { status, headers, text: text + decoder.decode() };
  } catch (error) {
    signal?.throwIfAborted();
    if (hung.signal.aborted) throw hung.signal.reason;
    if (error instanceof ProviderError) throw error;
    const message = visible(error instanceof Error ? error.message : String(error), apiKey);
    throw new ProviderError(`Cannot ask ${url} as the connection failed: ${message}`, {
      status,
      retryable: true,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** What servers write into an error body, in their several forms. */
interface ServerError {
  readonly message: string;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly param?: unknown;
}

function errorOf(body: string): ServerError | undefined {
  const json = parsed(body);
  const error = Array.isArray(json)
    ? json[0]?.error
    : json?.error ?? (json?.object === "error" ? json : undefined);
  if (typeof error === "string") return { message: error };
  if (typeof error !== "object" || error === null) return undefined;
  return { ...error, message: typeof error.message === "string" ? error.message : JSON.stringify(error) };
}

/** Errors that the same request will meet again, whatever their status. */
const TOO_LONG =
  /context_length_exceeded|exceed_context_size|maximum context length|context (?:size|window)/i;

/** Errors that every request will meet. */
const UNPAID = /insufficient_quota|billing/i;

function refusal(
  status: number,
  headers: Headers,
  body: string,
  { apiKey, endpoint, adapted, now }: {
    apiKey: string;
    endpoint: string;
    adapted: boolean;
    now: () => number;
  },
): ProviderError {
  const error = errorOf(body);
  const said = visible(error?.message ?? (parsed(body)?.message || body), apiKey) || "nothing";
  const kind = `${error?.code ?? ""} ${error?.type ?? ""} ${said}`;
  const what = status >= 300 && status < 400
    ? `it redirects to ${
      visible(headers.get("location") ?? "nowhere", apiKey)
    }, which is not followed; give that URL instead`
    : status === 401 || status === 403
    ? `it wants a valid key: set OPENAI_API_KEY (${status}: ${said})`
    : `it answered ${status}: ${said}`;
  const retryAfterMs = adapted ? 0 : retryAfter(headers, now());
  return new ProviderError(`Cannot ask ${endpoint} as ${what}`, {
    status,
    ...adapted ? { retryable: true } : TOO_LONG.test(kind) ? { retryable: false } : {},
    ...UNPAID.test(kind) ? { retryable: false, fatal: true } : {},
    ...status < 400 ? { fatal: true } : {},
    ...retryAfterMs === undefined ? {} : { retryAfterMs },
  });
}

/** Milliseconds that a server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date. */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const ms = headers.get("retry-after-ms");
  if (ms !== null && /^\d+(\.\d+)?$/.test(ms.trim())) return Math.ceil(Number(ms));
  const after = headers.get("retry-after")?.trim();
  if (!after) return undefined;
  if (/^\d+(\.\d+)?$/.test(after)) return Math.ceil(Number(after) * 1000);
  const date = /[a-z]{3}/i.test(after) ? Date.parse(after) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function completionOf(body: string, headers: Headers, apiKey: string): Completion {
  const json = parsed(body);
  const unreadable = (what: string) =>
    new ProviderError(`Cannot read the answer as ${what}`, {
      status: 200,
      retryable: true,
      usage: usageOf(json?.usage),
    });
  if (json === undefined) {
    const type = headers.get("content-type") ?? "no content type";
    throw unreadable(
      `it is not JSON but ${visible(type)}, ${body.length} characters: ${visible(body, apiKey)}`,
    );
  }
  const error = errorOf(body);
  if (error) {
    const code = Number(error.code);
    throw new ProviderError(`Cannot use the answer as it is an error: ${visible(error.message, apiKey)}`, {
      status: code >= 400 && code <= 599 ? code : 200,
      ...code >= 400 && code <= 599 ? {} : { retryable: !TOO_LONG.test(body) && !UNPAID.test(body) },
      usage: usageOf(json.usage),
    });
  }
  const choice = json.choices?.[0];
  const message = choice?.message;
  if (typeof message !== "object" || message === null) throw unreadable("it has no choices");
  const text = contentOf(message.content);
  const refusal = typeof message.refusal === "string" && message.refusal !== "" ? message.refusal : undefined;
  if (text === undefined && refusal === undefined) throw unreadable("its message has no content");
  return {
    text: toStorable(text || refusal || ""),
    finish: refusal === undefined ? finishOf(choice.finish_reason) : "filter",
    usage: usageOf(json.usage),
  };
}

/** A text, or parts of which the texts count; null is no text when the model called a tool or was cut off. */
function contentOf(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (content === null) return "";
  if (!Array.isArray(content)) return undefined;
  return content.map((part) =>
    typeof part === "string" ? part : typeof part?.text === "string" ? part.text : ""
  ).join("");
}

const FINISH = new Map<unknown, Finish>([
  ["stop", "stop"],
  ["eos", "stop"],
  ["eos_token", "stop"],
  ["stop_sequence", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["content_filter", "filter"],
]);
const finishOf = (reason: unknown): Finish => FINISH.get(reason) ?? "other";

/** Null unless both counts are there and can be counts: half a bill is no bill. */
function usageOf(usage: unknown): Usage | null {
  const { prompt_tokens, completion_tokens } = (usage ?? {}) as Record<string, unknown>;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  return isCount(prompt_tokens) && isCount(completion_tokens)
    ? { promptTokens: prompt_tokens, completionTokens: completion_tokens }
    : null;
}

// deno-lint-ignore no-explicit-any -- the one place where a foreign shape enters; every use above checks what it takes
function parsed(body: string): any {
  try {
    const json = JSON.parse(body);
    return typeof json === "object" && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}
