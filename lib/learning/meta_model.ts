/**
 * The meta-model: gradient-boosted trees that predict a prompt's score from its features.
 *
 * Scores are comparable within a context only (the same questions, metric and primary model). So the model learns how far a
 * prompt is above or below the mean of its context, and what it must beat is that mean: knowing which question set is hard
 * counts for nothing.
 *
 * A loop asks it about the prompts of a search that it has not seen. So whole searches are held out and dealt to folds, and it is
 * used from six searches on (see foresight.ts): one has prompts of a few lineages, which a model tells from each other without
 * knowing anything of the next search.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { COLUMNS, type Embed, FEATURE_VERSION } from "../features/mod.ts";
import {
  type Booster,
  crossValidate,
  deal,
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
import {
  type ContextAccuracy,
  type Foresight,
  type MetaModelRow,
  type Queryable,
  saveMetaModel,
} from "../store/mod.ts";
import { type Observation, observations } from "./features.ts";
import { FEWEST_FORESEEN, foresee, isJudged, ordered, type Search } from "./foresight.ts";

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

/** Share of the prompts that are held out. */
const HELD_OUT = 0.2;

/**
 * Trains a meta-model on every prompt that was scored so far, measures it and keeps it. Without FEWEST_PROMPTS nothing is
 * trained: `trained` is null, and `prompts` says how many there are.
 */
export async function trainMetaModel(
  { db, embed, lightgbm, newId, elapsed, folds = 5, onFeatures, onRound, ...given }: Training,
): Promise<{ readonly trained: MetaModelRow | null; readonly prompts: number }> {
  const began = elapsed(), { keep = (write) => write(db) } = given;
  const seen = await observations(db, embed, onFeatures);
  if (seen.length < FEWEST_PROMPTS) return { trained: null, prompts: seen.length };
  const means = contextMeans(seen);
  const table = tableOf(seen, means);

  const paramsFor = (prompts: number): Params => ({ minDataInLeaf: leastInLeaf(prompts), ...given.params });
  const params = paramsFor(seen.length);
  const { seed } = { ...DEFAULTS, ...params };
  const searches = searchesOf(seen);
  const { training, validation } = holdOut(table, { share: HELD_OUT, groups: groupsOf(seen) });
  using booster = train(training, params, { lightgbm, validation, ...onRound ? { onRound } : {} });
  const held = fit(predict(booster, validation.rows), validation.labels);
  const mean = average(training.labels);
  const dealt = foldsOf(seen, folds, seed);
  const validated = crossValidate(table, params, { lightgbm, folds: dealt });
  const unseen = {
    ...{ predictions: validated.predictions, labels: table.labels },
    searches: searches.length,
  };
  const best = (prompts: number) => ({ ...paramsFor(prompts), rounds: Math.max(1, validated.rounds) });
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
      folds: dealt.length,
      prompts: seen.length,
      rmse: validated.rmse.mean,
      meanRmse: validated.baseline.mean,
      r2: validated.r2,
      rankCorrelation: orderIn(searches, unseen),
      foresight: named("searches", foresee(searches.map((search) => [search]), table, best, lightgbm)),
    },
    contexts: byContext(seen, unseen, means),
    transfer: named("sets", foresee(setsOf(seen, searches), table, best, lightgbm)),
    model,
    modelSha256: createHash("sha256").update(model).digest("hex"),
    seconds: (elapsed() - began) / 1000,
  };
  await keep((tx) => saveMetaModel(tx, row));
  return { trained: row, prompts: seen.length };
}

/** Whether a rank correlation with this p-value is more than luck. */
export const isSure = ({ rankCorrelation, pValue }: Foresight): boolean =>
  rankCorrelation > 0 && pValue < 0.05;

/** Whether a model predicts better than the mean, so that a loop may go by it. */
export const beatsTheMean = (row: MetaModelRow): boolean => doubt(row) === null;

/**
 * Why a model does not beat the mean, as the end of a sentence; null where it does, on the prompts held out, over folds, and in
 * the order of later searches' prompts. One without a split is the mean.
 */
export function doubt(
  { rmse, meanRmse, crossValidation, contexts, importance }: MetaModelRow,
): string | null {
  const { foresight } = crossValidation;
  if (foresight === undefined) {
    return "was measured on searches that it had learned from: train it anew (`deno task train-meta-model`)";
  }
  if (!(importance.length > 0 && rmse < meanRmse && crossValidation.rmse < crossValidation.meanRmse)) {
    return "does not beat predicting the mean";
  }
  if (foresight === null) {
    const searches = contexts.reduce((sum, { searches }) => sum + searches, 0);
    return `has seen too few searches to tell it from luck (${searches}, it takes ${FEWEST_FORESEEN + 1}): ` +
      "search with other seeds (`--seed`) or questions"; // the same search again has the same prompts
  }
  return isSure(foresight)
    ? null
    : `orders the prompts of later searches no better than luck (${
      told(foresight)
    } on ${foresight.searches})`;
}

/** In words. */
export const told = ({ rankCorrelation, pValue }: Foresight): string =>
  `rank correlation ${rankCorrelation.toFixed(2)}, p = ${pValue.toFixed(3)}`;

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

/**
 * Prompts of a search stay together, and with the first those of experiments with too few to be one. Of a single search each is for
 * itself, which says what there is to learn in it, and nothing of the next.
 */
function groupsOf(seen: readonly Observation[]): unknown[] {
  const searches = searchesOf(seen).map(([first]) => seen[first!]!.experimentId);
  if (searches.length < 2) return [...seen.keys()];
  return seen.map(({ experimentId }) => searches.includes(experimentId) ? experimentId : searches[0]);
}

/** Deals whole searches to so many folds, or to fewer where there are fewer. */
export function foldsOf(seen: readonly Observation[], folds: number, seed: number): number[][] {
  const groups = groupsOf(seen);
  return deal(groups, Math.min(folds, new Set(groups).size), seed);
}

/** The rows of each search, all or those among `rows`, oldest first; a measurement of a prompt or two is none. */
const searchesOf = (seen: readonly Observation[], rows: Iterable<number> = seen.keys()): Search[] =>
  [...Map.groupBy(rows, (i) => seen[i]!.experimentId).values()].filter(isJudged);

/** The searches of each question set, by its name: with another split, primary model or metric it is the same set. */
const setsOf = (seen: readonly Observation[], searches: readonly Search[]): Search[][] => [
  ...Map.groupBy(searches, ([first]) => seen[first!]!.dataset).values(),
];

function named<Of extends string>(of: Of, found: ReturnType<typeof foresee>) {
  if (found === null) return null;
  const { units, ...foresight } = found;
  return { ...foresight, ...{ [of]: units } as Record<Of, number> };
}

/** Predictions by models that have not seen a prompt's search, and what was measured. */
interface Unseen {
  readonly predictions: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
  /** How many searches there are in all. */
  readonly searches: number;
}

/** The rank correlation within searches; 0 where there is but one in all, which could not be left out. */
const orderIn = (searches: readonly Search[], { predictions, labels, searches: all }: Unseen): number =>
  all < 2
    ? 0
    : ordered(searches.map((rows) => [rows.map((i) => predictions[i]!), rows.map((i) => labels[i]!)]))
      .rankCorrelation;

/** What predictions on unseen folds are worth in each context, against predicting its mean. */
function byContext(
  seen: readonly Observation[],
  unseen: Unseen,
  means: ReadonlyMap<string, number>,
): ContextAccuracy[] {
  const groups = Map.groupBy(seen.keys(), (i) => seen[i]!.context);
  return [...groups].map(([context, indices]) => {
    const own = indices.map((i) => unseen.labels[i]!);
    const { n: prompts, rmse } = fit(indices.map((i) => unseen.predictions[i]!), own);
    const searches = searchesOf(seen, indices);
    return {
      ...{ context, dataset: seen[indices[0]!]!.dataset, mean: means.get(context)! },
      ...{ prompts, rmse, meanRmse: fit(own.map(() => 0), own).rmse },
      ...{ searches: searches.length, rankCorrelation: orderIn(searches, unseen) },
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
