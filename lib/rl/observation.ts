/**
 * What a policy sees of a prompt: its features, scaled for a network, and the score that is expected of it.
 *
 * Features need a sentence embedding, which takes milliseconds in a process of its own, so a look may be a promise; a prompt
 * that was seen before is looked up and seen at once. Looks in the same turn wait side by side, so that an embedder makes
 * batches of them.
 *
 * ```ts
 * import { observer, OBSERVATION_SIZE } from "./observation.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const look = observer({
 *   columns: ["system_words", "demo_balance"],
 *   features: ({ systemPrompt }) => Promise.resolve([systemPrompt.split(" ").length, 1]),
 *   predict: (features) => features[0]! / 10,
 * });
 * const { observation, score } = await look({ systemPrompt: "Be brief.", outputPrompt: "", demos: [] });
 * equal(score, 0.2);
 * equal(observation.length, OBSERVATION_SIZE);
 * deepEqual([...observation.subarray(1, 3)], [1, 0]); // demo_balance as it is, then padding
 * equal(observation.at(-1), Math.fround(0.2));
 * ```
 *
 * @module
 */
import { clarity } from "./clarity.ts";
import { type AnswerSpace, fingerprint, type Prompt } from "./edits/prompt.ts";

/** Numbers for features; those that are not used are 0. */
const FEATURES = 100;
/** Features, and the expected score as the last number. */
export const OBSERVATION_SIZE = FEATURES + 1;

/** A prompt as a policy sees it. Both are shared: read them only. */
export interface View {
  /** OBSERVATION_SIZE numbers. */
  readonly observation: Float32Array;
  /** What is expected of the prompt: by `predict`, or else its `clarity`. */
  readonly score: number;
}

/** Looks at a prompt. Is a promise only where the prompt is new, or was lately forgotten. */
export type Look = (prompt: Prompt) => View | Promise<View>;

/** What a look needs. */
export interface ObserverOptions {
  /** What each feature is, by name: see `scaleOf`. 100 at most. */
  readonly columns: readonly string[];
  /** The features of a prompt, a number for each column. */
  readonly features: (prompt: Prompt) => ArrayLike<number> | Promise<ArrayLike<number>>;
  /** The score that is expected of a prompt with these features, unscaled. @default {the prompt's clarity} */
  readonly predict?: (features: ArrayLike<number>) => number | Promise<number>;
  /** The form of the answers, by which clarity is judged. */
  readonly space?: AnswerSpace;
  /** Prompts to remember. @default {20000} */
  readonly remembered?: number;
}

/**
 * A way to look at prompts, with a memory. Throws a RangeError for more than 100 columns, for features that are not as many as
 * the columns, and for numbers that are not finite: a network would learn nothing but NaN from them.
 */
export function observer(
  { columns, features, predict, space, remembered = 20_000 }: ObserverOptions,
): Look {
  if (columns.length > FEATURES) {
    throw new RangeError(
      `Cannot observe prompts as there must be at most ${FEATURES} features: got ${columns.length}`,
    );
  }
  const scales = columns.map(scaleOf);
  const known = new Map<string, View | Promise<View>>();

  async function seen(prompt: Prompt): Promise<View> {
    const row = await features(prompt);
    if (row.length !== columns.length) {
      throw new RangeError(
        `Cannot observe a prompt as its features must be ${columns.length}: got ${row.length}`,
      );
    }
    const score = predict ? await predict(row) : clarity(prompt, space);
    const observation = new Float32Array(OBSERVATION_SIZE);
    scales.forEach((scale, i) => observation[i] = scale(row[i]!));
    observation[FEATURES] = score;
    const strange = observation.findIndex((value) => !Number.isFinite(value));
    if (strange >= 0) {
      const name = columns[strange] ?? "the expected score";
      throw new RangeError(
        `Cannot observe a prompt as ${name} must be finite: got ${strange < FEATURES ? row[strange] : score}`,
      );
    }
    return { observation, score };
  }

  return (prompt) => {
    const key = fingerprint(prompt), view = known.get(key);
    if (view) return view;
    if (known.size >= remembered) known.delete(known.keys().next().value!);
    const looking = seen(prompt).then(
      (view) => (known.set(key, view), view),
      (error) => {
        known.delete(key);
        throw error;
      },
    );
    known.set(key, looking);
    return looking;
  };
}

/** About the most that one meets of each count; it becomes 1. */
const MOST: Readonly<Record<string, number>> = {
  ...{ length: 12_000, words: 2000, paragraphs: 50, bullets: 50, commands: 50, questions: 50 },
  ...{ constraints: 50, count: 16 },
};
/** Of an embedding of length 1 in 384 dimensions, one number is about 1 / √384. */
const DIMENSION = Math.sqrt(384);

/**
 * How a feature becomes a number that a network can begin with, by the end of its name: `…_embedding_N` times √384, so that its
 * spread is 1; `…_balance` and `calibrated` as they are, in [0, 1]; a count on a scale of logarithms,
 * ln(1 + x) / ln(1 + most), so that 0 is 0 and what is rarely exceeded is 1.
 */
function scaleOf(column: string): (value: number) => number {
  if (/_embedding_\d+$/.test(column)) return (value) => value * DIMENSION;
  if (/_balance$|^calibrated$/.test(column)) return (value) => value;
  const most = Math.log1p(MOST[column.split("_").at(-1)!] ?? 100);
  return (value) => Math.sign(value) * Math.log1p(Math.abs(value)) / most;
}
