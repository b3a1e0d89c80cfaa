/**
 * What the cells of `bench search` say: standings, contests question by question, calls to a score.
 *
 * @module
 */
import { random } from "../../lib/random.ts";
import { bootstrap, type Comparison, type Interval, paired } from "../../lib/statistics/mod.ts";
import { at, type Cell, type System } from "./cell.ts";

/** A system on a task at a budget, over its seeds. */
export interface Standing {
  readonly system: System;
  readonly calls: number;
  /** Mean test score, null where a seed had no prompt by then. */
  readonly score: number | null;
  readonly interval: Interval | null;
  readonly seeds: number;
}

/** A task: who stands where, and how Quintet does against each other system, question by question. */
export interface Contest {
  readonly task: string;
  readonly standings: readonly Standing[];
  readonly against: readonly {
    readonly system: System;
    readonly calls: number;
    readonly comparison: Comparison;
  }[];
}

/** Score of each test question at a budget, averaged over seeds; null where one of the seeds has none. */
function questions(cells: readonly Cell[], calls: number): number[] | null {
  const tests = cells.map(({ incumbents }) => at(incumbents, calls)?.test);
  if (tests.length === 0 || tests.some((test) => test === undefined)) return null;
  return tests[0]!.map((_, i) => tests.reduce((sum, test) => sum + test![i]!, 0) / tests.length);
}

/** Mean test score at a budget. */
export function scoreAt(cells: readonly Cell[], calls: number): number | null {
  const values = questions(cells, calls);
  return values && values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Compares the systems of a task at each budget. */
export function contest(task: string, all: readonly Cell[], budgets: readonly number[]): Contest {
  const of = (system: System) => all.filter((cell) => cell.task === task && cell.system === system);
  const systems = [...new Set(all.map(({ system }) => system))];
  const draw = (name: string) => random(`${task} ${name}`);
  const standings = systems.flatMap((system) =>
    budgets.map((calls): Standing => {
      const values = questions(of(system), calls);
      return {
        ...{ system, calls, seeds: of(system).length },
        score: scoreAt(of(system), calls),
        interval: values && bootstrap(values, { random: draw(`${system} ${calls}`) }),
      };
    })
  );
  const against = systems.filter((system) => system !== "quintet").flatMap((system) =>
    budgets.flatMap((calls) => {
      const [theirs, own] = [questions(of(system), calls), questions(of("quintet"), calls)];
      if (!theirs || !own) return [];
      return [{
        system,
        calls,
        comparison: paired(theirs, own, { random: draw(`${system} ${calls} paired`) }),
      }];
    })
  );
  return { task, standings, against };
}

/** The calls after which the mean test score over seeds reaches `score`; infinite where it never does. */
function callsTo(score: number, cells: readonly Cell[]): number {
  const steps = new Set(cells.flatMap(({ incumbents }) => incumbents.map(({ calls }) => calls)));
  return [...steps].sort((a, b) => a - b).find((calls) => (scoreAt(cells, calls) ?? -1) >= score) ?? Infinity;
}

/**
 * The calls after which Quintet's mean test score reaches the final one of the best peer, as a share of all calls that peer
 * made; infinite where it never does, null where no peer has a score.
 */
export function shareOfCalls(task: string, all: readonly Cell[]): number | null {
  const of = (system: System) => all.filter((cell) => cell.task === task && cell.system === system);
  const peers = (["bootstrap", "mipro", "gepa"] as const).flatMap((system) => {
    const score = scoreAt(of(system), Infinity);
    return score === null ? [] : [{ score, calls: callsOf(of(system)) }];
  }).toSorted((a, b) => b.score - a.score || a.calls - b.calls);
  const best = peers[0];
  return best ? callsTo(best.score, of("quintet")) / best.calls : null;
}

/** Calls that a system made, in the mean over its cells. */
const callsOf = (cells: readonly Cell[]): number =>
  cells.reduce((sum, { count }) => sum + count.calls, 0) / cells.length;
