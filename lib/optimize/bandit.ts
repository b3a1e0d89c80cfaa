/**
 * Which operator to try next: Thompson sampling on gain per call (Thompson, 1933; Russo et al., 2018, §4).
 *
 * Each operator's gain per call is taken as normal with unknown mean; a draw from the posterior of that mean stands
 * for the operator, the highest draw is chosen. The prior is one imagined trial with the mean gain of all, so that an
 * operator nobody has tried is as likely as any, and one that failed a few times is rarely drawn but never forgotten.
 *
 * ```ts
 * import { type Arms, choose, reward } from "./bandit.ts";
 * import { random } from "../random.ts";
 * import { equal } from "node:assert/strict";
 *
 * let arms: Arms = new Map();
 * for (let i = 0; i < 20; i++) arms = reward(reward(arms, "good", 0.02), "bad", 0);
 * equal(choose(arms, ["good", "bad"], random(1)), "good");
 * ```
 *
 * @module
 */
import { normal, type Random } from "../random.ts";

/** What one operator earned: number of trials, sum and sum of squares of gain per call. */
export interface Arm {
  readonly n: number;
  readonly sum: number;
  readonly squares: number;
}

/** The arms by operator; one without trials may be absent. */
export type Arms = ReadonlyMap<string, Arm>;

/** The least spread of gain per call that is believed: keeps exploring after a few equal rewards. */
const LEAST_DEVIATION = 0.002;

/** `arms` after `operator` earned `gain` score per call. */
export function reward(arms: Arms, operator: string, gain: number): Arms {
  const { n, sum, squares } = arms.get(operator) ?? { n: 0, sum: 0, squares: 0 };
  return new Map(arms).set(operator, { n: n + 1, sum: sum + gain, squares: squares + gain ** 2 });
}

/** One of `operators`, drawn by Thompson sampling. */
export function choose(arms: Arms, operators: readonly string[], random: Random): string {
  if (operators.length === 0) throw new RangeError("Cannot choose an operator as there is none");
  const total = [...arms.values()].reduce(
    (all, arm) => ({ n: all.n + arm.n, sum: all.sum + arm.sum, squares: all.squares + arm.squares }),
    { n: 0, sum: 0, squares: 0 },
  );
  const overall = total.n === 0 ? 0 : total.sum / total.n;
  const variance = total.n === 0 ? 0 : total.squares / total.n - overall ** 2;
  const deviation = Math.max(Math.sqrt(Math.max(variance, 0)), LEAST_DEVIATION);
  let best = { operator: operators[0]!, draw: -Infinity };
  for (const operator of operators) {
    const { n, sum } = arms.get(operator) ?? { n: 0, sum: 0 };
    const draw = (sum + overall) / (n + 1) + normal(random) * deviation / Math.sqrt(n + 1);
    if (draw > best.draw) best = { operator, draw };
  }
  return best.operator;
}
