/**
 * How time and memory grow with the validation split, with what is asked at once and with how long a search goes on: whole
 * searches with ledger and database in front of a model that answers at once, each in a process of its own, this file:
 * `deno run -A bench/scale.ts HOME QUESTIONS AT_ONCE RACES`.
 *
 * On splits of different sizes the number of races is the same, so twice as many questions are twice as many calls.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parity, parityQuestions } from "../flows/testing.ts";
import type { Dataset, SplitName } from "../lib/dataset/mod.ts";
import { begun } from "../lib/experiment/testing.ts";
import { runExperiment } from "../lib/experiment/mod.ts";
import type { LanguageModel } from "../lib/llm/mod.ts";
import { migrate, openDatabase } from "../lib/store/mod.ts";
import type { Bench, Row } from "./row.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const QUESTIONS = [100, 1_000, 10_000];
const AT_ONCE = [1, 8, 64];
const RACES = 4;
/** Races of searches that go on ten times as long, each as the one before. */
const LONG = [5, 50, 500];
/** How much more a call may take where there is ten times as much: the machine has its moods. */
const MOODS = 1.25;

interface Search {
  readonly questions: number;
  readonly atOnce: number;
  readonly races: number;
}

interface Measured extends Search {
  readonly calls: number;
  readonly seconds: number;
  /** Resident at most. */
  readonly mib: number;
}

export const bench: Bench = async ({ folder, quick, log }) => {
  const home = `${folder}/home`;
  await using db = await openDatabase({ home });
  await migrate(db, `${ROOT}/sql`);
  const measure = async (search: Search): Promise<Measured> => {
    const one = await measured(home, search);
    log(
      `${one.questions} questions, ${one.atOnce} at once, ${one.races} races: ${one.calls} calls in ` +
        `${one.seconds.toFixed(1)} s, ${one.mib.toFixed(0)} MiB`,
    );
    return one;
  };
  const sizes = quick ? QUESTIONS.slice(0, 2) : QUESTIONS;
  const rows: Row[] = [];
  for (const atOnce of AT_ONCE) {
    const runs: Measured[] = [];
    for (const questions of sizes) runs.push(await measure({ questions, atOnce, races: RACES }));
    rows.push(...bySize(runs));
  }
  const [short, long] = quick ? LONG.slice(0, 2) : LONG.slice(-2);
  const search = { questions: QUESTIONS[0]!, atOnce: 8 };
  const [before, last] = [
    await measure({ ...search, races: short! }),
    await measure({ ...search, races: long! }),
  ];
  return [...rows, timeRow("a long search", before, last, ({ calls }) => `${calls} calls`)];
};

/** How searches that differ in their split grow. */
function bySize(runs: readonly Measured[]): Row[] {
  const [before, last] = runs.slice(-2) as [Measured, Measured];
  const growth = (last.mib - before.mib) / (last.questions - before.questions);
  const first = (before.mib - runs[0]!.mib) / Math.max(1, before.questions - runs[0]!.questions);
  return [
    ...runs.map((one): Row => ({
      name: `scale, ${one.questions} questions, ${one.atOnce} at once`,
      ...{
        value: one.calls / one.seconds,
        unit: `calls/s, ${one.calls} calls, ${Math.round(one.mib)} MiB at most`,
      },
      ...{ peer: null, peer_value: null, ratio: null, bar: "none of its own", holds: true },
    })),
    timeRow(`${last.atOnce} at once`, before, last, ({ questions }) => `${questions} questions`),
    {
      name: `scale, memory, ${last.atOnce} at once`,
      ...{
        value: 1024 * growth,
        unit: "KiB a question more",
        peer: "from the sizes before",
        peer_value: 1024 * first,
      },
      ...{
        ratio: runs.length > 2 && first > 0 ? growth / first : null,
        bar: "< 64, grows linearly or less",
      },
      holds: 1024 * growth < 64,
    },
  ];
}

/** What a call takes where there is ten times as much. */
function timeRow(name: string, before: Measured, last: Measured, of: (one: Measured) => string): Row {
  const [value, peer_value] = [last, before].map(({ seconds, calls }) => 1000 * seconds / calls) as [
    number,
    number,
  ];
  return {
    ...{ name: `scale, time of a call, ${name}`, value, unit: `ms with ${of(last)}`, peer: of(before) },
    ...{
      peer_value,
      ratio: value / peer_value,
      bar: `ratio <= ${MOODS}`,
      holds: value <= MOODS * peer_value,
    },
  };
}

async function measured(home: string, search: Search): Promise<Measured> {
  const { questions, atOnce, races } = search;
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      fileURLToPath(import.meta.url),
      home,
      ...[questions, atOnce, races].map(String),
    ],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure ${questions} questions as the process failed: see above`);
  return { ...search, ...JSON.parse(new TextDecoder().decode(stdout)) };
}

if (import.meta.main) {
  const [home = "", questions, atOnce, races] = Deno.args;
  await using db = await openDatabase({ home });
  const rows = parityQuestions({ train: 100, validation: Number(questions), test: 1 }).split("\n")
    .map((line): { split: SplitName; id: string; question: string; answer: string } => JSON.parse(line));
  const of = (wanted: SplitName) =>
    rows.filter(({ split }) => split === wanted)
      .map(({ id, question, answer }) => ({ id, question, references: [answer] }));
  const dataset: Dataset = {
    ...{ name: "scale", sha256: createHash("sha256").update(crypto.randomUUID()).digest("hex") },
    card: { metric: "exact_match" },
    ...{ train: of("train"), validation: of("validation"), test: of("test") },
  };
  let calls = 0;
  const model: LanguageModel = {
    name: "instant",
    identity: { id: crypto.randomUUID() },
    promptTokensAtMost: () => 20,
    complete({ messages }) {
      calls++;
      const text = parity({ model: "primary", messages: [...messages], max_tokens: 1 });
      return Promise.resolve({ text, finish: "stop", usage: { promptTokens: 10, completionTokens: 1 } });
    },
  };
  const [setup, around] = await begun(db, {
    ...{ dataset, primary: model, optimizer: model, caps: {} },
    search: { target: Infinity, maxIterations: Number(races), patience: Infinity },
    around: { concurrency: Number(atOnce) },
  });
  const began = performance.now();
  await runExperiment(setup, around);
  const seconds = (performance.now() - began) / 1000;
  const [, peak] = /^VmHWM:\s+(\d+) kB/m.exec(await Deno.readTextFile("/proc/self/status").catch(() => "")) ??
    [];
  const mib = (peak === undefined ? Deno.memoryUsage().rss : 1024 * Number(peak)) / 2 ** 20;
  console.log(JSON.stringify({ calls, seconds, mib }));
}
