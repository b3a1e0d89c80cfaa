import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { journal } from "./calls.ts";
import { saveDataset } from "./datasets.ts";
import { type Database, openDatabase } from "./db.ts";
import { beginExperiment, endExperiment, heartbeat, resumeExperiment } from "./experiments.ts";
import { HeldError, holdExperiment } from "./hold.ts";
import { type TestDatabase, testDatabase } from "./testing.ts";

const ID = "0198b5f0-0000-7000-8000-000000000000";
const soon = { patienceMs: 50, beatMs: 20 };

const LOCKS = `
  from pg_locks
 where locktype = 'advisory' and granted
   and database = (select oid from pg_database where datname = current_database())`;

const locked = async (db: Database): Promise<boolean> => (await db.query(`select ${LOCKS}`)).rowCount > 0;

/** Ends the connection that has the lock, and waits until it is gone; gives whether there was one. */
const strike = async (db: Database): Promise<boolean> =>
  (await db.query(`select pg_terminate_backend(pid, 60000) ${LOCKS}`)).rowCount > 0;

/** Another process, as far as the database can tell. */
const another = (db: TestDatabase) => openDatabase({ url: db.url });

Deno.test("holdExperiment() lets one at a time have an experiment", async () => {
  await using db = await testDatabase();
  await using other = await another(db);
  {
    await using _hold = await holdExperiment(db, ID, soon);
    await using _different = await holdExperiment(other, crypto.randomUUID(), soon);
    await rejects(holdExperiment(other, ID, soon), (error: Error) => {
      equal(error.constructor, HeldError);
      equal(
        error.message,
        `Cannot go on with experiment ${ID} as another process runs it: wait until that has ended, or end it`,
      );
      return true;
    });
  }
  await using _next = await holdExperiment(other, ID);
});

Deno.test("holdExperiment() waits for the lock of one that has just ended", async () => {
  await using db = await testDatabase();
  await using other = await another(db);
  const hold = await holdExperiment(db, ID, soon);
  const waiting = holdExperiment(other, ID, { patienceMs: 10_000 });
  await delay(150);
  await hold[Symbol.asyncDispose]();
  await using _hold = await waiting;
});

Deno.test("holdExperiment() takes it again when its connection was lost", async () => {
  await using db = await testDatabase();
  await using other = await another(db);
  await using _hold = await holdExperiment(db, ID, soon);
  for (let round = 0; round < 3; round++) while (!(await strike(other))) await delay(5);
  while (!(await locked(other))) await delay(5);
  await rejects(holdExperiment(other, ID, soon), HeldError);
});

Deno.test("holdExperiment() does not outlast its database, though nobody disposed of the hold", async () => {
  await using db = await testDatabase();
  const other = await another(db);
  const hold = await holdExperiment(other, ID);
  await other.close();
  await using _next = await holdExperiment(db, ID);
  await hold[Symbol.asyncDispose]();
});

Deno.test("whose place another holder took sends nothing more, and does not touch what that one does", async () => {
  await using db = await testDatabase({ folder: "sql" });
  const example = (split: string) => [{ id: split, question: split, references: [split] }];
  const datasetId = await saveDataset(db, {
    ...{ name: "held", sha256: "0".repeat(64), card: {} },
    ...{ train: example("a"), validation: example("b"), test: example("c") },
  });
  const intent = () => ({
    ...{ id: crypto.randomUUID(), role: "primary", model: "m", key: "0".repeat(64), attempt: 1 } as const,
    reserved: { tokens: 1, cost: 1n },
  });
  const [before, after] = [crypto.randomUUID(), crypto.randomUUID()];
  await beginExperiment(db, { id: ID, kind: "optimize", datasetId, seed: 1, config: {}, holder: before });
  using first = journal(db, ID, before), second = journal(db, ID, after);
  await first.intend(intent());
  await heartbeat(db, ID, { seconds: 1, cached: 0, holder: before });
  await resumeExperiment(db, ID, {}, after);
  deepEqual(await second.intend(intent()), { kind: "granted" }); // nobody waits for the first one's
  await heartbeat(db, ID, { seconds: 5, cached: 2, holder: after });

  for (const holder of [before, undefined]) {
    await rejects(journal(db, ID, holder).intend(intent()), HeldError);
    await heartbeat(db, ID, { seconds: 2, cached: 1, holder });
    await endExperiment(db, ID, { status: "failed", error: "x", seconds: 2, cached: 1, holder });
  }
  deepEqual((await db.query("select status, seconds, cached from experiments")).rows, [
    { status: "running", seconds: 5, cached: 2 },
  ]);
  equal((await journal(db, ID, after).history()).spent.calls, 2);
  await endExperiment(db, ID, { status: "interrupted", seconds: 6, cached: 2, holder: after });
  deepEqual((await db.query("select status from experiments")).rows, [{ status: "interrupted" }]);
});
