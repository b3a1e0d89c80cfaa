/**
 * `deno task optimize`: searches for a better prompt, and says by how much it is better.
 *
 * @module
 */
import { dirname } from "node:path";
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { point } from "../lib/cut.ts";
import { type Dataset, readDataset } from "../lib/dataset/mod.ts";
import { type Progress, runExperiment } from "../lib/experiment/mod.ts";
import type { StopReason } from "../lib/optimize/mod.ts";
import { resultOf } from "../lib/report/result.ts"; // from mod.ts would come the charts, which take their time
import { resultText } from "../lib/report/terminal.ts";
import { dollars, percent } from "../lib/report/text.ts";
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
  saveDataset,
} from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import {
  common,
  database,
  databaseOption,
  found,
  main,
  type Models,
  models,
  requireWritable,
  type Setting,
  writeFile,
} from "./setting.ts";
import {
  askingOptions,
  caps,
  DATASET,
  failures,
  grading,
  kept,
  OWN,
  requireAskable,
  scoringOptions,
  seedPrompt,
  type Settled,
  settled,
  surroundings,
} from "./wiring.ts";

const schema = z.strictObject({
  dataset: z.string().default(DATASET).describe("questions and answers, .jsonl or .csv").meta({
    placeholder: "F",
  }),
  ...scoringOptions,
  threshold: z.number().min(0).max(1).default(0.9).describe("validation score at which the search ends"),
  max_iterations: z.int().min(0).default(10).describe("iterations at most"),
  patience: z.int().min(1).default(3).describe("iterations without a better prompt after which it ends"),
  seed: z.int().min(0).default(1).describe("of every random choice"),
  system_prompt: z.string().optional().describe("to begin with; unless given as the card says")
    .meta({ placeholder: "S" }),
  output_prompt: z.string().optional().describe("said after every question, to begin with").meta({
    placeholder: "S",
  }),
  ...askingOptions,
  optimizer: z.string().optional().describe(
    "model that rewrites prompts and grades; the primary unless given",
  )
    .meta({ placeholder: "MODEL" }),
  optimizer_tokens: z.int().min(1).optional().describe("tokens of its reply at most"),
  resume: z.string().optional().describe("goes on with an experiment that was cut off").meta({
    placeholder: "ID",
  }),
  retry_errors: z.boolean().default(false).describe(
    "with --resume: sends again what was given up, and nothing else",
  ),
  require_target: z.boolean().default(false).describe("exit code 100 when the threshold is not reached"),
  report: z.string().optional().describe("HTML file to write; QUINTET_HOME/reports/ID.html unless given")
    .meta({ placeholder: "F.html" }),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;
type Config = Omit<Options, keyof Settled> & Settled;

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
  const fresh = options.resume === undefined ? await planned(options, setting) : undefined;
  await using db = await database(options, setting);
  const id = fresh ? crypto.randomUUID() : (await found(db, options.resume!)).id;
  await using hold = await holdExperiment(db, id);
  point("experiment: held");
  const plan = fresh ?? await resumed(db, id, options, setting);
  await using roles = await models(plan.config, setting);
  const begun = await begin(db, id, plan, hold);
  const { config } = begun;

  const page = pageModule();
  let early: Promise<unknown> | undefined;
  let stopReason: StopReason;
  try {
    stopReason = await search(db, begun, roles, setting, () => early ??= page().catch(() => {}));
  } catch (error) {
    if (["DatabaseError", "HeldError"].includes((error as Error).name)) throw error;
    const record = await readExperiment(db, id); // what was found and paid for is not lost with the rest
    if (config.json || resultOf(record).best?.validation) {
      await show(record, begun, setting, page).catch(({ message }) => setting.tell(message));
    } else setting.tell(goOn(id));
    throw error;
  }
  const record = await readExperiment(db, id);
  await show(record, begun, setting, page);
  const failed = failures(record, roles.failure());
  if (failed) setting.tell(failed.text);
  if (failed?.givenUp) {
    setting.tell(`Send what was given up again with: deno task optimize --resume ${id} --retry-errors`);
  }
  if (stopReason === "interrupted") return EXIT.interrupted;
  if (failed?.all) return EXIT.provider;
  if (config.require_target && stopReason !== "target") return EXIT.target;
  return stopReason === "budget" && capped(config, setting) ? EXIT.budget : EXIT.done;
}

/** What is to be run. */
interface Plan {
  readonly config: Config;
  readonly dataset: Dataset;
  /** The experiment that is to go on. */
  readonly experiment?: Experiment;
}

/** A new experiment; what is wrong with it is told before anything is started. */
async function planned(options: Options, setting: Setting): Promise<Plan> {
  const dataset = await readDataset(options.dataset, { seed: options.seed });
  const config = { ...options, ...settled(options, dataset) };
  await requireAskable(config, setting);
  await requireWritable(
    dirname(reportOf(config, "", setting)),
    options.report === undefined ? "set QUINTET_HOME to a folder that is" : "name another file with --report",
  );
  return { config, dataset };
}

/** The experiment that is to go on, with what may be changed changed. */
async function resumed(db: Database, id: string, options: Options, setting: Setting): Promise<Plan> {
  const experiment = await found(db, id);
  if (experiment.kind !== "optimize") {
    throw new UsageError(`Cannot resume ${options.resume} as it is no optimization but an evaluation`);
  }
  const changes = Object.fromEntries(Object.entries(options).filter(([name]) => setting.given.has(name)));
  for (const [name, value] of Object.entries(changes)) {
    const [old, wanted] = [json(experiment.config[name] ?? null), json(value)];
    if (RESUMABLE.includes(name) || old === wanted) continue;
    throw new UsageError(
      `Cannot resume ${options.resume} with another --${name.replaceAll("_", "-")}: it began with ${old}, ` +
        `got ${wanted}: leave that out, or begin a new experiment without --resume`,
    );
  }
  const config = { ...experiment.config, ...changes } as unknown as Config;
  await requireAskable(config, setting);
  return { config, experiment, dataset: await loadDataset(db, experiment.datasetId) };
}

/** A plan that is kept as an experiment. */
interface Begun extends Plan {
  readonly id: string;
  readonly datasetId: string;
  readonly holder: string;
}

async function begin(db: Database, id: string, plan: Plan, { holder }: Hold): Promise<Begun> {
  const config = kept(plan.config);
  if (plan.experiment) {
    if (plan.config.retry_errors) await forgive(db, id);
    await resumeExperiment(db, id, config, holder);
    return { ...plan, id, datasetId: plan.experiment.datasetId, holder };
  }
  const datasetId = await saveDataset(db, plan.dataset);
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: plan.config.seed, config, holder });
  return { ...plan, id, datasetId, holder };
}

const search = async (
  db: Database,
  { id, datasetId, dataset, config, experiment, holder }: Begun,
  { primary, optimizer }: Models,
  setting: Setting,
  onClaim: () => void,
): Promise<StopReason> =>
  await setting.stage("Search", (say) =>
    runExperiment({
      id,
      datasetId,
      dataset,
      seed: config.seed,
      seedPrompt: seedPrompt(config),
      metric: grading(config, optimizer),
      primary,
      optimizer,
      caps: caps(config),
      temperature: config.temperature,
      answerTokens: config.answer_tokens,
      optimizerTokens: config.optimizer_tokens ?? (optimizer.name === "local" ? 256 : 2048),
      search: { target: config.threshold, maxIterations: config.max_iterations, patience: config.patience },
    }, {
      ...surroundings(db, config, setting),
      holder,
      secondsBefore: experiment?.seconds ?? 0,
      onProgress(progress) {
        if (progress.phase === "test") onClaim();
        say(progressLine(progress, config));
      },
    }));

/**
 * The module that writes reports. It takes a while to load, which is done while the claim waits for answers; when that fails,
 * it is tried again.
 */
function pageModule(): () => Promise<typeof import("../lib/report/page.ts")> {
  let loading: Promise<typeof import("../lib/report/page.ts")> | undefined;
  return () =>
    loading ??= import("../lib/report/page.ts").catch((error) => {
      loading = undefined;
      throw error;
    });
}

/** Prints how an experiment went, then writes its report: what cannot be written is not lost. */
async function show(
  record: ExperimentRecord,
  { id, config }: Begun,
  setting: Setting,
  page: ReturnType<typeof pageModule>,
): Promise<void> {
  setting.print(config.json ? json(resultOf(record)) : resultText(record));
  point("result: printed");
  if (config.json && record.experiment.status !== "finished") setting.tell(goOn(id)); // the text says it by itself
  const report = reportOf(config, id, setting);
  const { htmlReport } = await page().catch((cause) => { // no file is to be had, for one
    throw new UsageError(
      `Cannot write ${report}: ${cause.message.split("\n")[0]}: write it with \`deno task report ${id}\``,
      {
        cause,
      },
    );
  });
  await writeFile(report, htmlReport(record));
  setting.tell(`Report: ${report}`);
}

const goOn = (id: string): string => `Go on with: deno task optimize --resume ${id}`;

const reportOf = ({ report }: { report?: string | undefined }, id: string, { home }: Setting): string =>
  report ?? `${home}/reports/${id}.html`;

/** Whether a cap is the user's, and not the default. */
const capped = ({ max_calls, max_tokens, max_usd, max_seconds }: Config, { given }: Setting): boolean =>
  given.has("max_calls") || max_calls !== askingOptions.max_calls.parse(undefined) ||
  [max_tokens, max_usd, max_seconds].some((cap) => cap !== undefined);

/** `iteration 3, asking candidates, 412 of 1000 calls, best 62.5 of 40 questions, $0.0021`. */
function progressLine({ phase, iteration, asked, spent, best }: Progress, { max_calls }: Config): string {
  const doing = {
    primary_inference: "asking with the best prompt",
    baseline_evaluation: "scoring",
    optimizer_refine: "proposing prompts",
    refined_inference: "racing prompts",
    refined_evaluation: "comparing",
    compare_and_log: "keeping the better one",
    test: "asking the test questions",
  }[phase];
  return [
    phase === "test" ? doing : `iteration ${Math.max(1, iteration)}, ${doing}`,
    `${asked}${max_calls ? ` of ${max_calls}` : ""} calls`,
    ...best.n > 0 ? [`best ${percent(best.score)} on ${best.n} questions`] : [],
    dollars(Number(spent.cost) / 1e12),
  ].join(", ");
}

if (import.meta.main) {
  await main({ name: "optimize", summary: "search for a better prompt", schema, run: optimize });
}
