/**
 * An operator makes a new prompt from a known one. What it may look at is its context and nothing else.
 *
 * @module
 */
import type { Example } from "../../dataset/example.ts";
import type { Completion, Message } from "../../llm/model.ts";
import type { Random } from "../../random.ts";
import type { AnswerSpace } from "../answer_space.ts";
import type { Candidate, Edit, Prompt, Result } from "../candidate.ts";
import type { Limits } from "../hygiene.ts";

/** A trial that did not help, and why. */
export interface Rejected {
  readonly prompt: Prompt;
  /** By which it was made. */
  readonly operator: string;
  readonly reason: string;
}

/** What an operator knows. */
export interface Situation {
  /** The candidate to start from. */
  readonly parent: Candidate;
  /** Every candidate that has been raced, the parent among them. */
  readonly pool: readonly Candidate[];
  /** The examples it may read, quote and learn from. */
  readonly train: readonly Example[];
  readonly space: AnswerSpace;
  readonly limits: Limits;
  /** Trials that did not help, newest last, each with why. */
  readonly rejected: readonly Rejected[];
  /** Whether prompts can be calibrated: answers are labels, and the model takes a bias and tells what it needs. */
  readonly calibrates: boolean;
  /** Hints of the surrogate for the optimizer model, in words. */
  readonly advice: readonly string[];
  readonly random: Random;
}

/** What an operator works with: the situation, and the models. */
export interface Context extends Situation {
  /** Asks the optimizer model. */
  ask(messages: readonly Message[]): Promise<Completion>;
  /** Has the primary model answer train questions under a candidate; what was answered before costs nothing. */
  practise(candidate: Candidate, examples: readonly Example[]): Promise<Result[]>;
  /** What the policy would do to the parent; nothing without a policy. */
  suggest(): Promise<readonly Edit[]>;
}

/**
 * A prompt worth a race, or the reason why there is none. One with a bias, whatever is in it, is calibrated before it is raced:
 * what fitted its parent does not fit it. Once the incumbent has a bias, every prompt is.
 */
export type Proposal =
  | {
    readonly prompt: Prompt;
    readonly parents: readonly number[];
    readonly note: string;
    /** What the policy made of the parent, where that is the prompt. */
    readonly edits?: readonly Edit[];
  }
  | { readonly refused: string };

/** A way to make a prompt. */
export interface Operator {
  readonly name: string;
  /** Train questions that one proposal may have answered. */
  readonly practises: number;
  /** Calls of the optimizer model that one proposal may make. */
  readonly asks: number;
  /** Whether there is anything for it to do. */
  applies(situation: Situation): boolean;
  propose(context: Context): Promise<Proposal>;
}
