import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { random } from "../random.ts";
import { ProviderError } from "./model.ts";
import { type Breaker, breaker, retry, type RetryOptions, type Sleep } from "./retry.ts";
import { simulated } from "./testing.ts";

/** A clock that moves when somebody sleeps. */
function clock(): { now: () => number; sleep: Sleep; slept: number[] } {
  let time = 0;
  const slept: number[] = [];
  return {
    now: () => time,
    slept,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      slept.push(ms);
      const until = time + ms;
      await Promise.resolve();
      time = Math.max(time, until);
    },
  };
}

const busy = (retryAfterMs?: number) =>
  new ProviderError("busy", { status: 503, ...retryAfterMs === undefined ? {} : { retryAfterMs } });
const refused = new ProviderError("no such model", { status: 404 });

/** Runs attempts that fail with `errors`, one after another, then succeed. */
async function run(errors: readonly unknown[], options: Partial<RetryOptions> = {}) {
  const { sleep, slept } = clock();
  let attempts = 0;
  const outcome = await retry((n) => {
    attempts++;
    equal(n, attempts);
    return n <= errors.length ? Promise.reject(errors[n - 1]) : Promise.resolve("answer");
  }, { random: () => 0.5, sleep, ...options }).catch((error: Error) => error.message);
  return { outcome, attempts, slept };
}

Deno.test("retry() repeats what may succeed later, and nothing else", async () => {
  deepEqual(await run([]), { outcome: "answer", attempts: 1, slept: [] });
  deepEqual(await run([busy(), busy()]), { outcome: "answer", attempts: 3, slept: [250, 500] });
  deepEqual(await run([refused]), { outcome: "no such model", attempts: 1, slept: [] });
  deepEqual(await run([new Error("no budget")]), { outcome: "no budget", attempts: 1, slept: [] });
  const dead = Array.from({ length: 9 }, () => busy());
  deepEqual(await run(dead), { outcome: "busy", attempts: 5, slept: [250, 500, 1000, 2000] });
  deepEqual(await run(dead, { maxRetries: 0 }), { outcome: "busy", attempts: 1, slept: [] });
  deepEqual((await run(dead, { maxDelayMs: 600 })).slept, [250, 300, 300, 300]);
});

Deno.test("retry() counts what failed in an earlier process, and makes one attempt at least", async () => {
  for (const [failed, attempts] of [[0, [1, 2, 3]], [1, [2, 3]], [2, [3]], [3, [4]], [7, [8]]] as const) {
    const made: number[] = [];
    const { sleep } = clock();
    const dead = (n: number) => Promise.reject(made.push(n) && busy());
    await rejects(retry(dead, { random: () => 0, sleep, maxRetries: 2, failed }), busy());
    deepEqual(made, attempts);
  }
});

Deno.test("retry() honours Retry-After, up to the longest wait", async () => {
  deepEqual((await run([busy(7000)])).slept, [7000]);
  deepEqual((await run([busy(0)])).slept, [0]);
  deepEqual((await run([busy(86_400_000)])).slept, [60_000]);
});

Deno.test("retry() spreads its waits over the whole range", async () => {
  const draws = random(1);
  const first: number[] = [];
  for (let i = 0; i < 400; i++) first.push((await run([busy()], { random: draws })).slept[0]!);
  equal(first.every((ms) => ms >= 0 && ms < 500), true);
  equal(Math.min(...first) < 25 && Math.max(...first) > 475, true);
});

Deno.test("retry() ends with the reason of its signal, while it waits and before it begins", async () => {
  const stop = new AbortController();
  const waiting = retry(() => Promise.reject(busy(60_000)), { random: () => 0, signal: stop.signal });
  setTimeout(() => stop.abort(new Error("stopped")), 5);
  await rejects(waiting, { message: "stopped" });
  let attempts = 0;
  await rejects(retry(() => Promise.resolve(attempts++), { random: () => 0, signal: stop.signal }), {
    message: "stopped",
  });
  equal(attempts, 0);
});

/** Tells the breaker of `outcomes`, one call after another. */
async function tell(breaker: Breaker, ...outcomes: ("answered" | "left" | ProviderError)[]) {
  for (const outcome of outcomes) (await breaker.enter())(outcome);
}
const FIVE = Array.from({ length: 5 }, () => busy());

Deno.test("breaker() opens after 5 failures in a row, and one probe at a time goes through", async () => {
  const { now, sleep, slept } = clock();
  const circuit = breaker({ now, sleep, pauseMs: 1000 });
  await tell(circuit, busy(), busy(), busy(), busy(), "answered", ...FIVE.slice(1));
  deepEqual(slept, []); // four in a row twice: closed
  await tell(circuit, busy());
  deepEqual(slept, []);
  let through = 0;
  const waiting = Array.from({ length: 8 }, () => circuit.enter().then((report) => (through++, report)));
  const probe = await Promise.race(waiting);
  equal(now(), 1000);
  await new Promise((resolve) => setTimeout(resolve, 5));
  equal(through, 1);
  probe("answered");
  await Promise.all(waiting);
  equal(through, 8);
});

Deno.test("breaker() says why it keeps callers back, and for how long yet", async () => {
  const { now, sleep } = clock();
  const circuit = breaker({ now, sleep, pauseMs: 1000 });
  await tell(circuit, ...FIVE.slice(1));
  equal(circuit.pause(), undefined);
  const last = new ProviderError("overloaded", { status: 503 });
  await tell(circuit, last);
  deepEqual(circuit.pause(), { ms: 1000, error: last });
  await sleep(400);
  deepEqual(circuit.pause(), { ms: 600, error: last });
  const probe = await circuit.enter();
  deepEqual(circuit.pause(), { ms: 0, error: last });
  probe("left");
  deepEqual(circuit.pause(), { ms: 0, error: last });
  await tell(circuit, FIVE[0]!);
  deepEqual(circuit.pause(), { ms: 2000, error: FIVE[0] });
  await tell(circuit, "answered");
  equal(circuit.pause(), undefined);
});

Deno.test("breaker() lets nobody wait after 3 failed probes of what never answered, and closes when a later one succeeds", async () => {
  const { now, sleep } = clock();
  const circuit = breaker({ now, sleep, pauseMs: 1000 });
  await tell(circuit, ...FIVE, busy(), busy());
  equal(now(), 1000 + 2000);
  const waiting = circuit.enter();
  const probe = await waiting;
  const other = circuit.enter();
  probe(busy());
  await rejects(other, { name: "ProviderError", message: /failed 8 times in a row, last with: busy/ });
  await rejects(circuit.enter(), { retryable: true, fatal: true });
  await sleep(8000);
  await tell(circuit, "answered", busy());
  equal(now(), 1000 + 2000 + 4000 + 8000);
});

Deno.test("breaker() waits ten minutes for what has answered before, with a probe a minute, and no longer", async () => {
  const { now, sleep } = clock();
  const circuit = breaker({ now, sleep });
  await tell(circuit, "answered", busy(), "answered", ...FIVE);
  const probes: number[] = [];
  for (;;) {
    const report = await circuit.enter().catch(() => undefined);
    if (!report) break;
    probes.push(now() / 1000);
    report(busy());
  }
  deepEqual(probes, [5, 15, 35, 75, 135, 195, 255, 315, 375, 435, 495, 555, 615]);

  const back = breaker({ now, sleep });
  await tell(back, "answered", ...FIVE, ...FIVE, "answered", ...FIVE); // an outage, and ten minutes later another one
  await tell(back, "answered");
});

Deno.test("30 % faults by chance end no run, and an outage of five minutes costs no question", async () => {
  const draw = random(30);
  let [ended, failed] = [0, 0];
  for (let i = 0; i < 40; i++) {
    const atOnce = i % 2 ? 8 : 1;
    const outcome = await simulated({ questions: 500, atOnce, random: draw, isDown: () => draw() < 0.3 });
    ended += outcome.ended;
    failed += outcome.failed;
  }
  equal(ended, 0);
  ok(failed > 20 && failed < 90, `${failed} of 20,000 where 0.3^5 of them were to be expected`);
  for (let i = 0; i < 20; i++) {
    const begun = 10_000 + 1000 * i;
    const isDown = (now: number) => now > begun && now < begun + 300_000;
    const { attempts, ...outcome } = await simulated({ questions: 500, random: draw, isDown });
    deepEqual(outcome, { answered: 500, failed: 0, ended: 0 });
    ok(attempts < 500 + 40, `${attempts}`);
  }
});

Deno.test("breaker() never sleeps less than nothing, though time passes between two looks at the clock", async () => {
  let time = 0;
  const slept: number[] = [];
  const circuit = breaker({
    now: () => time += 7,
    pauseMs: 10,
    sleep: (ms) => (slept.push(ms), Promise.resolve()),
  });
  await tell(circuit, ...FIVE);
  (await circuit.enter())("answered");
  deepEqual(slept, [0]);
});

Deno.test("breaker() gives the probe's place to another when it is aborted, and waiting ends on abort", async () => {
  const { now, sleep } = clock();
  const circuit = breaker({ now, sleep, pauseMs: 1000 });
  const before = await circuit.enter(); // sent before the breaker opens, ends while a probe is under way
  await tell(circuit, ...FIVE);
  const probe = await circuit.enter();
  const stop = new AbortController();
  const waiting = circuit.enter(stop.signal);
  const next = circuit.enter();
  before("left");
  stop.abort(new Error("stopped"));
  await rejects(waiting, { message: "stopped" });
  probe("left");
  (await next)("answered");
  await tell(circuit, "answered");
});

Deno.test("retry() sends at most 5 requests and one probe a pause to a dead provider", async () => {
  const { now, sleep } = clock();
  const circuit = breaker({ now, sleep });
  let sent = 0;
  const calls = Array.from(
    { length: 100 },
    () =>
      retry(() => (sent++, Promise.reject(busy())), {
        random: () => 0,
        sleep,
        breaker: circuit,
        maxRetries: 4,
      }),
  );
  const outcomes = await Promise.allSettled(calls);
  equal(outcomes.every(({ status }) => status === "rejected"), true);
  equal(sent <= 100 + 3, true, `${sent}`); // all 100 were on their way before the first failed
});
