/**
 * What providers do wrong: from a local server through provider, retries and ledger to the journal.
 */
import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { random } from "../random.ts";
import { BudgetError, type LedgerOptions, openLedger } from "./ledger.ts";
import { type LanguageModel, type ModelRequest, ProviderError } from "./model.ts";
import { openai } from "./openai.ts";
import { costOf } from "./prices.ts";
import {
  type Answer,
  broken,
  clock,
  credentialsFile,
  google,
  memory,
  never,
  type Received,
} from "./testing.ts";
import { openVertex, type VertexOptions } from "./vertex.ts";

const KEY = "sk-canary-api-key-5d1f0b7e";
const TOKEN = "ya29.canary-access-token-80";
const NOW = Date.parse("2026-11-06T08:49:30Z");

/** What differs between providers on the wire. */
interface Dialect {
  readonly open: (options: VertexOptions) => LanguageModel | Promise<LanguageModel>;
  readonly asked: (request: Received) => string;
  readonly answer: (text: string, counts?: readonly [unknown, unknown]) => Record<string, unknown>;
  /** An answer without an answer. */
  readonly empty: Record<string, unknown>;
}

const OPENAI: Dialect = {
  open: (options) => openai("m", { ...options, apiKey: KEY }),
  asked: ({ body }) => body.messages.at(-1).content,
  answer: (content, counts) => ({
    choices: [{ message: { role: "assistant", content }, finish_reason: "stop" }],
    ...counts ? { usage: { prompt_tokens: counts[0], completion_tokens: counts[1] } } : {},
  }),
  empty: { choices: [] },
};
const VERTEX: Dialect = {
  open: (options) => openVertex("m", options),
  asked: ({ body }) => body.contents.at(-1).parts[0].text,
  answer: (text, counts) => ({
    candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP" }],
    ...counts ? { usageMetadata: { promptTokenCount: counts[0], candidatesTokenCount: counts[1] } } : {},
  }),
  empty: { candidates: [{ content: {}, finishReason: "OTHER" }] },
};
const DIALECTS = { openai: OPENAI, vertex: VERTEX };

/** A provider on a local server; `answer` is told how often that question was asked, counted from 1. */
async function provider(
  { open, asked }: Dialect,
  answer: (question: string, attempt: number, request: Received) => Response | Promise<Response>,
  { answerTimeoutMs = 1000, ...signIn }: { answerTimeoutMs?: number; signIn?: Answer } = {},
) {
  const attempts = new Map<string, number>();
  const server = google((request) => {
    const question = asked(request);
    attempts.set(question, (attempts.get(question) ?? 0) + 1);
    return answer(question, attempts.get(question)!, request);
  }, { token: TOKEN, ...signIn });
  const file = await credentialsFile(server.credentials);
  const { url: baseUrl } = server;
  return {
    model: await open({
      project: "p",
      credentials: file.path,
      baseUrl,
      answerTimeoutMs,
      now: () => NOW,
    }),
    attempts,
    requests: server.asked,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

const question = (i: number): ModelRequest => ({
  messages: [{ role: "user", content: `Question ${i}` }],
  temperature: 0,
  maxTokens: 8,
});
/** The right answer, which no fault gives, and what it costs. */
const rightly = (question: string): string => `To ${question}`;
const COUNTS = [12, 4] as const;
const PRICE = { prompt: 1_000n, completion: 2_000n };

let ids = 0;
async function stack(model: LanguageModel, options: Partial<LedgerOptions> = {}) {
  const [journal, { elapsed, sleep, slept }] = [memory(), clock()];
  const ledger = await openLedger({
    models: { primary: model },
    journal,
    caps: {},
    priceOf: () => PRICE,
    concurrency: 16,
    newId: () => `id-${ids++}`,
    elapsed,
    ...options,
    retry: { random: random(1), sleep, ...options.retry },
  });
  return { ledger, journal, slept };
}

const refused = (status: number, retryAfter?: string): Response =>
  Response.json({ error: { message: `fault ${status}`, code: status } }, {
    status,
    headers: retryAfter === undefined ? {} : { "retry-after": retryAfter },
  });

interface Fault {
  readonly serve: (dialect: Dialect) => Response | Promise<Response>;
  readonly thrown: Partial<ProviderError>;
  /** Milliseconds waited before the next attempt, when the server has a say in it. */
  readonly wait?: number;
}

const CAP = 60_000; // retry's longest wait
const busy = (retryAfter: string, retryAfterMs: number | undefined, wait?: number): Fault => ({
  serve: () => refused(429, retryAfter),
  thrown: { status: 429, retryAfterMs },
  ...wait === undefined ? {} : { wait },
});
const FAULTS: Readonly<Record<string, Fault>> = {
  "429 in seconds": busy("17", 17_000, 17_000),
  "429 at a date": busy("Fri, 06 Nov 2026 08:49:53 GMT", 23_000, 23_000),
  "429 in 31 years": busy("1000000000", 1e12, CAP),
  "429 at the end of time": busy(
    "Fri, 31 Dec 9999 23:59:59 GMT",
    Date.parse("9999-12-31T23:59:59Z") - NOW,
    CAP,
  ),
  "429 before now": busy("-5", undefined),
  "429 in 1e9": busy("1e9", undefined),
  "429 soon": busy("soon", undefined),
  "500": { serve: () => refused(500), thrown: { status: 500 } },
  "503": { serve: () => refused(503), thrown: { status: 503 } },
  "hang": { serve: never, thrown: { status: 0 } },
  "reset in the body": { serve: () => broken('{"choices":[{'), thrown: { status: 200 } },
  "cut JSON": {
    serve: ({ answer }) => new Response(JSON.stringify(answer("Wrong", COUNTS)).slice(0, -9)),
    thrown: { status: 200, usage: null },
  },
  "no body": { serve: () => new Response(""), thrown: { status: 200 } },
  "no answer": { serve: ({ empty }) => Response.json(empty), thrown: { status: 200 } },
  "empty answer": {
    serve: ({ answer }) => Response.json(answer("", [12, 0])),
    thrown: { status: 200, usage: { promptTokens: 12, completionTokens: 0 } },
  },
  "200 with an error": {
    serve: ({ answer }) => Response.json({ ...answer("Wrong", COUNTS), error: { message: "fault" } }),
    thrown: { status: 200 },
  },
};

for (const [name, dialect] of Object.entries(DIALECTS)) {
  Deno.test(`${name}: each fault is a typed error, waited for as long as the server asks, up to a cap`, async () => {
    for (const [row, { serve, thrown, wait }] of Object.entries(FAULTS)) {
      await using served = await provider(
        dialect,
        (question, attempt) =>
          attempt > 1 ? Response.json(dialect.answer(rightly(question), COUNTS)) : serve(dialect),
        { answerTimeoutMs: row === "hang" ? 50 : 5000 },
      );
      const error = await served.model.complete(question(1)).catch((error) => error);
      equal(error.name, "ProviderError", row);
      deepEqual([error.retryable, error.fatal], [true, false], row);
      for (const [key, value] of Object.entries(thrown)) {
        deepEqual(error[key as keyof ProviderError], value, `${row}: ${key} of ${error.message}`);
      }
      const { ledger, journal, slept } = await stack(served.model);
      const { completion } = await ledger.ask("primary", question(2));
      equal(completion.text, "To Question 2", row);
      deepEqual(journal.settlements.map(({ outcome }) => outcome.kind), ["failed", "answered"], row);
      if (wait === undefined) ok(slept.length === 1 && slept[0]! < 500, row);
      else deepEqual(slept, [wait], row);
    }
  });

  Deno.test(`${name}: wrong token counts are no counts, and the answer counts in full`, async () => {
    const rows: Record<string, readonly [unknown, unknown] | undefined> = {
      missing: undefined,
      half: [12, undefined],
      negative: [12, -4],
      text: ["12", "4"],
      fraction: [12.5, 4],
      "a prompt of nothing": [0, 4],
      "more than any model takes": [12, 2e6],
      huge: [12, 1e15],
      "beyond numbers": [12, 1e300],
    };
    const { promptTokensAtMost } = await openai("m");
    const worst = promptTokensAtMost(question(0)) + 8;
    for (const [row, counts] of Object.entries(rows)) {
      await using served = await provider(dialect, () => Response.json(dialect.answer("Yes", counts)));
      const { ledger } = await stack(served.model, { caps: { tokens: worst } });
      const { completion } = await ledger.ask("primary", question(0));
      deepEqual([completion.text, completion.usage, ledger.spent().tokens], ["Yes", null, worst], row);
    }
    for (const counts of [[12, 100], [12_000, 4]] as const) { // more than was reserved, and what is billed
      await using served = await provider(dialect, () => Response.json(dialect.answer("Yes", counts)));
      const { ledger } = await stack(served.model, { caps: { tokens: worst } });
      await ledger.ask("primary", question(0));
      equal(ledger.spent().tokens, counts[0] + counts[1]);
      await rejects(ledger.ask("primary", question(1)), { name: "BudgetError" });
    }
  });

  Deno.test(`${name}: with 30 % faults 500 calls are answered rightly or end as typed errors`, async () => {
    const maxRetries = 2;
    const draw = random(30);
    const kinds = Object.values(FAULTS);
    /** What each question was answered with, attempt by attempt; undefined is the right answer. */
    const given = new Map<string, (Fault | undefined)[]>();
    let [inARow, hangs] = [0, 0];
    const fate = (): Fault | undefined => {
      // Never four in a row: the breaker has a test of its own. Hanging takes real time, so a few times only.
      const fault = inARow < 3 && draw() < 0.3 ? kinds[Math.floor(draw() * kinds.length)] : undefined;
      inARow = fault ? inARow + 1 : 0;
      return fault === FAULTS.hang && ++hangs > 6 ? FAULTS[503] : fault;
    };
    await using served = await provider(dialect, (question) => {
      const fault = fate();
      given.set(question, [...given.get(question) ?? [], fault]);
      return fault?.serve(dialect) ?? Response.json(dialect.answer(rightly(question), COUNTS));
    }, { answerTimeoutMs: 1500 });
    const retry = { random: random(2), maxRetries };
    const { ledger, journal } = await stack(served.model, { concurrency: 32, retry });
    const questions = Array.from({ length: 500 }, (_, i) => question(i));
    const outcomes = await Promise.allSettled(questions.map((question) => ledger.ask("primary", question)));
    let failed = 0;
    outcomes.forEach((outcome, i) => {
      const fates = given.get(`Question ${i}`)!;
      const blamed = fates.filter((fault) => fault?.thrown.status !== 429);
      ok(blamed.length <= 1 + maxRetries);
      if (outcome.status === "fulfilled") {
        equal(outcome.value.completion.text, rightly(`Question ${i}`));
        equal(fates.indexOf(undefined), fates.length - 1);
      } else {
        ok(outcome.reason instanceof ProviderError && outcome.reason.retryable, outcome.reason);
        deepEqual([blamed.length, fates.includes(undefined)], [1 + maxRetries, false]);
        failed++;
      }
    });
    ok(failed > 0 && failed < 50, `${failed} failed`);
    // Nothing but right answers is kept, and every attempt is.
    equal(journal.completions.size, 500 - failed);
    for (const { outcome } of journal.settlements) {
      if (outcome.kind !== "answered") continue;
      const { text, request } = outcome.completion;
      equal(text, rightly(request.messages[0]!.content));
    }
    const sent = served.requests().length;
    ok(sent > 650, `${sent} requests`); // 500 and their repetitions
    deepEqual([ledger.spent().calls, journal.intents.length, journal.settlements.length], [sent, sent, sent]);
  });

  Deno.test(`${name}: a dead provider gets 5 requests in a row, then one probe a pause`, async () => {
    for (const concurrency of [1, 16]) {
      const arrivals: Set<number>[] = []; // those under way as each arrived
      const underWay = new Set<number>();
      await using served = await provider(dialect, async () => {
        const n = arrivals.push(new Set(underWay));
        underWay.add(n);
        await new Promise((resolve) => setTimeout(resolve, 2));
        underWay.delete(n);
        return refused(503);
      });
      const { ledger, slept } = await stack(served.model, { concurrency });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, i) => ledger.ask("primary", question(i))),
      );
      const reasons = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason);
      equal(reasons.every((reason) => reason instanceof ProviderError), true);
      equal(reasons.at(-1).fatal, true);
      // Those under way when it opened, and what the four failures before that began again.
      const sent = arrivals.length;
      ok(sent >= Math.max(5, concurrency) + 3 && sent <= concurrency + 4 + 3, `${sent} requests`);
      const [, second, third] = arrivals.slice(-3);
      equal(
        second!.has(sent - 2) || third!.has(sent - 2) || third!.has(sent - 1),
        false,
        "one probe at a time",
      );
      ok(slept.reduce((sum, ms) => sum + ms) >= 3 * 10_000, `${slept}`); // the clock, when the last probe was sent
      equal(ledger.spent().calls, sent);
    }
  });

  Deno.test(`${name}: a provider that comes back is asked again`, async () => {
    let requests = 0;
    await using served = await provider(
      dialect,
      (question) => ++requests <= 6 ? refused(503) : Response.json(dialect.answer(rightly(question), COUNTS)),
    );
    const { ledger } = await stack(served.model, { concurrency: 1 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => ledger.ask("primary", question(i))),
    );
    // The first question has failed 5 times, the second once.
    deepEqual(outcomes.map(({ status }) => status === "fulfilled"), [false, ...Array(39).fill(true)]);
    equal(requests, 6 + 39);
  });

  Deno.test(`${name}: no key is shown or kept, whatever the server echoes`, async () => {
    const echo = ({ headers, body }: Received, status: number) => {
      const all = `${headers.get("authorization")} ${JSON.stringify(body)}`;
      return Response.json({ error: { message: all, code: all, type: all } }, { status, statusText: "Echo" });
    };
    const rows: ((request: Received) => Response)[] = [
      ...[400, 401, 403, 404, 429, 500].map((status) => (request: Received) => echo(request, status)),
      (request) => echo(request, 200),
      ({ headers }) => new Response(headers.get("authorization")),
      ({ headers }) => Response.json(dialect.answer(`Yes, ${headers.get("authorization")}`, COUNTS)),
      ({ headers }) =>
        new Response(null, {
          status: 302,
          headers: { location: `http://x/?${headers.get("authorization")}` },
        }),
    ];
    for (const [i, row] of rows.entries()) {
      await using served = await provider(dialect, (_, __, request) => row(request));
      const { ledger, journal } = await stack(served.model, { retry: { random: random(1), maxRetries: 1 } });
      const outcome = await ledger.ask("primary", question(i)).catch((error) => error);
      const { completions, intents, settlements } = journal;
      const shown = Deno.inspect([outcome, outcome.stack, outcome.cause, completions, intents, settlements], {
        depth: 20,
        showHidden: true,
        strAbbreviateSize: 1e6,
      });
      equal(/canary/.test(shown), false, shown);
      ok(/\[key\]/.test(shown), `row ${i}: ${shown}`);
    }
  });
}

Deno.test("caps hold, and the server's count of calls is the ledger's, whatever fails and however many ask", async () => {
  const truth = { promptTokens: COUNTS[0], completionTokens: COUNTS[1] };
  /** How a call ends, and whether the server did the work that it could bill. */
  const FATES: Record<string, { serve: Fault["serve"]; billed: boolean }> = {
    "known usage": { serve: ({ answer }) => Response.json(answer("Yes", COUNTS)), billed: true },
    "unknown usage": { serve: ({ answer }) => Response.json(answer("Yes")), billed: true },
    "busy": { serve: () => refused(503), billed: false },
    "refused": { serve: () => refused(400), billed: false },
    "reset": { serve: () => broken("{"), billed: true },
    "an error in 200": { serve: () => Response.json({ error: { message: "fault" } }), billed: true },
  };
  const known = ["known usage", "busy", "refused"];
  let state = { calls: 0, tokens: 0, cost: 0n };
  let fates: string[] = [];
  const counting = (dialect: Dialect) =>
    provider(dialect, () => {
      const { serve, billed } = FATES[fates[state.calls++ % fates.length]!]!;
      if (billed) {
        state.tokens += truth.promptTokens + truth.completionTokens;
        state.cost += costOf(truth, PRICE);
      }
      return serve(dialect);
    }, { answerTimeoutMs: 20_000 });
  await using openaiServer = await counting(OPENAI);
  await using vertexServer = await counting(VERTEX);
  const room = (calls: number) => calls * 400; // tokens; about what the worst case of one call takes
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        calls: fc.option(fc.nat(300), { nil: undefined }),
        tokens: fc.option(fc.nat(room(100)), { nil: undefined }),
        cost: fc.option(fc.bigInt(0n, BigInt(room(100)) * 1000n), { nil: undefined }),
      }),
      fc.constantFrom(16, 64, 256),
      fc.oneof(
        fc.array(fc.constantFrom(...known), { minLength: 1, maxLength: 12 }),
        fc.array(fc.constantFrom(...Object.keys(FATES)), { minLength: 1, maxLength: 12 }),
      ),
      fc.constantFrom(openaiServer, vertexServer),
      async (caps, callers, drawn, { model }) => {
        state = { calls: 0, tokens: 0, cost: 0n };
        fates = drawn;
        const { ledger, journal } = await stack(model, { caps, concurrency: callers });
        const outcomes = await Promise.allSettled(
          Array.from({ length: callers + 20 }, (_, i) => ledger.ask("primary", question(i))),
        );
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") {
            const { reason } = outcome;
            ok(reason instanceof BudgetError || reason instanceof ProviderError, reason);
          }
        }
        const spent = ledger.spent();
        equal(state.calls, spent.calls);
        ok(spent.calls <= (caps.calls ?? Infinity));
        ok(spent.tokens <= (caps.tokens ?? Infinity));
        ok(caps.cost === undefined || spent.cost <= caps.cost);
        if (drawn.every((fate) => known.includes(fate))) deepEqual(spent, state);
        else ok(state.tokens <= spent.tokens && state.cost <= spent.cost);
        deepEqual((await journal.history()).spent, spent);
      },
    ),
    { numRuns: 40 },
  );
});
