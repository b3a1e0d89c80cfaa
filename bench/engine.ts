/**
 * What the engine itself costs: the ledger on a real database in front of a model that answers at once, and the start of a
 * command.
 *
 * Memory is measured in a process of its own, this file: `deno run -A --v8-flags=--expose-gc,--max-semi-space-size=2
 * bench/engine.ts HOME CALLS`. Left to itself, V8 collects old garbage each twenty thousand calls or so and lets its young
 * generation grow to three times 16 MiB, so that a process that keeps nothing grows by 50 MiB before it stays as it is. To see
 * what is kept of a call, in the heap or beside it, garbage is collected every thousand calls, and the young generation is
 * kept small.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { type LanguageModel, type Ledger, openLedger } from "../lib/llm/mod.ts";
import { random } from "../lib/random.ts";
import {
  beginExperiment,
  type Database,
  journal,
  migrate,
  openDatabase,
  saveDataset,
} from "../lib/store/mod.ts";
import type { Bench, Row } from "./row.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const AT_ONCE = 64;
const STARTS = 5;
/** Calls between two collections of garbage, where memory is measured. */
const STEP = 1_000;
const MIB = 2 ** 20;

/** Each answer is durable before it is used. */
export const bench: Bench = async ({ folder, quick, log }) => {
  const calls = quick ? 2_000 : 20_000, alone = quick ? 50 : 500;
  const home = `${folder}/home`;
  await using db = await openDatabase({ home });
  await migrate(db, `${ROOT}/sql`);

  const one = await ledger(db, 1);
  await ask(one, { calls: 50, atOnce: 1, from: 0 });
  const sequential = await ask(one, { calls: alone, atOnce: 1, from: 50 });
  log(`${(1000 * sequential / alone).toFixed(2)} ms a call, one after another`);

  const many = await ledger(db, AT_ONCE);
  const warm = calls / 10;
  await ask(many, { calls: warm, atOnce: AT_ONCE, from: 0 });
  const together = await ask(many, { calls: calls - warm, atOnce: AT_ONCE, from: warm });
  const rate = (calls - warm) / together;
  log(`${rate.toFixed(0)} calls a second, ${AT_ONCE} at once`);

  const grown = await growth(home, calls) / MIB;
  log(`memory grew by ${grown.toFixed(1)} MiB`);

  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(await show(home));
  const start = starts.toSorted((a, b) => a - b)[STARTS >> 1]!;
  return [
    row("engine, ledgered calls", rate, `calls/s, ${AT_ONCE} at once`, ">= 1000", rate >= 1000),
    row(
      "engine, overhead of a call",
      1000 * sequential / alone,
      "ms, one after another",
      "< 10",
      sequential / alone < 0.01,
    ),
    row(
      "engine, growth of memory",
      grown,
      `MiB over ${calls - warm} calls`,
      "< 1 KiB a call",
      grown * 1024 < calls - warm,
    ),
    row("engine, deno task show", start, "s, median of a whole process", "< 1", start < 1),
  ];
};

const row = (name: string, value: number, unit: string, bar: string, holds: boolean): Row => ({
  ...{ name, value, unit, peer: null, peer_value: null, ratio: null, bar, holds },
});

/** A ledger with an experiment of its own, and a model that answers at once. */
async function ledger(db: Database, concurrency: number): Promise<Ledger> {
  const id = crypto.randomUUID();
  const example = (split: string) => [{ id: split, question: split, references: [split] }];
  const datasetId = await saveDataset(db, {
    ...{ name: "engine", sha256: id.replaceAll("-", "").padEnd(64, "0"), card: {} },
    ...{ train: example("a"), validation: example("b"), test: example("c") },
  });
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: 1, config: {} });
  const model: LanguageModel = {
    name: "instant",
    identity: { id },
    promptTokensAtMost: () => 20,
    complete: () =>
      Promise.resolve({
        text: "An answer.",
        finish: "stop",
        usage: { promptTokens: 10, completionTokens: 3 },
      }),
  };
  return await openLedger({
    models: { primary: model },
    journal: journal(db, id),
    caps: { calls: 1_000_000, cost: 10n ** 15n, seconds: 86_400 },
    priceOf: () => ({ prompt: 1n, completion: 1n }),
    retry: { maxRetries: 0, random: random(1) },
    concurrency,
    newId: () => crypto.randomUUID(),
    elapsed: () => performance.now(),
  });
}

/** Seconds that so many questions take. */
async function ask(
  ledger: Ledger,
  { calls, atOnce, from }: { calls: number; atOnce: number; from: number },
): Promise<number> {
  const begun = performance.now();
  let next = from;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < from + calls) {
      const content = `What is ${next++} plus one?`;
      await ledger.ask("primary", { messages: [{ role: "user", content }], temperature: 0, maxTokens: 16 });
    }
  }));
  return (performance.now() - begun) / 1000;
}

/** Bytes by which a process of its own grows over so many calls, after the first tenth of them. */
async function growth(home: string, calls: number): Promise<number> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "-A", "--v8-flags=--expose-gc,--max-semi-space-size=2"],
      ...[fileURLToPath(import.meta.url), home, String(calls)],
    ],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot measure the growth of memory as its process failed: see above");
  return Number(new TextDecoder().decode(stdout));
}

/** Seconds of `deno task show`, on a database that is open. */
async function show(home: string): Promise<number> {
  const begun = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "show", "--json"],
    cwd: ROOT,
    env: { QUINTET_HOME: home },
    stdout: "null",
  }).output();
  if (!success) throw new Error("Cannot measure the start of deno task show as it failed: see above");
  return (performance.now() - begun) / 1000;
}

if (import.meta.main) {
  const [home = "", calls] = Deno.args;
  await using db = await openDatabase({ home });
  const many = await ledger(db, AT_ONCE);
  const grow = async (from: number, to: number): Promise<number> => {
    for (let next = from; next < to; next += STEP) {
      await ask(many, { calls: Math.min(STEP, to - next), atOnce: AT_ONCE, from: next });
      (globalThis as unknown as { gc(): void }).gc();
    }
    return Deno.memoryUsage().rss;
  };
  const warm = Number(calls) / 10;
  const before = await grow(0, warm);
  console.log(await grow(warm, Number(calls)) - before);
}
