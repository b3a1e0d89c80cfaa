/**
 * A prompt, where it came from, and what is known of it.
 *
 * ```ts
 * import { messages } from "./candidate.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const prompt = { systemPrompt: "Answer.", outputPrompt: "One word.", demos: [{ question: "2 + 2?", answer: "four" }] };
 * equal(messages(prompt, "3 + 3?").at(-1)!.content, "3 + 3?\n\nOne word.");
 * ```
 *
 * @module
 */
import type { Example } from "../dataset/example.ts";
import type { Message } from "../llm/model.ts";

/** A worked example, sent as a user turn and an assistant turn. */
export interface Demo {
  readonly question: string;
  readonly answer: string;
}

/** What is optimized. */
export interface Prompt {
  readonly systemPrompt: string;
  /** Said after every question: the form the answer should take. */
  readonly outputPrompt: string;
  readonly demos: readonly Demo[];
  /**
   * By answer, what is added to its log-probability, in nats: what a model says too often under these demos is made less likely
   * (`logit_bias` of OpenAI's API, for the tokens that part it from others). Of two answers or more it says that there are no
   * others: a server that can is told to hold a reply to them. Left out where nothing is added.
   */
  readonly bias?: Bias;
}

/** By answer, what is added to its log-probability, in nats. */
export type Bias = Readonly<Record<string, number>>;

/** The chat that asks `question` under `prompt`. Demos take the question's own form, so that they show what is asked. */
export function messages(prompt: Prompt, question: string): Message[] {
  const user = (question: string): Message => ({
    role: "user",
    content: prompt.outputPrompt === "" ? question : `${question}\n\n${prompt.outputPrompt}`,
  });
  return [
    ...(prompt.systemPrompt === "" ? [] : [{ role: "system", content: prompt.systemPrompt } as const]),
    ...prompt.demos.flatMap((
      demo,
    ): Message[] => [user(demo.question), { role: "assistant", content: demo.answer }]),
    user(question),
  ];
}

/** An example as a demo. */
export const toDemo = ({ question, references }: Example): Demo => ({ question, answer: references[0]! });

/** Those of `examples` that are none of `demos`, by their questions. */
export function unshown(demos: readonly Demo[], examples: readonly Example[]): Example[] {
  const shown = new Set(demos.map(({ question }) => question));
  return examples.filter(({ question }) => !shown.has(question));
}

/**
 * Whether two prompts send the same messages with the same bias. Where the search `calibrates`, it fits biases itself: there both
 * or none must have one, whichever it is.
 */
export const isSame = (a: Prompt, b: Prompt, calibrates = false): boolean =>
  a.systemPrompt === b.systemPrompt && a.outputPrompt === b.outputPrompt &&
  a.demos.length === b.demos.length &&
  a.demos.every(({ question, answer }, i) =>
    question === b.demos[i]!.question && answer === b.demos[i]!.answer
  ) &&
  (a.bias && b.bias ? calibrates || isSameBias(a.bias, b.bias) : a.bias === b.bias);

const isSameBias = (a: Bias, b: Bias): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([answer, nats]) => Object.hasOwn(b, answer) && nats === b[answer]);

/** What the primary model said to one question under one prompt, and what it was worth. */
export interface Result {
  readonly example: Example;
  readonly answer: string;
  /** In [0, 1]. */
  readonly score: number;
  /** The key of the completion, for whoever keeps it. */
  readonly completion: string;
}

/** An edit that a policy makes, or would make. */
export interface Edit {
  readonly action: string;
  /** By how much it is expected to raise the score. */
  readonly predicted: number;
}

/** A prompt in the search: its place in the lineage and every result seen so far. */
export interface Candidate {
  /** The number of its trial; 0 is the seed prompt. */
  readonly index: number;
  readonly prompt: Prompt;
  /** The operator that proposed it, or "seed". */
  readonly operator: string;
  /** Trials it was made from: none for the seed, two for a recombination. */
  readonly parents: readonly number[];
  /** What the operator did, in words. */
  readonly note: string;
  /** By which the policy made the prompt, where it did. */
  readonly edits?: readonly Edit[];
  /** Results on validation questions, by example id. Grows as the race goes on. */
  readonly results: Map<string, Result>;
  /** Results on train questions, by example id: what the optimizer may look at. */
  readonly practice: Map<string, Result>;
}

/** Mean score over what a candidate has seen, or 0 when it has seen nothing. */
export const meanScore = (candidate: Candidate): number =>
  mean([...candidate.results.values()].map((r) => r.score));

/** Scores of two candidates on the questions that both answered, in the order of `questions`. */
export function paired(a: Candidate, b: Candidate, questions: readonly Example[]): [number[], number[]] {
  const [ofA, ofB]: [number[], number[]] = [[], []];
  if (a.results.size === 0 || b.results.size === 0) return [ofA, ofB];
  for (const { id } of questions) {
    const own = a.results.get(id), other = own && b.results.get(id);
    if (!other) continue;
    ofA.push(own.score);
    ofB.push(other.score);
  }
  return [ofA, ofB];
}

/** The arithmetic mean, 0 of nothing. */
export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
