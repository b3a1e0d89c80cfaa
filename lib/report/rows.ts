/**
 * What the rows of an experiment amount to: questions won and lost, what each operator earned, who came from whom.
 *
 * @module
 */
import { rankCorrelation } from "../statistics/mod.ts";
import type { EditRow } from "../store/learning.ts";
import type { AnswerRow, ExperimentRecord, ExperimentRow, TrialRow } from "../store/overview.ts";

/** What became of a trial: it was kept, dropped in a race, or refused before a question was asked for it. */
export type Fate = "kept" | "dropped" | "refused";

/** What became of a trial. */
export const fate = ({ accepted, questions_seen }: TrialRow): Fate =>
  accepted ? "kept" : questions_seen > 0 ? "dropped" : "refused";

/** Whether calls were sent, and not one was answered. */
export const unanswered = (
  { bill, experiment: { cached } }: Pick<ExperimentRecord, "bill" | "experiment">,
): boolean =>
  cached === 0 && bill.length > 0 && bill.every(({ calls, failed, lost }) => calls === failed + lost);

/** Whether it would end as it did unless what was given up is sent again, which was all that it asked. */
export const stuck = (record: Pick<ExperimentRecord, "bill" | "experiment">): boolean =>
  unanswered(record) && record.bill.some((row) => row.given_up > 0);

/** Whether a command began it, whose options are its configuration; a search of a program's own has what that keeps there. */
export const commanded = ({ kind, config }: Pick<ExperimentRow, "kind" | "config">): boolean =>
  kind === "evaluate" || "max_iterations" in config;

/** Whether `optimize --resume` can go on with it, and would not end as it did. */
export const resumable = (experiment: ExperimentRow): boolean =>
  experiment.kind === "optimize" && commanded(experiment) && experiment.status !== "finished" &&
  experiment.stop_reason !== "unreadable";

/** Claims that it had made on its test questions before it went on to the one that it has. */
export const claimsBefore = ({ config: { claims_before } }: Pick<ExperimentRow, "config">): number =>
  typeof claims_before === "number" ? claims_before : 0;

/** The last trial that was kept: the best prompt. */
export const best = (trials: readonly TrialRow[]): TrialRow | undefined =>
  trials.findLast(({ accepted }) => accepted);

/** The seed prompt and the best one, with what leads from the one to the other by first parents, oldest first. */
export function ancestry(trials: readonly TrialRow[], of: TrialRow | undefined = best(trials)): TrialRow[] {
  const known = new Map(trials.map((trial) => [trial.index, trial]));
  const line: TrialRow[] = [];
  for (let trial = of; trial !== undefined; trial = known.get(trial.parent ?? -1)) {
    line.unshift(trial);
  }
  return line;
}

/** Trials that a page draws and lists. */
const ROOM = 300;

/** As many trials as a page has room for, in their order: what is compared, what led there, what was kept, then the newest. */
export function chief(
  { experiment, trials }: Pick<ExperimentRecord, "experiment" | "trials">,
): readonly TrialRow[] {
  if (trials.length <= ROOM) return trials;
  const { before, after } = compared({ experiment, trials });
  const latest = trials.toReversed();
  const order = [
    ...trials.filter(({ index }) => index === before || index === after),
    ...ancestry(trials).toReversed(),
    ...latest.filter(({ accepted }) => accepted),
    ...latest,
  ];
  const chosen = new Set([...new Set(order)].slice(0, ROOM));
  return trials.filter((trial) => chosen.has(trial));
}

/** A test question under the prompt before and the prompt after. */
export interface Pair {
  readonly example: string;
  readonly question: string;
  readonly references: readonly string[];
  /** Null where there is no answer. */
  readonly before: Pick<AnswerRow, "answer" | "score"> | null;
  readonly after: Pick<AnswerRow, "answer" | "score"> | null;
  /** `open` where an answer is missing: such a question counts for nobody. */
  readonly outcome: Outcome;
}

/** For the prompt after, against the prompt before. */
export type Outcome = "won" | "lost" | "tied" | "open";

/** In the order of a reader's interest. */
const OUTCOMES: readonly Outcome[] = ["lost", "won", "tied", "open"];

/** The questions that were answered, what was lost first. */
export function pairs(
  answers: readonly AnswerRow[],
  { before, after }: { before: number; after: number },
): Pair[] {
  const questions = Map.groupBy(answers, ({ example }) => example);
  const made = [...questions.values()].map((rows): Pair => {
    const { example, question, reference_texts: references } = rows[0]!;
    const of = (version: number) => rows.find((row) => row.version === version) ?? null;
    const [old, now] = [of(before), of(after)];
    const outcome = !old || !now
      ? "open"
      : now.score > old.score
      ? "won"
      : now.score < old.score
      ? "lost"
      : "tied";
    return { example, question, references, before: old, after: now, outcome };
  });
  return OUTCOMES.flatMap((outcome) => made.filter((pair) => pair.outcome === outcome));
}

/** The versions that a record compares: those of its claim, or the seed prompt and the best one so far. */
export const compared = (
  { experiment, trials }: Pick<ExperimentRecord, "experiment" | "trials">,
): { before: number; after: number } => ({
  before: experiment.before ?? 0,
  after: experiment.after ?? best(trials)?.index ?? 0,
});

/** What the trials of one operator earned. */
export interface Earned {
  readonly operator: string;
  readonly trials: number;
  readonly refused: number;
  /** Those that became the best prompt. */
  readonly kept: readonly { readonly index: number; readonly gain: number }[];
  /** Answers to validation questions that its trials took. */
  readonly answers: number;
  /** Of each trial that met its parent: the mean difference on the questions both answered. */
  readonly gains: readonly number[];
  /** Their mean; null when there are none. */
  readonly mean: number | null;
  /** Sum of the gains that were kept. A proposal that was dropped costs its answers and no more. */
  readonly earned: number;
  /** That for each answer; 0 without answers. */
  readonly perAnswer: number;
}

/** What each operator earned, the most for an answer first. */
export function earned(trials: readonly TrialRow[]): Earned[] {
  const groups = Map.groupBy(trials.filter(({ parent }) => parent !== null), ({ operator }) => operator);
  return [...groups].map(([operator, own]): Earned => {
    const gains = own.flatMap(({ gain }) => gain ?? []);
    const kept = own.flatMap(({ accepted, index, gain }) => accepted ? [{ index, gain: gain ?? 0 }] : []);
    const earned = sum(kept.map(({ gain }) => gain)), answers = sum(own.map((trial) => trial.questions_seen));
    return {
      operator,
      trials: own.length,
      refused: own.filter((trial) => fate(trial) === "refused").length,
      kept,
      answers,
      gains,
      mean: gains.length === 0 ? null : sum(gains) / gains.length,
      earned,
      perAnswer: answers === 0 ? 0 : earned / answers,
    };
  }).sort((a, b) => b.perAnswer - a.perAnswer || b.trials - a.trials || (a.operator < b.operator ? -1 : 1));
}

/** A raced trial of which the surrogate had predicted the score. */
export interface Foreseen {
  readonly trial: TrialRow;
  readonly predicted: number;
  readonly measured: number;
}

/** An expected score as it is shown: beyond 0 and 1, where it is an order, it is no score. */
export const asScore = (expected: number): number => Math.min(1, Math.max(0, expected));

/** The trials with both scores. */
export const foreseen = (trials: readonly TrialRow[]): Foreseen[] =>
  trials.flatMap((trial) => {
    const { predicted, validation: measured } = trial;
    return predicted === null || measured === null ? [] : [{ trial, predicted, measured }];
  });

/** How near predictions came: the mean absolute error, and Spearman's rank correlation where both vary. */
export function foresight(
  rows: readonly Pick<Foreseen, "predicted" | "measured">[],
): { readonly error: number; readonly rankCorrelation: number | null } {
  const error = sum(rows.map(({ predicted, measured }) => Math.abs(asScore(predicted) - measured))) /
    Math.max(1, rows.length);
  const predictions = rows.map(({ predicted }) => predicted), scores = rows.map(({ measured }) => measured);
  const ordered = [predictions, scores].every((values) => new Set(values).size > 1);
  return { error, rankCorrelation: ordered ? rankCorrelation(predictions, scores) : null };
}

/** A prompt that a policy edited. */
export interface Edited {
  readonly version: number;
  readonly actions: readonly Pick<EditRow, "action" | "predicted">[];
  /** What its edits together were expected to bring, and what they brought; null: it was not raced. */
  readonly predicted: number;
  readonly measured: number | null;
}

/** The edited prompts in the order of their versions. */
export const edited = (edits: readonly EditRow[]): Edited[] =>
  [...Map.groupBy(edits, ({ version }) => version)].map(([version, own]) => ({
    version,
    actions: own.map(({ action, predicted }) => ({ action, predicted })),
    predicted: sum(own.map(({ predicted }) => predicted)),
    measured: own[0]!.measured,
  }));

/** The questions that two records have in their answers, word for word, under the best prompt of each: `before` is A's. */
export function sharedPairs(a: ExperimentRecord, b: ExperimentRecord): Pair[] {
  const own = (record: ExperimentRecord) => {
    const { after } = compared(record);
    return record.answers.filter(({ version }) => version === after);
  };
  const print = ({ split, example, question, reference_texts }: AnswerRow) =>
    JSON.stringify([split, example, question, reference_texts]);
  const [ours, theirs] = [own(a), own(b)];
  const known = new Set(ours.map(print));
  const shared = new Set(theirs.map(print).filter((text) => known.has(text)));
  const as = (rows: readonly AnswerRow[], version: number) =>
    rows.filter((row) => shared.has(print(row))).map((row) => ({ ...row, version }));
  return pairs([...as(ours, 0), ...as(theirs, 1)], { before: 0, after: 1 });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
