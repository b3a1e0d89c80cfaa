/**
 * The meta-model in the loop: which one is used where, and why.
 *
 * The newest one is used if it beats predicting the mean, where it has shown that it can order prompts: on questions of which it
 * knows several searches by each of them when it was left out, elsewhere by question sets that came later. An older one is never
 * asked instead: of many that know nothing, some beat the mean. A loop without a surrogate is the same loop.
 *
 * @module
 */
import { type Embed, FEATURE_VERSION, features } from "../features/mod.ts";
import { type Booster, CorruptModelError, loadModel, predict } from "../gbdt/mod.ts";
import type { Lightgbm } from "../native/mod.ts";
import type { Prompt, Surrogate } from "../optimize/mod.ts";
import { type MetaModelRow, newestMetaModel, type Queryable } from "../store/mod.ts";
import { akin, type Place, together } from "./akin.ts";
import { doubt, isSure, told } from "./meta_model.ts";
import { requireSound, unusable } from "./sound.ts";

/** A meta-model to use, or none; and why, in words. */
export interface Choice {
  readonly model: MetaModelRow | null;
  readonly because: string;
}

/**
 * The meta-model for a context, where it is judged by all those of the same question set. `seed` gives the features of the
 * prompt to begin with; it is asked only where a meta-model might be used on questions that it has not seen.
 */
export async function chooseMetaModel(
  db: Queryable,
  { seed, ...place }: Place & { readonly dataset: string; readonly seed: () => Promise<ArrayLike<number>> },
): Promise<Choice> {
  const none = (because: string): Choice => ({ model: null, because });
  const model = await newestMetaModel(db, FEATURE_VERSION);
  if (!model) return none("no meta-model was trained yet (`deno task train-meta-model`)");
  const why = doubt(model);
  if (why) return none(`the newest meta-model ${why}`);

  const own = together(akin(model.contexts, place));
  if (own && own.searches > 1) {
    const holds = own.rmse < own.meanRmse && own.rankCorrelation > 0;
    const on = `on ${own.prompts} prompts of ${own.searches} searches for these questions`;
    return holds
      ? {
        model,
        because: `it predicts better than the mean ${on} (rank correlation ${
          own.rankCorrelation.toFixed(2)
        })`,
      }
      : none(`the newest meta-model predicts no better than the mean ${on}`);
  }
  const { transfer } = model;
  if (!transfer) {
    return none("the meta-model has seen too few question sets to know whether it holds for others");
  }
  const measured = `${told(transfer)} on ${transfer.sets}`;
  if (!isSure(transfer)) {
    return none(`the meta-model does not hold for question sets that it has not seen (${measured})`);
  }
  const known = familiar(model, await seed());
  return known >= FAMILIAR
    ? { model, because: `it holds for question sets that it has not seen (${measured})` }
    : none(
      `the prompt to begin with is unlike those that the meta-model knows (${
        (100 * known).toFixed()
      } % of what it goes by)`,
    );
}

/** Share of what a model goes by in which a prompt must be like those that it knows. */
const FAMILIAR = 0.8;

/** Of what a model goes by, the share that lies within what it has seen. */
function familiar({ featureNames, importance }: MetaModelRow, row: ArrayLike<number>): number {
  const within = importance.filter(({ feature, low, high }) => {
    const value = row[featureNames.indexOf(feature)]!;
    return value >= low && value <= high;
  });
  const gain = (features: typeof importance) => features.reduce((sum, { value }) => sum + value, 0);
  return gain(within) / gain(importance);
}

/** A meta-model that predicts, until it is disposed of. */
export interface OpenSurrogate extends Disposable {
  /** Predicts scores; of an easy set or of a hard one, some above 1 or below 0, which have an order, too. */
  readonly surrogate: Surrogate;
  /** The same from a row of features. */
  readonly expect: (row: ArrayLike<number>) => number;
  /** What the model goes by, in words for the optimizer model. */
  readonly advice: readonly string[];
}

/**
 * Opens a meta-model, for a context where it is used in one: predictions are relative to the mean of its scores, or of those of
 * the same question set; else to the mean of all. Throws an UnusableModelError when it is not what was kept, or goes by other features.
 */
export function openSurrogate(
  row: MetaModelRow,
  { embed, lightgbm, ...place }: Partial<Place> & { readonly embed: Embed; readonly lightgbm: Lightgbm },
): OpenSurrogate {
  const { importance } = row;
  const booster = boosterOf(row, lightgbm);
  const center = centerOf(row, place);
  const expected = (rows: readonly ArrayLike<number>[]) =>
    Array.from(predict(booster, rows), (above) => center + above);
  return {
    surrogate: async (prompts: readonly Prompt[]) =>
      expected(await Promise.all(prompts.map((prompt) => features(prompt, embed)))),
    expect: (row) => expected([row])[0]!,
    advice: adviceOf(importance),
    [Symbol.dispose]: () => booster[Symbol.dispose](),
  };
}

/** The mean score that predictions are relative to. */
function centerOf({ contexts }: MetaModelRow, { context, dataset }: Partial<Place>): number {
  const own = contexts.filter((other) => other.context === context);
  const near = together(context === undefined || own.length > 0 ? own : akin(contexts, { context, dataset }));
  return near?.mean ?? contexts.reduce((sum, { mean }) => sum + mean, 0) / Math.max(1, contexts.length);
}

/** Throws an UnusableModelError unless the meta-model is what was kept, and goes by the features that this version makes. */
export const requireSoundMetaModel = ({ id, model, modelSha256, featureVersion }: MetaModelRow): void =>
  requireSound("meta-model", { id, content: model, sha256: modelSha256, featureVersion });

function boosterOf(row: MetaModelRow, lightgbm: Lightgbm): Booster {
  requireSoundMetaModel(row);
  try {
    return loadModel(row.model, lightgbm);
  } catch (error) {
    if (!(error instanceof CorruptModelError)) throw error;
    throw unusable("meta-model", row.id, error.message.replace("Cannot load the model as ", ""), error);
  }
}

/** Features that the optimizer model can do something about, and what they are called. */
const SPOKEN: Readonly<Record<string, string>> = {
  length: "longer",
  words: "wordier",
  paragraphs: "in more paragraphs",
  bullets: "with more items in lists",
  commands: "with more words of command (must, always, never)",
  questions: "with more question marks",
  constraints: "with more words of constraint (only, exactly)",
};
/** Hints at most. */
const HINTS = 3;

/** The strongest features in words. */
function adviceOf(importance: MetaModelRow["importance"]): string[] {
  return importance.flatMap(({ feature, sign }) => {
    const [, part, name] = feature.match(/^(system|output)_([a-z]+)$/) ?? [];
    const spoken = name && SPOKEN[name];
    if (!spoken || sign === 0) return [];
    return [`Prompts scored ${sign > 0 ? "higher" : "lower"} where the ${part} prompt was ${spoken}.`];
  }).slice(0, HINTS);
}
