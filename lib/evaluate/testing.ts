/**
 * Comparisons of a prompt with itself, simulated: how often would a claim be made where there is nothing to claim?
 *
 * @module
 */
import { type Random, random } from "../random.ts";
import { mcnemar } from "../statistics/mod.ts";
import { compare, type Measurement } from "./mod.ts";

/** How scores come about: right or wrong by a chance that each question has, any score, or thirds with many ties. */
export type Scores = "binary" | "continuous" | "thirds";

/** How many of `times` comparisons of two measurements with the same chances are significant. */
export function falseClaims(
  { scores, n, times, seed }: { scores: Scores; n: number; times: number; seed: number },
): number {
  const draws = random(`${seed} ${scores} ${n}`);
  let claims = 0;
  for (let i = 0; i < times; i++) {
    const chances = Array.from({ length: n }, draws);
    const measured = () => measurement(chances.map((chance) => drawn(scores, chance, draws)));
    if (compare(measured(), measured(), draws.fork(i)).significant) claims++;
  }
  return claims;
}

function drawn(scores: Scores, chance: number, draws: Random): number {
  if (scores === "binary") return draws() < chance ? 1 : 0;
  if (scores === "continuous") return (chance + draws()) / 2;
  return [0, 1, 2].reduce((sum) => sum + (draws() < chance ? 1 : 0), 0) / 3;
}

const measurement = (scores: readonly number[]): Measurement => ({
  ...{ split: "test", value: 0, n: scores.length, ci95: [0, 1], metric: "", signature: "" },
  results: scores.map((score, i) => ({
    example: { id: `${i}`, question: `${i}?`, references: ["yes"] },
    answer: "",
    completion: "",
    score,
  })),
});

/**
 * The chance of a claim in `falseClaims`, counted out. Null for thirds, where ties make the test rather too careful.
 *
 * Binary: a question whose chance is uniform in [0, 1] is answered differently once in three times, the one way as often
 * as the other. Continuous: all 2^n sign flips are different sums and as likely as each other, so that p-values are the
 * multiples of 2/2^n; above 30 questions, of which 9,999 flips are drawn, those of 1/10,000.
 */
export function chanceOfClaim(scores: Scores, n: number): number | null {
  if (scores === "thirds") return null;
  if (scores === "continuous") {
    const steps = n <= 30 ? 2 ** (n - 1) : 10_000;
    return (Math.ceil(0.05 * steps) - 1) / steps;
  }
  let chance = 0;
  for (let won = 0; won <= n; won++) {
    for (let lost = 0; won + lost <= n; lost++) {
      if (mcnemar(won, lost) >= 0.05) continue;
      const ways = logFactorial(n) - logFactorial(won) - logFactorial(lost) - logFactorial(n - won - lost);
      chance += Math.exp(ways + (won + lost) * Math.log(1 / 6) + (n - won - lost) * Math.log(2 / 3));
    }
  }
  return chance;
}

const logFactorial = (n: number): number => {
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.log(i);
  return sum;
};
