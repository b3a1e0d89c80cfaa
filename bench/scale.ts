/**
 * How time and memory grow with the validation split and with what is asked at once: whole searches with ledger and database
 * in front of a model that answers at once, each in a process of its own, this file: `deno run -A bench/scale.ts HOME
 * QUESTIONS AT_ONCE`.
 *
 * Every search has the same number of races on a split of another size, so twice as many questions are twice as many calls.
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
/** How much more a call may take on a split of the largest size than on one a tenth of it: the machine has its moods. */
const MOODS = 1.25;

interface Measured {
  readonly questions: number;
  readonly atOnce: number;
  readonly calls: number;
  readonly seconds: number;
  /** Resident at most. */
  readonly mib: number;
}

export const bench: Bench = async ({ folder, quick, log }) => {
  const home = `${folder}/home`;
  await using db = await openDatabase({ home });
  await migrate(db, `${ROOT}/sql`);
  const sizes = quick ? QUESTIONS.slice(0, 2) : QUESTIONS;
  const all: Measured[] = [];
  for (const atOnce of AT_ONCE) {
    for (const questions of sizes) {
      const one = await measured(home, questions, atOnce);
      all.push(one);
      log(
        `${questions} questions, ${atOnce} at once: ${one.calls} calls in ${one.seconds.toFixed(1)} s, ` +
          `${one.mib.toFixed(0)} MiB`,
      );
    }
  }
  return AT_ONCE.flatMap((atOnce) => {
    const runs = all.filter((one) => one.atOnce === atOnce);
    const [before, last] = runs.slice(-2) as [Measured, Measured];
    const each = ({ seconds, calls }: Measured) => 1000 * seconds / calls;
    const growth = (last.mib - before.mib) / (last.questions - before.questions);
    const first = (before.mib - runs[0]!.mib) / Math.max(1, before.questions - runs[0]!.questions);
    return [
      ...runs.map((one): Row => ({
        name: `scale, ${one.questions} questions, ${atOnce} at once`,
        ...{
          value: one.calls / one.seconds,
          unit: `calls/s, ${one.calls} calls, ${Math.round(one.mib)} MiB at most`,
        },
        ...{ peer: null, peer_value: null, ratio: null, bar: "none of its own", holds: true },
      })),
      {
        name: `scale, time of a call, ${atOnce} at once`,
        ...{
          value: each(last),
          unit: `ms with ${last.questions} questions`,
          peer: `${before.questions} questions`,
        },
        ...{ peer_value: each(before), ratio: each(last) / each(before), bar: `ratio <= ${MOODS}` },
        holds: each(last) <= MOODS * each(before),
      },
      {
        name: `scale, memory, ${atOnce} at once`,
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
  });
};

async function measured(home: string, questions: number, atOnce: number): Promise<Measured> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", fileURLToPath(import.meta.url), home, String(questions), String(atOnce)],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure ${questions} questions as the process failed: see above`);
  return { questions, atOnce, ...JSON.parse(new TextDecoder().decode(stdout)) };
}

if (import.meta.main) {
  const [home = "", questions, atOnce] = Deno.args;
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
    search: { target: 1, maxIterations: 4, patience: 4 },
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
