/**
 * What the references of a dataset have in common: a few labels, words of the question, numbers, or free text.
 * Read from train answers alone; the operators derive the form of an answer and the balance of demos from it.
 *
 * ```ts
 * import { answerSpace } from "./answer_space.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const row = (id: number, answer: string) => ({ id: `${id}`, question: "Is it so?", references: [answer] });
 * deepEqual(answerSpace([row(1, "yes"), row(2, "no"), row(3, "yes"), row(4, "no")]), {
 *   kind: "labels",
 *   labels: ["no", "yes"],
 * });
 * ```
 *
 * @module
 */
import type { Example } from "../dataset/example.ts";
import { mean } from "./candidate.ts";

/** The form that answers take. */
export type AnswerSpace =
  /** A closed set: few distinct answers, each met again and again. */
  | { readonly kind: "labels"; readonly labels: readonly string[] }
  /** Words copied from the question, also where they are few: which of them is right stands there. */
  | { readonly kind: "extract" }
  /** A number alone. */
  | { readonly kind: "number" }
  /** Anything else, with the usual and the greatest length in words. */
  | { readonly kind: "text"; readonly words: { readonly median: number; readonly most: number } };

/** A set is closed when it has at most this many members, each seen twice on average or more. */
const MOST_LABELS = 30;
/** How many of the answers must fit a form for the form to be said. */
const NEARLY_ALL = 0.9;

/** The form of the answers of `examples`; labels are sorted. */
export function answerSpace(examples: readonly Example[]): AnswerSpace {
  const answers = examples.map((example) => example.references[0]!);
  const labels = [...new Set(answers)].sort();
  const share = (fits: (example: Example) => boolean) => examples.filter(fits).length / examples.length;
  const copied =
    share(({ question, references }) => references.some((text) => question.includes(text))) >= NEARLY_ALL;
  const closed = labels.length <= MOST_LABELS && answers.length >= 2 * labels.length;
  if (closed && !(copied && tellApart(examples, labels))) return { kind: "labels", labels };
  if (copied) return { kind: "extract" };
  if (share((example) => /^[-+]?[\d.,\s]+%?$/.test(example.references[0]!)) >= NEARLY_ALL) {
    return { kind: "number" };
  }
  const words = answers.map((answer) => answer.trim().split(/\s+/).length).sort((a, b) => a - b);
  return { kind: "text", words: { median: words[words.length >> 1] ?? 0, most: words.at(-1) ?? 0 } };
}

/** Whether questions name half of `labels` at most. Where they name more, as "A) … B) …" does, all is still to be chosen. */
const tellApart = (examples: readonly Example[], labels: readonly string[]): boolean =>
  mean(examples.map(({ question }) => labels.filter((label) => question.includes(label)).length)) <=
    labels.length / 2;
