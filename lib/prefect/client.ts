/**
 * Prefect's REST API, typed by its own description of itself (`api.d.ts`).
 *
 * ```ts
 * import { prefectClient } from "./client.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const { api, call } = prefectClient({
 *   url: "http://127.0.0.1:4200/api",
 *   fetch: (request) => Promise.resolve(Response.json({ url: request.url })),
 * });
 * const answer: unknown = await call(api.POST("/flows/", { body: { name: "prompt-optimizer" } }));
 * equal((answer as { url: string }).url, "http://127.0.0.1:4200/api/flows/");
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import createClient, { type Client } from "openapi-fetch";
import { isLoopback, loopback } from "../loopback.ts";
import { visible } from "../text.ts";
import type { components, paths } from "./api.d.ts";

/** A shape that Prefect takes or gives, by the name it has there. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** Prefect was not reached, or refused. */
export class PrefectError extends Error {
  override name = "PrefectError";
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  /** Whether the same may be answered later: it was not reached, was busy, or does not know us yet. */
  readonly retryable: boolean;
  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.retryable = status === 0 || status >= 500 || [401, 403, 408, 423, 425, 429].includes(status);
  }
}

/** Where Prefect is. */
export interface ClientOptions {
  /** `PREFECT_API_URL`, which ends in `/api`. */
  readonly url: string;
  /** `PREFECT_API_AUTH_STRING`: `user:password`. */
  readonly auth?: string | undefined;
  /** Time for one request, in milliseconds. @default {10_000} */
  readonly timeoutMs?: number;
  /** Gives all requests up when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** @default {the runtime's, on a connection of its own; a server of this machine past all proxies} */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** A client. */
export interface PrefectClient {
  /** Without a slash at its end. */
  readonly url: string;
  /** By paths; what it gives goes through `call`. */
  readonly api: Client<paths>;
  /** The answer's data; throws PrefectError. */
  call<Data>(answer: Promise<{ data?: Data; error?: unknown; response: Response }>): Promise<Data>;
  /** Such as `3.8.8`. Throws PrefectError where the server is none of Prefect 3. */
  version(): Promise<string>;
  /** Whether it is ready; asked without a password. */
  healthy(): Promise<boolean>;
  /**
   * Milliseconds that its clock is ahead of this machine's, by the least that its last answer tells: it is asked when there was
   * none yet. Negative where it is behind.
   */
  ahead(): Promise<number>;
}

/**
 * The runtime sends a request again by itself when a connection that it kept breaks under it. What Prefect knows by no id of
 * ours would then be there twice, so none is kept: whoever asks decides what is sent again.
 */
const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
const once = (request: Request): Promise<Response> =>
  isLoopback(request.url) ? straight(request) : fetch(request, { client });

async function straight(request: Request): Promise<Response> {
  const { url, method, headers, signal } = request;
  const body = request.body === null ? {} : { body: new Uint8Array(await request.arrayBuffer()) };
  return await loopback(url, { method, headers, signal, ...body });
}

/** Makes a client; nothing is asked yet. */
export function prefectClient(
  { url, auth, timeoutMs = 10_000, signal, fetch = once }: ClientOptions,
): PrefectClient {
  const base = url.replace(/\/+$/, "");
  const hint = base.endsWith("/api")
    ? ""
    : ": PREFECT_API_URL must be the address of Prefect's API, which ends in /api";
  let ahead: number | undefined;
  const api = createClient<paths>({
    baseUrl: base,
    ...auth ? { headers: { authorization: `Basic ${Buffer.from(auth).toString("base64")}` } } : {},
    async fetch(request) {
      const sent = Date.now();
      try {
        const answer = await fetch(
          new Request(request, {
            signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...signal ? [signal] : []]),
          }),
        );
        const body = await answer.arrayBuffer(); // within the same time
        const { status, statusText, headers } = answer;
        ahead = aheadBy(headers.get("date"), sent, Date.now()) ?? ahead;
        return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers });
      } catch (error) {
        const { pathname } = new URL(request.url);
        throw new PrefectError(
          `Cannot reach Prefect at ${base} (${pathname}): ${(error as Error).message}`,
          0,
          {
            cause: error,
          },
        );
      }
    },
  });
  const call: PrefectClient["call"] = async (answer) => {
    const { data, error, response } = await answer.catch((error) => {
      if (error instanceof PrefectError) throw error;
      throw new PrefectError(`Cannot read what ${base} answered: ${error.message}${hint}`, 502, {
        cause: error,
      });
    });
    if (response.ok) return data!;
    if (response.status === 401) {
      throw new PrefectError(
        auth
          ? `Cannot use Prefect at ${base} as it refuses PREFECT_API_AUTH_STRING: set it to the server's user:password`
          : `Cannot use Prefect at ${base} as it wants a password: set PREFECT_API_AUTH_STRING to user:password`,
        401,
      );
    }
    throw new PrefectError(
      `Cannot go on with Prefect as it answered ${response.status}: ${
        visible(JSON.stringify(error) ?? "", 300)
      }`,
      response.status,
    );
  };
  const healthy = async () => await call(api.GET("/health")) === true;
  return {
    url: base,
    api,
    call,
    async version() {
      const version: unknown = await call(api.GET("/admin/version"));
      if (typeof version === "string" && /^3\./.test(version)) return version;
      throw new PrefectError(
        `Cannot use ${base} as it must be Prefect 3: asked for its version it answered ${
          visible(JSON.stringify(version) ?? "nothing", 100)
        }${hint}`,
        200,
      );
    },
    healthy,
    async ahead() {
      if (ahead === undefined) await healthy();
      return ahead ??= 0;
    },
  };
}

/** Servers write the second that has begun, and some think of a new one once a second. */
const DATE_MS = 2000;

/** By how much a server's `date` lies outside of what this machine's clock said before and after; undefined without one. */
function aheadBy(date: string | null, sent: number, received: number): number | undefined {
  const at = Date.parse(date ?? "");
  if (Number.isNaN(at)) return undefined;
  return at > received ? at - received : Math.min(0, at + DATE_MS - sent);
}
