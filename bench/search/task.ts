/**
 * What every system of `bench search` is given, and what it tells: a task as one JSON document on standard input, and on
 * standard output a line of JSON for each prompt that it holds to be its best.
 *
 * @module
 */
import type { Bias, Prompt } from "../../lib/optimize/mod.ts";

/** A question with its references. */
export interface Row {
  readonly id: string;
  readonly question: string;
  readonly references: readonly string[];
}

/** One search: what is asked, of which server, how often at most. */
export interface Task {
  readonly train: readonly Row[];
  readonly validation: readonly Row[];
  /** Of exact match: `ignoreCase`, `ignorePunctuation`. */
  readonly metric_options: Readonly<Record<string, unknown>>;
  /** The prompt to begin with. */
  readonly system: string;
  readonly seed: number;
  /** Model calls at most, of all roles. */
  readonly calls: number;
  /** Tokens of an answer, and of a reply of the optimizer model, at most. */
  readonly answer_tokens: number;
  readonly optimizer_tokens: number;
  /** Of the server; it is asked at `URL/v1` and says at `URL/count` how often it was. */
  readonly url: string;
  /** An empty folder. */
  readonly folder: string;
}

/** A prompt as systems tell it; `output` follows each question after a blank line. */
export interface Told {
  readonly system: string;
  readonly output?: string;
  readonly demos: readonly (readonly [question: string, answer: string])[];
  /** By answer, nats added to its log-probability. */
  readonly bias?: Bias;
}

/** A system's best prompt once it had made `calls` calls. */
export interface Incumbent {
  readonly calls: number;
  readonly validation: number;
  readonly prompt: Told;
}

/** A prompt of ours as it is told. */
export const told = ({ systemPrompt, outputPrompt, demos, bias }: Prompt): Told => ({
  system: systemPrompt,
  ...outputPrompt === "" ? {} : { output: outputPrompt },
  demos: demos.map(({ question, answer }) => [question, answer]),
  ...bias ? { bias } : {},
});

/** A prompt that was told as one of ours: other systems know no output prompt. */
export const prompt = ({ system, output = "", demos, bias }: Told): Prompt => ({
  systemPrompt: system,
  outputPrompt: output,
  demos: demos.map(([question, answer]) => ({ question, answer })),
  ...bias ? { bias } : {},
});
