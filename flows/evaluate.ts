/**
 * `deno task evaluate`: scores one prompt on a split, or texts that are there already.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { readDataset, readPredictions } from "../lib/dataset/mod.ts";
import { runMeasurement } from "../lib/experiment/mod.ts";
import { metric, metricNames } from "../lib/metrics/mod.ts";
import type { Prompt } from "../lib/optimize/mod.ts";
import { random } from "../lib/random.ts";
import { measurementOf, measurementText, percent } from "../lib/report/mod.ts";
import { bootstrap } from "../lib/statistics/mod.ts";
import { beginExperiment, type Database, findPrompt, readExperiment, saveDataset } from "../lib/store/mod.ts";
import { common, database, databaseOption, main, models, type Setting } from "./setting.ts";
import {
  askingOptions,
  caps,
  DATASET,
  grading,
  requirePrices,
  scoringOptions,
  seedPrompt,
  settled,
  surroundings,
} from "./wiring.ts";

const schema = z.strictObject({
  dataset: z.string().default(DATASET).describe("questions and answers, .jsonl or .csv").meta({
    placeholder: "F",
  }),
  split: z.enum(["train", "validation", "test"]).default("test").describe("which questions"),
  prompt: z.string().optional()
    .describe("a prompt or an experiment by its id, or a JSON file; unless given the card's prompt")
    .meta({ placeholder: "ID|F.json" }),
  ...scoringOptions,
  ...askingOptions,
  seed: z.int().min(0).default(1).describe("of the split, where the file has none"),
  optimizer: z.string().optional().describe(
    "model that grades, with --metric judge; the primary unless given",
  )
    .meta({ placeholder: "MODEL" }),
  predictions: z.string().optional().describe(
    "score these texts instead: a JSONL file of {prediction, references}",
  )
    .meta({ placeholder: "F.jsonl" }),
  metrics: z.array(z.string()).default(["exact_match", "f1", "bleu", "rouge1", "rouge2", "rougeL"])
    .describe("with --predictions: by these, a comma between them").meta({ placeholder: "A,B" }),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

const evaluate = (options: Options, setting: Setting): Promise<number> =>
  options.predictions === undefined
    ? scorePrompt(options, setting)
    : scoreTexts(options.predictions, options, setting);

/** Has the primary model answer a split under one prompt. */
async function scorePrompt(options: Options, setting: Setting): Promise<number> {
  const dataset = await readDataset(options.dataset, { seed: options.seed });
  const settings = settled(options, dataset);
  await using db = await database(options, setting);
  const prompt = options.prompt === undefined ? seedPrompt(settings) : await promptOf(options.prompt, db);
  await using roles = await models(options, setting);
  requirePrices([roles.primary, roles.optimizer], options);
  const id = crypto.randomUUID();
  const datasetId = await saveDataset(db, dataset);
  const config = { ...options, ...settings };
  await beginExperiment(db, { id, kind: "evaluate", datasetId, seed: options.seed, config });
  await setting.stage("Questions", (say) =>
    runMeasurement({
      id,
      datasetId,
      dataset,
      split: options.split,
      prompt,
      metric: grading(settings, roles.optimizer),
      primary: roles.primary,
      caps: caps(options),
      temperature: options.temperature,
      answerTokens: settings.answer_tokens,
    }, {
      ...surroundings(db, options, setting),
      onProgress: (asked) => say(`${asked} of ${dataset[options.split].length}`),
    }));
  const record = await readExperiment(db, id);
  setting.print(options.json ? JSON.stringify(measurementOf(record)) : measurementText(record));
  return measurementOf(record).n < dataset[options.split].length ? EXIT.budget : EXIT.done;
}

/** Scores texts by several metrics; asks nobody and keeps nothing. */
async function scoreTexts(path: string, { metrics, metric: one, ...options }: Options, { print }: Setting) {
  const flags = {
    ...options.ignore_case === undefined ? {} : { ignoreCase: options.ignore_case },
    ...options.ignore_punctuation === undefined ? {} : { ignorePunctuation: options.ignore_punctuation },
    ...options.ignore_numbers === undefined ? {} : { ignoreNumbers: options.ignore_numbers },
  };
  const names = one === undefined ? metrics : [one];
  const unknown = names.find((name) => !metricNames.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`Cannot score by ${JSON.stringify(unknown)}: metrics are ${metricNames.join(", ")}`);
  }
  const rows = await readPredictions(path);
  const scores = Object.fromEntries(names.map((name) => {
    const { score, corpus } = metric(name, name === "exact_match" ? flags : {});
    const { value, signature } = corpus(rows.map((row) => row.prediction), rows.map((row) => row.references));
    const each = rows.map(({ prediction, references }) => score(prediction, references));
    return [name, { score: value, n: rows.length, ci95: bootstrap(each, { random: random(1) }), signature }];
  }));
  if (options.json) print(JSON.stringify({ n: rows.length, scores }));
  else {
    for (const [name, { score, signature }] of Object.entries(scores)) {
      print(`${name.padEnd(12)}${percent(score).padStart(6)}  ${signature}`);
    }
  }
  return EXIT.done;
}

/** A prompt from a file, or one that is kept. */
async function promptOf(name: string, db: Database): Promise<Prompt> {
  if (!/\.json$/i.test(name)) {
    try {
      return await findPrompt(db, name);
    } catch (error) {
      throw error instanceof RangeError ? new UsageError(error.message) : error;
    }
  }
  try {
    const { system_prompt, output_prompt, demos } = promptFile.parse(
      JSON.parse(await Deno.readTextFile(name)),
    );
    return { systemPrompt: system_prompt, outputPrompt: output_prompt, demos };
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new UsageError(
      `Cannot read ${name} as it must be {"system_prompt", "output_prompt"?, "demos"?: [{"question", "answer"}]}: ${why}`,
    );
  }
}

const promptFile = z.object({
  system_prompt: z.string(),
  output_prompt: z.string().default(""),
  demos: z.array(z.object({ question: z.string(), answer: z.string() })).default([]),
});

if (import.meta.main) {
  await main({ name: "evaluate", summary: "score a prompt, or texts", schema, run: evaluate });
}
