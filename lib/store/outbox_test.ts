import { deepEqual, equal, rejects } from "node:assert/strict";
import {
  addToOutbox,
  type OpenOutbox,
  openOutboxRun,
  waitingMessages,
  waitingRuns,
  withOutbox,
} from "./outbox.ts";
import { testDatabase } from "./testing.ts";

const open = () => testDatabase({ folder: "sql" });
const uuid = () => crypto.randomUUID();
const SERVER = "http://127.0.0.1:4200/api";

interface Told {
  readonly n: number;
}
type Box = OpenOutbox<{ flow: string }, Told>;

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ id: uuid(), message: { n: from + i } }));

Deno.test("withOutbox() gives a run's messages in order, and again what was taken and not delivered", async () => {
  await using db = await open();
  const [id, other] = [uuid(), uuid()];
  for (const run of [id, other]) {
    await openOutboxRun(db, { id: run, server: SERVER, registration: { flow: "optimize" } });
    await openOutboxRun(db, { id: run, server: SERVER, registration: { flow: "another" } }); // kept is kept
  }
  const messages = numbers(0, 60);
  for (const _time of [1, 2]) await addToOutbox(db, id, messages); // as after a lost connection
  await addToOutbox(db, other, numbers(100, 101));
  deepEqual(await waitingRuns(db, SERVER), [id, other]);
  deepEqual(await waitingRuns(db, "http://elsewhere/api"), []);
  deepEqual(await waitingRuns(db, SERVER, { seconds: 60 }), []);
  deepEqual(await waitingMessages(db), [{ server: SERVER, messages: 61 }]);

  await rejects(
    withOutbox(db, id, async (box: Box) => {
      deepEqual([box.registration, box.flowRunId], [{ flow: "optimize" }, null]);
      await box.registered(other);
      const first = await box.next();
      deepEqual(
        first.map(({ message: { n }, again }) => [n, again]),
        numbers(0, 50).map(({ message }) => [message.n, false]),
      );
      await box.delivered(first.slice(0, 10).map(({ id }) => id));
      await box.refused(first[10]!.id, "422");
      throw new Error("the server is away");
    }),
    /away/,
  );
  await withOutbox(db, id, async (box: Box) => {
    equal(box.flowRunId, other);
    const rest = await box.next();
    deepEqual(
      rest.map(({ message: { n }, again }) => [n, again]),
      numbers(11, 60).map(({ message: { n } }) => [n, n < 50]),
    );
    await box.delivered(rest.map(({ id }) => id));
    deepEqual(await box.next(), []);
  });
  deepEqual(await waitingRuns(db, SERVER), [other]);
});

Deno.test("withOutbox() lets one at a time deliver a run", async () => {
  await using db = await open();
  const id = uuid();
  await openOutboxRun(db, { id, server: SERVER, registration: {} });
  const inside = await withOutbox(db, id, async () => {
    equal(await withOutbox(db, id, () => Promise.reject(new Error("two at once"))), false);
  });
  equal(inside, true);
  equal(await withOutbox(db, id, () => Promise.resolve()), true);
});

Deno.test("addToOutbox() keeps nothing of a process whose experiment another one runs", async () => {
  await using db = await open();
  const [id, experimentId, datasetId, before, now] = [uuid(), uuid(), uuid(), uuid(), uuid()];
  await openOutboxRun(db, { id, server: SERVER, registration: {} });
  equal(await addToOutbox(db, id, numbers(0, 1), { experimentId, holder: before }), true); // not begun yet
  await db.query("insert into datasets (id, name, sha256) values ($1, 'd', repeat('0', 64))", [datasetId]);
  await db.query(
    `insert into experiments (id, kind, dataset_id, seed, config, holder) values ($1, 'optimize', $2, 1, '{}', $3)`,
    [experimentId, datasetId, now],
  );
  equal(await addToOutbox(db, id, numbers(1, 2), { experimentId, holder: before }), false);
  equal(await addToOutbox(db, id, numbers(2, 3), { experimentId, holder: now }), true);
  await withOutbox(db, id, async (box: Box) => {
    deepEqual((await box.next()).map(({ message }) => message.n), [0, 2]);
  });
});
