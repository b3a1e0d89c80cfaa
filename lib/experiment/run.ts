/**
 * The walk in one function: dataset -> optimize -> evaluate -> store. Flows run it headless, notebooks in a cell.
 *
 * Everything is kept as it happens: completions before they are used, trials as they are decided, the claim at the end.
 * A run that was cut off is run again from the start and finds its answers in the database.
 *
 * @module
 */
import type { Dataset, Example } from "../dataset/mod.ts";
import { compare, measureEach, type Measurement, questionsOf } from "../evaluate/mod.ts";
import { type Caps, type LanguageModel, ProviderError } from "../llm/mod.ts";
import {
  answerSpace,
  type Candidate,
  COURSE,
  meanScore,
  optimize,
  type Options,
  type Outcome,
  probesFor,
  type Prompt,
  type StepName,
  type StopReason,
  type Trial,
} from "../optimize/mod.ts";
import { type Random, random } from "../random.ts";
import {
  type Database,
  type Decided,
  forgetOthers,
  type Kept,
  measureEdits,
  readCalibrated,
  readKept,
  saveCalibrated,
  saveComparison,
  saveIncumbent,
  saveMeasurement,
  saveScores,
  saveTrials,
} from "../store/mod.ts";
import { live, type Surroundings } from "./life.ts";
import {
  answering,
  type Ask,
  asking,
  closable,
  type Grades,
  GRADES_TO_TELL,
  gradesOf,
  type Grading,
  leniently,
  refining,
  type Sampling,
  scoring,
  takesBias,
  telling,
  type Unreadable,
} from "./roles.ts";
import { namesOf, type Silence, silenceOf } from "./silence.ts";

/** All that an experiment depends on: with the same completions it gives the same trials. */
export interface Setup extends Sampling {
  /** Of an experiment that was begun in the store. */
  readonly id: string;
  readonly datasetId: string;
  readonly dataset: Dataset;
  readonly seed: number;
  readonly seedPrompt: Prompt;
  readonly metric: Grading;
  readonly primary: LanguageModel;
  readonly optimizer: LanguageModel;
  readonly caps: Caps;
  /** Tokens of the optimizer model's reply at most. */
  readonly optimizerTokens: number;
  /** Options of the search that are not above. */
  readonly search: Partial<
    Pick<
      Options,
      | "target"
      | "maxIterations"
      | "patience"
      | "breadth"
      | "opening"
      | "course"
      | "limits"
      | "operators"
      | "surrogate"
      | "policy"
      | "advice"
    >
  >;
}

/** How far a run has come. */
export interface Progress {
  readonly phase: StepName | "test";
  readonly iteration: number;
  /** Calls that were answered so far, read back ones included, and each once: a model grades equal answers to a question once. */
  readonly asked: number;
  /** Requests sent, tokens and picodollars spent. */
  readonly spent: { readonly calls: number; readonly tokens: number; readonly cost: bigint };
  /** Mean validation score of the incumbent, and on how many questions. */
  readonly best: { readonly score: number; readonly n: number };
}

/** Of all that may be spent, the share that is left for the claim: seed and final prompt on the test split. */
const CLAIM = 0.3;

/** Test questions that a cap on calls leaves room for, under two prompts. */
const claimable = (
  { calls = Infinity, callsEach }: { calls?: number | undefined; callsEach: number },
): number => Math.max(1, Math.floor(calls * CLAIM / 2 / callsEach));

/**
 * The smallest cap on calls with which one prompt at least is tried against the seed prompt: it is calibrated where answers are
 * labels, each answers the first block of a race, and what the claim takes is kept back.
 */
export function callsToSearch(
  { train, validation, test }: Pick<Dataset, "train" | "validation" | "test">,
  { callsEach = 1 }: { readonly callsEach?: number } = {},
): number {
  const race = 2 * Math.min(COURSE.block, validation.length) * callsEach + probesFor(answerSpace(train));
  for (let calls = race;; calls++) {
    const claim = 2 * Math.min(test.length, claimable({ calls, callsEach })) * callsEach;
    if (calls - claim >= race) return calls;
  }
}

/** What runs around each call of the loop, and around the claim: it must run `work` and return its result. */
export type ExperimentStep = <T>(
  phase: Progress["phase"],
  iteration: number,
  work: () => T | Promise<T>,
) => Promise<T>;

const standing = (candidate: Candidate): Progress["best"] => ({
  score: meanScore(candidate),
  n: candidate.results.size,
});

/**
 * Runs an experiment to its end and keeps it. Throws what cannot be mended, after the experiment was marked as failed: also
 * where a model grades, and no grade of it can be read, or where all that a model answers is cut off before it says anything,
 * or all that it is asked is refused.
 * `onUnreadable` and `onSilent` are told at the end when that is so of some.
 */
export async function runExperiment(
  setup: Setup,
  {
    onProgress = () => {},
    onUnreadable = () => {},
    onSilent = () => {},
    step = async (_phase, _iteration, work) => await work(),
    ...surroundings
  }:
    & Surroundings
    & {
      onProgress?: (progress: Progress) => void;
      onUnreadable?: (grades: Unreadable) => void;
      onSilent?: (line: string) => void;
      step?: ExperimentStep;
    },
): Promise<StopReason> {
  const { id, datasetId, dataset, seed, seedPrompt, primary, optimizer, metric, caps } = setup;
  const { db } = surroundings;
  const draws = random(seed);
  const callsEach = "judge" in metric ? 2 : 1;
  const test = questionsOf(dataset, "test", {
    most: claimable({ calls: caps.calls, callsEach }),
    random: draws.fork("test"),
  });
  const forSearch = leaving(caps, 2 * test.length * callsEach);
  const models = { primary, optimizer, ..."judge" in metric ? { grader: metric.judge } : {} };
  const grades = gradesOf(metric), silence = silenceOf(namesOf(models));

  const reason = await live({ id, models, caps }, surroundings, async (ledger) => {
    let now: Omit<Progress, "spent" | "best"> = { phase: "primary_inference", iteration: 0, asked: 0 };
    let incumbent: Candidate | undefined, best: Progress["best"] = { score: 0, n: 0 };
    const tell = (news: Partial<typeof now>) => {
      now = { ...now, ...news };
      if (incumbent && incumbent.results.size !== best.n) best = standing(incumbent); // it grows as the race goes on
      onProgress({ ...now, best, spent: ledger.spent() });
    };
    const heard = asking(ledger, silence.heard), answered = new Set<string>();
    const ask: Ask = async (...request) => {
      const answer = await heard(...request);
      if (answer === null || !answered.has(answer.key)) tell({ asked: now.asked + 1 });
      if (answer !== null) answered.add(answer.key);
      return answer;
    };
    const searching = closable(ask);
    ledger.limit(forSearch);
    const biased = await calibrates(setup, { db, ask: searching.ask });
    const search = optimize({
      ...setup.search,
      seedPrompt,
      train: dataset.train,
      validation: dataset.validation,
      random: draws.fork("search"),
      answer: answering(searching.ask, setup, "search"),
      ...biased ? { tell: telling(searching.ask, setup) } : {},
      score: scoring(searching.ask, metric, grades).score,
      ask: refining(searching.ask, setup.optimizerTokens),
      callsEach,
      // of the same model as many as its longest replies are; of another, whose caps count them alike, one
      askCost: optimizer === primary ? Math.max(1, setup.optimizerTokens / setup.answerTokens) : 1,
      ...forSearch.calls === undefined ? {} : { maxCalls: forSearch.calls },
      step: async (phase, iteration, work) => {
        tell({ phase, iteration });
        return await step(phase, iteration, async () => {
          const result = await work();
          silence.requireReplies(GRADES_TO_TELL); // all of a step have come, in whatever order
          silence.require(GRADES_TO_TELL);
          grades.require(GRADES_TO_TELL);
          return result;
        });
      },
    });
    const kept = await readKept(db, id);
    const { outcome, ...found } = await keep(
      search,
      { db, id, datasetId, kept },
      (kept) => {
        incumbent = kept;
        best = standing(kept);
        tell({});
      },
    );
    await measureEdits(db, id);
    if (outcome.stopReason !== "interrupted") {
      await searching.close(); // what the search left under way must not spend what is the claim's
      tell({ phase: "test" });
      ledger.limit(caps);
      const claimed = await step("test", now.iteration, () =>
        claim(outcome, {
          setup,
          db,
          kept,
          ask: leniently(ask),
          grades,
          silence,
          test,
          random: draws.fork("claim"),
        }));
      await forgetOthers(db, id, { ...found, ...claimed, results: [...found.results, ...claimed.results] });
    }
    return outcome.stopReason;
  });
  const unreadable = grades.unreadable();
  if (unreadable) onUnreadable(unreadable);
  silence.told().forEach(onSilent);
  return reason!;
}

/**
 * Whether prompts are calibrated: where answers are labels and the primary model takes a bias. It is said once for an
 * experiment, as another search would begin, and be paid for, if its server said otherwise when it goes on. A server that does
 * not answer yet is waited for as all calls are, with one that the search may need anyhow.
 */
async function calibrates(
  setup: Setup,
  { db, ask }: { db: Database; ask: Ask },
): Promise<boolean> {
  const { id, dataset: { train, validation }, seedPrompt, primary } = setup;
  const before = await readCalibrated(db, id);
  if (before === false || answerSpace(train).kind !== "labels") return false;
  const able = () => takesBias(primary, train[0]?.references[0] ?? "");
  const biased = await able().catch(async () => {
    await answering(leniently(ask), setup, "search")(seedPrompt, validation[0]!);
    return await able().catch(() => false); // it answers everything else
  });
  if (before && !biased) {
    throw new ProviderError(
      `Cannot go on as ${primary.name} must tell tokens, as it did when this experiment began: see that its server ` +
        "answers /tokenize, and resume",
      { retryable: false, fatal: true },
    );
  }
  await saveCalibrated(db, id, biased);
  return biased;
}

/** The caps of the search: what the claim will need is left. `calls` is what it will take. */
function leaving({ calls, tokens, cost, seconds }: Caps, claim: number): Caps {
  const share = 1 - CLAIM;
  return {
    calls: calls && Math.max(0, calls - claim),
    tokens: tokens && Math.floor(tokens * share),
    cost: cost && cost * BigInt(Math.round(1000 * share)) / 1000n,
    seconds: seconds && seconds * share,
  };
}

/**
 * Runs the search and keeps each trial, and each result with the first trials that are decided after it. Gives what it kept.
 * The next iteration does not wait for that: a run that is cut off decides the same again, by answers that are kept.
 */
async function keep(
  search: AsyncGenerator<Trial, Outcome>,
  { db, id, datasetId, kept }: { db: Database; id: string; datasetId: string; kept: Kept },
  onIncumbent: (incumbent: Candidate) => void,
) {
  const saved = new Map<Candidate, number>(); // how many results of each candidate are in the database
  const iterations = new Set<number>();
  let [iteration, incumbent] = [0, 0];
  const flush = async () => {
    const fresh = Array.from(saved).filter(([{ results }, count]) => results.size > count)
      .map(([candidate, count]) => ({ candidate, results: resultsOf(candidate, count) }));
    await saveScores(
      db,
      { experimentId: id, datasetId, results: fresh.flatMap(({ results }) => results) },
      kept,
    );
    for (const { candidate, results } of fresh) saved.set(candidate, saved.get(candidate)! + results.length);
  };
  const decided: Decided[] = []; // those to be kept yet
  const write = async () => {
    const trials = decided.splice(0);
    if (trials.length === 0) return;
    await saveTrials(db, id, trials, kept);
    for (const { candidate } of trials) saved.set(candidate, 0);
    await flush();
  };
  let writing = Promise.resolve();
  try {
    for (;;) {
      const { done, value } = await search.next();
      if (done || value.iteration !== iteration) {
        await writing;
        await saveIncumbent(db, id, { iteration, incumbent }, kept);
      }
      if (done) {
        await flush();
        const results = [...saved.keys()].flatMap((candidate) => resultsOf(candidate));
        return { outcome: value, iterations: [...iterations], versions: saved.size, results };
      }
      if (value.accepted) {
        incumbent = value.candidate.index;
        onIncumbent(value.candidate);
      }
      iterations.add(iteration = value.iteration);
      decided.push({ ...value, incumbent });
      writing = writing.then(write);
      writing.catch(() => {}); // is thrown where it is waited for
    }
  } finally {
    await writing.catch(() => {}); // nothing is under way when the experiment ends
  }
}

/** Results of a candidate, but for the first `from`: they grow at the end. */
const resultsOf = ({ index: version, results }: Candidate, from = 0) =>
  results.values().drop(from).map((result) => ({ ...result, version })).toArray();

/**
 * Call 5, once, for the claim: seed and best prompt on the test split, asked and compared question by question. Gives what it
 * kept.
 */
async function claim(
  { seed, best }: Outcome,
  { setup: { id, datasetId, metric, ...sampling }, db, kept, ask, grades, silence, test, random }: {
    setup: Setup;
    db: Database;
    kept: Kept;
    ask: Ask;
    grades: Grades;
    silence: Silence;
    test: readonly Example[];
    random: Random;
  },
) {
  const versions = best === seed ? [seed] : [seed, best];
  const measurements = (await measureEach(
    versions.map(({ index, prompt }) => ({
      prompt,
      answer: answering(ask, sampling, index),
      random: random.fork(index),
    })),
    test,
    { split: "test", scorer: scoring(ask, metric, grades), random },
  )).map((measurement, i) => ({ version: versions[i]!.index, ...measurement }));
  silence.require(1);
  grades.require(1);
  for (const { version, ...measurement } of measurements) {
    await keepMeasurement(db, { id, datasetId, version, measurement }, kept);
  }
  const [before, after] = [measurements[0]!, measurements.at(-1)!];
  const comparison = compare(before, after, random);
  if (comparison.n > 0) {
    await saveComparison(db, { experimentId: id, before: seed.index, after: best.index, comparison });
  }
  return {
    compared: comparison.n > 0,
    measured: measurements.filter(({ n }) => n > 0).map(({ version }) => version),
    results: measurements.flatMap(({ version, results }) =>
      results.map((result) => ({ ...result, version }))
    ),
  };
}

/** Keeps answers and score of one version. */
export async function keepMeasurement(
  db: Database,
  { id, datasetId, version, measurement: { results, ...measurement } }: {
    id: string;
    datasetId: string;
    version: number;
    measurement: Measurement;
  },
  kept?: Kept,
): Promise<void> {
  const scores = { experimentId: id, datasetId, results: results.map((result) => ({ ...result, version })) };
  await saveScores(db, scores, kept);
  if (measurement.n > 0) await saveMeasurement(db, { experimentId: id, version, ...measurement });
}
