/**
 * Hard caps over several lives of an experiment, whose process is killed in between: from a server that counts for itself,
 * through provider, ledger and retries, to rows in PostgreSQL, which are all that a life leaves to the next.
 */
import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { BudgetError, type Caps, type LanguageModel, openai, openLedger, ProviderError } from "../llm/mod.ts";
import { broken, serve } from "../llm/testing.ts";
import { random } from "../random.ts";
import { BEAT, type Database, findExperiment, heartbeat, journal, resumeExperiment } from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { begun, MIGRATIONS } from "./testing.ts";

const USAGE = { prompt_tokens: 12, completion_tokens: 4 };
const PRICE = { prompt: 1_000n, completion: 2_000n };
const answer = (usage?: typeof USAGE) =>
  Response.json({
    choices: [{ message: { content: "Yes" }, finish_reason: "stop" }],
    ...usage ? { usage } : {},
  });

/** How a request ends, and whether the server did the work that it could bill. */
const FATES: Record<string, readonly [serve: () => Response, billed: boolean]> = {
  "known usage": [() => answer(USAGE), true],
  "unknown usage": [() => answer(), true],
  busy: [() => Response.json({ error: { message: "busy" } }, { status: 503 }), false],
  refused: [() => Response.json({ error: { message: "no" } }, { status: 400 }), false],
  "reset in the body": [() => broken("{"), true],
};

/** A server that counts for itself, and whose answers end as `begin` says, one after the other. */
function counting() {
  const count = { calls: 0, tokens: 0, cost: 0n };
  let fates: readonly string[] = [];
  const server = serve(() => {
    const [serve, billed] = FATES[fates[count.calls++ % fates.length]!]!;
    if (billed) {
      count.tokens += USAGE.prompt_tokens + USAGE.completion_tokens;
      count.cost += PRICE.prompt * BigInt(USAGE.prompt_tokens) +
        PRICE.completion * BigInt(USAGE.completion_tokens);
    }
    return serve();
  });
  return {
    ...server,
    count,
    begin(drawn: readonly string[]) {
      fates = drawn;
      Object.assign(count, { calls: 0, tokens: 0, cost: 0n });
    },
  };
}

interface Life {
  readonly id: string;
  readonly caps: Caps;
  readonly callers: number;
  /** Answers after which the process is killed. */
  readonly killAt: number;
  /** Milliseconds that pass with each request. */
  readonly pace: number;
  readonly secondsBefore: number;
  readonly holder: string;
}

/**
 * One process of an experiment, until it is killed: from then on nothing of it reaches database or server, and what was on
 * its way has no end. Gives for how long it ran; after each beat the store knows it, too.
 */
async function live(
  db: Database,
  { name, identity, promptTokensAtMost, complete }: LanguageModel,
  { id, caps, callers, killAt, pace, secondsBefore, holder }: Life,
): Promise<number> {
  let [now, answers] = [0, 0];
  const killed = Promise.withResolvers<"killed">(), gone = new Promise<never>(() => {});
  const kill = new AbortController();
  const unlessKilled =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (kill.signal.aborted) return await gone;
      const result = await work(...args).catch(async (error) => {
        if (kill.signal.aborted) await gone;
        throw error;
      });
      return kill.signal.aborted ? await gone : result;
    };
  const late: number[] = [];
  using rows = journal(db, id, holder);
  const model: LanguageModel = {
    ...{ name, identity, promptTokensAtMost },
    complete: unlessKilled(async (request, { signal } = {}) => {
      if (secondsBefore + now / 1000 >= (caps.seconds ?? Infinity)) late.push(now);
      now += pace;
      const completion = await complete(request, {
        signal: signal ? AbortSignal.any([signal, kill.signal]) : kill.signal,
      });
      if (++answers === killAt) {
        kill.abort();
        killed.resolve("killed");
      }
      return completion;
    }),
  };
  const ledger = await openLedger({
    models: { primary: model },
    journal: {
      history: rows.history,
      find: unlessKilled(rows.find),
      claimed: unlessKilled(rows.claimed),
      intend: unlessKilled(rows.intend),
      settle: unlessKilled(rows.settle),
    },
    caps,
    secondsBefore,
    priceOf: () => PRICE,
    concurrency: callers,
    newId: () => crypto.randomUUID(),
    elapsed: () => now,
    retry: {
      random: random(1),
      sleep: unlessKilled((ms) => {
        now += ms;
        return Promise.resolve();
      }),
    },
  });
  const asking = Promise.allSettled(
    Array.from({ length: callers + 20 }, (_, i) =>
      ledger.ask("primary", {
        messages: [{ role: "user", content: `Question ${i}` }],
        temperature: 0,
        maxTokens: 8,
      })),
  );
  const outcomes = await Promise.race([asking, killed.promise]);
  const beaten = Math.floor(now / 1000 / BEAT) * BEAT;
  await heartbeat(db, id, { seconds: secondsBefore + beaten, cached: 0, holder });
  if (outcomes !== "killed") {
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      const { reason } = outcome;
      ok(reason instanceof BudgetError || reason instanceof ProviderError, reason);
    }
  }
  deepEqual(late, [], "nothing is sent after the last second");
  return now / 1000;
}

Deno.test("caps on calls, tokens, dollars and seconds hold over all lives of an experiment, with 16, 64 and 256 callers", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await using server = counting();
  const room = (calls: number) => calls * 300; // tokens; about what the worst case of one call takes
  let [kills, met] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        calls: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
        tokens: fc.option(fc.integer({ min: 1, max: room(100) }), { nil: undefined }),
        cost: fc.option(fc.bigInt(1n, BigInt(room(100)) * 1000n), { nil: undefined }),
        seconds: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
      }),
      fc.constantFrom(16, 64, 256),
      fc.array(fc.constantFrom(...Object.keys(FATES)), { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 3 }), // when each life but the last is killed
      fc.constantFrom(1, 20, 300),
      async (caps, callers, fates, kill, pace) => {
        server.begin(fates);
        const version = crypto.randomUUID(); // so that no answer is another experiment's
        const primary = openai(version, { baseUrl: server.url });
        const [{ id }] = await begun(db, { primary });
        let [ran, secondsBefore] = [0, 0];
        for (const killAt of [...kill, Infinity]) {
          const holder = crypto.randomUUID();
          secondsBefore = await resumeExperiment(db, id, {}, holder);
          ok(secondsBefore >= ran, `${ran} s were run, ${secondsBefore} s are counted`);
          ran += await live(db, primary, { id, caps, callers, killAt, pace, secondsBefore, holder });
          if (killAt < Infinity) kills++;
        }
        const { spent } = await journal(db, id).history();
        const { seconds } = await findExperiment(db, id);
        ok(spent.calls <= (caps.calls ?? Infinity), `${spent.calls} calls of ${caps.calls}`);
        ok(spent.tokens <= (caps.tokens ?? Infinity), `${spent.tokens} tokens of ${caps.tokens}`);
        ok(caps.cost === undefined || spent.cost <= caps.cost, `$ ${spent.cost} of ${caps.cost}`);
        const { calls, tokens, cost } = server.count;
        ok(
          calls <= spent.calls && tokens <= spent.tokens && cost <= spent.cost,
          "the server's count is within",
        );
        const { rows: [doubt] } = await db.query<{ lost: number; unsent: number }>(
          `select count(*) filter (where state = 'sent')::int as lost,
                  count(*) filter (where error ~ '^Cannot send another call')::int as unsent
             from calls where experiment_id = $1`,
          [id],
        );
        ok(spent.calls - calls <= doubt!.lost + doubt!.unsent, "every other call is one that the server saw");
        if (spent.calls === caps.calls || seconds >= (caps.seconds ?? Infinity)) met++;
      },
    ),
    { numRuns: 40 },
  );
  ok(kills > 40 && met > 5, `${kills} lives were ended, ${met} caps were met`);
});
