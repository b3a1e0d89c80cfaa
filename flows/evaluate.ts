/**
 * `deno task evaluate`: scores one prompt on a split, or texts that are there already.
 *
 * @module
 */
import { z } from "zod";
import { estimate, EXIT, pace, UsageError } from "../lib/command/mod.ts";
import { readPredictions } from "../lib/dataset/mod.ts";
import { runMeasurement, type Unreadable } from "../lib/experiment/mod.ts";
import { type Metric, metric, metricNames } from "../lib/metrics/mod.ts";
import { nearest } from "../lib/nearest.ts";
import type { Prompt } from "../lib/optimize/mod.ts";
import { random } from "../lib/random.ts";
import { measurementOf } from "../lib/report/result.ts"; // from mod.ts would come the charts, which take their time
import { measurementText } from "../lib/report/terminal.ts";
import { percent } from "../lib/report/text.ts";
import { corpusInterval, type Interval, meanInterval } from "../lib/statistics/mod.ts";
import { isStorable, json } from "../lib/text.ts";
import { beginExperiment, findPrompt, promptOf, readExperiment } from "../lib/store/mod.ts";
import {
  common,
  database,
  databaseOption,
  jsonFile,
  kept as keptOptions,
  main,
  models,
  named,
  type Setting,
  VERSIONS,
} from "./setting.ts";
import {
  askingOptions,
  caps,
  DATASET,
  failures,
  freshOption,
  grading,
  ignored,
  keepQuestions,
  printResult,
  questionsIn,
  requireAskable,
  scoringOptions,
  seedPrompt,
  settled,
  surroundings,
} from "./wiring.ts";
import { fenced } from "./artifacts.ts";
import { afresh } from "./weights.ts";

export const schema = z.strictObject({
  dataset: z.string().default(DATASET).describe("questions and answers, .jsonl or .csv").meta({
    metavar: "F",
  }),
  split: z.enum(["train", "validation", "test"]).default("test").describe("which questions"),
  prompt: z.string().optional()
    .describe(
      "id of a prompt (`show ID` has it), EXPERIMENT for its best, EXPERIMENT:VERSION, or a JSON file",
    )
    .meta({ metavar: "ID|F.json" }),
  ...scoringOptions,
  ...askingOptions,
  ...freshOption,
  seed: z.int().min(0).default(1).describe(
    "of the split, where the file has none, and of draws at a temperature above 0",
  ),
  optimizer: z.string().optional().describe(
    "model that grades, with --metric judge; the primary unless given",
  )
    .meta({ metavar: "MODEL" }),
  predictions: z.string().optional().describe(
    "score these texts instead: a JSONL file of {prediction, references}",
  )
    .meta({ metavar: "F.jsonl" }),
  metrics: z.array(z.string()).default(["exact_match", "f1", "bleu", "rouge1", "rouge2", "rougeL"])
    .describe("with --predictions: by these, a comma between them").meta({ metavar: "A,B" }),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

async function evaluate(options: Options, setting: Setting): Promise<number> {
  const own = chosen(options, setting);
  requireOneForm(options, own);
  if (options.predictions === undefined) return await scorePrompt(options, setting);
  const names = own.has("metrics") || options.metric === undefined ? options.metrics : [options.metric];
  const flags = ["ignore_case", "ignore_punctuation", "ignore_numbers"].some((name) => own.has(name)) ||
      names.includes("exact_match")
    ? ignored(options, names)
    : {}; // a variable that other commands heed
  return await scoreTexts(options.predictions, { ...options, names, flags }, setting);
}

/**
 * The options that somebody chose for this command, each with its source: a variable is there for every command, and a form of
 * Prefect's fills in defaults.
 */
function chosen(options: Options, { given, env }: Setting): ReadonlyMap<string, string> {
  const isDefault = (name: keyof Options) =>
    json(options[name] ?? null) === json(schema.shape[name].safeParse(undefined).data ?? null);
  return new Map(
    [...given].filter(([name, from]) =>
      from.startsWith("--") || env[from] === undefined && !isDefault(name as keyof Options)
    ),
  );
}

/** What is heeded where texts are scored. */
const OF_TEXTS = ["predictions", "metrics", ...Object.keys(scoringOptions), ...Object.keys(common)];

/** Refuses options of one form that were chosen with the other, which would not heed them. Throws UsageError. */
function requireOneForm({ predictions }: Options, own: ReadonlyMap<string, string>): void {
  const [metric, metrics] = [own.get("metric"), own.get("metrics")];
  if (predictions === undefined) {
    if (metrics === undefined) return;
    throw new UsageError(
      `Cannot use ${metrics} without --predictions as it is what texts are scored by: answers to --dataset are by --metric`,
    );
  }
  const other = [...own].find(([name]) => !OF_TEXTS.includes(name));
  if (other) {
    throw new UsageError(
      `Cannot use ${
        other[1]
      } with --predictions as nobody is asked for texts that are there: leave either out`,
    );
  }
  if (metric !== undefined && metrics !== undefined) {
    throw new UsageError(`Cannot use ${metric} with ${metrics}: give either`);
  }
}

/** Not kept with an experiment: the other form's options, and the card's prompt, which no option gives. */
const LEFT_OUT = ["predictions", "metrics", "system_prompt", "output_prompt"];

/** Has the primary model answer a split under one prompt. */
async function scorePrompt(options: Options, setting: Setting): Promise<number> {
  const dataset = await questionsIn(options, setting);
  const settings = settled(options, dataset);
  await requireAskable({ ...options, ...settings }, setting);
  const { prompt: name } = options;
  const given = name === undefined
    ? seedPrompt(settings)
    : /\.json$/i.test(name)
    ? await promptFile(name)
    : name;
  await using db = await database(options, setting);
  const kept = typeof given === "string" ? await named(() => findPrompt(db, given)) : undefined;
  const prompt = kept?.prompt ?? given as Prompt;
  await using opened = await models(options, setting);
  const id = crypto.randomUUID();
  const roles = options.fresh ? afresh(opened, id) : opened;
  const datasetId = await keepQuestions(db, dataset, setting);
  const asked = kept ? { prompt: kept.id } : {}; // `latest` will be another one
  const config = keptOptions({ ...options, ...settings, ...asked, versions: VERSIONS }, LEFT_OUT);
  await beginExperiment(db, { id, kind: "evaluate", datasetId, seed: options.seed, config });
  const wanted = dataset[options.split].length;
  const { run } = setting;
  let unreadable = undefined as Unreadable | undefined;
  const silent: string[] = [];
  await setting.stage("Questions", (say) => {
    const left = pace(() => performance.now());
    const measured = () =>
      runMeasurement({
        id,
        datasetId,
        dataset,
        seed: options.seed,
        split: options.split,
        prompt,
        metric: grading(settings, roles.optimizer),
        primary: roles.primary,
        caps: caps(options),
        temperature: options.temperature,
        answerTokens: settings.answer_tokens,
      }, {
        ...surroundings(db, options, setting, say),
        onProgress(asked) {
          const seconds = left(asked, wanted);
          say(`${asked} of ${wanted}`, seconds === undefined ? "" : `< ${estimate(seconds)} left`);
        },
        onUnreadable(grades) {
          unreadable = grades;
        },
        onSilent: (line) => silent.push(line),
      });
    return run.task("evaluation", "1", measured);
  });
  const record = await readExperiment(db, id);
  const result = measurementOf(record);
  const text = measurementText(record);
  printResult(options.json ? json(result) : text, id, setting);
  run.progress(100 * result.n / Math.max(1, wanted), `${result.n} of ${wanted} questions`);
  run.artifact({ key: "result", type: "markdown", data: fenced(text), description: "What came of it" });
  const failed = failures(record, opened.failure());
  if (failed) setting.tell(failed.text);
  if (unreadable) setting.tell(unreadable.text);
  silent.forEach(setting.tell);
  if (result.status === "interrupted") {
    setting.tell(
      `Go on with the same command: what was answered is ${options.fresh ? "asked anew" : "read back"}.`,
    );
    return EXIT.interrupted;
  }
  if (failed?.all) return EXIT.provider;
  const answered = settings.metric === "judge" ? "answered and graded" : "answered";
  if (result.n < wanted) setting.tell(`${result.n} of ${wanted} questions were ${answered}.`);
  return record.experiment.stop_reason === "budget" ? EXIT.budget : EXIT.done;
}

/** Scores texts by several metrics; asks nobody and keeps nothing. */
async function scoreTexts(
  path: string,
  { names, flags, json: asJson }: Options & {
    readonly names: readonly string[];
    readonly flags: Readonly<Record<string, boolean>>;
  },
  { print }: Setting,
): Promise<number> {
  if (names.length === 0) {
    throw new UsageError(`Cannot score by no metric: --metrics takes some of ${metricNames.join(", ")}`);
  }
  const unknown = names.find((name) => !metricNames.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`Cannot score by ${JSON.stringify(unknown)}: metrics are ${metricNames.join(", ")}`);
  }
  const rows = await readPredictions(path);
  const predictions = rows.map(({ prediction }) => prediction);
  const references = rows.map(({ references }) => references);
  const scored = names.map((name) => {
    const by = metric(name, name === "exact_match" ? flags : {});
    const { value: score, signature } = by.corpus(predictions, references);
    return { name, by, score, signature };
  });
  if (asJson) {
    const scores = scored.map(({ name, by, score, signature }) => {
      const ci95 = intervalOf(by, predictions, references);
      return [name, { score, n: rows.length, ci95, signature }];
    });
    print(json({ n: rows.length, scores: Object.fromEntries(scores) }));
  } else {
    for (const { name, score, signature } of scored) {
      print(`${name.padEnd(12)}${percent(score).padStart(6)}  ${signature}`);
    }
  }
  return EXIT.done;
}

/** The interval of a corpus' score, by its own formula where it has one. */
function intervalOf(
  { score, corpusOf }: Metric,
  predictions: readonly string[],
  references: readonly (readonly string[])[],
): Interval {
  const chance = random(1);
  return corpusOf
    ? corpusInterval(predictions.length, corpusOf(predictions, references), { random: chance })
    : meanInterval(predictions.map((text, i) => score(text, references[i]!)), { random: chance });
}

async function promptFile(path: string): Promise<Prompt> {
  const { success, data, error } = promptSchema.safeParse(await jsonFile(path, "a prompt"));
  if (success) {
    const { bias = {}, ...parts } = data;
    return promptOf({ ...parts, bias: Object.keys(bias).length > 0 ? bias : null });
  }
  const issue = error.issues.find(({ code }) => code === "unrecognized_keys") ?? error.issues[0]!;
  const at = issue.path.join(".");
  const wrong = issue.code === "unrecognized_keys"
    ? `${at && `${at}: `}${unknownField(issue.keys[0]!, at === "" ? promptSchema : demoSchema)}`
    : `${at || "it"}: ${issue.message}`;
  throw new UsageError(
    `Cannot read ${path} as it must be {"system_prompt", "output_prompt"?, "demos"?: [{"question", "answer"}], ` +
      `"bias"?: {"answer": nats}}: ${wrong}`,
  );
}

function unknownField(name: string, { shape }: z.ZodObject): string {
  const close = nearest(name, Object.keys(shape));
  return `there is no field ${JSON.stringify(name)}${
    close ? `: did you mean ${JSON.stringify(close)}?` : ""
  }`;
}

const storable = z.string().refine(isStorable, "must have no NUL and no half of a surrogate pair");
const demoSchema = z.strictObject({ question: storable, answer: storable });
const promptSchema = z.strictObject({
  system_prompt: storable,
  output_prompt: storable.default(""),
  demos: z.array(demoSchema).default([]),
  /** As much as OpenAI's API takes. */
  bias: z.record(storable, z.number().min(-100).max(100)).optional(),
});

if (import.meta.main) {
  await main({
    name: "evaluate",
    flow: "evaluate",
    summary: "score a prompt, or texts",
    schema,
    run: evaluate,
  });
}
