/**
 * What a prompt is worth on a split, and whether one is better than another. The only reader of the test split.
 *
 * @module
 */
import type { Dataset, Example, SplitName } from "../dataset/example.ts";
import type { Prompt, Result } from "../optimize/candidate.ts";
import { type Random, sample } from "../random.ts";
import type { Scorer } from "./scorer.ts";
import { type Comparison, type Interval, meanInterval, paired } from "../statistics/mod.ts";

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
  /** Of the value, as `meanInterval` has it. */
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

/** What a measurement depends on but for prompt and questions. */
export interface MeasureOptions {
  readonly split: SplitName;
  readonly answer: Answer;
  readonly scorer: Scorer;
  readonly random: Random;
}

/** Answers and scores `questions` under `prompt`. All answers are waited for, also when one throws. */
export async function measure(
  prompt: Prompt,
  questions: readonly Example[],
  { scorer, ...options }: MeasureOptions,
): Promise<Measurement> {
  const [measurement] = await measureEach([{ prompt, ...options }], questions, { scorer, ...options });
  return measurement!;
}

/**
 * The same for several prompts, side by side: all are asked a question before the next one is, and what counts are the
 * questions that were answered under all of them, if there are any. So where the budget ends early, it was the same questions
 * for all, and as the order they are asked in is drawn, no kind of them was asked first. Results stand in the order of
 * `questions`.
 */
export async function measureEach(
  prompts: readonly (Pick<MeasureOptions, "answer" | "random"> & { readonly prompt: Prompt })[],
  questions: readonly Example[],
  { split, scorer, random }: Omit<MeasureOptions, "answer">,
): Promise<Measurement[]> {
  const asked = sample(Array.from(questions.keys()), questions.length, random.fork("order"));
  const every = await all(asked.map(async (place) => {
    const example = questions[place]!;
    const each = await all(prompts.map(async ({ prompt, answer }): Promise<Result | null> => {
      const given = await answer(prompt, example);
      const score = given && await scorer.score(given.text, example);
      if (given === null || score === null) return null;
      return { example, answer: given.text, completion: given.completion, score };
    }));
    return { place, each };
  }));
  every.sort((a, b) => a.place - b.place);
  const byAll = every.filter(({ each }) => each.every((result) => result !== null));
  return prompts.map(({ random }, i) => {
    const results = (byAll.length > 0 ? byAll : every).flatMap(({ each }) => each[i] ?? []);
    return { split, ...meanOf(results, random), metric: scorer.name, signature: scorer.signature, results };
  });
}

/** Waits for every promise before it throws what the first of them threw. */
const all = async <T>(promises: Promise<T>[]): Promise<T[]> =>
  (await Promise.allSettled(promises)).map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });

function meanOf(results: readonly Result[], random: Random): Pick<Measurement, "value" | "n" | "ci95"> {
  const scores = results.map(({ score }) => score);
  const [sum, n] = [scores.reduce((sum, score) => sum + score, 0), scores.length];
  return { value: sum / Math.max(1, n), n, ci95: meanInterval(scores, { random }) };
}

/** `after` against `before`, question by question, on those that both answered. */
export function compare(before: Measurement, after: Measurement, random: Random): Comparison {
  const old = new Map(before.results.map(({ example, score }) => [example.id, score]));
  const both = after.results.filter(({ example }) => old.has(example.id));
  return paired(both.map(({ example }) => old.get(example.id)!), both.map(({ score }) => score), { random });
}
