/**
 * Whole trainings by PPO against Stable-Baselines3's, with the same hyperparameters, on CartPole, each on one thread; and what
 * PPO and DQN make of CartPole: `deno task bench ppo`.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { openBlas } from "../lib/native/mod.ts";
import { random } from "../lib/random.ts";
import {
  cartPole,
  dqn,
  type DqnOptions,
  type Environments,
  evaluatePolicy,
  finish,
  finishBest,
  linear,
  type Policy,
  ppo,
  type PpoOptions,
  vectorize,
} from "../lib/rl/mod.ts";
import { beside } from "./beside.ts";
import type { Bench, Row, Tools } from "./row.ts";

/** See row.ts. */
export const needs = "PyTorch and what it stands on, 5 GB";

const PEER = "stable-baselines3 2.9.2";
const TIMESTEPS = 4096; // two rollouts of the defaults, and so two updates

/** Those of RL Baselines3 Zoo for CartPole-v1, in half its steps; the policy is the one that training ends with. */
const PPO_CART_POLE: PpoOptions = {
  ...{ totalTimesteps: 50_000, nSteps: 32, batchSize: 256, epochs: 20, gamma: 0.98, gaeLambda: 0.8 },
  learningRate: linear(0.001),
  clipRange: linear(0.2),
};
/** Those of the Zoo, but with layers of 64; as DQN forgets what it had learned, its policy is the best that was tried on the way. */
const DQN_CART_POLE: DqnOptions = {
  ...{
    totalTimesteps: 100_000,
    learningRate: 0.0023,
    batchSize: 64,
    bufferSize: 100_000,
    learningStarts: 1000,
  },
  ...{ targetUpdateInterval: 10, trainFreq: 256, gradientSteps: 128 },
  ...{ explorationFraction: 0.08, explorationFinal: 0.04 },
};
const ENOUGH = 490; // of 500, in 20 episodes

/** Trains with Stable-Baselines3's defaults, in one environment and in eight; then with what suits CartPole, on five seeds. */
export const bench: Bench = async (tools) => {
  using blas = await openBlas(await tools.python("learn"));
  await tools.python("bench"); // numpy, for the peer
  const speeds = {
    "ppo, defaults, 1 environment": { environments: 1, steps: 2048, timesteps: TIMESTEPS },
    "ppo, defaults, 8 environments": { environments: 8, steps: 256, timesteps: TIMESTEPS },
  };
  const rows = await beside(tools, {
    ...{
      group: "bench-torch",
      script: "ppo_peer.py",
      texts: speeds,
      peer: PEER,
      unit: "steps/s of processor",
    },
    clock: processor,
    contests: Object.entries(speeds).map(([name, { environments, steps, timesteps }]) => ({
      name,
      items: timesteps,
      work: async () => {
        const chance = random(1);
        let done = 0;
        await finish(
          ppo(poles(environments, 1), { nSteps: steps, totalTimesteps: timesteps, blas, random: chance }),
          (news) => done = news.timesteps,
        );
        return done;
      },
    })),
  });
  return [
    ...rows,
    await mastery(
      "ppo, CartPole in 50,000 steps",
      475,
      tools,
      (seed) => finish(ppo(poles(8, seed), { ...PPO_CART_POLE, blas, random: random(seed) })),
    ),
    await mastery("dqn, CartPole in 100,000 steps", 400, tools, async (seed) => {
      const pole = cartPole(), chance = random(seed).fork("trials");
      const worthOf = (policy: Policy) => meanReturn(policy, pole, { episodes: 20, random: chance });
      const training = dqn(poles(1, seed), { ...DQN_CART_POLE, blas, random: random(seed) });
      return (await finishBest(training, { worthOf, enough: ENOUGH })).policy;
    }),
  ];
};

const poles = (count: number, seed: number): Environments =>
  vectorize(Array.from({ length: count }, cartPole), random(seed).fork("environments"));

async function meanReturn(...given: Parameters<typeof evaluatePolicy>): Promise<number> {
  const returns = await evaluatePolicy(...given);
  return returns.reduce((sum, value) => sum + value) / returns.length;
}

/** The mean return of 100 new episodes that 4 of 5 seeds reach. */
async function mastery(
  name: string,
  least: number,
  tools: Tools,
  train: (seed: number) => Promise<Policy>,
): Promise<Row> {
  const means: number[] = [];
  for (let seed = 1; seed <= (tools.quick ? 2 : 5); seed++) {
    const policy = await train(seed);
    means.push(await meanReturn(policy, cartPole(), { random: random(seed).fork("evaluation") }));
    tools.log(`${name}, seed ${seed}: mean return ${means.at(-1)}`);
  }
  const value = means.toSorted((a, b) => b - a)[tools.quick ? 0 : 3]!;
  return {
    ...{ name, value, unit: "mean return of 4 of 5 seeds", peer: null, peer_value: null, ratio: null },
    ...{ bar: `>= ${least}`, holds: value >= least },
  };
}

/** Seconds of all processors that this process used: see lightgbm.ts. */
const processor = (): number => {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
};
