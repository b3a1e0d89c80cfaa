/**
 * What a server says of the weights behind a name: they may be others tomorrow, and their answers must not be taken for one
 * model's. Ollama tells a digest; llama.cpp sizes and a path, whatever name it is asked by; vLLM where it has them from.
 *
 * ```ts
 * import { weightsOf } from "./weights.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const server = Deno.serve({ port: 0, onListen() {} }, () =>
 *   Response.json({ data: [{ id: "small", root: "/models/small-v2" }] }));
 * equal(await weightsOf("small", `http://localhost:${server.addr.port}/v1`), "root /models/small-v2");
 * await server.shutdown();
 * ```
 *
 * @module
 */
import { hash } from "node:crypto";
import { exchange, type ExchangeOptions, parsed } from "./exchange.ts";

/** What is known of the server. */
export interface WeightsOptions extends Pick<ExchangeOptions, "fetch"> {
  readonly apiKey?: string | undefined;
  /** Milliseconds for all of it: a run must not wait for what it can do without. @default {2_000} */
  readonly timeoutMs?: number;
}

/**
 * What tells the weights of `model` apart from others at `endpoint`, as that ends in `/v1`; undefined where the server does not
 * say, or not in time, or not yet.
 */
export async function weightsOf(
  model: string,
  endpoint: string,
  { apiKey = "", timeoutMs = 2_000, ...options }: WeightsOptions = {},
): Promise<string | undefined> {
  const over = new AbortController(), timer = setTimeout(() => over.abort(), timeoutMs);
  const ask = async (url: string) => {
    const headers: HeadersInit = apiKey ? { authorization: `Bearer ${apiKey}` } : {};
    const { status, text } = await exchange(url, { headers, signal: over.signal }, {
      ...options,
      secrets: [apiKey],
    });
    if (status === 429 || status >= 500) throw new Error(`Cannot tell the weights as it answered ${status}`);
    return status === 200 ? parsed(text) : undefined;
  };
  try {
    const [list, tags] = await Promise.all([
      ask(`${endpoint}/models`),
      ask(`${endpoint.replace(/\/v1$/, "")}/api/tags`),
    ]);
    const told = digest(model, tags) ?? facts(model, list);
    return told && short(told, apiKey);
  } catch { // it would say more another time: half of that would be another identity
    return undefined;
  } finally {
    clearTimeout(timer);
    over.abort(); // nobody waits for what is under way yet
  }
}

/** Ollama's, of all that is behind a name: weights, template and parameters. */
function digest(model: string, tags: { models?: unknown } | undefined): string | undefined {
  const names = [model, `${model}:latest`];
  const own = records(tags?.models).find(({ name }) => names.includes(name as string));
  return typeof own?.digest === "string" && own.digest !== "" ? `digest ${own.digest}` : undefined;
}

/** What llama.cpp says of a model that stays the same for as long as its file does. */
const META = ["n_params", "size", "n_vocab", "vocab_type", "n_embd", "n_ctx_train"];

/** Of OpenAI's list. A server that has one model answers with that, whatever it is asked for. */
function facts(model: string, list: { data?: unknown } | undefined): string | undefined {
  const all = records(list?.data);
  const own = all.find(({ id }) => id === model) ?? (all.length === 1 ? all[0] : undefined);
  if (!own || own.meta === null) return undefined; // llama.cpp's, while it loads
  const { id, root, meta } = own;
  const sizes = Object.entries(typeof meta === "object" ? { ...meta } : {});
  return [
    ...id === model ? [] : [["id", id]],
    ...root === id || root === model ? [] : [["root", root]],
    ...META.flatMap((name) => sizes.filter(([key]) => key === name)),
  ].filter(([, value]) => ["string", "number"].includes(typeof value)).map((fact) => fact.join(" "))
    .join(", ") || undefined;
}

const records = (list: unknown): Readonly<Record<string, unknown>>[] =>
  Array.isArray(list) ? list.filter((entry) => typeof entry === "object" && entry !== null) : [];

/** As it can be kept and shown: what is long, unprintable or holds the key is told apart by its hash. */
const short = (told: string, apiKey: string): string =>
  /^[ -~]{1,200}$/.test(told) && !(apiKey && told.includes(apiKey)) ? told : `sha256 ${hash("sha256", told)}`;
