/**
 * What each demo is believed to be worth, from every answer that was given under any set it was in.
 *
 * Sets of demos differ in score mostly by chance, and most of a set is never tried again. But each demo is in many sets, and
 * what it adds can be told from all of them together: demos chosen by that beat sets chosen whole (Chang and Jia, 2023). The
 * belief is Bayesian linear regression of a set's lead on the demos in it.
 *
 * @module
 */
import { normal, type Random } from "../random.ts";
import { type Candidate, mean } from "./candidate.ts";
import { overlaps } from "./overlap.ts";

/** Standard deviations of what a demo adds to the score, and of what a set is worth beside that (its order, its company). */
const DEMO = 0.025, SET = 0.07;
/** Variance of one answer's score. */
const ANSWER = 0.2;
/** How wide a draw strays, in deviations of the belief: there are too few sets to try what is barely possible. */
const STRAY = 0.3;

/**
 * A draw of what each of `demos` (their questions) is worth, in score, from what is believed after the results of `sets`; by
 * question. The belief is drawn from by Matheron's rule: a draw from before, mended by what the results say beside it.
 */
export function drawWorth(
  demos: readonly string[],
  sets: readonly Candidate[],
  random: Random,
): Map<string, number> {
  const place = new Map(demos.map((question, i) => [question, i]));
  const members = sets.map(({ prompt }) =>
    new Set(prompt.demos.flatMap((demo) => place.get(demo.question) ?? []))
  );
  const variance = sets.map(({ results }) => SET ** 2 + ANSWER / results.size);
  const worth = demos.map(() => STRAY * DEMO * normal(random));
  const expected = members.map((set) => [...set].reduce((sum, demo) => sum + worth[demo]!, 0));
  const gaps = leads(sets).map((lead, i) =>
    lead - expected[i]! - STRAY * Math.sqrt(variance[i]!) * normal(random)
  );
  const mended = sets.length <= demos.length ? bySets : byDemos;
  const mends = mended({ demos: demos.length, members, variance, gaps });
  return new Map(demos.map((question, i) => [question, worth[i]! + mends[i]!]));
}

/** What was seen of sets. */
interface Seen {
  readonly demos: number;
  /** Of each set, its demos by number. */
  readonly members: readonly ReadonlySet<number>[];
  /** Of each set's lead, and by how much that differs from what its demos were drawn to be worth. */
  readonly variance: readonly number[];
  readonly gaps: readonly number[];
}

/** By how much each demo's worth is mended: of as many equations as there are sets. */
function bySets({ demos, members, variance, gaps }: Seen): Float64Array {
  const covariance = overlaps(members).map((shared, i) =>
    new Float64Array(shared).map((both, j) => DEMO ** 2 * both + (i === j ? variance[i]! : 0))
  );
  const mends = new Float64Array(demos);
  solve(covariance, gaps).forEach((weight, i) => {
    for (const demo of members[i]!) mends[demo]! += DEMO ** 2 * weight;
  });
  return mends;
}

/** The same of as many equations as there are demos: in a long search there are fewer. */
function byDemos({ demos, members, variance, gaps }: Seen): Float64Array {
  const precision = Array.from({ length: demos }, (_, demo) => {
    const row = new Float64Array(demos);
    row[demo] = 1 / DEMO ** 2;
    return row;
  });
  const pull = new Float64Array(demos);
  members.forEach((set, i) => {
    for (const a of set) {
      pull[a]! += gaps[i]! / variance[i]!;
      for (const b of set) precision[a]![b]! += 1 / variance[i]!;
    }
  });
  return solve(precision, pull);
}

/** By how much each set is ahead of the mean of all, on the questions it answered. */
function leads(sets: readonly Candidate[]): number[] {
  const scores = new Map<string, number[]>();
  for (const { results } of sets) {
    for (const [id, { score }] of results) {
      const all = scores.get(id);
      if (all) all.push(score);
      else scores.set(id, [score]);
    }
  }
  const usual = new Map(Array.from(scores, ([id, all]) => [id, mean(all)]));
  return sets.map(({ results }) => mean(Array.from(results, ([id, { score }]) => score - usual.get(id)!)));
}

/** x of A x = b, for a symmetric and positive definite A (Cholesky). */
function solve(a: readonly Float64Array[], b: ArrayLike<number>): Float64Array {
  const lower = a.map((row) => row.slice());
  lower.forEach((row, i) => {
    for (let j = 0; j <= i; j++) {
      const other = lower[j]!;
      let rest = row[j]!;
      for (let k = 0; k < j; k++) rest -= row[k]! * other[k]!;
      row[j] = i === j ? Math.sqrt(rest) : rest / other[j]!;
    }
  });
  const x = Float64Array.from(b);
  for (let i = 0; i < x.length; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i]![k]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i]! -= lower[k]![i]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  return x;
}
