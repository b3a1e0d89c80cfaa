/**
 * What a run depends on, and what it knows so far.
 *
 * @module
 */
import type { Example } from "../dataset/example.ts";
import type { Completion, FirstToken, Message } from "../llm/model.ts";
import type { Random } from "../random.ts";
import { json } from "../text.ts";
import type { AnswerSpace } from "./answer_space.ts";
import type { Arms } from "./bandit.ts";
import { probesFor } from "./calibration.ts";
import type { Candidate, Prompt } from "./candidate.ts";
import type { Limits } from "./hygiene.ts";
import type { Policy } from "./operators/edit.ts";
import type { Operator, Rejected } from "./operators/operator.ts";
import type { Course } from "./race.ts";

/** An answer and the key under which it is kept. */
export interface Answer {
  readonly text: string;
  readonly completion: string;
}

/** The calls by name. */
export type StepName =
  | "primary_inference"
  | "baseline_evaluation"
  | "optimizer_refine"
  | "refined_inference"
  | "refined_evaluation"
  | "compare_and_log";

/** What runs around each call: progress, spans, task runs. It must run `work` and return its result. */
export type Step = <T>(name: StepName, iteration: number, work: () => T | Promise<T>) => Promise<T>;

/** Predicts the validation score of prompts; the most promising are raced. */
export type Surrogate = (prompts: readonly Prompt[]) => Promise<readonly number[]>;

/** Why a run ended. Whoever asks says that it is `unreadable`: no score can be made of what the models said, or of nothing. */
export type StopReason = "target" | "patience" | "iterations" | "budget" | "interrupted" | "unreadable";

/** Thrown by `answer` or `ask` to end the run in good order: the money is spent, or the user wants it to end. */
export class Stop extends Error {
  override name = "Stop";
  /** What the run then ends with. */
  readonly reason: "budget" | "interrupted";
  constructor(reason: "budget" | "interrupted", message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Everything a run depends on. */
export interface Options {
  readonly seedPrompt: Prompt;
  readonly train: readonly Example[];
  readonly validation: readonly Example[];
  readonly random: Random;
  /** The primary model's answer, or null when there is none (the question then counts for nobody). */
  readonly answer: (prompt: Prompt, example: Example) => Promise<Answer | null>;
  /**
   * The primary model's answer with its first tokens, and which else there might have been; left out where the model does not
   * tell them or takes no bias.
   */
  readonly tell?: (
    prompt: Prompt,
    example: Example,
  ) => Promise<(Answer & { readonly firsts?: readonly FirstToken[] }) | null>;
  /** What an answer is worth, in [0, 1], or null when nobody can tell (the question then counts for nobody). */
  readonly score: (answer: string, example: Example) => number | null | Promise<number | null>;
  /** Asks the optimizer model. */
  readonly ask: (messages: readonly Message[]) => Promise<Completion>;
  readonly surrogate?: Surrogate;
  readonly policy?: Policy;
  /** Ways to make prompts. @default the eight of this room */
  readonly operators?: readonly Operator[];
  /** Hints for the optimizer model, such as the surrogate's strongest features. @default {[]} */
  readonly advice?: readonly string[];
  /** Answers the search may ask for, of all roles, whether paid for now or read back. @default {Infinity} */
  readonly maxCalls?: number;
  /** Calls that one answered and scored question takes at most: 2 where a model grades. @default {1} */
  readonly callsEach?: number;
  /** What a call of the optimizer model costs, in answers of the primary: the bandit weighs gain against it. @default {1} */
  readonly askCost?: number;
  /** Validation score, on the whole split, at which the search ends. @default {0.9} */
  readonly target?: number;
  /** @default {10} */
  readonly maxIterations?: number;
  /** Iterations without a better prompt after which the search ends. @default {3} */
  readonly patience?: number;
  /** Challengers in a race. @default {6} */
  readonly breadth?: number;
  /**
   * The same in the first race, where nothing is known yet and choices of demos differ most.
   * @default {16; as many as later where prompts are calibrated, as they differ less then}
   */
  readonly opening?: number;
  /** @default {{ block: 10, alpha: 0.1 }} */
  readonly course?: Course;
  /** @default {{ demos: 24, characters: 12000 }} */
  readonly limits?: Limits;
  /** @default runs the work and nothing else */
  readonly step?: Step;
}

/** One prompt that was proposed, and what became of it. */
export interface Trial {
  readonly candidate: Candidate;
  /** 0 for the seed prompt. */
  readonly iteration: number;
  /** What the surrogate expected, when there is one. */
  readonly predicted: number | null;
  /** Whether it became the incumbent. */
  readonly accepted: boolean;
  readonly reason: string;
  /** Answers the search had asked for when this was decided, of all roles. */
  readonly calls: number;
}

/** How a search ended. */
export interface Outcome {
  readonly stopReason: StopReason;
  /** Iterations that were decided. */
  readonly iterations: number;
  readonly seed: Candidate;
  readonly best: Candidate;
  /** Answers asked for, of all roles. */
  readonly calls: number;
}

/** The options with every default filled in; some slots may stay empty. */
export type Settled = Required<Omit<Options, Slot>> & Pick<Options, Slot>;
type Slot = "surrogate" | "policy" | "tell";

/** A run in progress. */
export interface Search {
  readonly options: Settled;
  readonly space: AnswerSpace;
  readonly seed: Candidate;
  /** Everything proposed, in the order of trials: refused ones too. */
  readonly known: Candidate[];
  /** Everything that was raced, and the seed. */
  readonly pool: Candidate[];
  readonly rejected: Rejected[];
  incumbent: Candidate;
  arms: Arms;
  /** Answers asked for, of all roles. */
  calls: number;
  /** What a model has graded, by question and answer: asked again, its grade is there. */
  readonly graded: Set<string>;
  /** Iterations since the incumbent last changed. */
  idle: number;
  /** Whether an answer was refused as the money is spent: what was seen until then is decided, and the search ends. */
  spent: boolean;
}

/** Answers the search may still ask for. */
export const affordable = ({ options, calls }: Search): number => options.maxCalls - calls;

/** What an operator, or a race, was answered to a question; null where there was no answer. */
export interface Answered {
  readonly example: Example;
  readonly text: string | null;
}

/** Counts the grades of answers, where a model gives them: none of an answer that was graded before. */
export function countGrades(search: Search, answers: readonly Answered[]): void {
  const { graded, options: { callsEach } } = search;
  if (callsEach === 1) return;
  for (const { example: { id }, text } of answers) {
    const key = json([id, text]);
    if (text === null || graded.has(key)) continue;
    graded.add(key);
    search.calls += callsEach - 1;
  }
}

/** Whether prompts can be calibrated. */
export const calibrates = ({ options: { tell }, space }: Search): boolean =>
  tell !== undefined && space.kind === "labels";

/** What a challenger costs at least, in calls: it is calibrated, where prompts are, and runs the first heat. */
export const entryPrice = (search: Search): number => {
  const { options: { callsEach, course, validation }, space } = search;
  return callsEach * Math.min(course.block, validation.length) + (calibrates(search) ? probesFor(space) : 0);
};

/** Challengers of the next race. It does not go by the budget: a run that goes on with another one is the same run. */
export const breadthOf = ({ options: { breadth, opening }, pool }: Search): number =>
  pool.length > 1 ? breadth : opening;

/** A candidate that nothing is known of yet. */
export const candidate = (
  index: number,
  made: Pick<Candidate, "prompt" | "operator" | "parents" | "note" | "edits">,
): Candidate => ({ index, ...made, results: new Map(), practice: new Map() });
