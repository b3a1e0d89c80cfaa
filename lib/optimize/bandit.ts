/**
 * Which operator to try next: Thompson sampling on gain per cost (Thompson, 1933; Russo et al., 2018, §4).
 *
 * Each operator's gain per cost is taken as normal with unknown mean; a draw from the posterior of that mean stands
 * for the operator, and the highest draw is chosen. The prior is one imagined trial with a gain that is the same for all,
 * spread over what such a trial costs: an operator that asks models must gain more to be worth as much. One that
 * failed a few times is rarely drawn, but never forgotten.
 *
 * ```ts
 * import { type Arms, choose, reward } from "./bandit.ts";
 * import { random } from "../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * let arms: Arms = new Map();
 * for (let i = 0; i < 20; i++) arms = reward(reward(arms, "good", 0.02), "bad", 0);
 * equal(choose(arms, [{ name: "good", cost: 10 }, { name: "bad", cost: 10 }], random(1)).name, "good");
 * ```
 *
 * @module
 */
import { normal, type Random } from "../random.ts";

/** What one operator earned: number of trials, sum and sum of squares of gain per cost. */
export interface Arm {
  readonly n: number;
  readonly sum: number;
  readonly squares: number;
}

/** The arms by operator; one without trials may be absent. */
export type Arms = ReadonlyMap<string, Arm>;

/** The gain of the imagined trial: what a good step of a search brings. */
const IMAGINED_GAIN = 0.05;
/** The least spread of gain per cost that is believed: keeps exploring after a few equal rewards. */
const LEAST_DEVIATION = 0.002;

/** `arms` after `operator` earned `gain` score per cost. */
export function reward(arms: Arms, operator: string, gain: number): Arms {
  const { n, sum, squares } = arms.get(operator) ?? NOTHING;
  return new Map(arms).set(operator, { n: n + 1, sum: sum + gain, squares: squares + gain ** 2 });
}

/** One of `operators`, drawn by Thompson sampling; `cost` is what a trial of it takes. */
export function choose<Operator extends { readonly name: string; readonly cost: number }>(
  arms: Arms,
  operators: readonly Operator[],
  random: Random,
): Operator {
  if (operators.length === 0) throw new RangeError("Cannot choose an operator as there is none");
  const deviation = Math.max(LEAST_DEVIATION, spread([...arms.values()]));
  const draws = operators.map((operator) => {
    const { n, sum } = arms.get(operator.name) ?? NOTHING;
    const mean = (sum + IMAGINED_GAIN / operator.cost) / (n + 1);
    return { operator, draw: mean + normal(random) * deviation / Math.sqrt(n + 1) };
  });
  return draws.reduce((best, other) => other.draw > best.draw ? other : best).operator;
}

const NOTHING: Arm = { n: 0, sum: 0, squares: 0 };

/** Standard deviation of gain per cost within the arms, pooled. */
function spread(arms: readonly Arm[]): number {
  const trials = arms.reduce((total, { n }) => total + n, 0);
  const within = arms.reduce((total, { n, sum, squares }) => total + squares - sum ** 2 / n, 0);
  return trials > arms.length ? Math.sqrt(Math.max(0, within) / (trials - arms.length)) : 0;
}
