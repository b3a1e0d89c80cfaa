/**
 * The five calls, each through the ledger: who answers, who scores, who proposes.
 *
 * @module
 */
import { byJudge, byMetric, grade, type Scorer } from "../evaluate/mod.ts";
import {
  BudgetError,
  type Completion,
  type LanguageModel,
  type Ledger,
  type Message,
  type ModelRequest,
  ProviderError,
  type Role,
} from "../llm/mod.ts";
import type { Metric } from "../metrics/mod.ts";
import { type Bias, COURSE, messages, type Options, Stop } from "../optimize/mod.ts";
import { mean } from "../optimize/candidate.ts";
import { integer, random } from "../random.ts";
import { visible } from "../text.ts";
import type { Silence } from "./silence.ts";

/** What scores: a metric, or a model that grades. */
export type Grading = Metric | { readonly judge: LanguageModel };

/** How the primary model is asked. */
export interface Sampling {
  /**
   * Above 0 an answer is a draw, kept like any other. Which draw is said by the experiment's seed and by what it is for (the
   * search, or the claim of one version): a resumed run finds its own again, while another seed, or the same prompt as
   * another version, draws anew. @default {0}
   */
  readonly temperature?: number;
  /** Tokens of an answer at most. */
  readonly answerTokens: number;
}

/** Asks the model of a role; null when the provider gave no answer. That call is kept as failed and counts for nobody. */
export type Ask = (
  role: Role,
  messages: readonly Message[],
  options: Omit<ModelRequest, "messages" | "temperature"> & { temperature?: number },
) => Promise<
  { readonly completion: Completion; readonly key: string } | null
>;

export const asking =
  (ledger: Ledger, onAnswer: Silence["heard"]): Ask =>
  async (role, messages, { temperature = 0, sample, ...options }) => {
    const draw = temperature > 0 && sample !== undefined ? { sample } : {};
    const answer = await ledger.ask(role, { messages, temperature, ...options, ...draw }).catch((error) => {
      if (error instanceof BudgetError) throw new Stop("budget", error.message, { cause: error });
      const known = error instanceof ProviderError;
      if (known && !error.fatal) return error;
      if (!(known && error.retryable)) ledger.stop(error); // nothing else would fare better, so nothing else is sent
      throw error;
    });
    const failed = answer instanceof ProviderError;
    onAnswer(role, failed ? answer : answer.completion, options.maxTokens);
    return failed ? null : answer;
  };

/** `ask` until it is closed: then nothing more is asked, and what is under way is waited for. */
export function closable(ask: Ask): { readonly ask: Ask; close(): Promise<void> } {
  const underWay = new Set<Promise<unknown>>();
  let closed = false;
  return {
    ask(...args) {
      if (closed) return Promise.reject(new Stop("budget", "Cannot ask as the search has ended"));
      const answer = ask(...args);
      const over = () => underWay.delete(answer);
      underWay.add(answer);
      answer.then(over, over);
      return answer;
    },
    async close() {
      closed = true;
      await Promise.allSettled(underWay);
    },
  };
}

/** Who answers, and how it is asked. */
export interface Answering extends Sampling {
  readonly seed: number;
  readonly primary: Pick<LanguageModel, "name" | "tokensOf">;
}

/**
 * Calls 1 and 4: the primary model answers; above temperature 0 with draws of their own for each `seed` and `use`. Throws
 * ProviderError, before anything is asked, where the prompt has a bias that the model cannot be given.
 */
export const answering = (
  ask: Ask,
  { temperature = 0, answerTokens: maxTokens, seed, primary }: Answering,
  use: "search" | number,
  { firsts = false }: { firsts?: boolean } = {},
): Telling => {
  const sample = integer(2 ** 32, random(seed).fork(`sample for ${use}`));
  return async (prompt, example) => {
    const bias = prompt.bias && await biasOf(prompt.bias, primary);
    const choices = prompt.bias && choicesOf(prompt.bias);
    const given = await ask("primary", messages(prompt, example.question), {
      ...{ temperature, maxTokens, sample },
      ...bias ? { bias } : {},
      ...choices ? { choices } : {},
      ...firsts ? { firsts } : {},
    });
    if (given === null) return null;
    const { text, firsts: told } = given.completion;
    return { text: text.trim(), completion: given.key, ...told ? { firsts: told } : {} };
  };
};

type Telling = NonNullable<Options["tell"]>;

/** The same in the search, with the first tokens of an answer and which else there might have been. */
export const telling = (ask: Ask, options: Answering): Telling =>
  answering(ask, options, "search", { firsts: true });

/** Whether a model can be told a bias for a text. */
export const takesBias = async ({ tokensOf }: Pick<LanguageModel, "tokensOf">, text: string) =>
  (await tokensOf?.(text) ?? null) !== null;

/** A prompt's bias by token. */
async function biasOf(bias: Bias, { name, tokensOf }: Answering["primary"]): Promise<ModelRequest["bias"]> {
  const answers: Tokenized[] = [];
  for (const [answer, nats] of Object.entries(bias)) {
    const tokens = await tokensOf?.(answer) ?? null;
    if (tokens === null) {
      throw new ProviderError(
        `Cannot ask ${name} with this prompt's bias as it must tell the tokens of ${
          JSON.stringify(answer)
        }: ` +
          "use the embedded model, or a server that answers /tokenize as llama.cpp and vLLM do",
        { retryable: false, fatal: true },
      );
    }
    answers.push({ tokens, nats });
  }
  if (answers.length === 0) return undefined;
  const added = Map.groupBy(tokenBias(answers), ({ token }) => token);
  return Object.fromEntries(Array.from(added, ([token, all]) => [token, mean(all.map(({ nats }) => nats))]));
}

/** An answer as a model says it, and its bias. */
interface Tokenized {
  readonly tokens: readonly string[];
  readonly nats: number;
}

/**
 * What is added for each token: at the first one the mean of the answers that begin with it, and where these part what each has
 * beyond the least of them. For the end of an answer nothing can be added, so those that go on with it get the difference to
 * what it has.
 */
function tokenBias(answers: readonly Tokenized[], depth = 0): { token: string; nats: number }[] {
  const ended = answers.find(({ tokens }) => tokens.length === depth);
  const going = answers.filter(({ tokens }) => tokens.length > depth);
  const next = [...Map.groupBy(going, ({ tokens }) => tokens[depth]!)]
    .map(([token, alike]) => ({ token, alike, nats: mean(alike.map(({ nats }) => nats)) }));
  const parts = depth === 0 || ended !== undefined || next.length > 1;
  const least = depth === 0 ? 0 : ended?.nats ?? Math.min(...next.map(({ nats }) => nats));
  return next.flatMap(({ token, alike, nats }) => [
    ...parts ? [{ token, nats: nats - least }] : [],
    ...alike.length > 1 ? tokenBias(alike, depth + 1) : [],
  ]);
}

/**
 * The answers a bias is for are all there are, if they are several: a reply is held to them. Under few demos a small model
 * finds other words for the same.
 */
function choicesOf(bias: Bias): string[] | undefined {
  const answers = Object.keys(bias);
  return answers.length > 1 ? answers : undefined;
}

/** Calls 2 and 5: the metric scores, or a model grades, whose replies are told to `grades`. */
export const scoring = (ask: Ask, metric: Grading, grades: Pick<Grades, "heard">): Scorer =>
  "judge" in metric
    ? byJudge(
      async (messages) => {
        const given = await ask("grader", messages, { maxTokens: GRADE_TOKENS });
        if (given === null) return null;
        grades.heard(given.completion.text);
        return given.completion.text;
      },
      metric.judge.name,
    )
    : byMetric(metric);

/** Grades that could not be read: what they were asked for counts for nobody. */
export interface Unreadable {
  /** Answers without one. */
  readonly count: number;
  /** How many of how many, and what the model said in place of one. */
  readonly text: string;
}

/** Not one grade can be read, or nothing was said at all: the same run would end so again, as the replies are kept. */
export class UnreadableError extends ProviderError {}

/** What a model that grades said in a run, to each answer, read back replies included. By a metric nothing is said. */
export interface Grades {
  heard(reply: string): void;
  /** Throws UnreadableError when `least` replies came at least, and none of them is a grade. */
  require(least: number): void;
  /** Undefined where all could be read. */
  unreadable(): Unreadable | undefined;
}

/** Replies without one grade among them after which a search ends: those of its first block. */
export const GRADES_TO_TELL = COURSE.block;

/** Keeps count of a run's grades. */
export function gradesOf(metric: Grading): Grades {
  const name = "judge" in metric ? metric.judge.name : metric.name;
  let [replies, count, example] = [0, 0, ""];
  return {
    heard(reply) {
      replies++;
      if (grade(reply) === null && ++count === 1) example = `"${visible(reply.trim(), SHOWN)}"`;
    },
    require(least) {
      if (count < Math.max(1, least) || count < replies) return;
      throw new UnreadableError(
        `Cannot score by the grades of ${name} as none of ${count} could be read: each must be {"score": N}, ` +
          `got ${example}: begin anew with another model that grades (--optimizer), or with a metric (--metric)`,
        { retryable: false, fatal: false },
      );
    },
    unreadable: () =>
      count === 0 ? undefined : {
        count,
        text:
          `${name} gave ${count} of ${replies} answers no grade that can be read: each must be {"score": N}, ` +
          `got ${example}`,
      },
  };
}

/** Characters of a reply in a message. */
const SHOWN = 200;

/** Call 3: the optimizer model proposes. */
export const refining = (ask: Ask, maxTokens: number): Options["ask"] => async (messages) =>
  (await ask("optimizer", messages, { temperature: REFINING, maxTokens }))?.completion ??
    { text: "", finish: "other", usage: null };

/** Temperature of the optimizer model: warm enough that two proposals differ. */
const REFINING = 0.7;
/** Tokens of a grade at most; models that think before they answer need the room. */
const GRADE_TOKENS = 256;

/** For a claim or a measurement: when the budget ends, which `onBudget` is told, what was answered still counts. */
export const leniently = (ask: Ask, onBudget = () => {}): Ask => async (...args) => {
  try {
    return await ask(...args);
  } catch (error) {
    if (!(error instanceof Stop && error.reason === "budget")) throw error;
    onBudget();
    return null;
  }
};
