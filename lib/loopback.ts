/**
 * Requests to servers of this machine. They go past every proxy that the environment names, which has no way back here: the
 * runtime's own `fetch` sends them to it unless `NO_PROXY` says otherwise. Each is sent once, on a connection of its own.
 *
 * ```ts
 * import { isLoopback, loopback } from "./loopback.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("here"));
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * equal(isLoopback(url), true);
 * equal(await (await loopback(url)).text(), "here");
 * equal(isLoopback("https://example.org/"), false);
 * ```
 *
 * @module
 */
import { once } from "./once.ts";

/** Whether a server is on this machine, by the name it is asked by. */
export const isLoopback = (url: string): boolean =>
  /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\])$/.test(new URL(url).hostname);

/** Sends one request and reads the whole answer; only `signal` ends the waiting for it. */
export async function loopback(
  url: string,
  { method = "GET", headers, body, signal }: Pick<RequestInit, "method" | "headers" | "signal"> & {
    body?: string | Uint8Array;
  } = {},
): Promise<Response> {
  const { request, dispatcher } = await client();
  const answer = await request(url, {
    ...{ dispatcher, method: method as "GET", reset: true },
    headers: Object.fromEntries(new Headers(headers)),
    body: body ?? null,
    signal: signal ?? null,
  });
  const bytes = await answer.body.arrayBuffer();
  const { statusCode: status } = answer;
  return new Response([204, 205, 304].includes(status) ? null : bytes, {
    status,
    headers: Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as [string, string]),
  });
}

/** Loaded with the first request, which many commands never send. */
const client = once(async () => {
  const { Agent, request } = await import("undici");
  return { request, dispatcher: new Agent({ headersTimeout: 0, bodyTimeout: 0 }) };
});
