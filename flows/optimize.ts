/**
 * `deno task optimize`: searches for a better prompt, and says by how much it is better.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { readDataset } from "../lib/dataset/mod.ts";
import { type Progress, runExperiment } from "../lib/experiment/mod.ts";
import { dollars, htmlReport, percent, resultOf, resultText } from "../lib/report/mod.ts";
import {
  beginExperiment,
  type Database,
  loadDataset,
  readExperiment,
  resumeExperiment,
  saveDataset,
} from "../lib/store/mod.ts";
import { common, database, databaseOption, found, main, models, type Setting, writeFile } from "./setting.ts";
import {
  askingOptions,
  caps,
  DATASET,
  grading,
  requirePrices,
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
  ...[
    "threshold",
    "max_iterations",
    "patience",
    "require_target",
    "report",
    "database",
    "json",
    "config",
    "resume",
  ],
];

async function optimize(options: Options, setting: Setting): Promise<number> {
  const dataset = options.resume === undefined
    ? await readDataset(options.dataset, { seed: options.seed })
    : undefined;
  const fresh = dataset && { ...options, ...settled(options, dataset) };
  if (fresh) grading(fresh, NOBODY); // a wrong metric is told before anything is started
  await using db = await database(options, setting);
  const run = fresh ? { config: fresh, dataset: dataset! } : await resumed(db, options, setting);
  await using roles = await models(run.config, setting);
  requirePrices([roles.primary, roles.optimizer], run.config);
  const { id, seconds } = "id" in run ? run : await begun(db, run);

  const stopReason = await setting.stage("Search", async (say) => {
    const { config } = run;
    return await runExperiment({
      id,
      datasetId: await saveDataset(db, run.dataset),
      dataset: run.dataset,
      seed: config.seed,
      seedPrompt: seedPrompt(config),
      metric: grading(config, roles.optimizer),
      primary: roles.primary,
      optimizer: roles.optimizer,
      caps: caps(config),
      temperature: config.temperature,
      answerTokens: config.answer_tokens,
      optimizerTokens: config.optimizer_tokens ?? (roles.optimizer.name === "local" ? 256 : 2048),
      search: { target: config.threshold, maxIterations: config.max_iterations, patience: config.patience },
    }, {
      ...surroundings(db, config, setting),
      secondsBefore: seconds,
      onProgress: (progress) => say(progressLine(progress, config)),
    });
  });

  const record = await readExperiment(db, id);
  const report = options.report ?? `${setting.home}/reports/${id}.html`;
  await writeFile(report, htmlReport(record));
  setting.print(options.json ? JSON.stringify(resultOf(record)) : resultText(record));
  setting.tell(`Report: ${report}`);
  if (options.require_target && stopReason !== "target") return EXIT.target;
  const capped = ["max_calls", "max_tokens", "max_usd", "max_seconds"].some((name) =>
    setting.given.has(name)
  );
  return stopReason === "budget" && capped ? EXIT.budget : EXIT.done; // the default budget is no cap of the user's
}

/** Stands in while only the metric's name and options are checked. */
const NOBODY = { name: "", identity: {}, promptTokensAtMost: () => 0, complete: () => Promise.reject() };

async function begun(
  db: Database,
  { config, dataset }: { config: Config; dataset: Parameters<typeof saveDataset>[1] },
) {
  const id = crypto.randomUUID();
  const datasetId = await saveDataset(db, dataset);
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: config.seed, config: { ...config } });
  return { id, seconds: 0 };
}

/** The experiment that is to go on, with what may be changed changed. */
async function resumed(db: Database, options: Options, { given }: Setting) {
  const fixed = [...given].find((name) => !RESUMABLE.includes(name));
  if (fixed) {
    throw new UsageError(
      `Cannot change --${fixed.replaceAll("_", "-")} of an experiment that is resumed: leave it out`,
    );
  }
  const experiment = await found(db, options.resume!);
  if (experiment.kind !== "optimize") {
    throw new UsageError(`Cannot resume ${options.resume} as it is no optimization but an evaluation`);
  }
  const changes = Object.fromEntries(Object.entries(options).filter(([name]) => given.has(name)));
  const config = { ...experiment.config, ...changes } as unknown as Config;
  await resumeExperiment(db, experiment.id, { ...config });
  const { id, datasetId, seconds } = experiment;
  return { id, seconds, config, dataset: await loadDataset(db, datasetId) };
}

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
