import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { random } from "../random.ts";
import { BudgetError, completionKey, type LedgerOptions, openLedger } from "./ledger.ts";
import { type LanguageModel, type ModelRequest, ProviderError, type Usage } from "./model.ts";
import { openai } from "./openai.ts";
import { clock, memory } from "./testing.ts";

interface Served {
  text?: string;
  usage?: Usage | null;
  error?: Error;
}

/** A model that counts for itself what it was asked and what it would bill. */
function server(
  serve: (n: number) => Served = () => ({}),
): LanguageModel & { served: { calls: number; tokens: number } } {
  const served = { calls: 0, tokens: 0 };
  return {
    name: "openai:test",
    identity: { provider: "test", model: "test" },
    served,
    promptTokensAtMost: ({ messages }) => messages.at(-1)!.content.length + 10,
    async complete({ messages, maxTokens }, { signal } = {}) {
      const { text = "yes", usage, error } = serve(++served.calls);
      for (let turns = served.calls % 7; turns > 0; turns--) await null;
      signal?.throwIfAborted();
      const truth = {
        promptTokens: messages.at(-1)!.content.length,
        completionTokens: Math.min(maxTokens, text.length),
      };
      if (error) throw error;
      served.tokens += truth.promptTokens + truth.completionTokens;
      return { text, finish: "stop", usage: usage === undefined ? truth : usage };
    },
  };
}

const question = (i: number | string): ModelRequest => ({
  messages: [{ role: "user", content: `Question ${i}` }],
  temperature: 0,
  maxTokens: 5,
});

let ids = 0;
const open = (model: LanguageModel, options: Partial<LedgerOptions> = {}) => {
  const { elapsed, sleep } = clock();
  return openLedger({
    models: { primary: model, optimizer: model },
    journal: memory(),
    caps: {},
    priceOf: () => ({ prompt: 1_000n, completion: 2_000n }),
    retry: { random: random(1), sleep },
    concurrency: 8,
    newId: () => `id-${ids++}`,
    elapsed,
    ...options,
  });
};

Deno.test("ask() pays once for the same question, whoever asks, at once or later", async () => {
  const [model, journal] = [server(), memory()];
  const ledger = await open(model, { journal });
  const answers = await Promise.all([1, 1, 1, 2].map((i) => ledger.ask("primary", question(i))));
  deepEqual(answers.map(({ origin }) => origin), ["paid", "paid", "paid", "paid"]);
  equal((await ledger.ask("optimizer", question(1))).origin, "replayed");
  equal(model.served.calls, 2);

  const other = await open(model, { journal: { ...journal, history: memory().history } }); // another experiment
  equal((await other.ask("primary", question(1))).origin, "cached");
  deepEqual([other.cached(), other.spent().calls, model.served.calls], [1, 0, 2]);
});

Deno.test("ask() writes the intent before it sends, and the answer before it gives it", async () => {
  const journal = memory();
  const log: string[] = [];
  const model = server();
  const ledger = await open({
    ...model,
    complete: (...args) => (log.push(`sent with ${journal.intents.length} intents`), model.complete(...args)),
  }, { journal });
  await ledger.ask("primary", question(1));
  log.push(`given with ${journal.settlements.length} settled`);
  deepEqual(log, ["sent with 1 intents", "given with 1 settled"]);
});

Deno.test("ask() writes an answer while the next call is on the wire, and begins no more than half as many again", async () => {
  const [model, journal] = [server(), memory()];
  const gates: PromiseWithResolvers<void>[] = [];
  let [onWire, most] = [0, 0];
  const ledger = await open({
    ...model,
    async complete(...args) {
      most = Math.max(most, ++onWire);
      try {
        return await model.complete(...args);
      } finally {
        onWire--;
      }
    },
  }, {
    concurrency: 2,
    journal: {
      ...journal,
      async settle(settlement) {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        await gate.promise;
        await journal.settle(settlement);
      },
    },
  });
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 5));
  const answers = Promise.all([1, 2, 3, 4, 5, 6, 7].map((i) => ledger.ask("primary", question(i))));
  await quiet();
  deepEqual([model.served.calls, gates.length], [3, 3]);
  gates.shift()!.resolve();
  await quiet();
  equal(model.served.calls, 4);
  while (gates.length > 0) {
    gates.shift()!.resolve();
    await quiet();
  }
  deepEqual([(await answers).length, model.served.calls, most], [7, 7, 2]);
  await ledger.idle();
});

Deno.test("caps are never exceeded, whatever fails and however many ask", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        calls: fc.option(fc.nat(60), { nil: undefined }),
        tokens: fc.option(fc.nat(1500), { nil: undefined }),
        cost: fc.option(fc.bigInt(0n, 1_500_000n), { nil: undefined }),
      }),
      fc.constantFrom(1, 16, 64, 256),
      fc.array(fc.constantFrom("ok", "unknown usage", "busy", "reset", "refused"), {
        minLength: 1,
        maxLength: 20,
      }),
      async (caps, concurrency, fates) => {
        const model = server((n) =>
          ({
            "ok": {},
            "unknown usage": { usage: null },
            "busy": { error: new ProviderError("busy", { status: 503 }) },
            "reset": { error: new ProviderError("connection reset") },
            "refused": { error: new ProviderError("no", { status: 400 }) },
          })[fates[n % fates.length]!]!
        );
        const journal = memory();
        const ledger = await open(model, { journal, caps, concurrency });
        const outcomes = await Promise.allSettled(
          Array.from({ length: 80 }, (_, i) => ledger.ask(i % 5 ? "primary" : "optimizer", question(i))),
        );
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") {
            ok(
              outcome.reason instanceof BudgetError || outcome.reason instanceof ProviderError,
              outcome.reason,
            );
          }
        }
        const { calls, tokens, cost } = ledger.spent();
        ok(calls <= (caps.calls ?? Infinity) && tokens <= (caps.tokens ?? Infinity));
        ok(caps.cost === undefined || cost <= caps.cost);
        equal(model.served.calls, calls, "the server counts what the ledger counts");
        ok(model.served.tokens <= tokens);
        deepEqual(
          (await journal.history()).spent,
          { calls, tokens, cost },
          "a resumed ledger goes on from there",
        );
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("ask() counts calls of earlier processes, lost ones with all that was reserved", async () => {
  const journal = memory();
  await journal.intend({
    id: "lost",
    role: "primary",
    model: "m",
    key: completionKey({}, question(0)),
    attempt: 1,
    reserved: { tokens: 40, cost: 7n },
  });
  const ledger = await open(server(), { journal, caps: { calls: 2 } });
  deepEqual(ledger.spent(), { calls: 1, tokens: 40, cost: 7n });
  await ledger.ask("primary", question(1));
  await rejects(ledger.ask("primary", question(2)), { name: "BudgetError", cap: "calls" });
});

Deno.test("ask() retries what may pass, and keeps every attempt", async () => {
  const journal = memory();
  const model = server((n) => n < 3 ? { error: new ProviderError("busy", { status: 503 }) } : {});
  const ledger = await open(model, { journal });
  equal((await ledger.ask("primary", question(1))).completion.text, "yes");
  deepEqual(journal.intents.map(({ attempt }) => attempt), [1, 2, 3]);
  deepEqual(journal.settlements.map(({ outcome }) => outcome.kind), ["failed", "failed", "answered"]);
  equal(journal.completions.size, 1);
});

Deno.test("ask() sends nothing again that was given up, in this process or a later one, and fails the same way", async () => {
  const rows: [ProviderError, number][] = [
    [new ProviderError("filtered", { status: 400 }), 1],
    [new ProviderError("busy", { status: 503 }), 3],
    [new ProviderError("an error in 200", { status: 200, retryable: true }), 3],
    [new ProviderError("reset"), 3],
    [new ProviderError("too long", { retryable: false }), 1],
  ];
  for (const [error, attempts] of rows) {
    const journal = memory();
    const retry = { random: random(1), sleep: clock().sleep, maxRetries: 2 };
    const failing = server(() => ({ error }));
    const ledger = await open(failing, { journal, retry });
    await rejects(ledger.ask("primary", question(1)), error);
    await rejects(ledger.ask("primary", question(1)), error);
    equal(failing.served.calls, attempts, error.message);

    const mended = server();
    const later = await open(mended, { journal, retry });
    for (const _ of [1, 2]) {
      const { name, message, status, retryable, fatal } = error;
      await rejects(later.ask("primary", question(1)), { name, message, status, retryable, fatal });
    }
    equal(mended.served.calls, 0, error.message);
    equal((await later.ask("primary", question(2))).completion.text, "yes");

    const answered = {
      ...journal,
      find: () => Promise.resolve({ text: "no", finish: "stop", usage: null } as const),
    };
    await rejects((await open(mended, { journal: answered })).ask("primary", question(1)), {
      message: error.message,
    });
    const other = await open(mended, { journal: { ...journal, history: memory().history } }); // another experiment
    equal((await other.ask("primary", question(1))).origin, "paid");
  }
});

Deno.test("ask() goes on between two attempts, also in a later process, and has as many as without the cut", async () => {
  const busy = { error: new ProviderError("busy", { status: 503 }) };
  const retry = { random: random(1), sleep: clock().sleep, maxRetries: 3 };
  for (const [answers, attempts] of [[[], [1, 2, 3, 4]], [[4], [1, 2, 3, 4]], [[3], [1, 2, 3]]] as const) {
    const serve = (n: number) => (answers as readonly number[]).includes(n) ? {} : busy;
    for (const cut of [1, 2]) {
      const journal = memory();
      const over = new Error("the process ended");
      const first = await open(server(serve), {
        journal,
        retry: {
          ...retry,
          sleep: () => journal.settlements.length === cut ? Promise.reject(over) : Promise.resolve(),
        },
      });
      await rejects(first.ask("primary", question(1)), over);
      const lost = { ...journal.intents[0]!, id: "lost", attempt: cut + 1 };
      await journal.intend(lost);
      const second = await open(server((n) => serve(cut + n)), { journal, retry });
      const outcome = await second.ask("primary", question(1)).catch((error) => error);
      equal(outcome instanceof ProviderError, answers.length === 0);
      deepEqual(journal.intents.filter((intent) => intent !== lost).map(({ attempt }) => attempt), attempts);
    }
  }
  const journal = memory();
  const wrong = new ProviderError("wrong key", { status: 401 }), over = new Error("ended");
  for (const error of [wrong, over]) { // which say nothing of the question
    await rejects(
      (await open(server(() => ({ error })), { journal, retry })).ask("primary", question(1)),
      error,
    );
  }
  const mended = await open(server((n) => n < 4 ? busy : {}), { journal, retry });
  equal((await mended.ask("primary", question(1))).completion.text, "yes");
  deepEqual(journal.intents.map(({ attempt }) => attempt), [1, 1, 1, 2, 3, 4]);
});

Deno.test("ask() counts no attempt that was refused for a parameter", async () => {
  const sent: unknown[] = [];
  const model = openai("m", {
    async fetch(_, init) {
      const { temperature } = JSON.parse(String(init!.body));
      sent.push(temperature);
      await null;
      if (temperature === undefined) {
        return Response.json({ choices: [{ message: { content: "yes" }, finish_reason: "stop" }] });
      }
      const error = { message: "Unsupported value: 'temperature'", param: "temperature" };
      return Response.json({ error }, { status: 400 });
    },
  });
  const { sleep } = clock();
  const ledger = await open(model, { concurrency: 3, retry: { random: random(1), sleep, maxRetries: 0 } });
  const answers = await Promise.all([1, 2, 3, 4].map((i) => ledger.ask("primary", question(i))));
  deepEqual(answers.map(({ completion }) => completion.text), ["yes", "yes", "yes", "yes"]);
  deepEqual(sent, [0, 0, 0, undefined, undefined, undefined, undefined]);
});

Deno.test("paused() says why nothing is asked, and for how long yet", async () => {
  let now = 0;
  const waiting: { readonly ms: number; readonly wake: () => void }[] = [];
  let asked = Promise.withResolvers<void>();
  const sleep = (ms: number) => {
    const slept = new Promise<void>((wake) => waiting.push({ ms, wake }));
    asked.resolve();
    return slept;
  };
  const busy = new ProviderError("busy", { status: 503, retryAfterMs: 30_000 });
  let fails = true;
  const ledger = await open(server(() => fails ? { error: busy } : {}), {
    concurrency: 8,
    elapsed: () => now,
    retry: { random: () => 0, sleep, maxRetries: 9 },
  });
  equal(ledger.paused(), undefined);
  const answers = [ledger.ask("primary", question(1))];
  await asked.promise;
  deepEqual(ledger.paused(), { model: "openai:test", ms: 30_000, error: busy }); // as Retry-After says
  now = 10_000;
  for (let i = 2; i <= 5; i++) {
    asked = Promise.withResolvers();
    answers.push(ledger.ask("primary", question(i)));
    await asked.promise;
  }
  equal(ledger.paused()?.ms, 5_000); // five failures in a row: the breaker's pause
  now = 16_000;
  fails = false;
  for (const { wake } of waiting.splice(0)) wake();
  await Promise.all(answers);
  equal(ledger.paused(), undefined);
});

Deno.test("paused() says that the provider is asked too often, and until when nobody asks", async () => {
  let now = 0;
  const slept = Promise.withResolvers<number>(), over = Promise.withResolvers<void>();
  const busy = new ProviderError("busy", { status: 429, retryAfterMs: 30_000 });
  const model = server((n) => n === 1 ? { error: busy } : {});
  const ledger = await open(model, {
    elapsed: () => now,
    retry: { random: () => 0, sleep: (ms) => (slept.resolve(ms), over.promise.then(() => void (now += ms))) },
  });
  const answers = [ledger.ask("primary", question(1))];
  equal(await slept.promise, 30_000);
  answers.push(ledger.ask("primary", question(2)));
  now = 10_000;
  deepEqual(ledger.paused(), { model: "openai:test", ms: 20_000, error: busy });
  equal(model.served.calls, 1);
  over.resolve();
  await Promise.all(answers);
  equal(ledger.paused(), undefined);
});

Deno.test("a refusal costs nothing, a call that broke off costs all that was reserved", async () => {
  const rows: [Error, number][] = [
    [new ProviderError("no", { status: 400 }), 0],
    [new ProviderError("reset", { retryable: false }), 10 + 10 + 5],
    [new ProviderError("cut off", { retryable: false, usage: { promptTokens: 3, completionTokens: 4 } }), 7],
  ];
  for (const [error, tokens] of rows) {
    const ledger = await open(server(() => ({ error })));
    await rejects(ledger.ask("primary", question(1)), error);
    equal(ledger.spent().tokens, tokens, error.message);
  }
});

Deno.test("a cap waits for what others hold in reserve before it refuses", async () => {
  const ledger = await open(server(() => ({ text: "a" })), { caps: { tokens: 60 }, concurrency: 8 });
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map((i) => ledger.ask("primary", question(i)))); // 25 each, 11 used
  equal(outcomes.filter(({ status }) => status === "fulfilled").length, 4);
  equal(ledger.spent().tokens, 44);
});

Deno.test("a cap that others share sends nothing beyond: what may come back is waited for, else it is a BudgetError", async () => {
  for (const [cap, passing, sends] of [["tokens", 3, 1], ["cost", 0, 0], ["calls", 0, 0]] as const) {
    const [model, journal] = [server(), memory()];
    let times = 0;
    const ledger = await open(model, {
      journal: {
        ...journal,
        intend: (intent) =>
          times++ < 3
            ? Promise.resolve({ kind: "refused", cap, allowed: 9, spent: 8, passing: times <= passing })
            : journal.intend(intent),
      },
    });
    const asked = ledger.ask("primary", question(1));
    if (sends) equal((await asked).origin, "paid");
    else await rejects(asked, (error) => error instanceof BudgetError && error.cap === cap);
    deepEqual([model.served.calls, ledger.spent().calls, times], [sends, sends, sends ? 4 : 1]);
    await ledger.idle();
  }
});

Deno.test("limit() leaves something for the next phase, and cannot raise a cap", async () => {
  const ledger = await open(server(), { caps: { calls: 3 } });
  ledger.limit({ calls: 1 });
  await ledger.ask("primary", question(1));
  await rejects(ledger.ask("primary", question(2)), BudgetError);
  ledger.limit({ calls: 100 });
  await ledger.ask("primary", question(2));
  await ledger.ask("primary", question(3));
  await rejects(ledger.ask("primary", question(4)), /3 are allowed: 3 are spent/);
});

Deno.test("stop() lets calls in flight finish and begins no other", async () => {
  const journal = memory();
  const model = server();
  const sent = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const ledger = await open({
    ...model,
    async complete(...args) {
      sent.resolve();
      await gate.promise;
      return await model.complete(...args);
    },
  }, { journal, concurrency: 1 });
  const first = ledger.ask("primary", question(1));
  const second = rejects(ledger.ask("primary", question(2)), /enough/);
  await sent.promise;
  ledger.stop(new Error("enough"));
  gate.resolve();
  equal((await first).completion.text, "yes");
  await second;
  await ledger.idle();
  equal(journal.settlements.length, 1);
});

Deno.test("stop() with abort ends calls in flight and keeps them as failed", async () => {
  const journal = memory();
  const sent = Promise.withResolvers<void>();
  const ledger = await open({
    ...server(),
    complete: (_, { signal } = {}) =>
      new Promise((_, reject) => {
        signal!.addEventListener("abort", () => reject(signal!.reason));
        sent.resolve();
      }),
  }, { journal });
  const answer = rejects(ledger.ask("primary", question(1)), /enough/);
  await sent.promise;
  ledger.stop(new Error("enough"), { abort: true });
  await answer;
  deepEqual(journal.settlements.map(({ outcome }) => outcome.kind), ["failed"]);
});

Deno.test("the cap on seconds counts earlier processes, and ends the call in flight and the wait for the next", async () => {
  await rejects(
    (await open(server(), { caps: { seconds: 10 }, secondsBefore: 10 })).ask("primary", question(1)),
    { name: "BudgetError", cap: "seconds" },
  );
  const hanging: LanguageModel = {
    ...server(),
    complete: (_, { signal } = {}) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  };
  const busy = server(() => ({ error: new ProviderError("busy", { status: 429, retryAfterMs: 50_000 }) }));
  for (const model of [hanging, busy]) {
    // A timer may go off a moment before the clock says that it is time.
    for (const elapsed of [() => performance.now(), () => 0]) {
      const ledger = await open(model, {
        caps: { seconds: 0.0305 },
        elapsed,
        retry: { random: () => 0 },
      });
      await rejects(ledger.ask("primary", question(1)), { name: "BudgetError", cap: "seconds" });
    }
  }
});

Deno.test("a cap on seconds may be longer than a timer", async () => {
  const model = server();
  const ledger = await open({
    ...model,
    async complete(...args) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return await model.complete(...args);
    },
  }, { caps: { seconds: 1e8 } });
  equal((await ledger.ask("primary", question(7))).completion.text, "yes");
});

Deno.test("a failing journal is passed on, and nothing hangs", async () => {
  for (const method of ["find", "intend", "settle"] as const) {
    const model = server();
    const ledger = await open(model, {
      journal: { ...memory(), [method]: () => Promise.reject(new Error("database gone")) },
    });
    await rejects(ledger.ask("primary", question(1)), /database gone/);
    await ledger.idle();
    equal(model.served.calls, method === "settle" ? 1 : 0);
  }
});

/** Of a database that was begun before there was a bias: printf '%s' '[[["endpoint","b"],["provider","a"]],[["user","Question 1"]],0,5,0]' | sha256sum. */
const KEPT = "57b9fbd30f31e541b1a3812a3801ba517e84ef92242192ad80f36a519ca6e7ec";

Deno.test("completionKey() changes with everything that changes an answer, and with nothing else", () => {
  const identity = { provider: "a", endpoint: "b" };
  const key = completionKey(identity, question(1));
  equal(completionKey({ endpoint: "b", provider: "a" }, { ...question(1), sample: 0 }), key);
  const others = [
    completionKey({ ...identity, endpoint: "c" }, question(1)),
    completionKey(identity, question(2)),
    completionKey(identity, { ...question(1), temperature: 0.5 }),
    completionKey(identity, { ...question(1), maxTokens: 6 }),
    completionKey(identity, { ...question(1), sample: 1 }),
    completionKey(identity, { ...question(1), messages: [{ role: "system", content: "Question 1" }] }),
    completionKey(identity, { ...question(1), firsts: true }),
    completionKey(identity, { ...question(1), bias: { 7: 1, 8: 2 } }),
    completionKey(identity, { ...question(1), bias: { 7: 2, 8: 1 } }),
    completionKey(identity, { ...question(1), bias: { 7: 1, 8: 2 }, firsts: true }),
    completionKey(identity, { ...question(1), choices: ["a", "b"] }),
    completionKey(identity, { ...question(1), choices: ["a", "c"] }),
  ];
  equal(new Set([key, ...others]).size, 13);
  equal(completionKey(identity, { ...question(1), choices: ["b", "a"] }), others[10]);
  equal(completionKey(identity, { ...question(1), bias: { 8: 2, 7: 1 } }), others[7]);
  equal(completionKey(identity, { ...question(1), firsts: false }), key);
  equal(key, KEPT);
});
