/**
 * `deno task optimize`: searches for a better prompt, and says by how much it is better.
 *
 * @module
 */
import { z } from "zod";
import { estimate, EXIT, pace, UsageError } from "../lib/command/mod.ts";
import { point } from "../lib/cut.ts";
import type { Dataset } from "../lib/dataset/mod.ts";
import {
  callsToSearch,
  type ExperimentStep,
  type Progress,
  runExperiment,
  type Unreadable,
} from "../lib/experiment/mod.ts";
import { DECIDING, type StopReason } from "../lib/optimize/mod.ts";
import { resultOf } from "../lib/report/result.ts"; // from mod.ts would come the charts, which take their time
import { commanded, resumable, stuck } from "../lib/report/rows.ts";
import { resultText } from "../lib/report/terminal.ts";
import { dollars, percent } from "../lib/report/text.ts";
import { artifactsOf } from "./artifacts.ts";
import {
  beginExperiment,
  type Database,
  type Experiment,
  type ExperimentRecord,
  forgive,
  type Hold,
  holdExperiment,
  loadDataset,
  readExperiment,
  resumeExperiment,
  spentByExperiment,
} from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import {
  common,
  database,
  databaseOption,
  found,
  kept,
  main,
  models,
  OWN,
  requireWritableFile,
  type Setting,
  VERSIONS,
  writeFile,
} from "./setting.ts";
import {
  choose,
  type Learned,
  type LearnedOptions,
  learnedOptions,
  type Learning,
  openLearning,
  requireUsed,
  slots,
} from "./learning.ts";
import {
  askingOptions,
  DATASET,
  failures,
  freshOption,
  keepQuestions,
  optimizerOptions,
  printResult,
  questionsIn,
  requireAskable,
  scoringOptions,
  searchOptions,
  seedPrompt,
  type Settled,
  settled,
  setupOf,
  surroundings,
} from "./wiring.ts";
import { afresh, asBegun, type Roles, type Weights, weightsOf } from "./weights.ts";

export const schema = z.strictObject({
  dataset: z.string().default(DATASET).describe("questions and answers, .jsonl or .csv").meta({
    metavar: "F",
  }),
  ...scoringOptions,
  ...searchOptions,
  seed: z.int().min(0).default(1).describe("of every random choice"),
  system_prompt: z.string().optional().describe("to begin with; unless given as the card says")
    .meta({ metavar: "S" }),
  output_prompt: z.string().optional().describe("said after every question, to begin with").meta({
    metavar: "S",
  }),
  ...askingOptions,
  ...freshOption,
  ...optimizerOptions,
  ...learnedOptions,
  resume: z.string().optional().describe("goes on with an experiment that was cut off").meta({
    metavar: "ID",
  }),
  retry_errors: z.boolean().default(false).describe(
    "with --resume: sends again what was given up, and nothing else",
  ),
  require_target: z.boolean().default(false).describe("exit code 100 when the threshold is not reached"),
  report: z.string().optional().describe("HTML file to write; QUINTET_HOME/reports/ID.html unless given")
    .meta({ metavar: "F.html" }),
  ...databaseOption,
  ...common,
});
export type Options = z.output<typeof schema>;
export type Config = Omit<Options, keyof Settled | keyof Learned> & Settled & LearnedOptions & {
  /** Calls below which nothing is searched; kept, so that the result can say so. */
  readonly calls_to_search?: number;
  /** The limits of its last claim, while it is on its way to another. */
  readonly claimed_with?: Readonly<Record<string, unknown>>;
  /** How many claims it had made, on the same questions, when it went on with more. */
  readonly claims_before?: number;
  /** What it was begun by. */
  readonly versions?: typeof VERSIONS;
  /** What it was begun with. */
  readonly weights?: Weights | undefined;
};

/** What may change when a run is resumed: everything else would make it another run. */
const RESUMABLE = [
  ...["max_calls", "max_tokens", "max_usd", "max_seconds", "allow_unpriced", "concurrency", "max_retries"],
  ...["threshold", "max_iterations", "patience", "require_target", "report", ...OWN],
];

async function optimize(options: Options, setting: Setting): Promise<number> {
  if (options.retry_errors && options.resume === undefined) {
    throw new UsageError(
      "Cannot use --retry-errors without --resume: a new experiment has given nothing up yet",
    );
  }
  const { run } = setting;
  const { flowRunId } = run;
  const fresh = options.resume === undefined ? await planned(options, setting) : undefined;
  const page = import("../lib/report/page.ts"); // read now, as there may be no file to be had once calls are under way
  page.catch(() => {}); // told when the report is to be written
  await using db = await database(options, setting, { takeOver: false });
  // A flow run's experiment has its id: when the run is started again, the experiment goes on
  const again = flowRunId && await found(db, flowRunId).catch(() => undefined);
  const id = again
    ? again.id
    : fresh
    ? flowRunId ?? crypto.randomUUID()
    : (await found(db, options.resume!)).id;
  await using hold = await holdExperiment(db, id);
  run.takeOver();
  point("experiment: held");
  const plan = again || !fresh ? await resumed(db, id, options, setting) : fresh;
  await using roles = await models(plan.config, setting);
  await using learning = openLearning(setting);
  const begun = await run.task(
    "load_state",
    "1",
    () => begin(db, id, plan, { hold, learning, roles, setting }),
  );
  const { config } = begun;

  let stopReason: StopReason;
  try {
    stopReason = await search(db, begun, learning, setting);
  } catch (error) {
    if (["DatabaseError", "HeldError"].includes((error as Error).name)) throw error;
    const record = await readExperiment(db, id); // what was found and paid for is not lost with the rest
    if (config.json || resultOf(record).best?.validation) {
      await show(record, begun, setting, page).catch(({ message }) => setting.tell(message));
    } else if (resumable(record.experiment)) setting.tell(goOn(record));
    throw error;
  }
  const record = await readExperiment(db, id);
  await show(record, begun, setting, page);
  artifactsOf(record, reportOf(config, id, setting)).forEach(run.artifact);
  if (stopReason !== "interrupted") run.progress(100, `ended: ${stopReason}`);
  if (stopReason !== "interrupted") run.event("quintet.experiment.finished", `quintet.experiment.${id}`);
  const failed = failures(record, roles.failure());
  if (failed) setting.tell(failed.text);
  if (failed?.givenUp) setting.tell(goOnTrying(id));
  if (stopReason === "interrupted") return EXIT.interrupted;
  if (failed?.all) return EXIT.provider;
  if (config.require_target && stopReason !== "target") return EXIT.target;
  return stopReason === "budget" && capped(config, setting) ? EXIT.budget : EXIT.done;
}

/** What is to be run. */
export interface Plan {
  readonly config: Config;
  readonly dataset: Dataset;
  /** The experiment that is to go on. */
  readonly experiment?: Experiment;
  /** Whether it goes on with more than it was given before, and may come to another claim. */
  readonly more?: boolean;
}

/** A new experiment; what is wrong with it is told before anything is started. */
export async function planned(options: Options, setting: Setting): Promise<Plan> {
  requireUsed(options, setting);
  const dataset = await questionsIn(options, setting);
  requireDecidable(dataset);
  const made = settled(options, dataset);
  const callsEach = made.metric === "judge" ? 2 : 1;
  const config = {
    ...{ ...options, ...made },
    calls_to_search: callsToSearch(dataset, { callsEach }),
    versions: VERSIONS,
  };
  await requireRunnable(config, setting);
  return { config, dataset };
}

/** Refuses, before a call is paid for, what could not be asked, and a report that could not be written. */
async function requireRunnable(config: Config, setting: Setting): Promise<void> {
  await requireAskable(config, setting);
  await requireWritableFile(
    reportOf(config, "", setting),
    config.report === undefined ? "set QUINTET_HOME to a folder that is" : "name another file with --report",
  );
}

/** A search by too few questions would be paid for, and keep the prompt that it began with whatever it finds. */
function requireDecidable({ validation: { length } }: Dataset): void {
  if (length >= DECIDING) return;
  throw new UsageError(
    `Cannot search with ${length} validation ${
      length === 1 ? "question" : "questions"
    }, as a prompt that is right on all ` +
      `of them cannot be told from luck: give more rows (a quarter of them is for validation), or at least ${DECIDING} whose ` +
      `split is validation`,
  );
}

/** The experiment that is to go on, with what may be changed changed. */
async function resumed(db: Database, id: string, options: Options, setting: Setting): Promise<Plan> {
  const experiment = await found(db, id);
  const name = options.resume ?? id.slice(0, 8); // a flow run that is started again names none
  if (experiment.kind !== "optimize") {
    throw new UsageError(`Cannot resume ${name} as it is no optimization but an evaluation`);
  }
  if (!commanded(experiment)) {
    throw new UsageError(
      `Cannot resume ${name} as it was begun by a program of its own: run that again`,
    );
  }
  const changes = changed(experiment, name, options, setting);
  await requireNoLess(db, experiment, changes, setting);
  const claimed = experiment.status === "finished" ? { claimed_with: limitsOf(experiment.config) } : {};
  const config = { ...experiment.config, ...claimed, ...changes } as unknown as Config;
  await requireRunnable(config, setting);
  const more = config.retry_errors ||
    LIMITS.some((name) => name in changes && changes[name] !== experiment.config[name]);
  return { config, experiment, more, dataset: await loadDataset(db, experiment.datasetId) };
}

/** What was given of what may change; all else that was given must be as it was. Throws UsageError. */
function changed(
  { config }: Experiment,
  experiment: string,
  options: Options,
  { given }: Setting,
): Readonly<Record<string, unknown>> {
  const own = Object.entries(options).filter(([name]) => given.has(name));
  for (const [name, value] of own) {
    if (RESUMABLE.includes(name) || isAsKept(name, value, config[name])) continue;
    throw new UsageError(
      `Cannot resume ${experiment} with another ${given.get(name)}: it began with ${
        json(config[name] ?? null)
      }, ` +
        `got ${json(value)}: leave that out, or begin a new experiment without --resume`,
    );
  }
  return Object.fromEntries(own.filter(([name]) => RESUMABLE.includes(name)));
}

/** Whether an option is what an experiment began with. What was learned is named by the beginning of its id, and kept by it all. */
const isAsKept = (name: string, value: unknown, kept: unknown): boolean =>
  json(kept ?? null) === json(value) ||
  ["meta_model", "policy_model"].includes(name) && typeof kept === "string" &&
    kept.startsWith(String(value).toLowerCase());

/** Of these a run that has finished is not given less. */
const LIMITS = [
  ...["max_calls", "max_tokens", "max_usd", "max_seconds"],
  ...["threshold", "max_iterations", "patience"],
];

const limitsOf = (config: Experiment["config"]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(LIMITS.map((name) => [name, config[name]]));

/**
 * Throws UsageError where an experiment is to go on with less than it needs. A finished one has its result by all that it was
 * given: with less of anything a shorter search would be replayed, and its prompts and claim would take the place of those that
 * were paid for, also when it was cut off on its way to more. One that never finished has no result to lose: its search may be
 * made to end sooner, and a cap may be lowered, but not below what is spent already.
 */
async function requireNoLess(
  db: Database,
  { id, status, config, seconds }: Experiment,
  changes: Readonly<Record<string, unknown>>,
  { given }: Setting,
): Promise<void> {
  const { calls, tokens, cost } = await spentByExperiment(db, id);
  const spent: Readonly<Record<string, number>> = {
    ...{ max_calls: calls, max_tokens: tokens },
    ...{ max_usd: Math.ceil(Number(cost) / 1e6) / 1e6, max_seconds: Math.ceil(1e3 * seconds) / 1e3 },
  };
  const claimed = (status === "finished" ? config : config.claimed_with) as Experiment["config"] | undefined;
  for (const name of LIMITS) {
    const [wanted, used] = [changes[name], spent[name] ?? 0];
    const had = claimed ? Number(claimed[name] ?? Infinity) : 0;
    if (typeof wanted !== "number" || wanted >= Math.max(used, had)) continue;
    if (wanted === config[name]) continue; // the seconds of a run may go a little over their cap
    const needed = used > had ? `spent ${used}` : `finished with ${had === Infinity ? "no such limit" : had}`;
    throw new UsageError(
      `Cannot resume ${id.slice(0, 8)} with less ${given.get(name)}: it has ${needed}, got ${wanted}: ` +
        "give as much at least, leave that out, or begin a new experiment without --resume",
    );
  }
}

/** A plan that is kept as an experiment. */
export interface Begun extends Plan {
  readonly id: string;
  readonly datasetId: string;
  readonly holder: string;
  /** Seconds it ran in earlier processes. */
  readonly seconds: number;
  readonly roles: Roles;
}

/** Keeps a plan as the experiment `id`, or sets that running again. */
export async function begin(
  db: Database,
  id: string,
  plan: Plan,
  { hold: { holder }, learning, roles, setting }: {
    hold: Hold;
    learning: Learning;
    roles: Roles;
    setting: Setting;
  },
): Promise<Begun> {
  const { experiment, dataset } = plan;
  const opened = experiment ? asBegun(roles, plan.config.weights) : roles;
  const own = plan.config.fresh ? afresh(opened, id) : opened;
  if (experiment) {
    const config = { ...plan.config, ...await claimedBefore(db, id, plan) };
    if (config.retry_errors) await forgive(db, id);
    const seconds = await resumeExperiment(db, id, kept(config), holder);
    return { ...plan, config, id, datasetId: experiment.datasetId, holder, seconds, roles: own };
  }
  const datasetId = await keepQuestions(db, dataset, setting);
  const begun = { ...plan.config, weights: weightsOf(roles) };
  const asked = { datasetId, dataset: dataset.name, config: begun, seedPrompt: seedPrompt(plan.config) };
  const config = { ...begun, ...await choose(db, asked, learning, setting) };
  const { seed } = config;
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed, config: kept(config), holder });
  return { ...plan, config, id, datasetId, holder, seconds: 0, roles: own };
}

/** One claim more that a finished run goes on from, unless it can only come to the same. */
async function claimedBefore(
  db: Database,
  id: string,
  { config: { claims_before = 0 }, experiment, more = false }: Plan,
): Promise<Pick<Config, "claims_before">> {
  if (experiment?.status !== "finished" || !more) return {};
  const { experiment: { improvement, before, after } } = await readExperiment(db, id);
  return improvement === null || before === after ? {} : { claims_before: claims_before + 1 };
}

/** Runs what has begun to its end. */
export const search = async (
  db: Database,
  begun: Begun,
  learning: Learning,
  setting: Setting,
): Promise<StopReason> => {
  const { config, holder, seconds } = begun;
  await using learned = await slots(db, begun, learning);
  let unreadable = undefined as Unreadable | undefined;
  const silent: string[] = [];
  const stopReason = await setting.stage("Search", (say) => {
    const left = pace(() => performance.now());
    const heard = onceAPhase(({ asked }, line) => {
      setting.run.log(line);
      setting.run.progress(Math.min(100, 100 * asked / config.max_calls), line);
    });
    return runExperiment(setupOf(begun, begun.roles, learned.search), {
      ...surroundings(db, config, setting, say),
      holder,
      secondsBefore: seconds,
      step: told(setting.run),
      onProgress(progress) {
        const line = progressLine(progress, config, left);
        say(...line);
        if (progress.phase === "compare_and_log" || progress.phase === "test") {
          heard(progress, line[0]);
        }
      },
      onUnreadable(grades) {
        unreadable = grades;
      },
      onSilent: (line) => silent.push(line),
    });
  });
  if (unreadable) setting.tell(unreadable.text);
  silent.forEach(setting.tell);
  return stopReason;
};

/** Tells of each step of the loop as a task run; a race asks several times in an iteration. */
function told(run: Setting["run"]): ExperimentStep {
  const times = new Map<string, number>();
  return (phase, iteration, work) => {
    const name = `${phase} ${iteration}`, nth = (times.get(name) ?? 0) + 1;
    times.set(name, nth);
    return run.task(
      phase === "test" ? "locked_test" : phase,
      nth === 1 ? `${iteration}` : `${iteration}.${nth}`,
      async () => await work(),
    );
  };
}

/** Tells `hear` of the first progress of a phase alone. */
function onceAPhase(hear: (progress: Progress, line: string) => void) {
  let last = "";
  return (progress: Progress, line: string) => {
    const now = `${progress.phase} ${progress.iteration}`;
    if (now !== last) hear(progress, line);
    last = now;
  };
}

/** Prints how an experiment went, then writes its report, each also where the other cannot be: nothing is lost. */
async function show(
  record: ExperimentRecord,
  { id, config }: Begun,
  setting: Setting,
  page: Promise<typeof import("../lib/report/page.ts")>,
): Promise<void> {
  let unprinted: Error | undefined;
  try {
    printResult(config.json ? json(resultOf(record)) : resultText(record), id, setting);
  } catch (error) {
    unprinted = error as Error;
  }
  point("result: printed");
  if (config.json && resumable(record.experiment)) setting.tell(goOn(record)); // the text says it by itself
  const report = reportOf(config, id, setting);
  try {
    await writeFile(report, (await page).htmlReport(record));
  } catch (cause) { // there was no file to be had, for one
    const [why] = (cause as Error).message.replace(`Cannot write ${report}: `, "").split("\n");
    const unwritten = `Cannot write ${report}: ${why}: write it with \`deno task report ${id}\``;
    throw new UsageError(unprinted ? `${unprinted.message}\n${unwritten}` : unwritten, { cause });
  }
  setting.tell(`Report: ${report}`);
  if (unprinted) throw unprinted;
}

const goOn = (record: ExperimentRecord): string => {
  const { id } = record.experiment;
  return stuck(record) ? goOnTrying(id) : `Go on with: deno task optimize --resume ${id}`;
};
const goOnTrying = (id: string): string =>
  `Send what was given up again with: deno task optimize --resume ${id} --retry-errors`;

const reportOf = ({ report }: { report?: string | undefined }, id: string, { home }: Setting): string =>
  report ?? `${home}/reports/${id}.html`;

/** Whether a cap is the user's, and not the default. */
const capped = ({ max_calls, max_tokens, max_usd, max_seconds }: Config, { given }: Setting): boolean =>
  given.has("max_calls") || max_calls !== askingOptions.max_calls.parse(undefined) ||
  [max_tokens, max_usd, max_seconds].some((cap) => cap !== undefined);

/**
 * `iteration 3, racing, 412/1000 calls, best 62.5 (n=40), $0.0021, < 3 min left`, which fits a line of a terminal. It is
 * the most that may be left: target or patience may end the search before the calls are spent.
 */
function progressLine(
  { phase, iteration, asked, spent, best }: Progress,
  { max_calls }: Config,
  left: ReturnType<typeof pace>,
): [string, string?] {
  const doing = {
    primary_inference: "asking",
    baseline_evaluation: "scoring",
    optimizer_refine: "proposing",
    refined_inference: "racing",
    refined_evaluation: "comparing",
    compare_and_log: "keeping",
    test: "testing",
  }[phase];
  const seconds = left(asked, max_calls);
  const line = [
    phase === "test" ? doing : `iteration ${Math.max(1, iteration)}, ${doing}`,
    `${asked}/${max_calls} calls`,
    ...best.n > 0 ? [`best ${percent(best.score)} (n=${best.n})`] : [],
    dollars(Number(spent.cost) / 1e12),
  ].join(", ");
  return seconds === undefined ? [line] : [line, `< ${estimate(seconds)} left`];
}

if (import.meta.main) {
  await main({
    name: "optimize",
    flow: "prompt-optimizer",
    summary: "search for a better prompt",
    schema,
    run: optimize,
  });
}
