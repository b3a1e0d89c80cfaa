/**
 * Whether what is learned from some searches holds for the next ones: those that came later are ordered by models of what came
 * before them, as a loop would use them.
 *
 * Prompts of one search are alike, in features and in score, so a search counts once, by the sign and size of its rank
 * correlation; what is to hold for other question sets is judged set by set. Forward in time, as in folds any two that happen to
 * agree would count twice, each foretelling the other.
 *
 * @module
 */
import { type Booster, type Params, pickRows, predict, type Table, train } from "../gbdt/mod.ts";
import type { Lightgbm } from "../native/mod.ts";
import { random } from "../random.ts";
import { rankCorrelation, signFlip } from "../statistics/mod.ts";
import type { Foresight } from "../store/mod.ts";

/** Rows of a search, by their indices. */
export type Search = readonly number[];

/** Fewer that were foreseen cannot tell from luck: all of five agree in 1 of 32 cases, all of four in 1 of 16. */
export const FEWEST_FORESEEN = 5;
/** Whether a search has prompts enough for an order to speak of. */
export const isJudged = ({ length }: ArrayLike<number>): boolean => length >= 5;
/** What a model has learned from grows by this much before the next is trained, so that time grows with the prompts, not their square. */
const GROWTH = 1.25;
const SEED = 42;

/**
 * How well models of earlier `units`, each some searches, order the prompts of later ones; null where too few could be foreseen.
 * The p-value is one-sided, of a sign-flip test over the units. `params` are those of a training on so many prompts.
 */
export function foresee(
  units: readonly (readonly Search[])[],
  table: Table,
  params: (prompts: number) => Params,
  lightgbm: Lightgbm,
): Foresight & { readonly units: number } | null {
  const foreseen: { prompts: number; rankCorrelation: number }[] = [];
  for (let from = 1; from < units.length;) {
    const to = Math.ceil(GROWTH * from);
    const before = pickRows(table, units.slice(0, from).flat(2));
    using booster = grown(before, params(before.rows.length), lightgbm);
    const expected = (search: Search) => predict(booster!, pickRows(table, search).rows);
    for (const unit of booster ? units.slice(from, to) : []) {
      const found = ordered(unit.map((search) => [expected(search), pickRows(table, search).labels]));
      if (found.prompts > 0) foreseen.push(found);
    }
    from = to;
  }
  if (foreseen.length < FEWEST_FORESEEN) return null;
  const agreed = foreseen.map(({ prompts, rankCorrelation }) => prompts * rankCorrelation);
  const total = sum(foreseen.map(({ prompts }) => prompts));
  return { units: foreseen.length, rankCorrelation: sum(agreed) / total, pValue: positive(agreed) };
}

/** A model; null where so few rows make none: a forest whose trees find no split, or see no row. */
function grown(table: Table, params: Params, lightgbm: Lightgbm): Booster | null {
  try {
    return train(table, params, { lightgbm });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The rank correlation within searches, averaged by their prompts, of which `prompts` counted. */
export function ordered(
  searches: readonly (readonly [predictions: ArrayLike<number>, labels: ArrayLike<number>])[],
): { prompts: number; rankCorrelation: number } {
  const judged = searches.filter(([, labels]) => isJudged(labels));
  const prompts = sum(judged.map(([, { length }]) => length));
  const agreed = sum(judged.map(([predicted, labels]) => labels.length * rankCorrelation(predicted, labels)));
  return { prompts, rankCorrelation: prompts === 0 ? 0 : agreed / prompts };
}

/** The p-value of a sum that is no more than 0. */
function positive(values: readonly number[]): number {
  const both = signFlip(values, { random: random(SEED) });
  return sum(values) > 0 ? both / 2 : 1 - both / 2;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
