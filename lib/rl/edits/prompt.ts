/**
 * A prompt as it is edited, and what an edit may know of the task.
 *
 * @module
 */

/** A worked example. */
export interface Demo {
  readonly question: string;
  readonly answer: string;
}

/** What is edited: what is said first, what is said after every question, and examples in between. */
export interface Prompt {
  readonly systemPrompt: string;
  readonly outputPrompt: string;
  readonly demos: readonly Demo[];
  /** Left as it is by every edit. */
  readonly bias?: Readonly<Record<string, number>>;
}

/** What the answers of a task have in common. */
export type AnswerSpace =
  | { readonly kind: "labels"; readonly labels: readonly string[] }
  | { readonly kind: "extract" }
  | { readonly kind: "number" }
  | { readonly kind: "text"; readonly words: { readonly median: number; readonly most: number } };

/** What an edit may read, and must keep to. */
export interface Task {
  /** Questions with their answers, of which the first is shown: demos are taken from here. */
  readonly train: readonly { readonly question: string; readonly references: readonly string[] }[];
  /** The form of the answers, where it is known. */
  readonly space?: AnswerSpace;
  readonly limits: {
    /** Worked examples at most. */
    readonly demos: number;
    /** Characters of a prompt at most, as `length` counts them. */
    readonly characters: number;
  };
}

/** Characters (UTF-16 units) of a prompt: both texts with what parts them, and all demos. */
export const length = ({ systemPrompt, outputPrompt, demos }: Prompt): number =>
  demos.reduce(
    (sum, { question, answer }) => sum + question.length + answer.length,
    systemPrompt.length + 1 + outputPrompt.length,
  );

/** Equal for two prompts that say the same, and for no others. */
export const fingerprint = ({ systemPrompt, outputPrompt, demos, bias }: Prompt): string =>
  JSON.stringify([systemPrompt, outputPrompt, demos.map(({ question, answer }) => [question, answer]), bias]);

/** What is filled in later, in braces, single or double: `{name}`, `{{ name }}`. */
export const placeholders = (text: string): Set<string> =>
  new Set(text.match(/\{\{?[^{}\n]{1,80}\}?\}/gu) ?? []);
