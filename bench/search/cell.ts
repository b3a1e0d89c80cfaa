/**
 * One cell of `bench search`: a system on a task with one seed, run to its end, its best prompts measured on the test
 * split, which the system has never seen.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Dataset, Example } from "../../lib/dataset/mod.ts";
import { answering, type Ask } from "../../lib/experiment/roles.ts";
import type { LanguageModel } from "../../lib/llm/mod.ts";
import type { Metric } from "../../lib/metrics/mod.ts";
import { type Count, type CountingServer, countingServer } from "./server.ts";
import { type Incumbent, prompt, type Row, type Task } from "./task.ts";

/** Who competes: ours in TypeScript, the others in Python. */
export const SYSTEMS = ["quintet", "random", "bootstrap", "mipro", "gepa"] as const;
export type System = typeof SYSTEMS[number];

/** Those of others. */
export const PEERS: readonly System[] = ["bootstrap", "mipro", "gepa"];

/** What they are called in full. */
export const NAMES: Readonly<Record<System, string>> = {
  quintet: "Quintet",
  random: "random search over Quintet's operators",
  bootstrap: "DSPy BootstrapFewShotWithRandomSearch",
  mipro: "DSPy MIPROv2, auto light",
  gepa: "GEPA",
};

/** An incumbent, measured. */
export interface Measured extends Incumbent {
  /** Score of each test question, in the order of the split; absent where no budget of the bench ends with it. */
  readonly test?: readonly number[];
}

/** A finished cell, as it is kept. */
export interface Cell {
  readonly task: string;
  readonly system: System;
  readonly seed: number;
  /** Model calls it might make. */
  readonly most: number;
  /** SHA-256 of the questions, and of what the system is: its source, or the packages that are pinned. */
  readonly questions: string;
  readonly version: string;
  readonly incumbents: readonly Measured[];
  readonly count: Count;
  /** From its start to its end. */
  readonly seconds: number;
  /** How it failed, if it did, with the last it said. */
  readonly failure: string | null;
}

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Files, and folders with all their sources: the server that all ask with its model, and what each asks it with. */
const SOURCES = {
  server: ["server.ts", "task.ts", "../../lib/llm/local.ts", "../../lib/llm/local_server.py"],
  ours: [
    "ours.ts",
    "../../lib/random.ts",
    ...["dataset", "experiment", "llm", "metrics", "optimize", "statistics"].map((room) =>
      `../../lib/${room}`
    ),
  ],
  peers: ["peers.py", "../../requirements/search.txt"],
};

/** What a system is, as a hash: cells of another version are run anew. */
export async function versionOf(system: System): Promise<string> {
  const paths = [...SOURCES.server, ...ours(system) ? SOURCES.ours : SOURCES.peers];
  const files = (await Promise.all(paths.map((path) => sources(folder(path))))).flat();
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

const ours = (system: System): boolean => system === "quintet" || system === "random";

async function sources(path: string): Promise<string[]> {
  if ((await Deno.stat(path)).isFile) return [path];
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) found.push(...await sources(`${path}/${name}`));
    else if (name.endsWith(".ts") && !/(?:_test|testing|_child)\.ts$/.test(name)) {
      found.push(`${path}/${name}`);
    }
  }
  return found.sort();
}

/** Tokens of an instruction that an optimizer model writes at most. */
const OPTIMIZER_TOKENS = 256;
/** Seconds in which a system that is out of time may tell what it has. */
const GRACE = 30;
/** Test questions asked at once. */
const AT_ONCE = 8;

/** What a cell is run with. */
export interface CellOptions {
  readonly dataset: Dataset;
  readonly metric: Metric;
  readonly model: LanguageModel;
  readonly most: number;
  /** Budgets at which the best prompt so far is measured. */
  readonly budgets: readonly number[];
  /** Seconds a system may take. */
  readonly seconds: number;
  readonly folder: string;
  /** Interpreter with the peers' packages. */
  readonly python: () => Promise<string>;
}

/** Runs a system on a task. A system that fails or takes too long keeps what it told until then. */
export async function runCell(
  { system, seed }: { system: System; seed: number },
  options: CellOptions,
): Promise<Cell> {
  const { dataset, model, most } = options;
  await using server = countingServer(model, { most });
  const began = performance.now();
  const { incumbents, failure } = await run(system, taskOf(dataset, seed, server, options), options);
  const seconds = (performance.now() - began) / 1000, count = server.count();
  return {
    ...{
      task: dataset.name,
      system,
      seed,
      most,
      questions: dataset.sha256,
      version: await versionOf(system),
    },
    ...{ count, seconds, failure },
    incumbents: await measured(incumbents, options),
  };
}

/** What a system is given. */
const taskOf = (
  dataset: Dataset,
  seed: number,
  { url }: CountingServer,
  { most, folder }: Pick<CellOptions, "most" | "folder">,
): Task => ({
  train: dataset.train.map(row),
  validation: dataset.validation.map(row),
  metric_options: dataset.card.metricOptions ?? {},
  system: dataset.card.systemPrompt ?? "You are a helpful assistant.",
  ...{ seed, calls: most, url, folder },
  answer_tokens: answerTokens(dataset),
  optimizer_tokens: OPTIMIZER_TOKENS,
});

/** Says what the last demo says: right often enough to have demos compared, at once, and the same for everybody. */
const INSTANT: LanguageModel = {
  ...{ name: "instant", identity: {}, promptTokensAtMost: () => 1 },
  complete: ({ messages }) =>
    Promise.resolve({ text: messages.at(-2)?.content ?? "What?", finish: "stop", usage: null }),
};

/** Milliseconds of a system's own for each call: from its first call to its last, where the model takes no time. */
export async function overhead(
  system: System,
  options: Pick<CellOptions, "dataset" | "most" | "folder" | "seconds" | "python">,
): Promise<number> {
  await using server = countingServer(INSTANT, options);
  const { failure } = await run(system, taskOf(options.dataset, 1, server, options), options);
  const { span, calls } = server.count();
  if (calls === 0) {
    throw new Error(`Cannot time ${NAMES[system]} as it made no call: ${failure ?? "it ended"}`);
  }
  return 1000 * span / calls;
}

const row = ({ id, question, references }: Example): Row => ({ id, question, references });

/** Room for the longest reference. */
const answerTokens = ({ train, validation }: Dataset): number =>
  8 +
  Math.ceil(
    Math.max(...[...train, ...validation].flatMap((row) => row.references.map((text) => text.length))) / 2,
  );

async function run(
  system: System,
  task: Task,
  { seconds, python }: Pick<CellOptions, "seconds" | "python">,
): Promise<{ incumbents: Incumbent[]; failure: string | null }> {
  const child = new Deno.Command(ours(system) ? Deno.execPath() : await python(), {
    args: ours(system) ? ["run", "-A", folder("ours.ts"), system] : [folder("peers.py"), system],
    cwd: ours(system) ? folder("../..") : task.folder,
    env: { DSPY_CACHEDIR: task.folder, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  let late = false;
  const timers = [
    setTimeout(() => {
      late = true;
      child.kill("SIGTERM");
    }, 1000 * seconds),
    setTimeout(() => child.kill("SIGKILL"), 1000 * (seconds + GRACE)),
  ];
  const stderr = new Response(child.stderr).text();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(JSON.stringify(task)));
  await stdin.close();
  const stdout = await new Response(child.stdout).text();
  const { success, code, signal } = await child.status;
  timers.forEach(clearTimeout);
  if (signal !== null && !late) { // the bench is being ended: no failure of the system, and no cell to keep
    throw new Error(
      `Cannot finish ${NAMES[system]} as its process was ended by ${signal}: run the bench again`,
    );
  }
  const last = (await stderr).trim().split("\n").at(-1) ?? "";
  const spent = /All of the \d+ calls were made/.test(await stderr);
  return {
    incumbents: stdout.split("\n").filter((line) => line.endsWith("}")).map((line) => JSON.parse(line)),
    failure: late
      ? `no end after ${seconds} s`
      : success
      ? null
      : spent
      ? "its calls were spent"
      : `exit code ${code}: ${last.slice(0, 300)}`,
  };
}

/** The incumbent of each budget, and the last one. */
function reached(incumbents: readonly Incumbent[], budgets: readonly number[]): Set<Incumbent> {
  return new Set([...budgets, Infinity].flatMap((budget) => at(incumbents, budget) ?? []));
}

/** The best prompt that was known after `budget` calls. */
export const at = <T extends { readonly calls: number }>(
  incumbents: readonly T[],
  budget: number,
): T | undefined => incumbents.findLast(({ calls }) => calls <= budget);

async function measured(incumbents: readonly Incumbent[], options: CellOptions): Promise<Measured[]> {
  const { dataset, budgets } = options;
  const wanted = reached(incumbents, budgets);
  const all: Measured[] = [];
  for (const incumbent of incumbents) {
    all.push(
      wanted.has(incumbent)
        ? { ...incumbent, test: await scores(incumbent, dataset.test, options) }
        : incumbent,
    );
  }
  return all;
}

async function scores(
  { prompt: told }: Incumbent,
  questions: readonly Example[],
  { model, metric, dataset }: CellOptions,
): Promise<number[]> {
  const ask: Ask = async (_role, messages, { temperature = 0, ...options }) => ({
    completion: await model.complete({ messages, temperature, ...options }),
    key: "",
  });
  const answer = answering(ask, { primary: model, seed: 0, answerTokens: answerTokens(dataset) }, "search");
  const values: number[] = Array(questions.length).fill(0);
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < questions.length) {
      const i = next++, question = questions[i]!;
      const answered = await answer(prompt(told), question);
      values[i] = answered ? metric.score(answered.text, question.references) : 0;
    }
  }));
  return values;
}
