import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { random } from "../random.ts";
import { openLedger } from "./ledger.ts";
import { type LanguageModel, ProviderError } from "./model.ts";
import { pace } from "./pace.ts";
import { memory, timeline } from "./testing.ts";

/** Milliseconds that a request arriving at `now` comes too early, below 0 where it has to guess; 0 is in time. */
type Limit = (now: number) => number;

/** `n` at once, and one more every `60 / n` seconds. */
function bucket(n: number): Limit {
  let [tokens, filled] = [n, 0];
  return (now) => {
    tokens = Math.min(n, tokens + (now - filled) * n / 60_000);
    filled = now;
    if (tokens < 1) return (1 - tokens) * 60_000 / n;
    tokens--;
    return 0;
  };
}

/** `n` in every minute of the clock. */
function minutes(n: number): Limit {
  let [minute, sent] = [0, 0];
  return (now) => {
    const of = Math.floor(now / 60_000);
    if (of > minute) [minute, sent] = [of, 0];
    return ++sent <= n ? 0 : 60_000 * (of + 1) - now;
  };
}

const silent = (limit: Limit): Limit => (now) => limit(now) && -1;

/** A ledger in a time of its own, whose model turns away what comes too early. */
async function limited(limit: Limit, { concurrency = 8, maxRetries = 4, never = NaN } = {}) {
  const { now, sleep, pass } = timeline();
  const journal = memory();
  const model: LanguageModel = {
    ...{ name: "openai:test", identity: {}, promptTokensAtMost: () => 10 },
    async complete({ messages }) {
      const early = limit(now()) || (messages[0]!.content === `${never}` ? -1 : 0);
      await sleep(early === 0 ? 800 : 50);
      if (early === 0) return { text: "yes", finish: "stop", usage: null };
      throw new ProviderError("slow down", {
        ...{ status: 429, ...early < 0 ? {} : { retryAfterMs: early } },
      });
    },
  };
  const ledger = await openLedger({
    ...{ models: { primary: model }, journal, caps: {}, priceOf: () => null, concurrency, elapsed: now },
    newId: () => crypto.randomUUID(),
    retry: { random: random(7), sleep, maxRetries },
  });
  const ask = (i: number) =>
    ledger.ask("primary", {
      ...{ messages: [{ role: "user", content: `${i}` }], temperature: 0, maxTokens: 5 },
    });
  return {
    now,
    journal,
    ledger,
    ask: (questions: number) => pass(Promise.allSettled(Array.from({ length: questions }, (_, i) => ask(i)))),
  };
}

const ofKind = <Kind extends "fulfilled" | "rejected">(
  outcomes: PromiseSettledResult<unknown>[],
  kind: Kind,
) => outcomes.filter(({ status }) => status === kind);

Deno.test("a limit a minute costs no question, in about the time it takes", async () => {
  for (const limit of [bucket, minutes]) {
    for (const told of [true, false]) {
      for (const [perMinute, concurrency] of [[10, 8], [60, 1], [60, 8], [60, 64], [200, 8]] as const) {
        const row = `${limit.name} of ${perMinute}, ${
          told ? "with" : "without"
        } Retry-After, ${concurrency} at once`;
        const at = await limited(told ? limit(perMinute) : silent(limit(perMinute)), { concurrency });
        const outcomes = await at.ask(300);
        equal(ofKind(outcomes, "fulfilled").length, 300, row);
        equal(
          at.journal.settlements.some(({ outcome }) => outcome.kind === "failed" && outcome.failure),
          false,
        );
        const { calls } = at.ledger.spent();
        ok(calls < 450, `${calls} calls, ${row}`);
        // who has to guess when a minute begins comes late to it
        const most = limit === minutes && !told ? 1.5 : 1;
        ok(
          at.now() < 60_000 * (1 + most * 300 / perMinute + (told ? 0 : 2)),
          `${at.now() / 60_000} min, ${row}`,
        );
      }
    }
  }
});

Deno.test("a provider that says 429 for ever is given up after ten minutes, and nothing is held against the questions", async () => {
  for (const limit of [() => 1_000, () => 86_400_000, () => -1]) {
    for (const concurrency of [1, 8]) {
      const at = await limited(limit, { concurrency });
      const outcomes = await at.ask(20) as PromiseRejectedResult[];
      for (const { reason } of outcomes) {
        equal(
          reason.message,
          "Cannot ask the model as its provider has said nothing else for 10 minutes: slow down",
        );
        deepEqual([reason.fatal, reason.status], [true, 429]);
      }
      ok(at.now() >= 600_000 && at.now() < 700_000, `${at.now()}`);
      equal((await at.journal.history()).tried.size, 0);
      ok(at.ledger.spent().calls < 100, `${at.ledger.spent().calls}`);
    }
  }
});

Deno.test("a question that alone is turned away is given up at last, after --max-retries more", async () => {
  for (const maxRetries of [0, 2]) {
    const at = await limited(() => 0, { maxRetries, never: 3 });
    const outcomes = await at.ask(100);
    equal(ofKind(outcomes, "fulfilled").length, 99);
    deepEqual([...(await at.journal.history()).tried.values()], [
      { attempts: 1 + maxRetries, error: "slow down", status: 429, retryable: true, final: true },
    ]);
    equal(at.ledger.spent().calls, 99 + 30 + 1 + maxRetries);
  }
});

Deno.test("a provider that turns away by chance, and says that it is soon free, is asked again soon", async () => {
  const draw = random(3);
  const at = await limited(() => draw() < 0.5 ? 10 : 0);
  equal(ofKind(await at.ask(300), "fulfilled").length, 300);
  ok(at.now() < 60_000, `${at.now()}`);
});

Deno.test("pace() has everybody wait as long as one was told, and says so", async () => {
  const { now, sleep, pass } = timeline();
  const { turn, tooMany, answered, pause } = pace({ now, sleep });
  const slow = (retryAfterMs?: number) =>
    new ProviderError("slow", { status: 429, ...retryAfterMs === undefined ? {} : { retryAfterMs } });
  const sent: number[] = [];
  const send = () => turn().then(() => void sent.push(now()));
  await Promise.all([send(), send()]);
  equal(pause(), undefined);
  tooMany(slow(5_000), 0);
  tooMany(slow(2_000), 0);
  deepEqual(pause(), { ms: 5_000, error: slow(2_000) });
  await pass(Promise.all([send(), send(), send()]));
  deepEqual(sent, [0, 0, 5_000, 5_100, 5_200]);
  tooMany(slow(), 5_000);
  tooMany(slow(), 5_100); // sent before that was known
  await pass(send());
  deepEqual(sent.slice(-1), [5_350]);
  answered();
  equal(pause(), undefined);
  for (let i = 0; i < 30; i++) answered();
  await pass(Promise.all([send(), send()]));
  deepEqual(sent.slice(-2).map((at) => at - sent.at(-2)!), [0, 0]);
});

Deno.test("pace() lets go of who is aborted, and keeps nobody behind him", async () => {
  const { now, sleep, pass } = timeline();
  const { turn, tooMany } = pace({ now, sleep });
  tooMany(new ProviderError("slow", { status: 429, retryAfterMs: 5_000 }), 0);
  const stop = new AbortController();
  const [first, second, third] = [turn(), turn(stop.signal), turn()];
  stop.abort(new Error("stopped"));
  await rejects(second!, { message: "stopped" });
  equal(now(), 0);
  await pass(Promise.all([first, third]));
  equal(now(), 5_100);
});
