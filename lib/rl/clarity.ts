/**
 * How clear and concise a prompt is, without a model: a rule of thumb that stands in until prompts have been measured.
 *
 * ```ts
 * import { clarity } from "./clarity.ts";
 * import { ok } from "node:assert/strict";
 *
 * const vague = { systemPrompt: "You are a really very helpful assistant.", outputPrompt: "", demos: [] };
 * const clear = { ...vague, systemPrompt: "Classify the question.", outputPrompt: "Answer with one word only." };
 * ok(clarity(vague) < clarity(clear));
 * ```
 *
 * @module
 */
import { saysForm } from "./edits/additions.ts";
import { lines, named, sentences, wordCount } from "./edits/passages.ts";
import { type AnswerSpace, length, type Prompt } from "./edits/prompt.ts";
import { isInstruction, shortenPrompt } from "./edits/wording.ts";

/** Words that both texts may have before they count as long; demos do not count. */
const MANY_WORDS = 80;
/** Words that a sentence may have, in the mean, before it counts as long. */
const LONG_SENTENCE = 20;
/** More demos than these are no clearer. */
const ENOUGH_DEMOS = 4;

/**
 * In [0, 1], the weighted mean of six parts, each in [0, 1]:
 *
 * | weight | part                                                                                            |
 * | ------ | ----------------------------------------------------------------------------------------------- |
 * | 0.25   | it tells what to do: 1 with an instruction, else 0                                               |
 * | 0.25   | it says the form of the answer: 1 where it names all labels (or, without labels, says it in words), ½ where it only says it in words |
 * | 0.20   | it is short: 1 up to 80 words, then 80 / words                                                   |
 * | 0.10   | its sentences are short: 1 up to 20 words in the mean, then 20 / mean                            |
 * | 0.10   | nothing in it is idle: the part of its length that `shorten_prompt` leaves                       |
 * | 0.10   | it shows examples: demos / 4, at most 1                                                          |
 *
 * A prompt without a word in its texts has the last part alone.
 */
export function clarity(prompt: Prompt, space?: AnswerSpace): number {
  const { systemPrompt, outputPrompt, demos } = prompt;
  const both = `${systemPrompt}\n${outputPrompt}`, words = wordCount(both);
  const examples = 0.1 * Math.min(1, demos.length / ENOUGH_DEMOS);
  if (words === 0) return examples;
  const all = lines(both).flatMap(({ text }) => sentences(text)).map(({ text }) => text);
  const spoken = all.filter((text) => wordCount(text) > 0);
  const instructs = spoken.some((text) => isInstruction(text.replace(/^\P{L}+/u, "")));
  const labels = space?.kind === "labels" ? space.labels : [];
  const names = labels.length > 0 && new Set(labels).isSubsetOf(named(both, labels));
  const form = names ? 1 : saysForm(both) ? (labels.length > 0 ? 0.5 : 1) : 0;
  const rest = shortenPrompt(prompt, { train: [], space, limits: { demos: 0, characters: 0 } });
  return 0.25 * Number(instructs) + 0.25 * form + 0.2 * falling(words, MANY_WORDS) +
    0.1 * falling(words / spoken.length, LONG_SENTENCE) + 0.1 * (length(rest) / length(prompt)) + examples;
}

/** 1 up to `enough`, then as much less as there is more. */
const falling = (value: number, enough: number): number => Math.min(1, enough / value);
