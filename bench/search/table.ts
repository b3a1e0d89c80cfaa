/**
 * What the cells of `bench search` say: who stands where on a task, and how Quintet does against each question by question.
 *
 * @module
 */
import { random } from "../../lib/random.ts";
import { aligned } from "../../lib/report/text.ts";
import { bootstrap, type Comparison, type Interval, paired } from "../../lib/statistics/mod.ts";
import { at, type Cell, NAMES, PEERS, type System } from "./cell.ts";
import type { Kind, QuestionSet } from "./sets.ts";

/** A system's best prompts at a budget, in the mean over its seeds. */
export interface Reached {
  readonly budget: number;
  /** Mean test score, null where a seed had no prompt by then. */
  readonly score: number | null;
  /** Of 95 %, over questions. */
  readonly interval: Interval | null;
  /** Of which it is the mean, seed by seed; none where it is null. */
  readonly searches: readonly number[];
  /**
   * Quintet against it, question by question; null for Quintet, and where one of the two has no score. It tells of the prompts
   * that these searches found, not of where other searches would end.
   */
  readonly against: Comparison | null;
}

/** A system on a task, in the mean over its seeds. */
export interface Standing {
  readonly system: System;
  readonly seeds: number;
  /** By budget, in their order. */
  readonly reached: readonly Reached[];
  /** Calls until the mean test score is nine tenths of the best that any system ends with; infinite where it never is. */
  readonly callsToMost: number;
  readonly calls: number;
  /** Of prompts and completions. */
  readonly tokens: number;
  readonly seconds: number;
  readonly failures: readonly string[];
}

/** A task: who stands where. */
export interface Contest {
  readonly task: string;
  readonly kind: Kind;
  readonly standings: readonly Standing[];
  /**
   * The calls after which Quintet's mean test score reaches the final one of the best peer, as a share of all calls that
   * peer made; infinite where it never does, null where no peer has a score.
   */
  readonly shareOfCalls: number | null;
}

/** What "most of the best score" is. */
const MOST = 0.9;

/** Score of each test question at a budget, averaged over seeds; null where one of the seeds has none. */
function questions(cells: readonly Cell[], budget: number): number[] | null {
  const tests = cells.map(({ incumbents }) => at(incumbents, budget)?.test);
  if (tests.length === 0 || tests.some((test) => test === undefined)) return null;
  return tests[0]!.map((_, i) => mean(tests, (test) => test![i]!));
}

/** Mean test score at a budget. */
export function scoreAt(cells: readonly Cell[], budget: number): number | null {
  const values = questions(cells, budget);
  return values && mean(values, (value) => value);
}

/** Compares the systems of a task at each budget. */
export function contest(
  { name: task, kind }: Pick<QuestionSet, "name" | "kind">,
  all: readonly Cell[],
  budgets: readonly number[],
): Contest {
  const of = (system: System) => all.filter((cell) => cell.task === task && cell.system === system);
  const systems = [...new Set(all.map(({ system }) => system))];
  const best = Math.max(...systems.map((system) => scoreAt(of(system), Infinity) ?? 0));
  const standings = systems.filter((system) => of(system).length > 0).map((system): Standing => ({
    ...{ system, seeds: of(system).length },
    reached: budgets.map((budget): Reached => {
      const theirs = questions(of(system), budget), own = questions(of("quintet"), budget);
      const draw = (what: string) => random(`${task} ${system} ${budget} ${what}`);
      return {
        ...{ budget, score: scoreAt(of(system), budget) },
        searches: theirs
          ? of(system).toSorted((a, b) => a.seed - b.seed).map((cell) => scoreAt([cell], budget)!)
          : [],
        interval: theirs && bootstrap(theirs, { random: draw("") }),
        against: system !== "quintet" && theirs && own
          ? paired(theirs, own, { random: draw("paired") })
          : null,
      };
    }),
    callsToMost: callsTo(MOST * best, of(system)),
    calls: mean(of(system), ({ count }) => count.calls),
    tokens: mean(of(system), ({ count: { tokens } }) => tokens.prompt + tokens.completion),
    seconds: mean(of(system), ({ seconds }) => seconds),
    failures: of(system).flatMap(({ failure, seed }) => failure ? [`seed ${seed}: ${failure}`] : []),
  }));
  const peers = standings.filter(({ system }) => PEERS.includes(system)).flatMap(({ system, calls }) => {
    const score = scoreAt(of(system), Infinity);
    return score === null ? [] : [{ score, calls }];
  }).toSorted((a, b) => b.score - a.score || a.calls - b.calls);
  const first = peers[0];
  const shareOfCalls = first ? callsTo(first.score, of("quintet")) / first.calls : null;
  return { task, kind, standings, shareOfCalls };
}

/** Calls after which the best prompt so far is measured in any case, so that seeds can be averaged there. */
export const POINTS = [250, 500, 1000, 1500];

/** The calls after which the mean test score over seeds is seen to reach `score`; infinite where it never does. */
function callsTo(score: number, cells: readonly Cell[]): number {
  const own = cells.flatMap(({ incumbents }) => incumbents.map(({ calls }) => calls));
  const most = Math.max(...cells.map(({ count }) => count.calls));
  const steps = new Set([...own, ...POINTS.filter((calls) => calls <= most)]);
  return [...steps].sort((a, b) => a - b).find((calls) => (scoreAt(cells, calls) ?? -1) >= score) ?? Infinity;
}

/** Each system that has a score at a budget, with what it reached there. */
export const reachedAt = (
  { standings }: Contest,
  budget: number,
): (Reached & { readonly system: System; readonly score: number })[] =>
  standings.flatMap(({ system, reached }) =>
    reached.flatMap((at) =>
      at.budget === budget && at.score !== null ? [{ ...at, system, score: at.score }] : []
    )
  );

/** Standard deviation of scores, of one of which nothing is known. */
export function spread(scores: readonly number[]): number | null {
  if (scores.length < 2) return null;
  const middle = mean(scores, (score) => score);
  return Math.sqrt(scores.reduce((sum, score) => sum + (score - middle) ** 2, 0) / (scores.length - 1));
}

/** The standings of all tasks as text: a line for a task and a system, below a head. */
export function told(contests: readonly Contest[], overheads: Overheads): string {
  const points = (value: number) => (100 * value).toFixed(1);
  const lines = contests.flatMap(({ task, standings }) =>
    standings.map(({ system, seeds, reached, callsToMost, calls, tokens, seconds, failures }) => [
      ...[task, NAMES[system], String(seeds)],
      ...reached.map(({ score, interval, searches }) => {
        if (score === null) return "none";
        const apart = spread(searches);
        return `${points(score)} [${points(interval![0])}, ${points(interval![1])}]${
          apart === null ? "" : ` sd ${points(apart)}`
        }`;
      }),
      ...[Number.isFinite(callsToMost) ? String(callsToMost) : "never", calls.toFixed(0), tokens.toFixed(0)],
      ...[seconds.toFixed(0), overheads.get(system)?.toFixed(2) ?? "", failures.join("; ")],
    ])
  );
  const budgets = contests[0]?.standings[0]?.reached.map(({ budget }) => `${budget} calls`) ?? [];
  const all = [[...["task", "system", "seeds"], ...budgets, ...COLUMNS], ...lines];
  return `${aligned(all).join("\n")}\n`;
}

/** What stands after the scores in each line of a table. */
export const COLUMNS = [
  "calls to 90 % of the best",
  "calls",
  "tokens",
  "seconds",
  "own ms a call",
  "failures",
];

/** Milliseconds of a system's own for each call (cell.ts), where that was measured. */
export type Overheads = ReadonlyMap<System, number>;

const mean = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((sum, item) => sum + value(item), 0) / items.length;
