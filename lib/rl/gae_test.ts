import { gae } from "./gae.ts";
import { near } from "./golden.ts";
import { integer, random } from "../random.ts";

Deno.test("gae() is a geometric series where reward and value are constant", () => {
  for (
    const [reward, value, gamma, lambda, T] of [
      [1, 10, 0.99, 0.95, 50],
      [1, 0, 0.9, 1, 7],
      [-2, 3, 0.5, 0, 5],
      [0, 1, 1, 0.5, 9],
    ] as const
  ) {
    const advantages = new Float64Array(T);
    const rewards = Array(T).fill(reward), values = Array(T).fill(value), ended = Array(T).fill(0);
    gae({ rewards, values, ended, nextValues: [value] }, advantages, { gamma, gaeLambda: lambda });
    const delta = reward + gamma * value - value, q = gamma * lambda;
    const wanted = Array.from({ length: T }, (_, t) => delta * (1 - q ** (T - t)) / (1 - q));
    near(advantages, wanted, 1e-12, `γ ${gamma}, λ ${lambda}`);
  }
});

Deno.test("gae() with λ = 1 is the discounted return to the episode's end, less the value", () => {
  const chance = random("gae"), T = 40, N = 3, gamma = 0.93;
  const draw = (n: number) => Array.from({ length: n }, () => chance() * 2 - 1);
  const rewards = draw(T * N), values = draw(T * N), nextValues = draw(N);
  const ended = Array.from({ length: T * N }, () => integer(8, chance) === 0 ? 1 : 0);
  const advantages = new Float64Array(T * N);
  gae({ rewards, values, ended, nextValues }, advantages, { gamma, gaeLambda: 1 });
  const wanted = Array.from({ length: T * N }, (_, from) => {
    let sum = -values[from]!, worth = 1;
    for (let at = from; at < T * N; at += N, worth *= gamma) {
      sum += worth * rewards[at]!;
      if (ended[at]) return sum;
    }
    return sum + worth * nextValues[from % N]!;
  });
  near(advantages, wanted, 1e-12, "returns");
});

Deno.test("gae() with λ = 0 is the error of one step", () => {
  const advantages = new Float64Array(4);
  const experience = {
    rewards: [1, 2, 3, 4],
    values: [5, 6, 7, 8],
    ended: [0, 1, 0, 0],
    nextValues: [9, 10],
  };
  gae(experience, advantages, { gamma: 0.5, gaeLambda: 0 });
  near(advantages, [1 + 3.5 - 5, 2 - 6, 3 + 4.5 - 7, 4 + 5 - 8], 1e-12, "errors");
});
