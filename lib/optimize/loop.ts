/**
 * The five calls, again and again:
 *
 * 1. `primary_inference`: the primary model answers validation questions with today's prompt;
 * 2. `baseline_evaluation`: the answers are scored;
 * 3. `optimizer_refine`: operators propose better prompts, some with the help of the optimizer model;
 * 4. `refined_inference`: the primary model answers the same questions with those;
 * 5. `refined_evaluation`: old and new are compared question by question, and the better one is kept.
 *
 * The loop does no I/O and knows no clock: models, scorer, surrogate and policy come in as functions, chance as a seeded
 * generator. The same options and the same answers give the same trials, in whatever order the answers arrive. That is
 * why a run is resumed by running it again: the replay finds its answers in the store.
 *
 * @module
 */
import type { Example } from "../dataset/example.ts";
import { shuffle } from "../random.ts";
import { answerSpace } from "./answer_space.ts";
import { reward } from "./bandit.ts";
import { type Candidate, mean, meanScore, paired } from "./candidate.ts";
import { LIMITS } from "./hygiene.ts";
import { balance } from "./operators/balance.ts";
import { calibrate } from "./operators/calibrate.ts";
import { constrainOutput } from "./operators/constrain_output.ts";
import { demonstrate } from "./operators/demonstrate.ts";
import { edit } from "./operators/edit.ts";
import { instruct } from "./operators/instruct.ts";
import { recombine } from "./operators/recombine.ts";
import { reflect } from "./operators/reflect.ts";
import { COURSE, missing, race, type Verdict } from "./race.ts";
import { type Proposed, refine } from "./refine.ts";
import {
  affordable,
  candidate,
  countGrades,
  entryPrice,
  type Options,
  type Outcome,
  type Search,
  Stop,
  type StopReason,
  type Trial,
} from "./search.ts";

/**
 * Runs the loop: yields each trial once it is decided, returns how it ended.
 * Throws what `answer`, `ask` or a slot throws, except Stop, which ends the run in good order.
 */
export async function* optimize(options: Options): AsyncGenerator<Trial, Outcome> {
  const search = begin(options);
  const { callsEach, course, maxIterations, patience, random, step } = search.options;
  const order = shuffle(search.options.validation, random.fork("validation"));
  const end = (stopReason: StopReason, iterations: number): Outcome => ({
    stopReason,
    iterations,
    seed: search.seed,
    best: search.incumbent,
    calls: search.calls,
  });

  yield {
    candidate: search.seed,
    iteration: 0,
    predicted: null,
    accepted: true,
    reason: "the prompt to begin with",
    calls: 0,
  };

  for (let iteration = 1;; iteration++) {
    try {
      if (search.spent) return end("budget", iteration - 1);
      if (await onTarget(search, order)) return end("target", iteration - 1);
      if (search.spent) return end("budget", iteration - 1);
      if (iteration > maxIterations) return end("iterations", iteration - 1);
      if (search.idle >= patience) return end("patience", iteration - 1);

      const questions = rotated(order, (iteration - 1) * course.block); // so that no block decides every first heat
      const block = questions.slice(0, course.block);
      const needed = missing([search.incumbent], block) * callsEach + entryPrice(search);
      if (needed > affordable(search)) return end("budget", iteration - 1);

      const answers = await step(
        "primary_inference",
        iteration,
        () => inference(search, [search.incumbent], block),
      );
      await step("baseline_evaluation", iteration, () => evaluation(search, answers));
      if (search.spent) return end("budget", iteration - 1);
      const proposed = await step(
        "optimizer_refine",
        iteration,
        () => refine(search, random.fork(iteration)),
      );
      if (proposed.length === 0) { // no operator applies, or none can be paid for: nor will any later
        return end(Number.isFinite(affordable(search)) ? "budget" : "patience", iteration - 1);
      }
      const entrants = proposed.flatMap(({ refused, candidate }) => refused === null ? [candidate] : []);
      const verdicts = await race(search.incumbent, entrants, {
        questions,
        course,
        random: random.fork(`race ${iteration}`),
        affordable: () => search.spent ? -1 : affordable(search) / callsEach,
        heat: async (runners, questions) => {
          const answers = await step(
            "refined_inference",
            iteration,
            () => inference(search, runners, questions),
          );
          await step("refined_evaluation", iteration, () => evaluation(search, answers));
        },
      });
      yield* await step("compare_and_log", iteration, () => settle(search, proposed, verdicts, iteration));
    } catch (error) {
      if (error instanceof Stop) return end(error.reason, iteration - 1);
      throw error;
    }
  }
}

/** Answers to questions a runner has not answered yet. */
type Answers = { runner: Candidate; example: Example; answer: { text: string; completion: string } | null }[];

/**
 * Calls 1 and 4. All are waited for, also when one fails: what was paid for is kept. Where the money ends within a heat, the
 * race is decided by the answers there are.
 */
async function inference(
  search: Search,
  runners: readonly Candidate[],
  questions: readonly Example[],
): Promise<Answers> {
  const open = runners.flatMap((runner) =>
    questions.filter(({ id }) => !runner.results.has(id)).map((example) => ({ runner, example }))
  );
  search.calls += open.length;
  const settled = await Promise.allSettled(
    open.map(({ runner, example }) => search.options.answer(runner.prompt, example)),
  );
  return open.map((asked, i) => ({ ...asked, answer: paidFor(search, settled[i]!) }));
}

/**
 * Calls 2 and 5: scores the answers. A question without an answer, or without a score, counts for nobody: the money may end
 * among the grades of a judge, too.
 */
async function evaluation(search: Search, answers: Answers): Promise<void> {
  const scored = await Promise.allSettled(
    answers.map(({ answer, example }) => answer && search.options.score(answer.text, example)),
  );
  countGrades(search, answers.map(({ example, answer }) => ({ example, text: answer && answer.text })));
  answers.forEach(({ runner, example, answer }, i) => {
    const score = paidFor(search, scored[i]!);
    if (answer === null || score === null) return;
    const { text, completion } = answer;
    runner.results.set(example.id, { example, answer: text, score, completion });
  });
}

/** What a call gave: null where the money had ended. Throws any other reason. */
function paidFor<T>(search: Search, outcome: PromiseSettledResult<T>): T | null {
  if (outcome.status === "fulfilled") return outcome.value;
  const { reason } = outcome;
  if (!(reason instanceof Stop && reason.reason === "budget")) throw reason;
  search.spent = true;
  return null;
}

/** Takes the verdicts to heart: the winner becomes the incumbent, the operators are rewarded, the reasons remembered. */
function settle(
  search: Search,
  proposed: readonly Proposed[],
  verdicts: readonly Verdict[],
  iteration: number,
): Trial[] {
  const incumbent = search.incumbent;
  const trials = proposed.map(({ candidate, refused, predicted, cost }): Trial => {
    const verdict = verdicts.find((verdict) => verdict.candidate === candidate);
    const accepted = verdict?.won ?? false;
    const reason = refused ?? verdict!.reason;
    const [before, after] = paired(incumbent, candidate, search.options.validation);
    const gain = Math.max(0, mean(after) - mean(before)) * after.length /
      (after.length + search.options.course.block);
    search.arms = reward(search.arms, candidate.operator, gain / (cost + Math.max(1, after.length)));
    if (verdict) search.pool.push(candidate);
    if (!accepted) search.rejected.push({ prompt: candidate.prompt, operator: candidate.operator, reason });
    if (accepted) search.incumbent = candidate;
    return { candidate, iteration, predicted, accepted, reason, calls: search.calls };
  });
  search.idle = search.incumbent === incumbent ? search.idle + 1 : 0;
  return trials.sort((a, b) => a.candidate.index - b.candidate.index);
}

/** Whether the incumbent reaches the target on the whole split; the rest is asked when what was seen gives hope. */
async function onTarget(search: Search, questions: readonly Example[]): Promise<boolean> {
  const { incumbent, options: { callsEach, target } } = search;
  if (incumbent.results.size === 0 || meanScore(incumbent) < target) return false;
  if (missing([incumbent], questions) * callsEach > affordable(search)) return false;
  await evaluation(search, await inference(search, [incumbent], questions));
  return !search.spent && meanScore(incumbent) >= target;
}

/** Challengers in a race, and in the first one. */
const BREADTH = 6, OPENING = 16;

/** Fills in the defaults. */
function begin(options: Options): Search {
  if (options.validation.length === 0) {
    throw new RangeError("Cannot optimize as there are no validation questions");
  }
  const space = answerSpace(options.train);
  const seed = candidate(0, {
    prompt: options.seedPrompt,
    operator: "seed",
    parents: [],
    note: "the prompt to begin with",
  });
  return {
    options: {
      operators: [
        demonstrate,
        calibrate,
        balance,
        constrainOutput,
        recombine,
        edit(options.policy),
        instruct,
        reflect,
      ],
      advice: [],
      maxCalls: Infinity,
      callsEach: 1,
      askCost: 1,
      target: 0.9,
      maxIterations: 10,
      patience: 3,
      breadth: BREADTH,
      opening: options.tell && space.kind === "labels" ? options.breadth ?? BREADTH : OPENING,
      course: COURSE,
      limits: LIMITS,
      step: async (_name, _iteration, work) => await work(),
      ...options,
    },
    space,
    seed,
    known: [seed],
    pool: [seed],
    rejected: [],
    incumbent: seed,
    arms: new Map(),
    calls: 0,
    graded: new Set(),
    idle: 0,
    spent: false,
  };
}

const rotated = <T>(items: readonly T[], by: number): T[] => {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
};
