/**
 * What a prompt is worth on a split, and whether one is better than another. The only reader of the test split.
 *
 * @module
 */
import type { Dataset, Example, SplitName } from "../dataset/example.ts";
import type { Prompt, Result } from "../optimize/candidate.ts";
import { type Random, sample } from "../random.ts";
import type { Scorer } from "./scorer.ts";
import { bootstrap, type Comparison, type Interval, paired, wilson } from "../statistics/mod.ts";

/** Asks the primary model; null when there is no answer. */
export type Answer = (
  prompt: Prompt,
  example: Example,
) => Promise<{ text: string; completion: string } | null>;

/** A prompt's answers to a split. */
export interface Measurement {
  readonly split: SplitName;
  /** Mean score over the questions that were answered, in [0, 1]; 0 when none was. */
  readonly value: number;
  /** Questions that were answered. One without an answer counts for nobody. */
  readonly n: number;
  /** Of the value: Wilson's where all scores are 0 or 1, else bootstrapped. */
  readonly ci95: Interval;
  readonly metric: string;
  readonly signature: string;
  readonly results: readonly Result[];
}

/** The questions of a split: all of them, or `most` of them drawn by `random`, in the split's order. */
export function questionsOf(
  dataset: Dataset,
  split: SplitName,
  { most = Infinity, random }: { most?: number; random: Random },
): Example[] {
  const questions = dataset[split];
  if (questions.length <= most) return [...questions];
  const drawn = new Set(sample(questions, most, random));
  return questions.filter((example) => drawn.has(example));
}

/** Answers and scores `questions` under `prompt`. All answers are waited for, also when one throws. */
export async function measure(
  prompt: Prompt,
  questions: readonly Example[],
  { split, answer, scorer, random }: { split: SplitName; answer: Answer; scorer: Scorer; random: Random },
): Promise<Measurement> {
  const settled = await Promise.allSettled(questions.map(async (example): Promise<Result[]> => {
    const given = await answer(prompt, example);
    const score = given && await scorer.score(given.text, example);
    if (given === null || score === null) return [];
    return [{ example, answer: given.text, completion: given.completion, score }];
  }));
  const results = settled.flatMap((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
  const scores = results.map(({ score }) => score);
  const [sum, n] = [scores.reduce((sum, score) => sum + score, 0), scores.length];
  const ci95 = scores.every((score) => score === 0 || score === 1)
    ? wilson(sum, n)
    : bootstrap(scores, { random });
  return {
    split,
    value: sum / Math.max(1, n),
    n,
    ci95,
    metric: scorer.name,
    signature: scorer.signature,
    results,
  };
}

/** `after` against `before`, question by question, on those that both answered. */
export function compare(before: Measurement, after: Measurement, random: Random): Comparison {
  const old = new Map(before.results.map(({ example, score }) => [example.id, score]));
  const both = after.results.filter(({ example }) => old.has(example.id));
  return paired(both.map(({ example }) => old.get(example.id)!), both.map(({ score }) => score), { random });
}
