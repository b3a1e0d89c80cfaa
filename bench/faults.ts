/**
 * A provider of which three answers in ten are faults, on a local server that keeps its own count: what becomes of 500
 * questions, of their scores and their bill. All of it is the real thing, from socket to PostgreSQL; only the clock goes a
 * hundred times as fast, so that a Retry-After of a minute takes half a second.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Dataset } from "../lib/dataset/mod.ts";
import { falseClaims } from "../lib/evaluate/testing.ts";
import { runMeasurement } from "../lib/experiment/mod.ts";
import { begun } from "../lib/experiment/testing.ts";
import { BudgetError, type Caps, openai, openLedger, ProviderError, type Sleep } from "../lib/llm/mod.ts";
import { broken, never, serve, simulated } from "../lib/llm/testing.ts";
import { type Random, random } from "../lib/random.ts";
import { type Database, forgive, journal, migrate, openDatabase } from "../lib/store/mod.ts";
import type { Bench, Row } from "./row.ts";

const FAULTY = 0.3;
const FASTER = 100;
const CALLERS = [16, 64, 256];
const TOKENS = { prompt: 20, completion: 5 };

export const bench: Bench = async ({ folder, quick, log }) => {
  const questions = quick ? 100 : 500;
  await using db = await openDatabase({ home: `${folder}/home` });
  await migrate(db, fileURLToPath(new URL("../sql", import.meta.url)));
  const rows = await measured(db, questions, log);

  const overshoot = { calls: 0, tokens: 0, cost: 0 };
  for (const callers of quick ? CALLERS.slice(0, 1) : CALLERS) {
    const caps: Caps[] = [{ calls: questions }, { tokens: 30 * questions }, {
      cost: 30n * BigInt(questions),
    }];
    for (const cap of caps) {
      const over = await capped(db, cap, { callers, questions });
      log(`${callers} callers, ${Object.keys(cap)}: ${JSON.stringify(over)}`);
      for (const [name, by] of Object.entries(over)) {
        overshoot[name as keyof typeof over] = Math.max(overshoot[name as keyof typeof over], by);
      }
    }
  }
  const caught = quick ? CALLERS[0] : CALLERS.join("/");
  for (const [name, by] of Object.entries(overshoot)) {
    rows.push(row(`faults, cap on ${name}`, by, `beyond it, by ${caught} callers`, "0", by === 0));
  }

  const runs = quick ? 100 : 3000, draw = random(3);
  let ended = 0;
  for (let i = 0; i < runs; i++) {
    const isDown = () => draw() < FAULTY;
    if ((await simulated({ questions: 500, atOnce: [1, 4, 8][i % 3]!, random: draw, isDown })).ended > 0) {
      ended++;
    }
  }
  rows.push(row("faults, runs ended by chance", ended, `of ${runs} simulated runs of 500`, "0", ended === 0));

  const times = quick ? 20 : 200;
  const sizes = [["binary", 8], ["binary", 40], ["continuous", 8], ["continuous", 24], [
    "thirds",
    40,
  ]] as const;
  const claims = sizes.reduce((sum, [scores, n]) => sum + falseClaims({ scores, n, times, seed: 2 }), 0);
  const share = 100 * claims / times / sizes.length;
  rows.push(row("faults, A/A claims", share, `% of ${times * sizes.length} simulated`, "<= 5", share <= 5));
  return rows;
};

/** 500 questions, measured, then what was given up sent again to the mended provider. */
async function measured(db: Database, questions: number, log: (line: string) => void): Promise<Row[]> {
  await using server = faulty(random("faults"));
  const dataset = test(questions);
  const [setup, around] = await begun(db, {
    kind: "evaluate",
    dataset,
    primary: openai("m", { baseUrl: server.url, answerTimeoutMs: 300 }),
    caps: { calls: 100 * questions },
    around: {
      concurrency: 32,
      ...clock(),
      retry: { random: random(1), maxRetries: 2, sleep: clock().sleep },
    },
  });
  const measurement = { ...setup, split: "test", prompt: setup.seedPrompt } as const;
  const outcome = await runMeasurement(measurement, around);
  const counts = async () => {
    const { rows: [counted] } = await db.query<Counts>(
      `select (select count(*) from calls where experiment_id = $1)::int as calls,
              (select count(*) from calls where experiment_id = $1 and failure = 'final')::int as typed,
              (select max(n) from (select count(*) filter (where state <> 'failed' or failure is not null) as n
                                 from calls where experiment_id = $1 group by key) as each)::int as attempts,
              (select count(*) from answers where experiment_id = $1)::int as answered,
              (select count(*) from answers where experiment_id = $1 and score < 1)::int as zeros,
              (select count(*) from completions where text !~ '^To Question \\d+$')::int as wrong`,
      [setup.id],
    );
    return counted!;
  };
  const first = await counts();
  const settled = first.answered + first.typed;
  log(
    `${first.answered} answered, ${first.typed} given up, ${server.count.calls} requests, ${server.count.faults} faults`,
  );
  const waits = [...server.waits];
  const kept = waits.filter(({ waited, asked }) => waited >= 0.95 * Math.min(asked, 60_000)).length;

  server.mend();
  const before = server.count.calls;
  await forgive(db, setup.id);
  await runMeasurement(measurement, around);
  const again = server.count.calls - before;
  const mended = await counts();
  return [
    row(
      "faults, answered or a typed error",
      settled,
      `of ${questions}`,
      `${questions}`,
      settled === questions,
    ),
    row("faults, share of all answers", 100 * server.count.faults / before, "%", "about 30", true),
    row("faults, scored 0", first.zeros, `of ${outcome!.n} answers`, "0", first.zeros === 0),
    row("faults, kept as an answer", mended.wrong, "completions", "0", mended.wrong === 0),
    row(
      "faults, attempts at a question",
      first.attempts,
      "at most, with 2 retries, but for 429",
      "<= 3",
      first.attempts <= 3,
    ),
    row("faults, server's count", before - first.calls, "beside the ledger's", "0", before === first.calls),
    row(
      "faults, Retry-After kept to",
      kept,
      `of ${waits.length}, of an hour one minute`,
      `${waits.length}`,
      kept === waits.length,
    ),
    row(
      "faults, sent by --retry-errors",
      again,
      `requests where ${first.typed} were given up`,
      `${first.typed}`,
      again === first.typed && mended.typed === 0 && mended.answered === questions,
    ),
  ];
}

type Counts = Record<"calls" | "typed" | "attempts" | "answered" | "zeros" | "wrong", number>;

/** How far a cap was passed, by the server's own count. */
async function capped(
  db: Database,
  caps: Caps,
  { callers, questions }: { callers: number; questions: number },
) {
  await using server = faulty(random(`${callers} ${Object.keys(caps)}`));
  const [{ id, primary }, { newId }] = await begun(db, {
    dataset: test(questions),
    primary: openai("m", { baseUrl: server.url, answerTimeoutMs: 300 }),
  });
  const ledger = await openLedger({
    ...{ models: { primary }, journal: journal(db, id), caps, newId, concurrency: callers, ...clock() },
    priceOf: () => ({ prompt: 1n, completion: 1n }),
    retry: { random: random(1), sleep: clock().sleep },
  });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 2 * questions }, (_, i) =>
      ledger.ask("primary", {
        messages: [{ role: "user", content: `Question ${i}` }],
        temperature: 0,
        maxTokens: 8,
      })),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof BudgetError || outcome.reason instanceof ProviderError)) {
      throw outcome.reason;
    }
  }
  const { calls, tokens } = server.count;
  const over = (spent: number, cap: number | bigint | undefined) =>
    cap === undefined ? 0 : Math.max(0, spent - Number(cap));
  const counted = ledger.spent().calls;
  if (counted !== calls) {
    throw new Error(`Cannot measure caps as the ledger counts ${counted} calls, the server ${calls}`);
  }
  return { calls: over(calls, caps.calls), tokens: over(tokens, caps.tokens), cost: over(tokens, caps.cost) };
}

/** Waits a hundredth of the time, which it says has passed. */
function clock(): { elapsed: () => number; sleep: Sleep } {
  return {
    elapsed: () => performance.now() * FASTER,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", end);
          if (signal?.aborted) reject(signal.reason);
          else resolve();
        };
        const timer = setTimeout(end, Math.ceil(ms / FASTER));
        signal?.addEventListener("abort", end);
      }),
  };
}

/** A server that answers rightly seven times in ten, and else with one of nine faults. */
function faulty(draw: Random) {
  const count = { calls: 0, tokens: 0, faults: 0 };
  const waits: { asked: number; waited: number }[] = [];
  const asked = new Map<string, { at: number; ms: number }>();
  let share = FAULTY;
  const right = (question: string, prompt = TOKENS.prompt) => ({
    choices: [{ message: { role: "assistant", content: `To ${question}` }, finish_reason: "stop" }],
    usage: { prompt_tokens: prompt, completion_tokens: TOKENS.completion },
  });
  const refused = (status: number, headers: Record<string, string> = {}) =>
    Response.json({ error: { message: `fault ${status}` } }, { status, headers });
  const later = (question: string, header: string, ms: number) => {
    asked.set(question, { at: performance.now(), ms });
    return refused(429, { "retry-after": header });
  };
  /** What the server makes of a question, and whether it did the work that it may bill. */
  const faults: ((question: string) => [Response | Promise<Response>, boolean])[] = [
    (question) => [later(question, "7", 7_000), false],
    (question) => [later(question, "3600", 3_600_000), false],
    () => [refused(500), false],
    () => [refused(503), false],
    () => [never(), true],
    () => [broken('{"choices": [{"message": {'), true],
    (question) => [new Response(JSON.stringify(right(question)).slice(0, -20)), true],
    () => [Response.json({ choices: [] }), true],
    (question) => [Response.json({ ...right(question), error: { message: "fault" } }), true],
    (question) => [Response.json(right(question, 1e9)), true], // wrong counts, but the answer is right
  ];
  const server = serve(({ body }) => {
    const question: string = body.messages.at(-1).content;
    count.calls++;
    const wait = asked.get(question);
    if (wait) waits.push({ asked: wait.ms, waited: (performance.now() - wait.at) * FASTER });
    asked.delete(question);
    const fault = draw() < share ? faults[Math.floor(draw() * faults.length)] : undefined;
    if (fault) count.faults++;
    const [response, billed] = fault?.(question) ?? [Response.json(right(question)), true];
    if (billed) count.tokens += TOKENS.prompt + TOKENS.completion;
    return response;
  });
  return {
    ...server,
    count,
    waits,
    mend: () => {
      share = 0;
    },
  };
}

/** So many questions to be measured on. */
function test(questions: number): Dataset {
  const example = (split: string, i: number) => ({
    id: `${split} ${i}`,
    question: `Question ${i}`,
    references: [`To Question ${i}`],
  });
  return {
    ...{
      name: "faults",
      sha256: crypto.randomUUID().replaceAll("-", "").padEnd(64, "0"),
      card: { metric: "exact_match" },
    },
    ...{ train: [example("train", 0)], validation: [example("validation", 0)] },
    test: Array.from({ length: questions }, (_, i) => example("test", i)),
  };
}

const row = (name: string, value: number, unit: string, bar: string, holds: boolean): Row => ({
  ...{ name, value, unit, peer: null, peer_value: null, ratio: null, bar, holds },
});
