/**
 * How good an answer is: exact match, F1, BLEU and ROUGE, equal to the Python packages that people quote.
 *
 * ```ts
 * import { metric } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const rouge = metric("rougeL", { stemmer: true });
 * equal(rouge.score("two cats sat", ["a dog ran", "two cat sat down"]), 2 * 1 * 0.75 / 1.75);
 * equal(
 *   metric("bleu").corpus(["the cat is on the mat"], [["the cat is on the mat"]]).signature,
 *   "bleu|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:0.1.0",
 * );
 * ```
 *
 * @module
 */
export { metric, metricNames } from "./metric.ts";
export type { Metric, Score } from "./score.ts";
export { exactMatch, type ExactMatchOptions } from "./exact_match.ts";
export { f1, type F1Options, f1Tokens } from "./f1.ts";
export {
  type BleuCounts,
  bleuCounts,
  bleuOf,
  type BleuOptions,
  corpusBleu,
  sentenceBleu,
  type Smoothing,
  smoothings,
} from "./bleu.ts";
export { type Rouge, rougeL, rougeLsum, rougeN, type RougeOptions, rougeTokens } from "./rouge.ts";
export { stem } from "./porter_stemmer.ts";
export { tokenize, type Tokenizer, tokenizers } from "./tokenizers.ts";
