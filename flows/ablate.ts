/**
 * `deno task ablate`: what the meta-model and the policy contribute, measured on the locked test split at equal calls.
 *
 * First some searches without either, from which both are learned; each also says how well the meta-model of the searches
 * before it orders its prompts. Then, for each seed, a search with neither, each, and both, as a loop would use them (a
 * meta-model that does not beat the mean is not used). They are compared search by search, as searches of one kind differ by
 * more than their questions tell. Answers are kept like any others: what was paid for is not asked again when an ablation is
 * repeated.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { type Dataset, readDataset } from "../lib/dataset/mod.ts";
import { runExperiment } from "../lib/experiment/mod.ts";
import { fit } from "../lib/gbdt/mod.ts";
import { ProviderError } from "../lib/llm/mod.ts";
import {
  beatsChance,
  beatsTheMean,
  doubt,
  openSurrogate,
  trainMetaModel,
  trainPolicy,
} from "../lib/learning/mod.ts";
import { LIMITS } from "../lib/optimize/mod.ts";
import { mean } from "../lib/optimize/candidate.ts";
import { random } from "../lib/random.ts";
import { percent, points, probability } from "../lib/report/text.ts";
import { type Comparison, paired } from "../lib/statistics/mod.ts";
import {
  beginExperiment,
  contextOf,
  type Database,
  type ExperimentRecord,
  type MetaModelRow,
  promptOf,
  readExperiment,
  saveDataset,
} from "../lib/store/mod.ts";
import { json as document } from "../lib/text.ts";
import { type Learned, learned, type Learning, openLearning, slots } from "./learning.ts";
import {
  common,
  database,
  databaseOption,
  kept,
  main,
  type Models,
  models,
  type Setting,
  VERSIONS,
} from "./setting.ts";
import {
  askingOptions,
  DATASET,
  failures,
  optimizerOptions,
  requireAskable,
  scoringOptions,
  searchOptions,
  seedPrompt,
  settled,
  setupOf,
  surroundings,
} from "./wiring.ts";
import { weightsOf } from "./weights.ts";

const schema = z.strictObject({
  dataset: z.string().default(DATASET).describe("questions and answers, .jsonl or .csv").meta({
    metavar: "F",
  }),
  seeds: z.int().min(1).default(6).describe(
    "searches of each kind; five or fewer cannot tell anything from luck",
  ),
  lessons: z.int().min(1).default(6).describe(
    "searches to learn from first; of five or fewer no meta-model is used",
  ),
  seed: z.int().min(0).default(1).describe("of the first search of each kind"),
  timesteps: z.int().min(1).default(5000).describe("that the policy is trained for"),
  ...scoringOptions,
  ...searchOptions,
  ...askingOptions,
  ...optimizerOptions,
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

/** What a search is given of what was learned. */
const ARMS = [
  { name: "neither", surrogate: false, policy: false },
  { name: "surrogate", surrogate: true, policy: false },
  { name: "policy", surrogate: false, policy: true },
  { name: "both", surrogate: true, policy: true },
] as const;
type Arm = typeof ARMS[number];

/** One search of an ablation. */
interface Run {
  readonly id: string;
  readonly seed: number;
  readonly record: ExperimentRecord;
}

async function ablate(options: Options, setting: Setting): Promise<number> {
  const { print, stage, tell } = setting;
  await requireAskable({ ...options, ...settled(options, await dealt(options, options.seed)) }, setting);
  await using db = await database(options, setting);
  await using roles = await models(options, setting);
  await using learning = openLearning(setting);
  const search = (name: string, seed: number, learned: Learned) =>
    stage(
      `${name}, seed ${seed}`,
      (say) => searched(db, { options, seed, learned, roles, learning, setting, say }),
    );

  const foresight: { searches: number; prompts: number; rank_correlation: number | null }[] = [];
  let metaModel: MetaModelRow | null = null;
  for (let lesson = 0; lesson < options.lessons; lesson++) {
    const run = await search(
      `Lesson ${lesson + 1} of ${options.lessons}`,
      options.seed + FIRST_LESSON + lesson,
      learned({}),
    );
    if (run === null) return EXIT.interrupted;
    if (metaModel) {
      foresight.push({ searches: lesson, ...await foresaw(db, metaModel, run, learning) });
    }
    metaModel = await stage("Meta-model", async () =>
      (await trainMetaModel({
        ...{ db, embed: learning.embed, lightgbm: await learning.lightgbm() },
        ...{ newId: () => crypto.randomUUID(), elapsed: () => performance.now() },
      })).trained);
  }
  const surrogate = metaModel && beatsTheMean(metaModel) ? metaModel.id : null;
  if (surrogate === null) {
    tell(`No surrogate: the meta-model ${metaModel ? doubt(metaModel) : "was not trained"}.`);
  }
  const policy = await stage("Policy", async (say) => {
    const dataset = await dealt(options, options.seed);
    return await trainPolicy({
      ...{ db, embed: learning.embed, lightgbm: learning.lightgbm, blas: await learning.blas() },
      ...{ train: dataset.train, limits: LIMITS, seedPrompt: seedPrompt(settled(options, dataset)) },
      ...{ random: random(options.seed), newId: () => crypto.randomUUID(), elapsed: () => performance.now() },
      timesteps: options.timesteps,
      onProgress: ({ timesteps, totalTimesteps }) => say(`${timesteps} of ${totalTimesteps} edits`),
    });
  });

  const edits = beatsChance(policy) ? policy.id : null;
  if (edits === null) tell("No policy: its edits are no better than edits by chance.");

  const runs = new Map<Arm["name"], Run[]>();
  for (let seed = options.seed; seed < options.seed + options.seeds; seed++) {
    for (const { name, ...uses } of ARMS) {
      const run = await search(
        name,
        seed,
        learned({
          metaModel: uses.surrogate ? surrogate : null,
          policy: uses.policy ? edits : null,
        }),
      );
      if (run === null) return EXIT.interrupted;
      runs.set(name, [...runs.get(name) ?? [], run]);
    }
  }
  const rows = ARMS.map(({ name }) => contribution(name, runs.get("neither")!, runs.get(name)!));
  if (options.json) {
    print(document({ arms: rows, foresight, meta_model_id: surrogate, policy_id: edits }));
  } else print(text(rows, foresight, options));
  return EXIT.done;
}

/** Searches to learn from have seeds of their own: nothing is judged by what it was learned from. */
const FIRST_LESSON = 1000;

const dealt = (options: Options, seed: number): Promise<Dataset> => readDataset(options.dataset, { seed });

/** A search that is kept like any other; null when the user ended it. Throws ProviderError where nothing was answered in it. */
async function searched(db: Database, { options, seed, learned, roles, learning, setting, say }: {
  options: Options;
  seed: number;
  learned: Learned;
  roles: Models;
  learning: Learning;
  setting: Setting;
  say: (status: string) => void;
}): Promise<Run | null> {
  const dataset = await dealt(options, seed);
  const id = crypto.randomUUID(), datasetId = await saveDataset(db, dataset);
  const weights = weightsOf(roles); // it may be resumed like any other
  const config = { ...options, ...settled(options, dataset), ...learned, seed, versions: VERSIONS, weights };
  await beginExperiment(db, {
    ...{ id, kind: "optimize", datasetId, seed },
    config: kept(config, ["seeds", "lessons", "timesteps"]),
  });
  await using filled = await slots(db, { datasetId, dataset, config }, learning);
  const reason = await runExperiment(setupOf({ id, datasetId, dataset, config }, roles, filled.search), {
    ...surroundings(db, options, setting, say),
    onProgress: ({ iteration, asked, best }) =>
      say(`iteration ${iteration}, ${asked} of ${options.max_calls} calls, best ${percent(best.score)}`),
  });
  if (reason === "interrupted") {
    setting.tell("Go on with the same command: what was answered is read back.");
    return null;
  }
  const record = await readExperiment(db, id);
  const failed = failures(record, roles.failure());
  if (failed?.all) throw new ProviderError(failed.text);
  if (failed) setting.tell(failed.text);
  return { id, seed, record };
}

/** How well a model of earlier searches orders the prompts of a later one. */
async function foresaw(
  db: Database,
  model: MetaModelRow,
  { record: { experiment, trials } }: Run,
  { embed, lightgbm }: Learning,
): Promise<{ prompts: number; rank_correlation: number | null }> {
  const context = await contextOf(db, experiment.dataset_id, experiment.config);
  using opened = openSurrogate(model, { context, embed, lightgbm: await lightgbm() });
  const scored = trials.filter(({ validation }) => validation !== null);
  if (scored.length < 2) return { prompts: scored.length, rank_correlation: null };
  const predicted = await opened.surrogate(scored.map(promptOf));
  const { rankCorrelation } = fit(predicted, scored.map(({ validation }) => validation!));
  return { prompts: scored.length, rank_correlation: rankCorrelation };
}

/** What a kind of search came to, and by how much it was better than one with neither. */
interface Contribution {
  readonly arm: Arm["name"];
  /** Mean score of the best prompts on the test questions. */
  readonly test: number;
  /** Searches with test questions that it and the one it is compared with answered. */
  readonly n: number;
  readonly calls: number;
  /** Search by search; null for the one that the others are compared with. */
  readonly against_neither: Omit<Comparison, "pValue"> & { readonly p_value: number } | null;
}

/** `runs` against those with neither, of the same seeds in the same order. */
export function contribution(
  arm: Arm["name"],
  neither: readonly Pick<Run, "record">[],
  runs: readonly Pick<Run, "record">[],
): Contribution {
  const pairs = runs.flatMap((run, i) => means(neither[i]!, run));
  const { pValue: p_value, ...comparison } = paired(
    pairs.map(([before]) => before),
    pairs.map(([, after]) => after),
    { random: random(arm) },
  );
  return {
    arm,
    test: mean(pairs.map(([, after]) => after)),
    n: pairs.length,
    calls: mean(runs.map(({ record }) => record.trials.at(-1)!.calls)),
    against_neither: arm === "neither" ? null : { ...comparison, p_value },
  };
}

/** Mean scores of the best prompts of two searches, on the test questions that both answered; a pair, or none without such. */
function means(before: Pick<Run, "record">, after: Pick<Run, "record">): [before: number, after: number][] {
  const [old, now] = [scores(before), scores(after)];
  const common = [...now.keys()].filter((question) => old.has(question));
  if (common.length === 0) return [];
  return [[
    mean(common.map((question) => old.get(question)!)),
    mean(common.map((question) => now.get(question)!)),
  ]];
}

/** The scores of a search's best prompt on test, by question. */
const scores = ({ record: { experiment, answers } }: Pick<Run, "record">): Map<string, number> =>
  new Map(
    answers.filter(({ version }) => version === experiment.after).map((
      { example, score },
    ) => [example, score]),
  );

function text(
  rows: readonly Contribution[],
  foresight: readonly { searches: number; prompts: number; rank_correlation: number | null }[],
  { seeds, max_calls }: Options,
): string {
  return [
    `${seeds} searches of each kind, ${max_calls} calls each, locked test split:`,
    "",
    "             test   against neither   95 % interval",
    ...rows.map(({ arm, test, against_neither: comparison }) =>
      [
        arm.padEnd(10),
        `${percent(test)} %`.padStart(7),
        comparison === null ? "" : [
          points(comparison.mean).padStart(15),
          `[${comparison.ci95.map(points).join(", ")}]`.padStart(17),
          probability(comparison.p_value).padStart(11),
          comparison.significant ? (comparison.mean > 0 ? "better" : "worse") : "no contribution",
        ].join(" "),
      ].join(" ").trimEnd()
    ),
    ...foresight.length === 0
      ? []
      : ["", "How well the meta-model foresaw the order of the next search's prompts:"],
    ...foresight.map(({ searches, prompts, rank_correlation }) =>
      `  after ${searches} ${searches === 1 ? "search" : "searches"}: ` +
      (rank_correlation === null
        ? "too few prompts"
        : `rank correlation ${rank_correlation.toFixed(2)}, ${prompts} prompts`)
    ),
  ].join("\n");
}

if (import.meta.main) {
  await main({
    name: "ablate",
    summary: "what the meta-model and the policy contribute",
    schema,
    run: ablate,
  });
}
