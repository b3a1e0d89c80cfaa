/**
 * A score travels with what made it: the same signature means the numbers can be compared.
 *
 * @module
 */

/** A number in [0, 1], higher is better, and the settings that produced it. */
export interface Score {
  readonly value: number;
  /** In sacrebleu's manner: `bleu|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:…`. */
  readonly signature: string;
}

/** A metric with its options settled: what scores one answer, and what scores many. */
export interface Metric {
  readonly name: string;
  readonly signature: string;
  /** One prediction against its references: a number in [0, 1]. */
  score(prediction: string, references: readonly string[]): number;
  /** Many predictions at once: the mean of `score`, except where the metric has a formula of its own (corpus BLEU). */
  corpus(predictions: readonly string[], references: readonly (readonly string[])[]): Score;
  /** Where it has: the value of any segments of a corpus, by their places, of which one may be there several times. */
  corpusOf?(
    predictions: readonly string[],
    references: readonly (readonly string[])[],
  ): (places: readonly number[]) => number;
}
