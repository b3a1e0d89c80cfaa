/**
 * ROUGE (Lin, 2004), with the numbers of rouge_score 0.1.2: n-gram overlap, longest common subsequence, and its
 * summary-level form over lines.
 *
 * ```ts
 * import { rougeL, rougeLsum, rougeN } from "./rouge.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * deepEqual(rougeN(1, "the cat sat", "the cat"), { precision: 2 / 3, recall: 1, fmeasure: 0.8 });
 * equal(rougeL("sat the cat", "the cat sat").fmeasure, 2 / 3);
 * equal(rougeL("two cats", "two cat", { stemmer: true }).fmeasure, 1);
 * equal(rougeLsum("a b\nc d", "c d\na b").fmeasure, 1);
 * ```
 *
 * @module
 */
import { checkText } from "./input.ts";
import { lcsLength, markLcs } from "./lcs.ts";
import { matches } from "./ngrams.ts";
import { type Cutter, type Emit, numbered, tokens } from "./numbering.ts";
import { stem } from "./porter_stemmer.ts";

/** Shares in [0, 1], and their harmonic mean. */
export interface Rouge {
  /** Of what the prediction says. */
  readonly precision: number;
  /** Of what the reference says. */
  readonly recall: number;
  readonly fmeasure: number;
}

/** The settings of ROUGE. */
export interface RougeOptions {
  /** Whether words of more than three letters are compared by their Porter stem. @default {false} */
  readonly stemmer?: boolean;
}

/** ROUGE-1 and ROUGE-2: n-grams in common. */
export function rougeN(n: 1 | 2, prediction: string, reference: string, options: RougeOptions = {}): Rouge {
  const [own, other] = read(prediction, reference, options);
  const common = matches(own, [other], n)[n - 1]!;
  return rouge(common, Math.max(0, own.length - n + 1), Math.max(0, other.length - n + 1));
}

/** ROUGE-L: the longest common subsequence of words. */
export function rougeL(prediction: string, reference: string, options: RougeOptions = {}): Rouge {
  const [own, other] = read(prediction, reference, options);
  return rouge(lcsLength(own, other), own.length, other.length);
}

/**
 * ROUGE-L of summaries, a sentence a line (Lin, 2004, §3.2): each reference sentence against all predicted ones
 * together. A word counts at most as often as either text has it.
 */
export function rougeLsum(prediction: string, reference: string, options: RougeOptions = {}): Rouge {
  checkText(prediction, "a prediction");
  checkText(reference, "a reference");
  const lines = prediction.split("\n"), otherLines = reference.split("\n");
  const sentences = numbered([...lines, ...otherLines], cutter(options));
  const own = sentences.slice(0, lines.length), others = sentences.slice(lines.length);
  const leftOwn = countsOf(own), leftOther = countsOf(others);
  let common = 0;
  for (const other of others) {
    const union = new Uint8Array(other.length);
    for (const sentence of own) markLcs(other, sentence, union);
    for (let i = 0; i < other.length; i++) {
      const token = other[i]!;
      if (union[i] && leftOwn.get(token)! > 0 && leftOther.get(token)! > 0) {
        common++;
        leftOwn.set(token, leftOwn.get(token)! - 1);
        leftOther.set(token, leftOther.get(token)! - 1);
      }
    }
  }
  return rouge(common, total(own), total(others));
}

/** rouge_score's words: lower case, runs of a-z and 0-9 (all else separates), stemmed if asked for. */
export const rougeTokens = (text: string, options: RougeOptions = {}): string[] =>
  tokens(text, cutter(options));

const cutter = ({ stemmer = false }: RougeOptions): Cutter => stemmer ? STEMS : WORDS;

const WORDS: Cutter = { prepare: (text) => text.toLowerCase(), cut: cutWords };

const STEMS: Cutter = {
  prepare: (text) => text.toLowerCase().replace(/[a-z0-9]{4,}/g, (word) => stem(word)),
  cut: cutWords,
};

function cutWords(bytes: Uint8Array, from: number, to: number, emit: Emit): void {
  let start = from;
  for (let i = from; i <= to; i++) {
    if (i < to && isAlphanumeric(bytes[i]!)) continue;
    if (start < i) emit(start, i);
    start = i + 1;
  }
}

const isAlphanumeric = (byte: number): boolean => (byte >= 97 && byte <= 122) || (byte >= 48 && byte <= 57);

function read(prediction: string, reference: string, options: RougeOptions): [number[], number[]] {
  checkText(prediction, "a prediction");
  checkText(reference, "a reference");
  return numbered([prediction, reference], cutter(options)) as [number[], number[]];
}

function rouge(common: number, predicted: number, wanted: number): Rouge {
  const precision = common / Math.max(predicted, 1), recall = common / Math.max(wanted, 1);
  const sum = precision + recall;
  return { precision, recall, fmeasure: sum > 0 ? 2 * precision * recall / sum : 0 };
}

function countsOf(sentences: readonly number[][]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const sentence of sentences) {
    for (const token of sentence) counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return counts;
}

const total = (sentences: readonly number[][]): number =>
  sentences.reduce((sum, { length }) => sum + length, 0);
