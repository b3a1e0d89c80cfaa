/**
 * One paid call, also where several want the same completion at the same moment: ledgers of different experiments on one
 * database, in this process and in others, before a server that counts what it is asked.
 */
import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Answer,
  type BudgetError,
  type Caps,
  type Ledger,
  type LedgerOptions,
  type ModelRequest,
  openai,
  openLedger,
} from "../llm/mod.ts";
import { serve } from "../llm/testing.ts";
import { random } from "../random.ts";
import { start } from "../store/chaos.ts";
import { type Database, journal, openDatabase } from "../store/mod.ts";
import { type TestDatabase, testDatabase } from "../store/testing.ts";
import type { Got, Work } from "./claims_child.ts";
import { begun, MIGRATIONS } from "./testing.ts";

const question = (i: number): ModelRequest => ({
  messages: [{ role: "user", content: `Question ${i}` }],
  temperature: 0,
  maxTokens: 8,
});

/** A provider that keeps what it is asked, and by whom: `who 7`. Its answers wait for `hold`, which may make others of them. */
function provider(hold: (asked: string, n: number) => Promise<Response | void> | void = () => {}) {
  const asked: string[] = [];
  const server = serve(async ({ headers, body }) => {
    const [, n] = /^Question (\d+)$/.exec(body.messages.at(-1).content)!;
    const who = headers.get("authorization")?.replace("Bearer ", "");
    const content = `Answer ${n}`;
    return await hold(`${who} ${n}`, asked.push(`${who} ${n}`)) ?? Response.json({
      choices: [{ message: { content }, finish_reason: "stop" }],
      usage: { prompt_tokens: 12, completion_tokens: 4 },
    });
  });
  return { ...server, asked };
}

interface Party extends AsyncDisposable {
  readonly ledger: Ledger;
  ask(i: number): Promise<Answer>;
  readonly db: Database;
  /** As if its process were gone: it renews nothing any more. */
  vanish(): void;
}

/** An experiment of its own, on a connection of its own. */
async function party(
  { url: database }: TestDatabase,
  { url: baseUrl }: { readonly url: string },
  who: string,
  { leaseMs = 30_000, ...options }: Partial<LedgerOptions> & { leaseMs?: number } = {},
): Promise<Party> {
  const db = await openDatabase({ url: database });
  const primary = openai("m", { baseUrl, apiKey: who });
  const [{ id }] = await begun(db, { primary });
  const rows = journal(db, id, undefined, { leaseMs });
  const ledger = await openLedger({
    models: { primary },
    journal: rows,
    caps: {},
    priceOf: () => ({ prompt: 1_000n, completion: 2_000n }),
    retry: { random: random(who), maxRetries: 0 },
    concurrency: 8,
    newId: () => crypto.randomUUID(),
    elapsed: () => performance.now(),
    ...options,
  });
  return {
    ...{ ledger, db, vanish: rows[Symbol.dispose] },
    ask(i) {
      const answer = ledger.ask("primary", question(i));
      answer.catch(() => {}); // not for the first time at the end of a test that failed
      return answer;
    },
    async [Symbol.asyncDispose]() {
      ledger.stop(new Error("the test is over"), { abort: true });
      await ledger.idle();
      await db.close();
    },
  };
}

/** What became of calls, in the order in which they were intended. */
async function states({ query }: Database): Promise<string[]> {
  const { rows } = await query<{ state: string }>("select state from calls order by sent_at");
  return rows.map(({ state }) => state);
}

/** A gate that a test opens, and news of who stands before it. */
function gate() {
  const { promise, resolve: open } = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  return {
    open,
    reached: reached.promise,
    async pass() {
      reached.resolve();
      await promise;
    },
  };
}

Deno.test("two ledgers that ask the same at once pay one call, and the one that waits holds no budget and no place", async () => {
  const prompt = openai("m").promptTokensAtMost(question(1));
  const all: Caps[] = [{ calls: 1 }, { tokens: prompt + 8 }, { cost: BigInt(1_000 * prompt + 2_000 * 8) }]; // of one call
  for (const caps of all) {
    await using db = await testDatabase({ folder: MIGRATIONS });
    const first = gate();
    await using server = provider((asked) => asked === "a 1" ? first.pass() : undefined);
    await using a = await party(db, server, "a");
    await using b = await party(db, server, "b", { caps, concurrency: 1 });
    const paid = a.ask(1);
    await first.reached;
    const waiting = b.ask(1), other = b.ask(2);
    equal((await other).origin, "paid");
    await rejects(b.ask(3), { name: "BudgetError" });
    first.open();
    equal((await paid).origin, "paid");
    const { origin, completion } = await waiting;
    deepEqual([origin, completion.text], ["cached", "Answer 1"]);
    deepEqual([b.ledger.cached(), b.ledger.spent().calls], [1, 1]);
    deepEqual(server.asked, ["a 1", "b 2"]);
  }
});

Deno.test("whose call failed leaves the question to others, also while it waits for its next attempt", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const first = gate();
  await using server = provider(async (asked) => {
    if (asked !== "a 1") return;
    await first.pass();
    return Response.json({ error: { message: "busy" } }, { status: 503 });
  });
  const again = gate();
  await using a = await party(db, server, "a", {
    retry: { random: random(1), maxRetries: 1, sleep: again.pass },
  });
  await using b = await party(db, server, "b");
  const failing = a.ask(1);
  await first.reached;
  const waiting = b.ask(1);
  await delay(100);
  first.open();
  equal((await waiting).origin, "paid");
  again.open();
  equal((await failing).origin, "cached");
  deepEqual(server.asked, ["a 1", "b 1"]);
  deepEqual(await states(db), ["failed", "answered"]);
});

Deno.test("what one gave up another asks for itself, and meets its own failure", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const first = gate();
  await using server = provider(async (asked) => {
    if (asked === "a 1") await first.pass();
    return Response.json({ error: { message: "no" } }, { status: 400 });
  });
  await using a = await party(db, server, "a");
  await using b = await party(db, server, "b");
  const both = [rejects(a.ask(1), { name: "ProviderError", status: 400 })];
  await first.reached;
  both.push(rejects(b.ask(1), { name: "ProviderError", status: 400 }));
  first.open();
  await Promise.all(both);
  deepEqual(server.asked, ["a 1", "b 1"]);
});

Deno.test("who waits for another's answer is woken when it is stopped, and when its seconds are spent", async () => {
  const enough = new Error("enough");
  const rows: [ends: (ledger: Ledger) => void, error: { name: string; message?: string }, caps?: Caps][] = [
    [(ledger) => ledger.stop(enough), enough],
    [(ledger) => ledger.stop(enough, { abort: true }), enough],
    [() => {}, { name: "BudgetError", cap: "seconds" } as Partial<BudgetError> & { name: string }, {
      seconds: 0.3,
    }],
  ];
  for (const [ends, error, caps = {}] of rows) {
    await using db = await testDatabase({ folder: MIGRATIONS });
    const first = gate();
    await using server = provider(first.pass);
    await using a = await party(db, server, "a");
    await using b = await party(db, server, "b", { caps });
    const paid = a.ask(1);
    await first.reached;
    const waiting = rejects(b.ask(1), error);
    await delay(150);
    ends(b.ledger);
    await b.ledger.idle();
    await waiting;
    deepEqual([server.asked, b.ledger.spent().calls], [["a 1"], 0]);
    first.open();
    equal((await paid).completion.text, "Answer 1");
  }
});

Deno.test("a claim is renewed as long as its call takes, and who waits says so", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const first = gate();
  await using server = provider(first.pass);
  await using a = await party(db, server, "a", { leaseMs: 2_000 });
  const sleep = (ms: number) => delay(ms / 50);
  await using b = await party(db, server, "b", { leaseMs: 2_000, retry: { random: random(1), sleep } });
  const paid = a.ask(1);
  await first.reached;
  const waiting = b.ask(1);
  await delay(3_000);
  const { ms, error } = b.ledger.paused()!;
  ok(0 <= ms && ms <= 2_000, `${ms}`);
  equal(error.message, "Cannot ask as another worker is asking the same");
  first.open();
  deepEqual([(await paid).origin, (await waiting).origin], ["paid", "cached"]);
  equal(b.ledger.paused(), undefined);
  deepEqual(server.asked, ["a 1"]);
});

Deno.test("a claim that is not renewed lapses: another asks, and what comes late is kept and counted", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const first = gate(), second = gate();
  await using server = provider((asked) => (asked === "a 1" ? first : second).pass());
  await using a = await party(db, server, "a", { leaseMs: 300 });
  await using b = await party(db, server, "b", { leaseMs: 300 });
  const late = a.ask(1);
  await first.reached;
  a.vanish();
  const took = b.ask(1);
  await second.reached;
  first.open();
  equal((await late).origin, "paid");
  await using c = await party(db, server, "c");
  equal((await c.ask(1)).origin, "cached"); // though b still asks
  second.open();
  equal((await took).origin, "paid");
  deepEqual(server.asked, ["a 1", "b 1"]);
  deepEqual(await states(db), ["answered", "answered"]);
  const { rows } = await db.query("select from completions");
  deepEqual([rows.length, a.ledger.spent(), b.ledger.spent()], [1, a.ledger.spent(), a.ledger.spent()]);
});

Deno.test("processes that ask the same questions at once send each once; whose process is killed is sent again by another", async () => {
  const [questions, leaseMs, parties] = [200, 3_000, ["a", "b", "c", "d"]];
  await using db = await testDatabase({ folder: MIGRATIONS });
  const asking = new Set<string>();
  const everybody = gate();
  let victim: string | undefined;
  await using server = provider(async (asked) => {
    const [who, n] = asked.split(" ");
    asking.add(who!);
    if (asking.size === parties.length) everybody.open();
    await everybody.pass(); // all are at it
    if (n !== "7" || victim !== undefined) return;
    victim = who;
    await new Promise(() => {}); // its process will be gone
  });
  const children = new Map(
    await Promise.all(parties.map(async (apiKey) => {
      const [{ id: experiment }] = await begun(db);
      const work: Work = {
        url: db.url,
        baseUrl: server.url,
        apiKey,
        experiment,
        questions,
        concurrency: 16,
        leaseMs,
      };
      return [apiKey, start(work, { script: `${import.meta.dirname}/claims_child.ts` })] as const;
    })),
  );
  const answered = async () => (await db.query("select from completions")).rows.length;
  while (await answered() < questions - 1) await delay(50);
  await delay(1.2 * leaseMs); // it is renewed while its process lives
  equal(server.asked.length, questions);
  await children.get(victim!)!.kill();
  children.delete(victim!);
  const got = await Promise.all([...children].map(async ([, child]): Promise<Got> => {
    await child.says(1).catch((error) => Promise.reject(error));
    equal(await child.finish(), 0, child.complaints());
    return JSON.parse(child.said[0]!);
  }));

  const texts = Array.from({ length: questions }, (_, i) => `Answer ${i}`);
  for (const { paid, cached, calls, ...rest } of got) {
    deepEqual(rest.texts, texts);
    deepEqual([paid + cached, calls], [questions, paid]);
  }
  const times = Map.groupBy(server.asked, (asked) => asked.split(" ")[1]!);
  deepEqual([times.size, server.asked.length, times.get("7")!.length], [questions, questions + 1, 2]);
  const { rows: [bill] } = await db.query(
    `select count(*)::int as calls, (count(*) filter (where state = 'answered'))::int as answered,
            (count(*) filter (where state = 'sent'))::int as lost
       from calls`,
  );
  deepEqual(bill, { calls: questions + 1, answered: questions, lost: 1 });
});
