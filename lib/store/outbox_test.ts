import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import {
  addToOutbox,
  type OpenOutbox,
  openOutboxRun,
  requireOutboxRun,
  takeOutboxRun,
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

Deno.test("addToOutbox() keeps what the holder of a run writes, and who may take it", async (t) => {
  await using db = await open();
  const [first, again, second, third] = [1, 1, 2, 3].map((attempt) => ({ id: uuid(), attempt }));
  const rows: [what: string, taken: (typeof first)[], writes: typeof first, kept: boolean][] = [
    ["nobody has it", [], first, true],
    ["its holder", [first], first, true],
    ["who was started before its holder", [first, second], first, false],
    ["who was started when its holder was, and came later", [first], again, false],
    ["who was started later, and has not taken it yet", [first], second, true],
    ["who came late, of an earlier attempt", [second, first], first, false],
    ["its holder, after one that came late", [second, first, second], second, true],
    ["one of three", [first, third, second], second, false],
    ["a writer without a name", [first], undefined, true],
  ];
  for (const [what, taken, writes, kept] of rows) {
    await t.step(what, async () => {
      const id = uuid();
      await rejects(addToOutbox(db, id, [], writes), RangeError);
      await openOutboxRun(db, { id, server: SERVER, registration: {} });
      let last = 0;
      for (const holder of taken) {
        const later = holder!.attempt >= last;
        equal(await takeOutboxRun(db, id, holder!), later);
        if (later) last = holder!.attempt;
      }
      equal(await addToOutbox(db, id, numbers(0, 2), writes), kept);
      equal(await addToOutbox(db, id, [], writes), kept);
      const written = db.transaction((tx) => requireOutboxRun(tx, id, writes ?? taken[0]!));
      await (kept
        ? written
        : rejects(written, { name: "HeldError", message: /flow run .* another process/ }));
      const delivery = await withOutbox(db, id, async (box: Box) => {
        equal((await box.next()).length, kept ? 2 : 0);
      }, writes);
      equal(delivery, true);
    });
  }
});

Deno.test("a run is taken before or after something is written, not meanwhile", async () => {
  await using db = await open();
  const [id, order] = [uuid(), [] as string[]];
  const [first, second] = [1, 2].map((attempt) => ({ id: uuid(), attempt }));
  await openOutboxRun(db, { id, server: SERVER, registration: {} });
  await takeOutboxRun(db, id, first!);
  let taking: Promise<unknown> | undefined;
  await db.transaction(async (tx) => {
    await requireOutboxRun(tx, id, first!);
    taking = takeOutboxRun(db, id, second!).then(() => order.push("taken"));
    await tx.query("select pg_sleep(0.3)");
    order.push("written");
  });
  await taking;
  deepEqual(order, ["written", "taken"]);
  await rejects(db.transaction((tx) => requireOutboxRun(tx, id, first!)), { name: "HeldError" });

  const third = { id: uuid(), attempt: 3 };
  let late: Promise<boolean> | undefined;
  await db.transaction(async (tx) => {
    await takeOutboxRun(tx, id, third);
    late = addToOutbox(db, id, numbers(0, 1), second!); // begins before the run is taken for others to see
    await tx.query("select pg_sleep(0.3)");
  });
  equal(await late, false);
  deepEqual(await waitingMessages(db), []);
});

Deno.test("takeOutboxRun() withdraws what others say of the run, and ends the delivery of who had it", async () => {
  await using db = await open();
  const id = uuid();
  const [first, second] = [1, 2].map((attempt) => ({ id: uuid(), attempt }));
  const message = (kind: string, n: number) => ({ id: uuid(), message: { kind, n } });
  await openOutboxRun(db, { id, server: SERVER, registration: {} });
  await takeOutboxRun(db, id, first!);
  await addToOutbox(db, id, [message("state", 0), message("log", 1), message("state", 2)], first);
  await addToOutbox(db, id, [message("state", 3)], second); // before it takes the run
  let sent = 0;
  const delivered = await withOutbox(db, id, async (box: Box) => {
    for (const { id: one } of await box.next()) {
      await box.held();
      await box.delivered([one]);
      sent++;
      equal(await takeOutboxRun(db, id, second!, ["state"]), true);
    }
  }, first);
  deepEqual([delivered, sent], [false, 1]);
  equal(await withOutbox(db, id, () => Promise.reject(new Error("it is not first's any more")), first), true);
  await withOutbox(db, id, async (box: Box) => {
    await box.held();
    deepEqual((await box.next()).map(({ message }) => message.n), [1, 3]);
  }, second);
});
