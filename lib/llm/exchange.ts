/**
 * One HTTP exchange with a provider: sent once, read whole, within a time and a size; and what all providers' errors
 * have in common.
 *
 * @module
 */
import { once } from "../once.ts";
import { ProviderError } from "./model.ts";
import { visible } from "./text.ts";
import { NOTHING } from "./usage.ts";

/** How to send, and how long to wait. */
export interface ExchangeOptions {
  /** @default {one that never sends a request twice} */
  readonly fetch?: typeof fetch;
  /** From sending to the first byte of the answer, which most servers send when all is written. @default {patience(0)} */
  readonly answerTimeoutMs?: number;
  /** Between two pieces of the body. @default {30_000} */
  readonly bodyTimeoutMs?: number;
  /** Bytes; a longer body is an error. @default {8_388_608} */
  readonly maxBodyBytes?: number;
  /** Milliseconds since 1970, for a Retry-After that is a date. */
  readonly now?: () => number;
}

/** Milliseconds that a model is waited for: five minutes, or what as many tokens take one that says five a second. */
export const patience = (tokens: number): number => Math.min(3_600_000, Math.max(300_000, 200 * tokens));

/** What came back, whatever the status. */
export interface Exchanged {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What an exchange reads of an answer. */
interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array> | null;
}

/**
 * Sends on a connection that is kept for the next call: over a distance a new one takes longer than the request. The runtime's
 * own `fetch` keeps connections as well, but sends a request again by itself when one breaks under it, and nobody would count
 * that; this one never does. As `fetch`, it goes by the proxies that the environment names.
 */
async function sendOnce(url: string, { method = "GET", headers, body, signal }: RequestInit): Promise<Sent> {
  const { request, dispatcher } = await client();
  const form = body instanceof URLSearchParams;
  const answer = await request(url, {
    dispatcher,
    method: method as "GET",
    headers: {
      "user-agent": "quintet",
      ...form ? { "content-type": "application/x-www-form-urlencoded;charset=UTF-8" } : {},
      ...Object.fromEntries(new Headers(headers)),
    },
    body: form ? String(body) : body as string | null,
    signal: signal ?? null,
  });
  const told = new Headers();
  for (const [name, values = []] of Object.entries(answer.headers)) {
    for (const value of typeof values === "string" ? [values] : values) told.append(name, value);
  }
  return { status: answer.statusCode, headers: told, body: answer.body };
}

/** Loaded with the first request, which many commands never send. */
const client = once(async () => {
  const { EnvHttpProxyAgent, interceptors, request } = await import("undici");
  const agent = new EnvHttpProxyAgent({
    allowH2: false,
    ...{ connectTimeout: 0, headersTimeout: 0, bodyTimeout: 0 },
  });
  return { request, dispatcher: agent.compose(interceptors.decompress()) };
});

/**
 * Sends one request and reads the whole answer. Throws ProviderError when none came, or the reason of `init.signal`. A
 * redirect is not followed, as the key would go with it. `secrets` are shown in no error.
 */
export async function exchange(
  url: string,
  init: RequestInit,
  {
    fetch,
    answerTimeoutMs = patience(0),
    bodyTimeoutMs = 30_000,
    maxBodyBytes = 8 << 20,
    secrets = [],
  }: ExchangeOptions & { readonly secrets?: readonly string[] } = {},
): Promise<Exchanged> {
  const { signal } = init;
  const send: (url: string, init: RequestInit) => Promise<Sent> = fetch ?? sendOnce;
  const hung = new AbortController();
  const within = (ms: number, what: string, late = false) =>
    setTimeout(
      () => hung.abort(new ProviderError(`Cannot ask ${url} as ${what} within ${ms / 1000} s`, { late })),
      ms,
    );
  let timer = within(answerTimeoutMs, "it did not answer", true);
  let status = 0;
  try {
    const response = await send(url, {
      ...init,
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, hung.signal]) : hung.signal,
    });
    status = response.status;
    const { headers } = response;
    const decoder = new TextDecoder();
    let text = "", bytes = 0;
    const awaitPiece = () => {
      clearTimeout(timer);
      timer = within(bodyTimeoutMs, "its answer stopped and did not go on");
    };
    awaitPiece();
    for await (const piece of response.body ?? []) {
      awaitPiece();
      bytes += piece.length;
      if (bytes > maxBodyBytes) {
        throw new ProviderError(
          `Cannot read the answer of ${url} as it is longer than ${maxBodyBytes} bytes`,
          { status, retryable: false },
        );
      }
      text += decoder.decode(piece, { stream: true });
    }
    return { status, headers, text: text + decoder.decode() };
  } catch (error) {
    signal?.throwIfAborted();
    if (hung.signal.aborted) throw hung.signal.reason;
    if (error instanceof ProviderError) throw error;
    const message = visible(error instanceof Error ? error.message : String(error), ...secrets);
    throw new ProviderError(`Cannot ask ${url} as the connection failed: ${message}`, {
      ...{ status, retryable: true },
      ...isUnsent(error) ? { usage: NOTHING } : {},
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Whether no connection came about, or none that was trusted, so that nothing was sent and nobody billed anything. */
const isUnsent = (error: unknown): boolean =>
  UNSENT.test((error as { code?: string }).code ?? "") || NO_TUNNEL.test((error as Error).message);

/** No server, and no certificate to be trusted. */
const UNSENT =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|CERT_\w+|UNABLE_TO_\w+|\w*SELF_SIGNED_CERT\w*|ERR_TLS_CERT_ALTNAME_INVALID|ERR_SSL_WRONG_VERSION_NUMBER)$/;

/** As undici says that a proxy refused: its code for that is one of many meanings. */
const NO_TUNNEL = /^Proxy (?:response \(\d+\)|Authentication Required)/;

/** What servers write into an error body, in their several forms. */
export interface ServerError {
  readonly message: string;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly param?: unknown;
  readonly status?: unknown;
  readonly details?: unknown;
}

/** The error that a body reports, whatever its status was. */
export function errorOf(body: string): ServerError | undefined {
  const json = parsed(body);
  const error = Array.isArray(json)
    ? json[0]?.error
    : json?.error ?? (json?.object === "error" ? json : undefined);
  if (typeof error === "string") return { message: error };
  if (typeof error !== "object" || error === null) return undefined;
  return { ...error, message: typeof error.message === "string" ? error.message : JSON.stringify(error) };
}

// deno-lint-ignore no-explicit-any -- the one place where a foreign shape enters; every use checks what it takes
export function parsed(body: string): any {
  try {
    const json = JSON.parse(body);
    return typeof json === "object" && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}

/** What a body that is no JSON object is, for an error. */
export const notJson = ({ headers, text }: Exchanged, secrets: readonly string[]): string =>
  `it is not JSON but ${visible(headers.get("content-type") ?? "no content type")}, ` +
  `${text.length} characters: ${visible(text, ...secrets)}`;

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

/** Milliseconds in the google.rpc.RetryInfo of an error, which says them as a duration: `27s`, `1.5s`. */
export function retryInfo(error: ServerError | undefined): number | undefined {
  if (!Array.isArray(error?.details)) return undefined;
  const info = error.details.find((detail) => String(detail?.["@type"]).endsWith("google.rpc.RetryInfo"));
  const [, seconds] = /^(\d+(?:\.\d+)?)s$/.exec(String(info?.retryDelay)) ?? [];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}

/** `baseUrl` as a URL; throws a TypeError that shows no password when it is none for a server. */
export function serverUrl(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new TypeError(
      `Cannot use ${visible(baseUrl.replace(/\/\/[^/]*@/, "//…@"))} as a base URL: ` +
        "it must be like http://localhost:8080/v1, without user, password, query",
    );
  }
  return url;
}

/** `promise`, or the signal's reason as soon as it aborts. */
export function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
