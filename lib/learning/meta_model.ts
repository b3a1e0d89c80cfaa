/**
 * The meta-model: gradient-boosted trees that predict a prompt's score from its features.
 *
 * Scores are comparable within a context only (the same questions, metric and primary model). So the model learns how far a
 * prompt is above or below the mean of its context, and what it must beat is that mean: knowing which question set is hard
 * counts for nothing.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { COLUMNS, type Embed, FEATURE_VERSION } from "../features/mod.ts";
import {
  type Booster,
  crossValidate,
  DEFAULTS,
  fit,
  holdOut,
  importance,
  type Params,
  predict,
  saveModel,
  type Table,
  train,
} from "../gbdt/mod.ts";
import type { Lightgbm } from "../native/mod.ts";
import { random, shuffle } from "../random.ts";
import { correlation, ranks } from "../statistics/mod.ts";
import { type ContextAccuracy, type MetaModelRow, type Queryable, saveMetaModel } from "../store/mod.ts";
import { type Observation, observations } from "./features.ts";

/** What a training needs from outside. */
export interface Training {
  readonly db: Queryable;
  readonly embed: Embed;
  readonly lightgbm: Lightgbm;
  readonly newId: () => string;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsed: () => number;
  /** @default {those of lib/gbdt, with `minDataInLeaf` an eighth of the prompts, 2 to 20} */
  readonly params?: Params;
  /** @default {5} */
  readonly folds?: number;
  /** Writes what is then the newest, or throws when another process has that to do. @default {(write) => write(db)} */
  readonly keep?: (write: (tx: Queryable) => Promise<void>) => Promise<void>;
  readonly onFeatures?: (made: number, of: number) => void;
  /** Told after each round of the training, from 1. */
  readonly onRound?: (round: number, loss?: number) => void;
}

/** Fewer scored prompts teach nothing. */
export const FEWEST_PROMPTS = 5;
/** LightGBM's 20 in a leaf would learn nothing from the first fifty prompts: an eighth of them, 2 to 20. */
const leastInLeaf = (prompts: number): number => Math.min(20, Math.max(2, Math.round(prompts / 8)));

/** Share of the prompts that are held out, and the seed by which they are. */
const HELD_OUT = 0.2, SEED = 42;

/**
 * Trains a meta-model on every prompt that was scored so far, measures it and keeps it. Without FEWEST_PROMPTS nothing is
 * trained: `trained` is null, and `prompts` says how many there are.
 */
export async function trainMetaModel(
  { db, embed, lightgbm, newId, elapsed, params = {}, folds = 5, onFeatures, onRound, ...given }: Training,
): Promise<{ readonly trained: MetaModelRow | null; readonly prompts: number }> {
  const began = elapsed(), { keep = (write) => write(db) } = given;
  const seen = await observations(db, embed, onFeatures);
  if (seen.length < FEWEST_PROMPTS) return { trained: null, prompts: seen.length };
  const means = contextMeans(seen);
  const table = tableOf(seen, means);

  params = { minDataInLeaf: leastInLeaf(seen.length), ...params };
  const { training, validation } = holdOut(table, { share: HELD_OUT, seed: SEED });
  using booster = train(training, params, { lightgbm, validation, ...onRound ? { onRound } : {} });
  const held = fit(predict(booster, validation.rows), validation.labels);
  const mean = average(training.labels);
  const validated = crossValidate(table, params, { lightgbm, folds: Math.min(folds, seen.length) });
  const model = saveModel(booster);
  const row: MetaModelRow = {
    id: newId(),
    featureVersion: FEATURE_VERSION,
    featureNames: COLUMNS,
    parameters: { ...DEFAULTS, ...params },
    trainedFrom: seen[0]!.createdAt,
    trainedTo: seen.at(-1)!.createdAt,
    prompts: seen.length,
    rmse: held.rmse,
    meanRmse: fit(Array.from(validation.labels, () => mean), validation.labels).rmse,
    r2: held.r2,
    rankCorrelation: held.rankCorrelation,
    bestIteration: booster.rounds,
    importance: signed(booster, table),
    crossValidation: {
      folds: Math.min(folds, seen.length),
      prompts: seen.length,
      rmse: validated.rmse.mean,
      meanRmse: validated.baseline.mean,
      r2: validated.r2,
      rankCorrelation: validated.rankCorrelation,
    },
    contexts: byContext(seen, validated.predictions, table.labels, means),
    transfer: transfer(seen, table, { ...params, rounds: Math.max(1, validated.rounds) }, lightgbm),
    model,
    modelSha256: createHash("sha256").update(model).digest("hex"),
    seconds: (elapsed() - began) / 1000,
  };
  await keep((tx) => saveMetaModel(tx, row));
  return { trained: row, prompts: seen.length };
}

/** Whether a model predicts better than the mean, on the prompts held out and over folds; one without a split is the mean. */
export const beatsTheMean = ({ rmse, meanRmse, crossValidation, importance }: MetaModelRow): boolean =>
  importance.length > 0 && rmse < meanRmse && crossValidation.rmse < crossValidation.meanRmse;

const average = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

function contextMeans(seen: readonly Observation[]): Map<string, number> {
  const groups = Map.groupBy(seen, ({ context }) => context);
  return new Map([...groups].map(([context, prompts]) => [context, average(prompts.map((p) => p.score))]));
}

/** Labels are what a prompt is above the mean of its context. */
const tableOf = (seen: readonly Observation[], means: ReadonlyMap<string, number>): Table => ({
  features: COLUMNS,
  rows: seen.map(({ features }) => features),
  labels: seen.map(({ context, score }) => score - means.get(context)!),
});

/** What predictions on unseen folds are worth in each context, against predicting its mean. */
function byContext(
  seen: readonly Observation[],
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  means: ReadonlyMap<string, number>,
): ContextAccuracy[] {
  const groups = Map.groupBy(seen.keys(), (i) => seen[i]!.context);
  return [...groups].map(([context, indices]) => {
    const own = indices.map((i) => labels[i]!);
    const { n: prompts, rmse, rankCorrelation } = fit(indices.map((i) => predictions[i]!), own);
    return {
      ...{ context, dataset: seen[indices[0]!]!.dataset, mean: means.get(context)! },
      ...{ prompts, rmse, meanRmse: fit(own.map(() => 0), own).rmse, rankCorrelation },
    };
  });
}

/** Features by what their splits gained, the strongest first; `sign` says whether more of it goes with a higher prediction. */
function signed(booster: Booster, { features, rows }: Table): MetaModelRow["importance"] {
  const predictions = predict(booster, rows);
  return importance(booster).filter(({ value }) => value > 0).map(({ feature, value }) => {
    const column = rows.map((row) => row[features.indexOf(feature)]!);
    return {
      ...{ feature, value, sign: Math.sign(fit(column, predictions).rankCorrelation) },
      low: column.reduce((low, value) => Math.min(low, value)), // a spread of so many would not fit on the stack
      high: column.reduce((high, value) => Math.max(high, value)),
    };
  });
}

/** Prompts of a context that is left out: fewer have no order to speak of. */
const FEWEST_OF_A_CONTEXT = 10;
const PERMUTATIONS = 999;
/** Trainings at most: of more contexts some are left out together, so that time grows with the prompts, not with its square. */
const LEFT_OUT = 10;

/**
 * Whether what is learned in some contexts holds in another: each context in turn is predicted by a model of others. The
 * rank correlations are averaged by the number of prompts; the p-value is that of a one-sided permutation test within
 * contexts (Good, 2005).
 */
function transfer(
  seen: readonly Observation[],
  { features, rows, labels }: Table,
  params: Params,
  lightgbm: Lightgbm,
): MetaModelRow["transfer"] {
  const groups = [...Map.groupBy(seen.keys(), (i) => seen[i]!.context).values()]
    .filter((indices) => indices.length >= FEWEST_OF_A_CONTEXT);
  if (groups.length < 2) return null;
  const part = (indices: readonly number[]): Table => ({
    features,
    rows: indices.map((i) => rows[i]!),
    labels: indices.map((i) => labels[i]!),
  });
  const together = Array.from(
    { length: Math.min(LEFT_OUT, groups.length) },
    (_, k) => groups.filter((_, i) => i % LEFT_OUT === k),
  );
  const left = together.flatMap((out) => {
    using booster = train(part(groups.filter((other) => !out.includes(other)).flat()), params, { lightgbm });
    return out.map((indices) => {
      const own = part(indices);
      return { predictions: ranks(predict(booster, own.rows)), labels: [...ranks(own.labels)] };
    });
  });
  const total = left.reduce((sum, { labels }) => sum + labels.length, 0);
  const agreement = (order: (labels: readonly number[]) => readonly number[]) =>
    left.reduce(
      (sum, { predictions, labels }) => sum + labels.length * correlation(predictions, order(labels)),
      0,
    ) / total;
  const measured = agreement((labels) => labels);
  const draws = random(SEED).fork("transfer");
  let asGood = 1;
  for (let i = 0; i < PERMUTATIONS; i++) {
    if (agreement((labels) => shuffle(labels, draws)) >= measured) asGood++;
  }
  return { contexts: groups.length, rankCorrelation: measured, pValue: asGood / (PERMUTATIONS + 1) };
}
