/**
 * What tests of this room share: a server that counts, Google's sign-in on it, and a journal in memory.
 *
 * @module
 */
import type { Intent, Journal, Settlement, Tried } from "./ledger.ts";
import { type Completion, ProviderError } from "./model.ts";
import type { Random } from "../random.ts";
import { breaker, retry, type Sleep } from "./retry.ts";

/** A request as a server saw it; `body` is an object when it was JSON. */
export interface Received {
  readonly path: string;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- a test says what it expects in it
  readonly body: any;
}

export type Answer = (request: Received) => Response | Promise<Response>;

/** A server that answers each request with `answer`, and what it was sent. */
export function serve(answer: Answer) {
  const requests: Received[] = [];
  const closing = Promise.withResolvers<Response>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { url, headers } = request;
    const text = await request.text();
    const body = headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : text;
    const received = { path: new URL(url).pathname, headers, body };
    requests.push(received);
    return await Promise.race([answer(received), closing.promise]);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    [Symbol.asyncDispose]() {
      closing.resolve(new Response());
      return server.shutdown();
    },
  };
}

/** For how many milliseconds timers are set while `work` runs, whatever comes of it. */
export async function timersOf(work: () => Promise<unknown>): Promise<number[]> {
  const real = globalThis.setTimeout, set: number[] = [];
  globalThis.setTimeout = ((then: () => void, ms = 0) => (set.push(ms), real(then, ms))) as typeof setTimeout;
  try {
    await work().catch(() => {});
  } finally {
    globalThis.setTimeout = real;
  }
  return set;
}

/** A response that is never given. */
export const never = (): Promise<Response> => new Promise(() => {});

/** An answer that breaks off with its connection: less of it comes than was promised. */
export const broken = (begun: string): Response =>
  new Response(new Blob([begun]).stream(), { headers: { "content-length": `${begun.length + 900}` } });

/** Google on a local server: `answer` for the models, and a sign-in that gives `token` for `credentials`. */
export function google(answer: Answer, { token = "ya29.local", signIn = () => granted(token) }: {
  token?: string;
  signIn?: Answer;
} = {}) {
  const server = serve((request) => request.path === "/token" ? signIn(request) : answer(request));
  return {
    ...server,
    credentials: { ...USER, token_uri: `${server.url}/token` },
    /** Requests for a token. */
    signIns: () => server.requests.filter(({ path }) => path === "/token"),
    /** Requests to the models. */
    asked: () => server.requests.filter(({ path }) => path !== "/token"),
  };
}

export const granted = (access_token: unknown, expires_in = 3600): Response =>
  Response.json({ access_token, expires_in, token_type: "Bearer" });

/** A file with `credentials`, gone when disposed. */
export async function credentialsFile(credentials: unknown): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(
    path,
    typeof credentials === "string" ? credentials : JSON.stringify(credentials),
  );
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** What gcloud keeps of a user who signed in. */
export const USER = {
  type: "authorized_user",
  client_id: "id.apps.googleusercontent.com",
  client_secret: "canary-client-secret-77",
  refresh_token: "canary-refresh-token-78",
};

/** Rows in memory, as the store keeps them. */
export function memory(): Journal & {
  intents: Intent[];
  settlements: Settlement[];
  completions: Map<string, Completion>;
} {
  const intents: Intent[] = [];
  const settlements: Settlement[] = [];
  const completions = new Map<string, Completion>();
  return {
    intents,
    settlements,
    completions,
    history() {
      const settled = new Map(settlements.map((row) => [row.id, row]));
      const spent = { calls: intents.length, tokens: 0, cost: 0n };
      const keys = new Set<string>();
      const tried = new Map<string, Tried>();
      for (const { id, key, reserved } of intents) {
        const row = settled.get(id);
        spent.tokens += row ? row.usage.promptTokens + row.usage.completionTokens : reserved.tokens;
        spent.cost += row ? row.cost : reserved.cost;
        if (row?.outcome.kind === "answered") keys.add(key);
        if (row?.outcome.kind === "failed" && row.outcome.failure) {
          const { error, failure } = row.outcome;
          tried.set(key, { attempts: (tried.get(key)?.attempts ?? 0) + 1, error, ...failure });
        }
      }
      return Promise.resolve({ spent, keys, tried });
    },
    find: (key) => Promise.resolve(completions.get(key) ?? null),
    claimed: () => Promise.resolve(0), // nobody else is there
    intend(intent) {
      intents.push(intent);
      return Promise.resolve({ kind: "granted" });
    },
    settle(settlement) {
      settlements.push(settlement);
      const { outcome } = settlement;
      if (outcome.kind === "answered") completions.set(outcome.completion.key, outcome.completion);
      return Promise.resolve();
    },
  };
}

/** A clock that goes on when somebody waits, and what it was waited for. */
export function clock() {
  let now = 0;
  const slept: number[] = [];
  return {
    elapsed: () => now,
    slept,
    sleep(ms: number) {
      slept.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}

/** A clock that goes on as soon as everybody waits. */
export function timeline() {
  let now = 0;
  const waiting: { at: number; wake: () => void }[] = [];
  const sleep: Sleep = (ms) => new Promise((wake) => waiting.push({ at: now + ms, wake }));
  return {
    now: () => now,
    sleep,
    /** Lets time pass until `work` is done. */
    async pass<Result>(work: Promise<Result>): Promise<Result> {
      let done = false;
      const over = () => void (done = true);
      work.then(over, over);
      while (!done) {
        for (let turns = 0; turns < 50; turns++) await null;
        const next = waiting.sort((a, b) => a.at - b.at).shift();
        now = next?.at ?? now;
        next?.wake();
      }
      return await work;
    },
  };
}

/**
 * What becomes of questions asked `atOnce` of a provider that takes half a second and fails while `isDown`, with the
 * retries and the breaker as they come.
 */
export async function simulated(
  { questions, atOnce = 8, random, isDown }: {
    questions: number;
    atOnce?: number;
    random: Random;
    isDown: (now: number) => boolean;
  },
): Promise<{ answered: number; failed: number; ended: number; attempts: number }> {
  const { now, sleep, pass } = timeline();
  const options = { random, sleep, breaker: breaker({ now, sleep }) };
  const outcome = { answered: 0, failed: 0, ended: 0, attempts: 0 };
  let asked = 0;
  const worker = async () => {
    while (asked++ < questions) {
      await retry(async () => {
        outcome.attempts++;
        await sleep(500);
        if (isDown(now())) throw new ProviderError("busy", { status: 503 });
      }, options).then(() => outcome.answered++, ({ fatal }) => outcome[fatal ? "ended" : "failed"]++);
    }
  };
  await pass(Promise.all(Array.from({ length: atOnce }, worker)));
  return outcome;
}
