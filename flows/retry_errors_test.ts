/**
 * What becomes of questions that a provider fails for good: the run that goes on meets the same failures, and
 * `--retry-errors` sends exactly those questions again.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import {
  type ChatRequest,
  modelServer,
  parity,
  place,
  printed,
  run,
  said,
  start,
  unnamed,
} from "./testing.ts";

const asText = ({ messages }: ChatRequest) => JSON.stringify(messages);
const numberIn = ({ messages }: ChatRequest) => Number(messages.at(-1)!.content.match(/\d+/)?.[0]);

/** Validation questions have numbers from 2000 on, test questions from 3000 on. */
const REFUSED = [2014, 3007, 3021], BUSY = [2035, 3070];

/** All that a kill leaves as it is: a call that was lost counts with the tokens reserved for it. */
const comparable = (document: ReturnType<typeof printed>) => {
  const { seconds: _, tokens: __, ...result } = unnamed(document);
  return result;
};

/** `parity` behind a provider that never answers some questions. */
const faulty = (request: ChatRequest): string | Response =>
  REFUSED.includes(numberIn(request))
    ? Response.json({ error: { message: "held back by a filter" } }, { status: 400 })
    : BUSY.includes(numberIn(request))
    ? new Response("busy", { status: 503, headers: { "retry-after-ms": "1" } })
    : parity(request);

Deno.test("optimize --resume meets the failures of the run that was cut off, --retry-errors sends them again", async () => {
  let answer = faulty;
  let [sent, cutAt] = [0, Infinity];
  const cut = Promise.withResolvers<void>();
  await using server = modelServer(async (request) => {
    if (++sent >= cutAt) cut.resolve();
    if (sent >= cutAt) await new Promise((resolve) => setTimeout(resolve, 200)); // so that calls are in flight
    return answer(request);
  });
  const asking = [...server.models, "--max-iterations", "2", "--max-retries", "2", "--json"];

  await using uncut = await place();
  const whole = await run("optimize", ["--dataset", uncut.questions, ...asking], uncut);
  equal(whole.code, EXIT.done, whole.stderr);
  const expected = comparable(printed(whole));
  equal(expected.improvement === null, false);
  deepEqual([expected.best!.test!.n, expected.best!.validation!.n <= 28], [40 - 3, true]);
  // As often as it may be, and no oftener, though a heat asks for what is missing again.
  const times = Map.groupBy(server.asked, ({ request }) => asText(request));
  for (const [first, ...repeated] of times.values()) {
    equal(repeated.length, BUSY.includes(numberIn(first!.request)) ? 2 : 0);
  }
  match(said(whole), /^\d+ of \d+ calls failed, the last one with: Cannot ask .* it answered \d+: .*$/m);
  match(said(whole), /^Send what was given up again with: deno task optimize --resume \S+ --retry-errors$/m);

  await using at = await place();
  cutAt = sent + 90;
  const flow = start("optimize", ["--dataset", at.questions, ...asking], at);
  await Promise.race([cut.promise, flow.ended]);
  flow.kill("SIGKILL");
  await flow.ended;
  cutAt = Infinity;
  const resumed = await run("optimize", ["--resume", "latest", "--json"], at);
  equal(resumed.code, EXIT.done, resumed.stderr);
  const { experiment_id: id, calls: { lost } } = printed(resumed);
  const { calls } = expected;
  deepEqual(comparable(printed(resumed)), {
    ...expected,
    calls: { ...calls, lost, total: calls.total + lost },
  });

  answer = parity; // mended
  const before = server.asked.length;
  const again = await run("optimize", ["--resume", id, "--json"], at);
  equal(server.asked.length, before);
  equal(again.code, EXIT.done, again.stderr);
  deepEqual({ ...printed(again), seconds: 0 }, { ...printed(resumed), seconds: 0 });
  match(said(again), /^Send what was given up again /m);

  const { rows } = await at.db.query<{ given_up: boolean; request: string }>(
    "select count(*) filter (where failure = 'final') as given_up from calls",
  );
  const stored = new Set(
    (await at.db.query<{ request: ChatRequest }>("select request from completions")).rows.map(({ request }) =>
      JSON.stringify(request.messages.map(({ role, content }) => ({ role, content })))
    ),
  );
  ok(Number(rows[0]!.given_up) > 6);
  const retried = await run("optimize", ["--resume", id, "--retry-errors", "--json"], at);
  equal(retried.code, EXIT.done, retried.stderr);
  const asked = server.asked.slice(before).map(({ request }) => request);
  deepEqual(
    asked.filter((request) => stored.has(asText(request))),
    [],
    "nothing that was answered is asked again",
  );
  equal(new Set(asked.map(asText)).size, asked.length);
  const mended = printed(retried);
  deepEqual([mended.best.test.n, mended.baseline.test.n], [40, 40]);
  ok(!/given up|failed/.test(said(retried)), retried.stderr);

  const last = server.asked.length;
  const rest = await run("optimize", ["--resume", id, "--json"], at); // what was mended stays so
  deepEqual([server.asked.length, printed(rest).best], [last, mended.best]);

  const refused = await run("optimize", ["--dataset", at.questions, "--retry-errors"], at);
  deepEqual(
    [refused.code, refused.stderr],
    [EXIT.usage, "Cannot use --retry-errors without --resume: a new experiment has given nothing up yet\n"],
  );
});

Deno.test("optimize --retry-errors sends exactly what was given up, where nothing depends on the answers", async () => {
  await using at = await place();
  let faults = true;
  await using server = modelServer((request) =>
    faults && numberIn(request) >= 3000 ? faulty(request) : parity(request)
  );
  const first = await run("optimize", [
    ...["--dataset", at.questions, ...server.models, "--max-iterations", "2", "--max-retries", "1", "--json"],
  ], at);
  const failed = new Set(
    server.asked.map(({ request }) => request)
      .filter((request) => [...REFUSED, ...BUSY].includes(numberIn(request)) && numberIn(request) >= 3000)
      .map(asText),
  );
  equal(failed.size, 2 * 3); // under the seed prompt and the best one
  faults = false;
  const before = server.asked.length;
  const retried = await run("optimize", ["--resume", "latest", "--retry-errors", "--json"], at);
  deepEqual(server.asked.slice(before).map(({ request }) => asText(request)).sort(), [...failed].sort());
  deepEqual([printed(first).best.test.n, printed(retried).best.test.n], [37, 40]);
  deepEqual(printed(retried).trials, printed(first).trials);
});
