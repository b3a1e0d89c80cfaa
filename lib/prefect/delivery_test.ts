/**
 * What is sent in which order, and what is not sent twice, against a server of a few lines; the real one is in
 * flows/prefect_test.ts.
 */
import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { prefectClient, PrefectError } from "./client.ts";
import { deliver, type Entry, type Outbox, sendHeartbeat } from "./delivery.ts";
import type { Message } from "./message.ts";

/** Keeps what arrives; `answer` may answer in its place. */
function server(answer: (method: string, path: string, n: number) => Response | undefined = () => undefined) {
  const asked: { method: string; path: string; body: unknown }[] = [];
  const client = prefectClient({
    url: "http://prefect/api",
    fetch: async (request) => {
      const path = new URL(request.url).pathname.replace("/api", "");
      asked.push({ method: request.method, path, body: request.body ? await request.json() : null });
      return answer(request.method, path, asked.length) ?? Response.json({ id: "run", status: "ACCEPT" });
    },
  });
  return { client, asked, paths: () => asked.map(({ method, path }) => `${method} ${path}`) };
}

function box(messages: readonly Message[], { again = false } = {}) {
  let entries: Entry[] = messages.map((message, i) => ({ id: `${i}`, message, again }));
  const refused: string[] = [];
  const outbox: Outbox = {
    registration: { flow: "prompt-optimizer", name: "one", parameters: {}, tags: [] },
    ...{ idempotencyKey: "key", flowRunId: null },
    registered: () => Promise.resolve(),
    held: () => Promise.resolve(),
    next: () => Promise.resolve(entries),
    delivered(ids) {
      entries = entries.filter(({ id }) => !ids.includes(id));
      return Promise.resolve();
    },
    refused(id) {
      refused.push(id);
      return outbox.delivered([id]);
    },
  };
  return { outbox, refused, left: () => entries.map(({ id }) => id) };
}

const RUNNING: Message = { kind: "flow run state", id: "transition", state: { type: "RUNNING" } };
const COMPLETED: Message = { kind: "flow run state", id: "the end", state: { type: "COMPLETED" } };
const line = (text: string): Message => ({ kind: "log", level: 20, text, at: "2026-01-01T00:00:00.000Z" });

Deno.test("deliver() registers, keeps the order, and sends logs in a row together", async () => {
  const { client, asked, paths } = server();
  const { outbox, left } = box([RUNNING, line("a"), line("b"), COMPLETED]);
  await deliver(client, outbox);
  deepEqual(paths(), [
    ...["POST /flows/", "POST /flow_runs/", "GET /flow_runs/run", "POST /flow_runs/run/set_state"],
    ...["POST /logs/", "GET /flow_runs/run", "POST /flow_runs/run/set_state"],
  ]);
  equal((asked[1]!.body as { idempotency_key: string }).idempotency_key, "key");
  equal((asked[4]!.body as unknown[]).length, 2);
  deepEqual(left(), []);
});

Deno.test("deliver() stops where the server is away, and passes over what it refuses", async () => {
  const rows: [status: number, error: boolean, refused: string[], left: string[]][] = [
    [503, true, [], ["1", "2"]],
    [500, true, [], ["1", "2"]],
    [401, true, [], ["1", "2"]],
    [422, false, ["1"], []],
    [404, false, ["1"], []],
  ];
  for (const [status, error, refused, left] of rows) {
    const { client } = server((_, path) => path === "/logs/" ? Response.json({}, { status }) : undefined);
    const kept = box([RUNNING, line("a"), COMPLETED]);
    const delivery = deliver(client, kept.outbox);
    if (error) await rejects(delivery, PrefectError);
    else await delivery;
    deepEqual([kept.refused, kept.left()], [refused, left], `${status}`);
  }
});

Deno.test("deliver() sends nothing again that arrived, and no state after a decision", async () => {
  const transition = { type: "RUNNING", state_details: { transition_id: "transition" } };
  const rows: [what: Message, again: boolean, now: string, states: unknown[], sent: boolean][] = [
    [RUNNING, false, "PENDING", [], true],
    [RUNNING, true, "PENDING", [], true],
    [RUNNING, true, "RUNNING", [transition], false],
    [RUNNING, false, "CANCELLING", [], false],
    [RUNNING, false, "CRASHED", [], true],
    [COMPLETED, false, "CANCELLED", [], false],
    [COMPLETED, false, "CRASHED", [], true],
  ];
  for (const [message, again, now, states, sent] of rows) {
    const { client, paths } = server((method, path) =>
      method !== "GET"
        ? undefined
        : Response.json(path === "/flow_run_states/" ? states : { id: "run", state: { type: now } })
    );
    await deliver(client, box([message], { again }).outbox);
    equal(paths().includes("POST /flow_runs/run/set_state"), sent, `${JSON.stringify(message)} when ${now}`);
  }
});

Deno.test("sendHeartbeat() goes by the server's clock, also with its first", async () => {
  for (const behind of [90, -90, 0]) { // seconds that this machine's clock is behind the server's
    const date = new Date(Date.now() + behind * 1000);
    const { client, asked } = server((_, path) =>
      Response.json(path === "/health" ? true : {}, { headers: { date: date.toUTCString() } })
    );
    const at = new Date().toISOString();
    for (const id of ["1", "2"]) await sendHeartbeat(client, { id, flowRunId: "run", at });
    const told = asked.flatMap(({ path, body }) =>
      path === "/events" ? (body as { occurred: string }[]).map(({ occurred }) => Date.parse(occurred)) : []
    );
    equal(told.length, 2);
    for (const occurred of told) {
      const off = Math.abs(occurred - date.getTime());
      ok(off < 5000, `${off} ms off where the clock is ${behind} s behind`);
      if (behind === 0) equal(occurred, Date.parse(at), "as it is where the clocks agree");
    }
  }
  const { client, asked } = server(); // one that does not say, and is asked once
  const at = new Date().toISOString();
  for (const id of ["1", "2"]) await sendHeartbeat(client, { id, flowRunId: "run", at });
  deepEqual(asked.map(({ path }) => path), ["/health", "/events", "/events"]);
  equal((asked.at(-1)!.body as { occurred: string }[])[0]!.occurred, at);
});
