/**
 * Models behind an OpenAI-compatible server: OpenAI itself, llama.cpp, vLLM, Ollama, LM Studio.
 *
 * One `complete` is one request. A server that refuses a parameter by its name is remembered: the call fails with a
 * retryable error, and the next request leaves the parameter out or says it the other way. Without its bias a prompt would be
 * another one, so where that is refused no other request is tried.
 *
 * llama.cpp's server is run by the tests. By hand, with the embedded model's weights: vLLM 0.32.0, which calibrates and holds to
 * labels as llama.cpp does; Ollama 0.17.4, which has no /tokenize; LiteLLM before llama.cpp, which has none either and answers
 * 400 to a name that it does not know.
 *
 * ```ts ignore
 * const model = openai("llama3.2", { baseUrl: "http://localhost:11434" });
 * const { text } = await model.complete({ messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 16 });
 * ```
 *
 * @module
 */
import {
  errorOf,
  exchange,
  type Exchanged,
  type ExchangeOptions,
  notJson,
  parsed,
  patience,
  retryAfter,
  retryInfo,
  type ServerError,
  serverUrl,
  unlessAborted,
} from "./exchange.ts";
import { onceEach } from "../once.ts";
import { keyVariable } from "./keys.ts";
import {
  type Completion,
  type Finish,
  type LanguageModel,
  LIKELIEST,
  type ModelRequest,
  ProviderError,
} from "./model.ts";
import { retry } from "./retry.ts";
import { toStorable } from "../text.ts";
import { firstsOf, grammarOf, spoken, visible, without } from "./text.ts";
import { promptTokensAtMost, usageOf } from "./usage.ts";

/** Where OpenAI answers. */
export const OPENAI_URL = "https://api.openai.com/v1";

/** How to reach the server. */
export interface OpenAIOptions extends ExchangeOptions {
  /** With or without `/v1`. @default {OPENAI_URL} */
  readonly baseUrl?: string | undefined;
  /** Sent as a bearer token, and shown nowhere. */
  readonly apiKey?: string | undefined;
}

/** The model `name` of an OpenAI-compatible server. Its text comes without thoughts, with NUL and lone surrogates as U+FFFD. */
export function openai(name: string, options: OpenAIOptions = {}): LanguageModel {
  const endpoint = endpointOf(options.baseUrl ?? OPENAI_URL);
  const apiKey = options.apiKey?.trim() ?? "";
  if (!/^[\x21-\x7e]*$/.test(apiKey)) {
    throw new TypeError("Cannot use the API key as it must be letters, digits and signs without spaces");
  }
  const dialect: Dialect = {
    maxTokens: endpoint === OPENAI_URL ? "max_completion_tokens" : "max_tokens",
    temperature: true,
    firsts: true,
    choices: true,
  };
  const post = (url: string, body: unknown, signal?: AbortSignal, times: ExchangeOptions = {}) =>
    exchange(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...apiKey ? { authorization: `Bearer ${apiKey}` } : {},
      },
      body: JSON.stringify(body),
      ...signal ? { signal } : {},
    }, { ...times, ...options, secrets: [apiKey] });
  const tokensOf = endpoint === OPENAI_URL ? {} : {
    tokensOf: tokenizer(
      name,
      (body) =>
        post(`${endpoint.replace(/\/v1$/, "")}/tokenize`, body, undefined, { answerTimeoutMs: 10_000 }),
    ),
  };
  return {
    name: endpoint === OPENAI_URL ? `openai:${name}` : `openai:${name}@${endpoint}`,
    identity: { provider: "openai", model: name, endpoint },
    promptTokensAtMost,
    ...tokensOf,
    async complete(request, { signal } = {}) {
      const { messages, temperature, maxTokens, firsts, bias, choices } = request;
      const sent = { ...dialect };
      const body = {
        model: name,
        messages: messages.map(({ role, content }) => ({ role, content })),
        ...sent.temperature ? { temperature } : {},
        ...firsts && sent.firsts ? { logprobs: true, top_logprobs: LIKELIEST } : {},
        ...bias ? { logit_bias: bias } : {},
        ...choices && sent.choices ? heldTo(choices) : {},
        [sent.maxTokens]: maxTokens,
      };
      const times = { answerTimeoutMs: patience(maxTokens) };
      const answer = await post(`${endpoint}/chat/completions`, body, signal, times);
      const { status, text } = answer;
      if (status < 200 || status > 299) {
        const refused = REFUSES(status) ? refusedIn(text) : () => false;
        if (bias && status < 500 && refused("logit_bias")) {
          const said = visible(errorOf(text)?.message ?? text, apiKey);
          throw new ProviderError(
            `Cannot ask ${endpoint} with a prompt's bias as it refuses logit_bias (${status}: ${said}): ` +
              "use a server that takes it, or a prompt without a bias",
            { status, retryable: false, fatal: true },
          );
        }
        const adapted = adapt(dialect, { sent, status, refused });
        throw refusal(answer, { apiKey, endpoint, adapted, now: options.now ?? Date.now });
      }
      return completionOf(answer, request, apiKey);
    },
  };
}

/** Parameters that servers disagree about. */
interface Dialect {
  maxTokens: "max_completion_tokens" | "max_tokens";
  temperature: boolean;
  /** Whether first tokens are told. */
  firsts: boolean;
  /** Whether replies are held to choices. */
  choices: boolean;
}

/** As llama.cpp is told what a reply may be, and as vLLM is; neither minds the other's way. */
const heldTo = (choices: readonly string[]) => ({
  grammar: grammarOf(choices),
  structured_outputs: { choice: choices },
});

/** How servers refuse a parameter: most with 400, some with 403, 422 or 500. A wrong key and a full queue are no such thing. */
const REFUSES = (status: number): boolean => status >= 400 && status !== 401 && status !== 429;

/** Whether an answer refuses a parameter by its name. */
function refusedIn(body: string): (name: string) => boolean {
  const { param, message = body } = errorOf(body) ?? {};
  return (name) =>
    (param === name || new RegExp(`\\b${name}\\b`).test(message)) &&
    /unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|extra/i.test(
      message,
    );
}

/** Learns from a refusal; says whether the next request will be another one. */
function adapt(
  dialect: Dialect,
  { sent, status, refused }: { sent: Dialect; status: number; refused: (name: string) => boolean },
): boolean {
  if (sent.firsts && (refused("logprobs") || refused("top_logprobs"))) dialect.firsts = false;
  else if (sent.choices && (refused("grammar") || refused("structured_outputs"))) dialect.choices = false;
  else if (status !== 400) return false;
  else if (sent.temperature && refused("temperature")) dialect.temperature = false;
  else if (refused(sent.maxTokens)) {
    dialect.maxTokens = sent.maxTokens === "max_tokens" ? "max_completion_tokens" : "max_tokens";
  } else return false;
  return true;
}

/** How servers are asked for the tokens of a text: llama.cpp, and vLLM. */
const TOKENIZE = [
  (_: string, content: string) => ({ content, add_special: false, parse_special: false }),
  (model: string, prompt: string) => ({ model, prompt, add_special_tokens: false }),
];

/**
 * Asks once for each text, in the form that the server answered before; once it has answered none, never again. Of a server
 * that is down or busy nothing is known: its ProviderError is thrown.
 */
function tokenizer(
  model: string,
  post: (body: unknown) => Promise<Exchanged>,
): NonNullable<LanguageModel["tokensOf"]> {
  let forms = TOKENIZE;
  async function ask(text: string): Promise<string[] | null> {
    for (const form of forms) {
      const { status, text: body } = await post(form(model, text));
      if (status === 429 || status >= 500) {
        throw new ProviderError(`Cannot ask the server for tokens as it answered ${status}`, { status });
      }
      const ids: unknown = status === 200 ? parsed(body)?.tokens : undefined;
      if (!Array.isArray(ids) || ids.length === 0 || !ids.every(isTokenId)) continue;
      forms = [form];
      return ids.map(String);
    }
    forms = [];
    return null;
  }
  const patiently = onceEach((text: string) =>
    retry(() => ask(text), { maxRetries: 2, baseDelayMs: 250, random: () => 1 })
  );
  return (text, { signal } = {}) =>
    text === "" ? Promise.resolve(null) : unlessAborted(patiently(text), signal);
}

const isTokenId = (id: unknown): boolean => Number.isSafeInteger(id) && (id as number) >= 0;

function endpointOf(baseUrl: string): string {
  const url = serverUrl(baseUrl);
  const path = url.pathname.replace(/\/+$/, "").replace(/\/chat\/completions$/, "");
  return url.origin + (path === "" ? "/v1" : path);
}

/** Errors that the same request will meet again, whatever their status. */
const TOO_LONG =
  /context_length_exceeded|exceed_context_size|maximum context length|context (?:size|window)|request too large/i;

/**
 * Codes and types of errors that every request will meet. The message says nothing: Gemini asks to check "your plan and
 * billing details" at each limit a minute.
 */
const UNPAID = /insufficient_quota|billing_(?:hard_limit_reached|not_active)/;

/** What an error means that is not over when it is asked again, whatever its status. */
function lasting(error: ServerError | undefined, said: string): { retryable?: false; fatal?: true } {
  const kind = `${error?.code ?? ""} ${error?.type ?? ""}`;
  if (UNPAID.test(kind)) return { retryable: false, fatal: true };
  return TOO_LONG.test(`${kind} ${said}`) ? { retryable: false } : {};
}

function refusal(
  { status, headers, text: body }: Exchanged,
  { apiKey, endpoint, adapted, now }: {
    apiKey: string;
    endpoint: string;
    adapted: boolean;
    now: () => number;
  },
): ProviderError {
  const error = errorOf(body);
  const said = visible(error?.message ?? (parsed(body)?.message || body), apiKey) || "nothing";
  const what = status >= 300 && status < 400
    ? `it redirects to ${
      visible(headers.get("location") ?? "nowhere", apiKey)
    }, which is not followed; give that URL instead`
    : status === 401 || status === 403
    ? `it wants a valid key: set ${keyVariable(endpoint)} (${status}: ${said})`
    : `it answered ${status}: ${said}`;
  const retryAfterMs = adapted ? 0 : retryAfter(headers, now()) ?? retryInfo(error);
  return new ProviderError(`Cannot ask ${endpoint} as ${what}`, {
    status,
    ...adapted ? { retryable: true, fatal: false, blameless: true } : lasting(error, said),
    ...status < 400 ? { fatal: true } : {},
    ...retryAfterMs === undefined ? {} : { retryAfterMs },
  });
}

function completionOf(answer: Exchanged, request: ModelRequest, apiKey: string): Completion {
  const json = parsed(answer.text);
  const bill = (text: string) => usageOf(json?.usage?.prompt_tokens, completionTokens(json?.usage), text);
  const unreadable = (what: string) =>
    new ProviderError(`Cannot read the answer as ${what}`, { status: 200, retryable: true, usage: bill("") });
  if (json === undefined) throw unreadable(notJson(answer, [apiKey]));
  const error = errorOf(answer.text);
  if (error) {
    const code = Number(error.code), retryAfterMs = retryInfo(error);
    const status = code >= 400 && code <= 599 ? code : 200;
    throw new ProviderError(`Cannot use the answer as it is an error: ${visible(error.message, apiKey)}`, {
      status,
      ...status === 200 ? { retryable: true } : {},
      ...lasting(error, `${error.message}`),
      ...retryAfterMs === undefined ? {} : { retryAfterMs },
      usage: bill(""),
    });
  }
  const choice = json.choices?.[0];
  const message = choice?.message;
  if (typeof message !== "object" || message === null) throw unreadable("it has no choices");
  const content = contentOf(message.content);
  const refusal = typeof message.refusal === "string" && message.refusal !== "" ? message.refusal : undefined;
  if (content === undefined && refusal === undefined) throw unreadable("its message has no content");
  const said = toStorable(content || refusal || "");
  const usage = bill(said);
  const finish = refusal === undefined ? finishOf(choice.finish_reason) : "filter";
  // A model that says nothing still ends it with a mark, which is counted: without one nothing was generated.
  if (said === "" && finish !== "filter" && !usage?.completionTokens) {
    throw unreadable("it is empty, and not one token of it was counted");
  }
  // A server that echoes the key must not have it stored; a short one may be a word of the answer.
  const secrets = apiKey.length < 16 ? [] : [apiKey];
  return {
    ...{ text: spoken(without(said, secrets)), finish, usage },
    ...request.firsts ? firstsOf(choice.logprobs?.content, ...secrets) : {},
  };
}

/** Some servers count thoughts in the total alone, which are billed like any other tokens of an answer. */
function completionTokens(usage: Record<string, unknown> | undefined): unknown {
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage ?? {};
  const isTold = [prompt, completion, total].every((count) => typeof count === "number");
  return isTold ? Math.max(completion as number, (total as number) - (prompt as number)) : completion;
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
