/**
 * `deno task sweep`: many experiments, datasets times seeds, taken by any number of workers on any number of machines with
 * one database. They share what was paid for, and one budget.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { EXIT, outcome, UsageError } from "../lib/command/mod.ts";
import { ProviderError } from "../lib/llm/mod.ts";
import { type PrefectClient, PrefectError } from "../lib/prefect/mod.ts";
import { sweepOf, sweepText } from "../lib/report/sweep.ts";
import {
  type Allowance,
  createSweep,
  type Database,
  endSweepExperiment,
  failSweepExperiment,
  findExperiment,
  findSweep,
  holdExperiment,
  isSweepOver,
  isWaiting,
  loadDataset,
  readExperiment,
  readSweep,
  releaseExperiment,
  setSweepCaps,
  type Sweep,
  type SweepRecord,
  takeExperiment,
  type TakenExperiment,
} from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { type Learning, openLearning } from "./learning.ts";
import { begin, type Config, planned, schema as optimize, search } from "./optimize.ts";
import { clientOf, patiently, untold } from "./registration.ts";
import {
  common,
  database,
  kept,
  main,
  type ModelNames,
  type Models,
  models,
  named,
  OWN,
  type Setting,
} from "./setting.ts";
import { askingOptions, caps, DATASET, failures, keepQuestions } from "./wiring.ts";

export const schema = z.strictObject({
  datasets: z.array(z.string()).min(1).default([DATASET]).describe("questions and answers, .jsonl or .csv")
    .meta({ metavar: "F,G" }),
  seeds: z.array(z.coerce.number().int().min(0)).min(1).default([1, 2, 3]).describe(
    "each dataset is searched with each of them",
  ).meta({ metavar: "1,2,3" }),
  workers: z.int().min(1).max(64).default(1).describe("processes on this machine that take experiments"),
  sweep_max_calls: z.int().min(1).optional().describe("requests at most, of all experiments together"),
  sweep_max_tokens: z.int().min(1).optional().describe("tokens at most, of all experiments together"),
  sweep_max_usd: z.number().min(0).optional().describe("dollars at most, of all experiments together")
    .meta({ metavar: "X" }),
  join: z.string().optional().describe("takes experiments of this sweep, until none is left, or latest")
    .meta({ metavar: "ID" }),
  status: z.string().optional().describe("says how this sweep stands, and runs nothing").meta({
    metavar: "ID",
  }),
  ...optimize.omit({
    dataset: true,
    seed: true,
    resume: true,
    retry_errors: true,
    require_target: true,
    report: true,
  }).shape,
});
type Options = z.output<typeof schema>;

/** Options of this process, not of the sweep. */
const MINE = [...OWN, "workers", "join", "status"];
/** What may change when a sweep is joined. */
const CAPS = ["sweep_max_calls", "sweep_max_tokens", "sweep_max_usd"];
/** Milliseconds between two looks for work, while others have it all. */
const LOOK = 500;

async function run(options: Options, setting: Setting): Promise<number> {
  const fresh = options.join === undefined && options.status === undefined;
  if (options.status !== undefined) requireOnlyLooking(setting);
  if (fresh) await requireRight(options, setting);
  await using db = await database(options, setting);
  if (options.status !== undefined) {
    return show(await readSweep(db, (await named(() => findSweep(db, options.status!))).id));
  }
  const sweep = fresh ? await begun(db, options, setting) : await joined(db, options, setting);
  // A flow run is one of Prefect's workers, and who joins wants to work
  const prefect = fresh && setting.run.flowRunId === undefined ? await deployed(setting) : undefined;
  try {
    if (prefect) await scheduled(db, sweep, { ...prefect, workers: options.workers, setting });
    else await worked(db, sweep, options, setting);
  } catch (error) {
    setting.tell(goOn(sweep));
    throw error;
  }
  return show(await readSweep(db, sweep.id));

  function show(record: SweepRecord): number {
    setting.print(options.json ? json(sweepOf(record)) : sweepText(record));
    const code = exitOf(record);
    if (code === EXIT.interrupted && options.status === undefined) {
      setting.tell(goOn(record));
    }
    return options.status === undefined ? code : EXIT.done;
  }
}

/** Refuses flags that would change what is done, where nothing is. Throws UsageError. */
function requireOnlyLooking({ given }: Setting): void {
  const heeded = ["status", "database", ...Object.keys(common)];
  const stray = [...given].find(([name, from]) => from.startsWith("--") && !heeded.includes(name));
  if (!stray) return;
  throw new UsageError(`Cannot use ${stray[1]} with --status, which only looks: leave either out`);
}

const goOn = ({ id }: Sweep): string => `Go on with: deno task sweep --join ${id}`;

/** What the end of a sweep stands for. */
function exitOf({ experiments, caps, config }: SweepRecord): number {
  const open = experiments.some(({ status }) => !["finished", "capped", "failed"].includes(status));
  if (open) return EXIT.interrupted;
  const failed = experiments.find(({ status }) => status === "failed");
  if (failed) return failed.exit_code ?? EXIT.internal;
  const given = Object.values(caps).some((cap) => cap !== undefined) || capsGiven(config).length > 0;
  return given && experiments.some((one) => one.status === "capped" || one.stop_reason === "budget")
    ? EXIT.budget
    : EXIT.done;
}

// ---- a sweep is begun, or joined ----

/** Datasets times seeds, each once. */
const pairsOf = ({ datasets, seeds }: Options) =>
  [...new Set(datasets)].flatMap((dataset) => [...new Set(seeds)].map((seed) => ({ dataset, seed })));

/** One experiment of a new sweep, with its questions: they are many, so one is held at a time. */
async function planOf(options: Options, pair: { dataset: string; seed: number }, setting: Setting) {
  const each = {
    ...kept(options, [...MINE, ...CAPS, "datasets", "seeds"]) as Omit<Options, "datasets" | "seeds">,
    ...shares(options, pairsOf(options).length, [...setting.given.keys()]),
  };
  return await planned(
    { ...each, ...pair, json: false, retry_errors: false, require_target: false },
    setting,
  );
}

/** Has what is wrong with options or files told before anything is started. */
async function requireRight(options: Options, setting: Setting): Promise<void> {
  const [seed] = options.seeds;
  for (const dataset of new Set(options.datasets)) await planOf(options, { dataset, seed: seed! }, setting);
}

/**
 * Caps of each experiment that nobody gave: its share of what the sweep may spend, so that the first leaves the last its own.
 * `own` are those that somebody gave.
 */
function shares(
  { sweep_max_calls, sweep_max_tokens, sweep_max_usd }: Options,
  n: number,
  own: readonly string[],
): Record<string, number> {
  const most = askingOptions.max_calls.parse(undefined);
  const caps = {
    max_calls: sweep_max_calls && Math.max(1, Math.min(most, Math.floor(sweep_max_calls / n))),
    max_tokens: sweep_max_tokens && Math.max(1, Math.floor(sweep_max_tokens / n)),
    max_usd: sweep_max_usd === undefined ? undefined : sweep_max_usd / n,
  };
  return Object.fromEntries(
    Object.entries(caps).filter((cap): cap is [string, number] =>
      cap[1] !== undefined && !own.includes(cap[0])
    ),
  );
}

/** Keeps a new sweep: from here on any worker can take its experiments. */
async function begun(db: Database, options: Options, setting: Setting): Promise<Sweep> {
  const experiments = [];
  for (const pair of pairsOf(options)) {
    const { config, dataset } = await planOf(options, pair, setting);
    experiments.push({
      experimentId: crypto.randomUUID(),
      dataset: config.dataset,
      datasetId: await keepQuestions(db, dataset, setting),
      seed: config.seed,
      config: kept(config),
    });
  }
  const sweep = {
    id: setting.run.flowRunId ?? crypto.randomUUID(),
    config: { ...kept(options, MINE), caps_given: CAPS_EACH.filter((name) => setting.given.has(name)) },
  };
  await createSweep(db, { ...sweep, caps: capsOf(options), experiments });
  setting.tell(`Sweep ${sweep.id}: ${experiments.length} experiments`);
  setting.tell(`Other machines with the same database take part by: deno task sweep --join ${sweep.id}`);
  return sweep;
}

/** Caps of a single experiment. */
const CAPS_EACH = ["max_calls", "max_tokens", "max_usd", "max_seconds"];

/** Those that somebody gave. */
const capsGiven = ({ caps_given }: Sweep["config"]) => caps_given as string[];

const capsOf = ({ sweep_max_calls, sweep_max_tokens, sweep_max_usd }: Options): Allowance =>
  caps({ max_calls: sweep_max_calls, max_tokens: sweep_max_tokens, max_usd: sweep_max_usd });

/** The sweep that is joined, with other caps where some are given. */
async function joined(db: Database, options: Options, setting: Setting): Promise<Sweep> {
  const sweep = await named(() => findSweep(db, options.join!));
  for (const [name, value] of Object.entries(kept(options, [...MINE, ...CAPS]))) {
    const [old, wanted] = [json(sweep.config[name] ?? null), json(value)];
    if (!setting.given.has(name) || old === wanted) continue;
    throw new UsageError(
      `Cannot join ${options.join} with another ${setting.given.get(name)}: it began with ${old}, got ` +
        `${wanted}: leave that out, or begin a new sweep without --join`,
    );
  }
  if (CAPS.some((name) => setting.given.has(name))) {
    const { experiments } = await readSweep(db, sweep.id);
    const each = shares(options, experiments.length, capsGiven(sweep.config));
    await setSweepCaps(db, sweep.id, capsOf(options), each);
  }
  return sweep;
}

// ---- its experiments are run ----

/** Takes experiments in this process, and in others beside it, until none is left or the run is to end. */
async function worked(
  db: Database,
  { id, config }: Sweep,
  { workers, database }: Options,
  setting: Setting,
): Promise<void> {
  const { stop } = setting;
  await using roles = await models(config as unknown as ModelNames, setting); // before anything is taken
  await using learning = openLearning(setting);
  const others = Array.from({ length: workers - 1 }, (_, i) => beside(id, i + 2, database, setting));
  const end = () => others.forEach((other) => other.end());
  const said = new Set<string>(); // what each experiment would say again
  const each = {
    ...setting,
    run: untold,
    given: new Map<string, string>(),
    tell(text: string) {
      if (!said.has(text)) setting.tell(text);
      said.add(text);
    },
  };
  stop.addEventListener("abort", end);
  try {
    while (!stop.aborted) {
      const taken = await takeExperiment(db, id);
      if (taken) await one(db, taken, { roles, learning, setting, each });
      else if (await isSweepOver(db, id)) break;
      else await delay(LOOK, undefined, { signal: stop }).catch(() => {});
    }
  } finally {
    await Promise.all(others.map((other) => other.ended));
    stop.removeEventListener("abort", end);
  }
}

/** Another worker on this machine: a process of its own, which goes on when this one is killed. */
function beside(id: string, n: number, database: string | undefined, { env, tell }: Setting) {
  const own = Object.entries(env).filter(([name]) =>
    !/^(QUINTET_(?!HOME$|CUT$)|PREFECT_)/.test(name) && env[name] !== undefined
  ) as [string, string][];
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", fileURLToPath(import.meta.url), "--join", id, "--json"],
    clearEnv: true,
    env: { ...Object.fromEntries(own), ...database === undefined ? {} : { DATABASE_URL: database } },
    detached: true, // a Ctrl-C is for the first one, which says it once
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const told = (async () => {
    let rest = "";
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) if (line.trim() !== "") tell(`worker ${n}: ${line}`);
    }
  })();
  return {
    ended: Promise.all([process.status, told]),
    end() {
      try {
        process.kill("SIGTERM");
      } catch { /* it has ended */ }
    },
  };
}

/** Runs one experiment. When it fails or is to end, it is there for others; when this process is killed, too. */
async function one(
  db: Database,
  taken: TakenExperiment,
  { roles, learning, setting, each }: {
    roles: Models;
    learning: Learning;
    setting: Setting;
    /** What each experiment is run in. */
    each: Setting;
  },
): Promise<void> {
  const { experimentId: id, dataset, seed, position } = taken;
  const what = `Experiment ${position + 1} (${dataset}, seed ${seed})`;
  const ended = await setting.run.task("experiment", `${position}`, async () => {
    try {
      await using hold = await holdExperiment(db, id, { patienceMs: 500 });
      if (!await isWaiting(db, id)) return "elsewhere";
      const experiment = await findExperiment(db, id).catch((error) => {
        if (!(error instanceof RangeError)) throw error; // it was not begun yet
      });
      const plan = {
        config: { // with what was chosen when it began
          ...{ ...experiment?.config, ...taken.config } as unknown as Config,
          retry_errors: taken.failures > 0,
        },
        dataset: await loadDataset(db, taken.datasetId),
        ...experiment ? { experiment, more: true } : {}, // a finished one was capped, and has another cap now
      };
      const begun = await begin(db, id, plan, { hold, learning, roles, setting: each });
      const stopReason = await search(db, begun, learning, each);
      if (stopReason === "interrupted") return "interrupted";
      const failed = failures(await readExperiment(db, id), undefined);
      if (failed?.all) return { error: failed.text, exitCode: EXIT.provider as number };
      if (failed) setting.tell(`${what}: ${failed.text}`);
      await endSweepExperiment(db, id);
      return stopReason;
    } catch (error) {
      const { name, message } = error as Error;
      if (name === "DatabaseError") throw error; // this process has none any more
      if (name === "HeldError") return "elsewhere";
      if (error instanceof ProviderError && error.fatal && !error.retryable) return error; // this machine's key, for one
      let said = message;
      return { exitCode: await outcome(() => Promise.reject(error), (text) => said = text), error: said };
    }
  });
  if (ended instanceof Error) { // every other experiment would fail here as well, but maybe not elsewhere
    await releaseExperiment(db, id);
    throw ended;
  }
  if (typeof ended !== "string") {
    const again = await failSweepExperiment(db, id, { failures: taken.failures + 1, ...ended });
    setting.tell(`${what} failed${again ? ", and is tried once more" : ""}: ${ended.error}`);
  } else if (ended === "interrupted") await releaseExperiment(db, id);
  else if (ended !== "elsewhere") setting.tell(`${what} ended: ${ended}`);
}

// ---- its workers are Prefect's ----

/** Prefect's client and the id of our deployment, where both are there. */
async function deployed(
  { env, tell }: Setting,
): Promise<{ client: PrefectClient; deployment: string } | undefined> {
  const client = clientOf(env);
  if (!client) return undefined;
  const { api, call } = client;
  try {
    const { id } = await patiently(() =>
      call(api.GET("/deployments/name/{flow_name}/{deployment_name}", {
        params: { path: { flow_name: FLOW, deployment_name: FLOW } },
      }))
    );
    return { client, deployment: id };
  } catch (error) {
    if (!(error instanceof PrefectError)) throw error;
    tell(
      error.status === 404
        ? "Prefect does not know this flow (`deno task deploy`): the sweep runs in this process."
        : `Prefect cannot be asked, the sweep runs in this process: ${error.message}`,
    );
    return undefined;
  }
}

const FLOW = "sweep";

/** Has Prefect's workers take the experiments, and waits until none is left. */
async function scheduled(
  db: Database,
  { id }: Sweep,
  { client: { api, call }, deployment, workers, setting }: {
    client: PrefectClient;
    deployment: string;
    workers: number;
    setting: Setting;
  },
): Promise<void> {
  const { stop, stage, tell } = setting;
  for (let n = 1; n <= workers; n++) {
    const name = `sweep ${id.slice(0, 8)}, worker ${n}`;
    const idempotency_key = crypto.randomUUID(); // of all tries
    await patiently(() =>
      call(api.POST("/deployments/{id}/create_flow_run", {
        params: { path: { id: deployment } },
        body: { name, parameters: { join: id }, idempotency_key },
      }))
    );
    tell(`Flow run: ${name}`);
  }
  await stage("Sweep", async (say) => {
    while (!stop.aborted && !await isSweepOver(db, id)) {
      const { experiments } = await readSweep(db, id);
      const over = experiments.filter(({ status }) =>
        ["finished", "capped", "failed"].includes(status)
      ).length;
      say(`${over}/${experiments.length} experiments, by Prefect's workers`);
      await delay(2_000, undefined, { signal: stop }).catch(() => {});
    }
  });
}

if (import.meta.main) {
  await main({ name: "sweep", flow: FLOW, summary: "many experiments on one budget", schema, run });
}
