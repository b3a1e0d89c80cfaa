/**
 * BLEU (Papineni et al., 2002), with the numbers of sacrebleu 2.6.0: counts first, formula second.
 *
 * ```ts
 * import { corpusBleu, sentenceBleu } from "./bleu.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(sentenceBleu("the cat sat on the mat", ["the cat sat on a mat"]).toFixed(4), "0.5373");
 * const score = corpusBleu(["the cat sat on the mat"], [["the cat sat on a mat", "a cat was on the mat"]]);
 * equal(score.value.toFixed(4), "0.6756");
 * equal(score.signature, "bleu|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:0.1.0");
 * ```
 *
 * @module
 */
import { checkCorpus, checkReferences, checkText } from "./input.ts";
import { matches } from "./ngrams.ts";
import { numbered } from "./numbering.ts";
import type { Metric, Score } from "./score.ts";
import { signature } from "./signature.ts";
import { cutters, type Tokenizer } from "./tokenizers.ts";

/** What is done about an order of n-grams without a match (Chen and Cherry, 2014): their methods 3, 1, 2 and none. */
export type Smoothing = "exp" | "floor" | "add-k" | "none";

/** The names of the smoothings. */
export const smoothings: readonly Smoothing[] = ["exp", "floor", "add-k", "none"];

/** The settings of BLEU, under sacrebleu's names and defaults. */
export interface BleuOptions {
  /** @default {"13a"} */
  readonly tokenize?: Tokenizer;
  /** @default {"exp"} */
  readonly smooth?: Smoothing;
  /** The count that `floor` gives an order without a match, in [0, 1], or that `add-k` adds to all orders from 2, at least 0. @default {0.1 for floor, 1 for add-k} */
  readonly smoothValue?: number;
  /** Whether orders longer than the text are left out, instead of making the score 0. @default {true for a sentence, false for a corpus} */
  readonly effectiveOrder?: boolean;
  /** @default {false} */
  readonly lowercase?: boolean;
}

/** All that the formula needs; counts of many segments are added up place by place. */
export interface BleuCounts {
  /** Tokens of the predictions. */
  readonly length: number;
  /** Tokens of the references: of each segment the one closest in length, the shorter of two equally close. */
  readonly referenceLength: number;
  /** n-grams that a reference has too, for n = 1 to 4. */
  readonly correct: readonly number[];
  /** n-grams of the predictions, for n = 1 to 4. */
  readonly total: readonly number[];
}

const ORDER = 4;
const NEVER = -9999999999; // sacrebleu's log 0: finite, and e to a quarter of it is 0

/** The counts of one segment. */
export function bleuCounts(
  prediction: string,
  references: readonly string[],
  options: BleuOptions = {},
): BleuCounts {
  const { tokenize: tokenizer = "13a", lowercase = false } = options;
  const texts = [prediction, ...references];
  const [own, ...others] = numbered(
    lowercase ? texts.map((text) => text.toLowerCase()) : texts,
    cutters[tokenizer],
  ) as [number[], ...number[][]];
  const { length } = own;
  return {
    length,
    referenceLength: closest(length, others.map(({ length }) => length)),
    correct: matches(own, others, ORDER),
    total: [length, Math.max(0, length - 1), Math.max(0, length - 2), Math.max(0, length - 3)],
  };
}

const closest = (length: number, lengths: readonly number[]): number =>
  lengths.reduce((best, other) => {
    const further = Math.abs(other - length) - Math.abs(best - length);
    return further < 0 || (further === 0 && other < best) ? other : best;
  });

/** BLEU of counts, in [0, 1]: the brevity penalty times the geometric mean of the n-gram precisions. */
export function bleuOf(counts: BleuCounts, options: BleuOptions = {}): number {
  const { length, referenceLength } = counts;
  const { smooth = "exp", effectiveOrder = false } = options;
  const value = smoothValue(options);
  if (counts.correct.every((count) => count === 0)) return 0;
  const logs: number[] = [];
  let halvings = 0;
  for (let n = 1; n <= ORDER; n++) {
    const added = smooth === "add-k" && n > 1 ? value : 0;
    const correct = counts.correct[n - 1]! + added, total = counts.total[n - 1]! + added;
    if (total === 0) break;
    let matched = correct;
    if (correct === 0 && smooth === "exp") matched = 2 ** -++halvings;
    if (correct === 0 && smooth === "floor") matched = value;
    logs.push(matched === 0 ? NEVER : Math.log(matched / total));
  }
  if (!effectiveOrder) { while (logs.length < ORDER) logs.push(NEVER); }
  const brevity = Math.min(1, Math.exp(1 - referenceLength / length));
  return brevity * Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
}

/** BLEU of one segment, in [0, 1]; a hundredth of sacrebleu's `sentence_bleu`. Throws as `Metric.score` does. */
export function sentenceBleu(
  prediction: string,
  references: readonly string[],
  options: BleuOptions = {},
): number {
  checkText(prediction, "a prediction");
  checkReferences(references);
  return bleuOf(bleuCounts(prediction, references, options), settle(options, true));
}

/** BLEU of a corpus, in [0, 1]: the counts of its segments added up; a hundredth of sacrebleu's `corpus_bleu`. */
export function corpusBleu(
  predictions: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions = {},
): Score {
  return {
    value: corpusBleuOf(predictions, references, options)(Array.from(predictions.keys())),
    signature: signature("bleu", settings(settle(options, false)), references),
  };
}

/** The same of any of its segments, by their places: their counts are kept, and no text is read twice. */
function corpusBleuOf(
  predictions: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions,
): (places: readonly number[]) => number {
  checkCorpus(predictions, references);
  const kept = new Float64Array(COUNTS * predictions.length);
  predictions.forEach((prediction, i) => {
    const { length, referenceLength, correct, total } = bleuCounts(prediction, references[i]!, options);
    kept.set([length, referenceLength, ...correct, ...total], COUNTS * i);
  });
  return (places) => {
    const total = new Float64Array(COUNTS);
    for (const place of places) {
      for (let at = 0, from = COUNTS * place; at < COUNTS; at++) total[at]! += kept[from + at]!;
    }
    return bleuOf(countsIn(total), options);
  };
}

/** Counts of a segment or of many, one behind the other: both lengths, then what is correct and in total by order. */
const COUNTS = 2 + 2 * ORDER;

const countsIn = (sum: Float64Array): BleuCounts => ({
  length: sum[0]!,
  referenceLength: sum[1]!,
  correct: Array.from(sum.subarray(2, 2 + ORDER)),
  total: Array.from(sum.subarray(2 + ORDER)),
});

/** BLEU as a metric; its signature is that of `score`, the corpus' own comes with its score. */
export const bleu = (options: BleuOptions = {}): Metric => ({
  name: "bleu",
  signature: signature("bleu", settings(settle(options, true))),
  score: (prediction, references) => sentenceBleu(prediction, references, options),
  corpus: (predictions, references) => corpusBleu(predictions, references, options),
  corpusOf: (predictions, references) => corpusBleuOf(predictions, references, options),
});

/** `effectiveOrder` is the one setting whose default depends on who asks. */
const settle = (options: BleuOptions, effectiveOrder: boolean): BleuOptions => ({
  ...options,
  effectiveOrder: options.effectiveOrder ?? effectiveOrder,
});

function smoothValue({ smooth, smoothValue: value = smooth === "floor" ? 0.1 : 1 }: BleuOptions): number {
  const most = smooth === "floor" ? 1 : Number.MAX_VALUE;
  if (!(value >= 0 && value <= most)) {
    throw new RangeError(`Cannot smooth BLEU as smoothValue must be from 0 to ${most}: got ${value}`);
  }
  return value;
}

function settings(options: BleuOptions): Record<string, string> {
  const { tokenize = "13a", smooth = "exp", lowercase = false, effectiveOrder } = options;
  const value = smoothValue(options), rounded = value.toFixed(2);
  const shown = Number(rounded) === value ? rounded : String(value);
  return {
    case: lowercase ? "lc" : "mixed",
    eff: effectiveOrder ? "yes" : "no",
    tok: tokenize,
    smooth: smooth === "floor" || smooth === "add-k" ? `${smooth}[${shown}]` : smooth,
  };
}
