/**
 * Options that several flows share, and what they become: a metric, caps, a prompt, the surroundings of an experiment.
 *
 * @module
 */
import { z } from "zod";
import { duration, UsageError } from "../lib/command/mod.ts";
import { cardPath, type Dataset, readDataset } from "../lib/dataset/mod.ts";
import type { Grading, Setup, Surroundings } from "../lib/experiment/mod.ts";
import { type Caps, type LanguageModel, priceOf, type ProviderError } from "../lib/llm/mod.ts";
import { metric } from "../lib/metrics/mod.ts";
import type { Prompt } from "../lib/optimize/mod.ts";
import { random } from "../lib/random.ts";
import { unanswered } from "../lib/report/rows.ts";
import { count } from "../lib/report/text.ts";
import { type BillRow, type Database, type ExperimentRecord, saveDataset } from "../lib/store/mod.ts";
import { type ModelNames, type Models, remoteModels, type Setting } from "./setting.ts";

/** The question set that is used when none is named. */
export const DATASET = "data/tasks/question_types.jsonl";

/** Reads the questions, and says how far it is: a large file takes its time. */
export const questionsIn = (
  { dataset, seed }: { dataset: string; seed: number },
  { stage }: Setting,
): Promise<Dataset> =>
  stage("Dataset", (say) =>
    readDataset(dataset, {
      seed,
      onProgress: ({ bytes, totalBytes, rows }) =>
        say(`${count(rows)} rows, ${Math.round(100 * bytes / Math.max(1, totalBytes))} % read`),
    }));

/** Keeps the questions; gives the dataset's id. */
export const keepQuestions = (db: Database, dataset: Dataset, { stage }: Setting): Promise<string> =>
  stage("Dataset", (say) => {
    const { train, validation, test } = dataset;
    say(`keeping ${count(train.length + validation.length + test.length)} questions`);
    return saveDataset(db, dataset);
  });

/** How answers are scored. */
export const scoringOptions = {
  metric: z.enum(["exact_match", "f1", "bleu", "rouge1", "rouge2", "rougeL", "rougeLsum", "judge"]).optional()
    .describe("how answers are scored; unless given as the dataset's card says, else exact_match"),
  ignore_case: z.boolean().optional().describe("exact_match: case does not count"),
  ignore_punctuation: z.boolean().optional().describe("exact_match: punctuation does not count"),
  ignore_numbers: z.boolean().optional().describe("exact_match: digits do not count"),
};

/** Who is asked, and for how much at most. */
export const askingOptions = {
  primary: z.string().default("local").describe(
    "model that answers: local, openai:NAME, openai:NAME@URL, vertex:NAME",
  )
    .meta({ metavar: "MODEL" }),
  temperature: z.number().min(0).max(2).default(0).describe("of the primary model"),
  answer_tokens: z.int().min(1).optional().describe(
    "tokens of an answer at most; unless given from the references",
  ),
  max_calls: z.int().min(1).default(800).describe("requests at most, of all roles, retries too"),
  max_tokens: z.int().min(1).optional().describe("tokens at most, of all roles"),
  max_usd: z.number().min(0).optional().describe("dollars at most, of all roles").meta({ metavar: "X" }),
  max_seconds: z.number().min(1).optional().describe("seconds of running at most, over all resumptions"),
  allow_unpriced: z.boolean().default(false).describe(
    "with --max-usd: count a model of unknown price as free",
  ),
  concurrency: z.int().min(1).max(1024).default(8).describe("requests in flight at most"),
  max_retries: z.int().min(0).max(20).default(4).describe("times a failed request is sent again"),
};

/** Whether answers that are kept are read back: a server may have changed in ways that it does not tell. */
export const freshOption = {
  fresh: z.boolean().default(false).describe("asks anew what another experiment was answered"),
};

/** How a search goes. */
export const searchOptions = {
  threshold: z.number().min(0).max(1).default(0.9).describe("validation score at which the search ends"),
  max_iterations: z.int().min(0).default(10).describe("iterations at most"),
  patience: z.int().min(1).default(3).describe("iterations without a better prompt after which it ends"),
};

/** What the optimizer model is, and how it is asked. */
export const optimizerOptions = {
  optimizer: z.string().optional().describe(
    "model that rewrites prompts and grades; the primary unless given",
  )
    .meta({ metavar: "MODEL" }),
  optimizer_tokens: z.int().min(1).optional().describe("tokens of its reply at most"),
};

/** Options of a search as they are read. */
export type SearchOptions =
  & { readonly seed: number }
  & z.output<
    z.ZodObject<typeof searchOptions & typeof askingOptions & typeof optimizerOptions>
  >;

/** What the dataset's card fills in. A configuration with these names is whole: a resumed run needs no card. */
export interface Settled {
  readonly metric: string;
  readonly metric_options: Readonly<Record<string, unknown>>;
  readonly system_prompt: string;
  readonly output_prompt: string;
  readonly answer_tokens: number;
}

/** Flags over card over defaults. */
export function settled(
  options: {
    dataset: string;
    metric?: string | undefined;
    ignore_case?: boolean | undefined;
    ignore_punctuation?: boolean | undefined;
    ignore_numbers?: boolean | undefined;
    system_prompt?: string | undefined;
    output_prompt?: string | undefined;
    answer_tokens?: number | undefined;
    primary: string;
  },
  { card, train, validation, test }: Dataset,
): Settled {
  const name = options.metric ?? card.metric ?? "exact_match";
  if (options.metric === undefined && name !== "judge") {
    try {
      metric(name, card.metricOptions);
    } catch (error) {
      throw new UsageError(`Cannot use ${cardPath(options.dataset)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
  const flags = ignored(options, [name]);
  return {
    metric: name,
    metric_options: { ...name === card.metric ? card.metricOptions : {}, ...flags },
    system_prompt: options.system_prompt ?? card.systemPrompt ?? "You are a helpful assistant.",
    output_prompt: options.output_prompt ?? card.outputPrompt ?? "",
    answer_tokens: options.answer_tokens ?? answerTokens([train, validation, test].flat(), options.primary),
  };
}

/** What exact match is to ignore, as its options are called. Throws UsageError where nothing is scored by it. */
export function ignored(
  { ignore_case, ignore_punctuation, ignore_numbers }: {
    ignore_case?: boolean | undefined;
    ignore_punctuation?: boolean | undefined;
    ignore_numbers?: boolean | undefined;
  },
  metrics: readonly string[],
): Readonly<Record<string, boolean>> {
  const flags = Object.entries({
    ignoreCase: ignore_case,
    ignorePunctuation: ignore_punctuation,
    ignoreNumbers: ignore_numbers,
  }).filter((flag): flag is [string, boolean] => flag[1] !== undefined);
  if (flags.length > 0 && !metrics.includes("exact_match")) {
    throw new UsageError(
      `Cannot use --ignore-… to score by ${metrics.join(", ")}: they are options of exact_match`,
    );
  }
  return Object.fromEntries(flags);
}

/**
 * Room for the longest reference: two bytes a token are fewer than any tokenizer makes of words, and some to spare. A
 * larger model may think or greet before it answers.
 */
function answerTokens(examples: Dataset["train"], primary: string): number {
  const encoder = new TextEncoder();
  let bytes = 0; // a loop, as a call takes no hundred thousand arguments
  for (const { references } of examples) {
    for (const text of references) bytes = Math.max(bytes, encoder.encode(text).length);
  }
  const needed = Math.min(1024, Math.ceil(bytes / 2) + 8);
  return primary === "local" ? needed : Math.max(256, 2 * needed);
}

/** The prompt to begin with. */
export const seedPrompt = ({ system_prompt, output_prompt }: Settled): Prompt => ({
  systemPrompt: system_prompt,
  outputPrompt: output_prompt,
  demos: [],
});

/** The metric, or the model that grades. */
export function grading({ metric: name, metric_options }: Settled, judge: LanguageModel): Grading {
  if (name === "judge") return { judge };
  try {
    return metric(name, metric_options);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** Hard caps of all roles. */
export const caps = ({ max_calls, max_tokens, max_usd, max_seconds }: {
  max_calls?: number | undefined;
  max_tokens?: number | undefined;
  max_usd?: number | undefined;
  max_seconds?: number | undefined;
}): Caps => ({
  calls: max_calls,
  tokens: max_tokens,
  cost: max_usd === undefined ? undefined : BigInt(Math.round(max_usd * 1e6)) * 1_000_000n,
  seconds: max_seconds,
});

/** Refuses, before anything is started, a wrong metric, model or key, and a dollar cap that could not hold. */
export async function requireAskable(
  config: Settled & ModelNames & { max_usd?: number | undefined; allow_unpriced: boolean },
  setting: Setting,
): Promise<void> {
  grading(config, NOBODY);
  const unpriced = (await remoteModels(config, setting)).find((model) => priceOf(model) === null);
  if (config.max_usd === undefined || config.allow_unpriced || !unpriced) return;
  throw new UsageError(
    `Cannot keep to --max-usd as the price of ${unpriced.name} is not known: list it in data/prices.json, ` +
      `cap it with --max-calls or --max-tokens, or count it as free with --allow-unpriced`,
  );
}

const NOBODY = { name: "", identity: {}, promptTokensAtMost: () => 0, complete: () => Promise.reject() };

/**
 * What to say of calls that failed, when some did in this process or were given up in any, or when the seconds ended a run of
 * which nobody answered a call; `all` where not one call was ever answered.
 */
export function failures(
  record: ExperimentRecord,
  last: ProviderError | undefined,
): { readonly text: string; readonly givenUp: number; readonly all: boolean } | undefined {
  const { bill, experiment: { status, config } } = record;
  const sum = (count: (row: BillRow) => number) => bill.reduce((total, row) => total + count(row), 0);
  const [calls, failed] = [sum((row) => row.calls), sum((row) => row.failed)];
  const all = unanswered(record);
  const late = all && failed > 0 && status === "finished" && typeof config.max_seconds === "number"
    ? `no answer came within ${config.max_seconds} s: see that the model's server answers, or raise --max-seconds`
    : undefined;
  const why = last?.message ?? bill.find(({ error }) => error !== null)?.error ?? late;
  if (!why || failed === 0) return undefined; // the last failure of a process may be another experiment's
  return {
    text: `${failed} of ${calls} calls failed, the last one with: ${why}`,
    givenUp: sum((row) => row.given_up),
    all,
  };
}

/** Prints what came of the experiment `id`. Throws UsageError when there is no room for it. */
export function printResult(text: string, id: string, { print }: Setting): void {
  try {
    print(text);
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`${message}; the result is kept: \`deno task show ${id}\` prints it`, { cause });
  }
}

/** What an experiment depends on, from what it was begun with. */
export const setupOf = (
  { id, datasetId, dataset, config }: {
    readonly id: string;
    readonly datasetId: string;
    readonly dataset: Dataset;
    readonly config: Settled & SearchOptions;
  },
  { primary, optimizer }: Pick<Models, "primary" | "optimizer">,
  learned: Setup["search"],
): Setup => ({
  ...{ id, datasetId, dataset, primary, optimizer },
  seed: config.seed,
  seedPrompt: seedPrompt(config),
  metric: grading(config, optimizer),
  caps: caps(config),
  temperature: config.temperature,
  answerTokens: config.answer_tokens,
  optimizerTokens: config.optimizer_tokens ?? (optimizer.name === "local" ? 256 : 2048),
  search: {
    target: config.threshold,
    maxIterations: config.max_iterations,
    patience: config.patience,
    ...learned,
  },
});

/**
 * `waiting 34 s for openai:llama3, as it answered 503: overloaded`: what a line of progress says while a model cannot be
 * asked. Errors say after their first "as" what happened; before that stands whom it happened to, which is said shorter here.
 */
export function pauseLine({ model, ms, error }: Parameters<NonNullable<Surroundings["onPause"]>>[0]): string {
  const name = model.replace(/@[a-z]+:.*$/s, "");
  const doing = ms > 0 ? `waiting ${duration(Math.ceil(ms / 1000))} for ${name}` : `asking ${name} again`;
  return `${doing}, as ${error.message.replace(/^Cannot .*? as /s, "")}`;
}

/** What an experiment is given from outside; `say` is told why and for how long a model cannot be asked. */
export const surroundings = (
  db: Database,
  { concurrency, max_retries }: { concurrency: number; max_retries: number },
  { stop }: Setting,
  say: (status: string) => void,
): Surroundings => ({
  db,
  priceOf,
  retry: { maxRetries: max_retries, random: random(crypto.randomUUID()) },
  concurrency,
  newId: () => crypto.randomUUID(),
  elapsed: () => performance.now(),
  stop,
  onPause: (pause) => say(pauseLine(pause)),
});
