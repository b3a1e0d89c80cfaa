/**
 * What a dataset is made of: questions with the answers that count as right.
 *
 * @module
 */

/** One question and its references. */
export interface Example {
  /** Unique within its dataset: the file's `id`, or `row-N` counted from 1. */
  readonly id: string;
  readonly question: string;
  /** Every answer that counts as right; at least one. */
  readonly references: readonly string[];
}

/** Train feeds demos and the optimizer, validation selects, test is locked until the end. */
export type SplitName = "train" | "validation" | "test";

/** What a dataset says of itself in `NAME.card.json`; command-line flags win over it. */
export interface Card {
  readonly metric?: string;
  /** Options of the metric, such as `{ "ignoreCase": true }`. */
  readonly metricOptions?: Readonly<Record<string, unknown>>;
  readonly systemPrompt?: string;
  readonly outputPrompt?: string;
  readonly origin?: string;
  readonly licence?: string;
}

/** A dataset, split. No example is in two splits. */
export interface Dataset {
  /** The file's name without folder and extension. */
  readonly name: string;
  /** SHA-256 of the examples and their splits, in hexadecimal: same hash, same questions. */
  readonly sha256: string;
  readonly card: Card;
  readonly train: readonly Example[];
  readonly validation: readonly Example[];
  readonly test: readonly Example[];
}
