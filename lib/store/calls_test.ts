import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import type { Failure, Intent, Settlement } from "../llm/ledger.ts";
import { forgive, grouped, journal } from "./calls.ts";
import { picodollars, usd } from "./dollars.ts";
import { random, shuffle } from "../random.ts";
import { saveDataset } from "./datasets.ts";
import type { Database } from "./db.ts";
import { beginExperiment } from "./experiments.ts";
import { migrate } from "./migrate.ts";
import { readExperiment } from "./overview.ts";
import { testDatabase } from "./testing.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

async function experiment(db: Database): Promise<string> {
  const example = (id: string) => ({ id, question: `${id}?`, references: ["yes"] });
  const splits = { train: [example("a")], validation: [example("b")], test: [example("c")] };
  const datasetId = await saveDataset(db, { name: "tiny", sha256: "0".repeat(64), card: {}, ...splits });
  const id = crypto.randomUUID();
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: 1, config: {} });
  return id;
}

const hex = (n: number) => n.toString(16).padStart(64, "0");

const intent = (n: number): Intent => ({
  id: crypto.randomUUID(),
  role: n % 2 ? "primary" : "optimizer",
  model: "test",
  key: hex(n),
  attempt: 1,
  reserved: { tokens: 100, cost: 123_456_789_012n },
});

const answered = ({ id, key }: Intent, text = "yes"): Settlement => ({
  id,
  usage: { promptTokens: 10, completionTokens: 2 },
  cost: 1n,
  ms: 12.5,
  outcome: {
    kind: "answered",
    completion: {
      key,
      model: "test",
      identity: { provider: "test" },
      request: { messages: [{ role: "user", content: "?" }], temperature: 0, maxTokens: 5 },
      text,
      finish: "stop",
      usage: { promptTokens: 10, completionTokens: 2 },
    },
  },
});

Deno.test("journal() keeps what an answer might have begun with", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const id = await experiment(db);
  const firsts = [{ said: "yes", likely: { yes: -0.25, " no": -1.5, "\u2028": -7, "7": -8 } }];
  {
    using calls = journal(db, id);
    const rows = [intent(1), intent(2)];
    await Promise.all(rows.map(calls.intend));
    const [told, plain] = rows.map((row) => answered(row)) as [Settlement, Settlement];
    if (told.outcome.kind === "answered") Object.assign(told.outcome.completion, { firsts });
    await Promise.all([calls.settle(told), calls.settle(plain)]);
    deepEqual((await calls.find(hex(1)))?.firsts, firsts);
    equal((await calls.find(hex(2)))?.firsts, undefined);
  }
  using later = journal(db, id); // reads ahead
  await later.history();
  deepEqual((await later.find(hex(1)))?.firsts, firsts);
});

Deno.test("journal() gives back what was settled, and counts what was lost in full", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const id = await experiment(db);
  using calls = journal(db, id);
  const intents = Array.from({ length: 300 }, (_, n) => intent(n));
  await Promise.all(intents.map(calls.intend));
  await Promise.all(intents.slice(0, 298).map((row) => calls.settle(answered(row, `answer ${row.key}`))));
  await calls.settle({
    id: intents[298]!.id,
    usage: { promptTokens: 7, completionTokens: 0 },
    cost: 0n,
    ms: 3,
    outcome: {
      kind: "failed",
      error: "busy",
      failure: { status: 503, retryable: true, final: false },
    },
  });

  equal((await calls.find(hex(5)))?.text, `answer ${hex(5)}`);
  deepEqual((await calls.find(hex(5)))?.usage, { promptTokens: 10, completionTokens: 2 });
  equal(await calls.find(hex(299)), null);
  const { spent, keys, tried } = await calls.history();
  deepEqual(spent, { calls: 300, tokens: 298 * 12 + 7 + 100, cost: 298n + 123_456_789_012n });
  equal(keys.size, 298);
  ok(!keys.has(hex(298)) && !keys.has(hex(299)));
  deepEqual([...tried], [[hex(298), {
    attempts: 1,
    error: "busy",
    status: 503,
    retryable: true,
    final: false,
  }]]);

  const other = journal(db, await experiment(db));
  equal((await other.find(hex(5)))?.text, `answer ${hex(5)}`);
  deepEqual(await other.history(), {
    spent: { calls: 0, tokens: 0, cost: 0n },
    keys: new Set(),
    tried: new Map(),
  });
});

Deno.test("journal() may be told the same twice: rows are written once, and the first answer stays", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const calls = journal(db, await experiment(db), undefined, { leaseMs: 0 }); // a claim lapses at once
  calls[Symbol.dispose](); // and is not renewed
  const [first, second] = [intent(1), { ...intent(1), id: crypto.randomUUID() }];
  for (const row of [first, first, second]) deepEqual(await calls.intend(row), { kind: "granted" });
  await calls.settle(answered(first, "the first"));
  await calls.settle(answered(first, "the first"));
  await calls.settle(answered(second, "the second"));
  equal((await calls.find(hex(1)))?.text, "the first");
  equal((await calls.history()).spent.calls, 2);
});

const GRANTED = { kind: "granted" };

const failed = ({ id }: Intent): Settlement => ({
  ...{ id, usage: { promptTokens: 0, completionTokens: 0 }, cost: 0n, ms: 1 },
  outcome: { kind: "failed", error: "busy", failure: null },
});

Deno.test("intend() grants a completion to one journal until that has settled, failed, or been silent for too long", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  using mine = journal(db, await experiment(db));
  using theirs = journal(db, await experiment(db));
  const within = (ms: number, from: number, to: number) => ok(from <= ms && ms <= to, `${ms}`);
  const [first, again] = [intent(1), intent(1)];
  equal(await theirs.claimed(hex(1)), 0);
  deepEqual(await mine.intend(first), GRANTED);
  deepEqual(await mine.intend(first), GRANTED); // as after a lost connection
  const refused = await theirs.intend(again);
  equal(refused.kind, "claimed");
  within(refused.kind === "claimed" ? refused.ms : 0, 25_000, 30_000);
  within(await theirs.claimed(hex(1)), 25_000, 30_000);
  await mine.settle(failed(first));
  equal(await theirs.claimed(hex(1)), 0);
  deepEqual(await theirs.intend(again), GRANTED);
  await theirs.settle(answered(again));
  equal(await mine.claimed(hex(1)), 0);
  deepEqual(await mine.intend(intent(1)), { kind: "answered" });

  const brief = journal(db, await experiment(db), undefined, { leaseMs: 1 });
  brief[Symbol.dispose]();
  const [lapsed, next] = [intent(2), intent(2)];
  deepEqual(await brief.intend(lapsed), GRANTED);
  while (await mine.claimed(hex(2)) > 0);
  deepEqual(await Promise.all([intent(3), next].map(mine.intend)), [GRANTED, GRANTED]);
  equal((await theirs.intend(intent(2))).kind, "claimed");
  await brief.settle(answered(lapsed, "late")); // is kept, and nobody asks again, whatever becomes of the other call
  equal((await mine.find(hex(2)))?.text, "late");
  deepEqual(await theirs.intend(intent(2)), { kind: "answered" });
  await mine.settle(failed(next));
  deepEqual(await theirs.intend(intent(2)), { kind: "answered" });
  equal((await db.query("select from calls")).rows.length, 5);
});

Deno.test("intend() grants each completion once to journals that claim the same in any order, without a deadlock", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const journals = await Promise.all(
    Array.from({ length: 6 }, async () => journal(db, await experiment(db))),
  );
  const draw = random(1), granted = new Map<string, number>();
  await Promise.all(journals.map(async (calls) => {
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        shuffle(Array.from({ length: 40 }, (_, i) => i), draw).map(async (i) => {
          const row = intent(100 * round + i);
          if ((await calls.intend(row)).kind !== "granted") return;
          granted.set(row.key, (granted.get(row.key) ?? 0) + 1);
          await calls.settle(answered(row));
        }),
      );
    }
  }));
  deepEqual([granted.size, Math.max(...granted.values())], [20 * 40, 1]);
  const { rows } = await db.query(
    "select pg_stat_force_next_flush(), deadlocks from pg_stat_database where datname = current_database()",
  );
  equal(rows[0]!.deadlocks, 0);
  equal((await db.query("select from calls")).rows.length, 20 * 40);
});

Deno.test("forgive() has what was given up tried as if for the first time, and nothing else", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const id = await experiment(db), other = await experiment(db);
  using calls = journal(db, id);
  const fail = async (n: number, attempts: number, failure: Failure | null, into = calls) => {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const row = { ...intent(n), attempt };
      await into.intend(row);
      await into.settle({
        id: row.id,
        usage: { promptTokens: 0, completionTokens: 0 },
        cost: 0n,
        ms: 1,
        outcome: {
          kind: "failed",
          error: `failure ${attempt}`,
          failure: failure && { ...failure, final: failure.final && attempt === attempts },
        },
      });
    }
  };
  const busy = { status: 503, retryable: true }, filtered = { status: 400, retryable: false };
  await fail(1, 3, { ...busy, final: true });
  await fail(2, 1, { ...filtered, final: true });
  await fail(3, 2, { ...busy, final: false });
  await fail(4, 2, null);
  await fail(1, 1, { ...filtered, final: true }, journal(db, other));
  await calls.intend({ ...intent(3), attempt: 3 }); // lost
  const passing = [hex(3), { attempts: 2, error: "failure 2", ...busy, final: false }];
  const history = async () => [...(await calls.history()).tried].sort(([a], [b]) => a < b ? -1 : 1);
  deepEqual(await history(), [
    [hex(1), { attempts: 3, error: "failure 3", ...busy, final: true }],
    [hex(2), { attempts: 1, error: "failure 1", ...filtered, final: true }],
    passing,
  ]);
  const bill = async () =>
    (await readExperiment(db, id)).bill.map(({ role, given_up, error }) => [role, given_up, error]);
  deepEqual(await bill(), [["primary", 1, "failure 3"], ["optimizer", 1, "failure 1"]]);

  await forgive(db, id);
  await forgive(db, id);
  deepEqual(await history(), [passing]);
  deepEqual(await bill(), [["primary", 0, null], ["optimizer", 0, null]]);
  equal((await journal(db, other).history()).tried.size, 1);
  await fail(1, 2, { ...busy, final: true });
  deepEqual((await calls.history()).tried.get(hex(1))?.attempts, 2);
});

Deno.test("what failed before there was a word for it is sent again, as it was then", async () => {
  await using db = await testDatabase();
  await migrateBefore("0007", db);
  const id = await experiment(db);
  await db.query(
    `insert into calls (id, experiment_id, role, model, key, attempt, reserved_tokens, reserved_usd)
     values ($1, $2, 'primary', 'test', $3, 1, 1, 0)`,
    [crypto.randomUUID(), id, hex(1)],
  );
  await db.query("update calls set state = 'failed', error = 'busy', cost_usd = 0, ended_at = now()");
  equal((await migrate(db, FOLDER))[0], "0007_given_up.sql");
  equal((await journal(db, id).history()).tried.size, 0);
  deepEqual((await readExperiment(db, id)).bill.map(({ failed, given_up }) => [failed, given_up]), [[1, 0]]);
});

Deno.test("what an answer might have begun with is the first of its tokens, where that alone was kept", async () => {
  await using db = await testDatabase();
  await migrateBefore("0022", db);
  const likely = { no: -1.5, " yes": -0.25, "": -7 };
  for (const [n, firsts] of [likely, null, {}].entries()) {
    await db.query(
      `insert into completions (key, model, identity, request, text, finish, firsts)
       values ($1, 'test', '{}', '{}', 'yes', 'stop', $2)`,
      [hex(n), firsts && JSON.stringify(firsts)],
    );
  }
  equal((await migrate(db, FOLDER))[0], "0022_first_tokens.sql");
  using calls = journal(db, await experiment(db));
  const firsts = await Promise.all([0, 1, 2].map(async (n) => (await calls.find(hex(n)))!.firsts));
  deepEqual(firsts, [[{ said: " yes", likely }], undefined, undefined]);
});

/** Applies the migrations before `next`, a number. */
async function migrateBefore(next: string, db: Database): Promise<void> {
  const older = await Deno.makeTempDir();
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (name < next) await Deno.copyFile(`${FOLDER}/${name}`, `${older}/${name}`);
  }
  await migrate(db, older);
  await Deno.remove(older, { recursive: true });
}

Deno.test("journal() keeps text of any kind", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  using calls = journal(db, await experiment(db));
  const texts = [
    "",
    " ",
    "\n\t\r",
    "'; drop table calls; --",
    '{"a": [1, "\\u0001"]}',
    "😀 𝒳 \u202e",
    "x".repeat(1_000_000),
  ];
  for (const [n, text] of texts.entries()) {
    const row = intent(n);
    await calls.intend(row);
    await calls.settle(answered(row, text));
    equal((await calls.find(row.key))?.text, text);
  }
});

Deno.test("journal() of an experiment that is not there fails", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await rejects(journal(db, crypto.randomUUID()).intend(intent(1)), /violates foreign key/);
});

Deno.test("grouped() works on all that arrived meanwhile, in order, and survives a failure", async () => {
  const groups: number[][] = [];
  let fail = false;
  const double = grouped(async (items: number[]) => {
    groups.push(items);
    for (let turns = 0; turns < 10; turns++) await null;
    if (fail) throw new Error("down");
    return items.map((item) => 2 * item);
  });
  const first = double(1);
  await null;
  await null;
  const rest = Promise.all([2, 3, 4].map(double));
  deepEqual([await first, ...await rest], [2, 4, 6, 8]);
  deepEqual(groups, [[1], [2, 3, 4]]);
  fail = true;
  await rejects(double(5), /down/);
  fail = false;
  equal(await double(6), 12);
});

Deno.test("usd() and picodollars() are each other's inverse", () => {
  const rows: [bigint, string][] = [
    [0n, "0.000000000000"],
    [1n, "0.000000000001"],
    [1_500_000_000_000n, "1.500000000000"],
    [12_345_678_901_234_567n, "12345.678901234567"],
  ];
  for (const [cost, text] of rows) {
    equal(usd(cost), text);
    equal(picodollars(text), cost);
  }
  equal(picodollars("3"), 3_000_000_000_000n);
});
