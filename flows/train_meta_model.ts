/**
 * `deno task train-meta-model`: learns to predict the score of a prompt from all prompts that were scored so far.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { DEFAULTS } from "../lib/gbdt/mod.ts";
import { beatsTheMean, doubt, FEWEST_PROMPTS, observations, trainMetaModel } from "../lib/learning/mod.ts";
import { probability } from "../lib/report/text.ts";
import type { Accuracy, Foresight, MetaModelRow } from "../lib/store/mod.ts";
import { json as document } from "../lib/text.ts";
import { metaModelArtifact } from "./artifacts.ts";
import { openLearning } from "./learning.ts";
import { common, database, databaseOption, main, type Setting } from "./setting.ts";

export const schema = z.strictObject({
  boosting: z.enum(["gbdt", "random_forest"]).default(DEFAULTS.boosting)
    .describe("each tree mends what those before it leave, or the mean of trees on different rows"),
  learning_rate: z.number().gt(0).max(1).default(DEFAULTS.learningRate).describe(
    "share of a tree that is added",
  ),
  num_leaves: z.int().min(2).max(1024).default(DEFAULTS.numLeaves).describe("of a tree at most"),
  min_data_in_leaf: z.int().min(0).optional().describe(
    "prompts in a leaf at least; an eighth of them, 2 to 20, unless given",
  ),
  feature_fraction: z.number().gt(0).max(1).default(DEFAULTS.featureFraction).describe(
    "features that a tree sees",
  ),
  bagging_fraction: z.number().gt(0).max(1).default(DEFAULTS.baggingFraction).describe(
    "prompts that a tree sees",
  ),
  bagging_freq: z.int().min(0).default(DEFAULTS.baggingFreq).describe(
    "rounds after which others are drawn",
  ),
  rounds: z.int().min(1).default(DEFAULTS.rounds).describe("trees at most"),
  early_stopping: z.int().min(0).default(DEFAULTS.earlyStopping).describe(
    "rounds without a better loss after which it ends",
  ),
  folds: z.int().min(2).max(20).default(5).describe("of the cross-validation"),
  seed: z.int().min(0).default(DEFAULTS.seed).describe("of rows and features drawn"),
  threads: z.int().min(1).max(256).default(DEFAULTS.threads).describe("of LightGBM"),
  ...databaseOption,
  ...common,
});

async function run(options: z.output<typeof schema>, setting: Setting): Promise<number> {
  const { stage, print, tell, run: told } = setting;
  await using db = await database(options, setting);
  await using learning = openLearning(setting);
  const seen = (say: (status: string) => void) => (made: number, of: number) =>
    say(`features of ${made} of ${of} prompts`);
  await stage(
    "Features",
    (say) =>
      told.task("extract-prompt-features", "1", () => observations(db, learning.embed, seen(say)), {
        retries: 2,
      }),
  );
  told.progress(30, "features are made");
  const { trained, prompts } = await stage(
    "Meta-model",
    (say) =>
      told.task("train-meta-model", "1", async () =>
        await trainMetaModel({
          db,
          embed: learning.embed,
          lightgbm: await learning.lightgbm(),
          newId: () => crypto.randomUUID(),
          elapsed: () => performance.now(),
          folds: options.folds,
          keep: (write) => told.keep(db, write),
          params: {
            boosting: options.boosting,
            learningRate: options.learning_rate,
            numLeaves: options.num_leaves,
            featureFraction: options.feature_fraction,
            baggingFraction: options.bagging_fraction,
            baggingFreq: options.bagging_freq,
            rounds: options.rounds,
            earlyStopping: options.early_stopping,
            seed: options.seed,
            threads: options.threads,
            ...options.min_data_in_leaf === undefined ? {} : { minDataInLeaf: options.min_data_in_leaf },
          },
          onFeatures: seen(say),
          onRound: (round, loss) =>
            say(
              `round ${round} of ${options.rounds}${loss === undefined ? "" : `, rmse ${loss.toFixed(4)}`}`,
            ),
        }), { retries: 2 }),
  );
  told.progress(100, trained ? "trained" : "skipped");
  if (trained) {
    told.artifact(metaModelArtifact(trained, beatsTheMean(trained)));
    told.event("quintet.meta-model.trained", `quintet.meta-model.${trained.id}`, {
      used: beatsTheMean(trained),
    });
  }
  if (!trained) {
    tell(
      `Skipped: a meta-model wants ${FEWEST_PROMPTS} scored prompts or more, there are ${prompts}: ` +
        "`deno task optimize` makes some",
    );
  }
  if (options.json) print(document(trained ? resultOf(trained) : { skipped: true, prompts }));
  else if (trained) print(text(trained));
  return EXIT.done;
}

/** Accuracy as the document names it. */
const accuracy = ({ meanRmse: mean_rmse, rankCorrelation: rank_correlation, ...rest }: Accuracy) => ({
  ...{ ...rest, mean_rmse, rank_correlation },
});

/** What came later as the document names it; null where that was too little to know. */
const foreseen = <Of>({ rankCorrelation: rank_correlation, pValue: p_value, ...of }: Foresight & Of) => ({
  ...of,
  ...{ rank_correlation, p_value },
});

/** The JSON document. */
const resultOf = (row: MetaModelRow) => ({
  meta_model_id: row.id,
  skipped: false,
  used: beatsTheMean(row),
  prompts: row.prompts,
  rmse: row.rmse,
  mean_rmse: row.meanRmse,
  r2: row.r2,
  rank_correlation: row.rankCorrelation,
  best_iteration: row.bestIteration,
  cross_validation: {
    ...accuracy(row.crossValidation),
    foresight: row.crossValidation.foresight ? foreseen(row.crossValidation.foresight) : null,
  },
  contexts: row.contexts.map(accuracy),
  transfer: row.transfer && foreseen(row.transfer),
  importance: row.importance,
  seconds: row.seconds,
});

/** Features shown. */
const STRONGEST = 10;

/** How well what came later was foreseen, in words. */
const later = (found: Foresight | null | undefined, of: number | undefined): string =>
  found
    ? `rank correlation ${found.rankCorrelation.toFixed(2)} on ${of}, ${probability(found.pValue)}`
    : "too few to know";

function text(row: MetaModelRow): string {
  const number = (value: number) => value.toFixed(4);
  const { crossValidation: folds } = row, why = doubt(row);
  const total = row.importance.reduce((sum, { value }) => sum + value, 0);
  return [
    `Meta-model ${row.id}: ${row.prompts} prompts, ${row.bestIteration} trees, ${row.seconds.toFixed(1)} s`,
    "",
    "                       rmse    of the mean      r2   rank correlation",
    ...[["held out (20 %)", row], [`${folds.folds} folds`, folds] as const].map(([name, accuracy]) => {
      const { rmse, meanRmse, r2, rankCorrelation } = accuracy as typeof folds;
      return `${(name as string).padEnd(18)} ${number(rmse).padStart(8)} ${number(meanRmse).padStart(14)} ` +
        `${r2.toFixed(2).padStart(7)} ${rankCorrelation.toFixed(2).padStart(18)}`;
    }),
    ...row.contexts.map(({ dataset, prompts, rmse, meanRmse, rankCorrelation }) =>
      `  ${`${dataset} (${prompts})`.padEnd(30)} rmse ${number(rmse)}, of its mean ${
        number(meanRmse)
      }, rank ` +
      `correlation ${rankCorrelation.toFixed(2)}`
    ),
    `Later searches: ${later(folds.foresight, folds.foresight?.searches)}`,
    `Later question sets: ${later(row.transfer, row.transfer?.sets)}`,
    ...row.importance.length > 0 ? ["", "What it goes by:"] : [],
    ...row.importance.slice(0, STRONGEST).map(({ feature, value, sign }) =>
      `  ${feature.padEnd(24)} ${(100 * value / total).toFixed(1).padStart(5)} %  ${
        sign > 0 ? "more is better" : sign < 0 ? "less is better" : ""
      }`.trimEnd()
    ),
    "",
    why === null
      ? "It beats predicting the mean: `deno task optimize` uses it where it holds."
      : `It ${why}. \`deno task optimize\` goes on without it.`,
  ].join("\n");
}

if (import.meta.main) {
  await main({
    name: "train-meta-model",
    flow: "train-meta-model",
    summary: "learn to predict the score of a prompt from those that were scored",
    schema,
    run,
  });
}
