/**
 * F1 over words, as SQuAD's evaluation has it (Rajpurkar et al., 2016, §6.1): lower case, without ASCII punctuation
 * and the articles a, an, the.
 *
 * ```ts
 * import { f1 } from "./f1.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(f1("The Eiffel Tower.", "eiffel tower"), 1);
 * equal(f1("the tower in Paris", "Eiffel tower"), 2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2));
 * ```
 *
 * @module
 */
import { checkText } from "./input.ts";
import { PUNCTUATION, split, WORD } from "./python_text.ts";

/** The settings of F1. */
export interface F1Options {
  /**
   * SQuAD 2.0's rule for questions without an answer: when either text has no words, 1 if both have none, else 0.
   * SQuAD 1.1 gives 0 to both. @default {false}
   */
  readonly noAnswer?: boolean;
}

const ARTICLES = new RegExp(`(?<![${WORD}])(?:a|an|the)(?![${WORD}])`, "gu");

/** SQuAD's words of `text`; its `normalize_answer` is these, joined by spaces. */
export const f1Tokens = (text: string): string[] =>
  split(text.toLowerCase().replace(PUNCTUATION, "").replace(ARTICLES, " "));

/** The harmonic mean of the shares of words in common, in [0, 1]. */
export function f1(prediction: string, reference: string, { noAnswer = false }: F1Options = {}): number {
  checkText(prediction, "a prediction");
  checkText(reference, "a reference");
  const own = f1Tokens(prediction), other = f1Tokens(reference);
  if (noAnswer && (own.length === 0 || other.length === 0)) return own.length === other.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of other) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of own) {
    const count = left.get(word) ?? 0;
    if (count > 0) common++;
    left.set(word, count - 1);
  }
  if (common === 0) return 0;
  const precision = common / own.length, recall = common / other.length;
  return 2 * precision * recall / (precision + recall);
}
