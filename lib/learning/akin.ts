/**
 * Contexts of one question set. Questions without a split of their own are split anew by each seed, and with it their context is
 * another one: what was learned in one of them is about the same questions.
 *
 * @module
 */
import { type ContextAccuracy, settingOf } from "../store/mod.ts";

/** A context, and the name of its question set where that is known. */
export interface Place {
  readonly context: string;
  readonly dataset?: string | undefined;
}

/** Those of the place itself, and those that differ from it in the split alone, of a question set of the same name. */
export function akin(
  contexts: readonly ContextAccuracy[],
  { context, dataset }: Place,
): ContextAccuracy[] {
  const setting = settingOf(context);
  return contexts.filter((other) =>
    other.context === context || other.dataset === dataset && settingOf(other.context) === setting
  );
}

/** Several contexts as if they were one, each prompt counting as much; null for none. */
export function together(
  contexts: readonly ContextAccuracy[],
): Omit<ContextAccuracy, "context" | "dataset"> | null {
  const prompts = sum(contexts.map(({ prompts }) => prompts));
  if (prompts === 0) return null;
  const error = (key: "rmse" | "meanRmse") => Math.sqrt(averaged(contexts, (own) => own[key] ** 2));
  return {
    ...{ prompts, searches: sum(contexts.map(({ searches }) => searches)) },
    ...{ mean: averaged(contexts, ({ mean }) => mean), rmse: error("rmse"), meanRmse: error("meanRmse") },
    rankCorrelation: averaged( // a context without a search has no order to speak of
      contexts.filter(({ searches }) => searches > 0),
      ({ rankCorrelation }) => rankCorrelation,
    ),
  };
}

/** The mean over prompts; 0 where there are none. */
const averaged = (contexts: readonly ContextAccuracy[], of: (own: ContextAccuracy) => number): number =>
  sum(contexts.map((own) => own.prompts * of(own))) / Math.max(1, sum(contexts.map((own) => own.prompts)));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
