/**
 * What training gives: policies, and the news on the way to them. PPO and DQN are both a `Training`.
 *
 * ```ts
 * import { cartPole, evaluatePolicy, finish, ppo, vectorize } from "./mod.ts";
 * import { plainBlas } from "../native/mod.ts";
 * import { random } from "../random.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const chance = random(1);
 * const environments = vectorize([cartPole(), cartPole()], chance.fork("environments"));
 * const training = ppo(environments, { nSteps: 64, totalTimesteps: 256, blas: plainBlas(), random: chance });
 * const timesteps: number[] = [];
 * const policy = await finish(training, (progress) => timesteps.push(progress.timesteps));
 * deepEqual(timesteps, [128, 256]);
 * const returns = await evaluatePolicy(policy, cartPole(), { episodes: 3, random: chance.fork("evaluation") });
 * deepEqual(returns.length, 3);
 * ```
 *
 * @module
 */
import { network as onnxNetwork, tensor } from "../onnx/mod.ts";
import { integer, type Random } from "../random.ts";
import type { Environment, Episode } from "./environment.ts";
import type { Network } from "./network.ts";

/** What to do where: a number for each action, of which the largest is best. */
export interface Policy {
  readonly observationSize: number;
  readonly actions: number;
  /** Of a PPO policy the logits of the actions' probabilities, of a DQN policy their values: an array of the policy's own. */
  logits(observation: ArrayLike<number>): Float32Array;
  /** The best action; the first of equals. */
  act(observation: ArrayLike<number>): number;
  /** The policy as it is now; it does not change with a training that goes on. */
  copy(): Policy;
  /** The policy as an ONNX file: `observation` [batch, observationSize] to `logits` [batch, actions], float32. */
  onnx(): Uint8Array<ArrayBuffer>;
}

/** News of a training. */
export interface Progress {
  /** Steps taken in all environments together. */
  readonly timesteps: number;
  /** Steps that were asked for; the last rollout may go beyond. */
  readonly totalTimesteps: number;
  /** Episodes that ended since the last news. */
  readonly episodes: readonly Episode[];
  /** Means over the updates since the last news, by the names of Stable-Baselines3's log. */
  readonly losses: Readonly<Record<string, number>>;
  /** As trained so far; it changes with what comes. */
  readonly policy: Policy;
}

/** A training that goes on as it is asked for news, and ends with its policy. */
export type Training = AsyncGenerator<Progress, Policy, void>;

/** A number that may change while training: given as a number, or as a function of the part that remains, 1 to 0. */
export type Schedule = number | ((remaining: number) => number);

/** Falls from `start` to 0. */
export const linear = (start: number): Schedule => (remaining) => start * remaining;

/** What the schedule gives where so much remains. */
export const scheduled = (schedule: Schedule, remaining: number): number =>
  typeof schedule === "number" ? schedule : schedule(remaining);

/** Trains to the end; `report` is told the news. */
export async function finish(
  training: Training,
  report: (news: Progress) => void = () => {},
): Promise<Policy> {
  for (;;) {
    const { done, value } = await training.next();
    if (done) return value;
    report(value);
  }
}

/** The best policy of a training, with what it was worth when it was tried, and when it was found. */
export interface Best {
  readonly policy: Policy;
  readonly worth: number;
  readonly timesteps: number;
}

/**
 * Trains and tries the policy at all news; keeps the best, the earliest of equals, and ends early with one that is `enough` (what
 * Stable-Baselines3's EvalCallback and StopTrainingOnRewardThreshold do). For trainings that also forget, as DQN's do. Its worth
 * flatters, as it is the best of many: try the policy again on other episodes before you claim it.
 */
export async function finishBest(
  training: Training,
  { worthOf, enough = Infinity }: {
    /** Tries a policy, as it will be used: such as by its mean return where it is not trained. */
    readonly worthOf: (policy: Policy) => Promise<number>;
    /** Worth at which no better one is looked for. @default {Infinity} */
    readonly enough?: number;
  },
  report: (news: Progress) => void = () => {},
): Promise<Best> {
  let best: Best | undefined;
  for (;;) {
    const { done, value } = await training.next();
    if (done) return best ?? { policy: value, worth: NaN, timesteps: 0 };
    report(value);
    const { policy, timesteps } = value;
    const worth = await worthOf(policy);
    if (best === undefined || worth > best.worth) best = { policy: policy.copy(), worth, timesteps };
    if (worth < enough) continue;
    await training.return(policy);
    return best;
  }
}

/** The policy that a network is. */
export function policyOf(network: Network): Policy {
  const observationSize = network.sizes[0]!, actions = network.sizes.at(-1)!;
  const row = new Float32Array(observationSize);
  const logits = (observation: ArrayLike<number>) => {
    if (observation.length !== observationSize) {
      throw new RangeError(
        `Cannot act on an observation as it must have ${observationSize} numbers: got ${observation.length}`,
      );
    }
    row.set(observation);
    return network.forward(row, 1).subarray(0, actions);
  };
  return {
    observationSize,
    actions,
    logits,
    act: (observation) => greatest(logits(observation), 0, actions),
    copy: () => policyOf(network.copy()),
    onnx: () =>
      onnxNetwork(
        network.layers.map(({ weights, bias }) => ({
          weights: tensor(weights.slice(), [bias.length, weights.length / bias.length]),
          bias: tensor(bias.slice(), [bias.length]),
        })),
        network.activation,
      ),
  };
}

/** The index of the greatest of `n` numbers from `from` on, counted from there; the first of equals. */
export function greatest(values: Float32Array, from: number, n: number): number {
  let best = 0;
  for (let k = 1; k < n; k++) if (values[from + k]! > values[from + best]!) best = k;
  return best;
}

/** The returns of episodes in which the policy takes its best actions. */
export async function evaluatePolicy(
  policy: Policy,
  environment: Environment,
  { episodes = 100, random }: { readonly episodes?: number; readonly random: Random },
): Promise<number[]> {
  const returns: number[] = [];
  for (let episode = 0; episode < episodes; episode++) {
    let observation = environment.reset(integer(2 ** 31, random));
    if (observation instanceof Promise) observation = await observation;
    for (let sum = 0;;) {
      let step = environment.step(policy.act(observation));
      if (step instanceof Promise) step = await step;
      sum += step.reward;
      observation = step.observation;
      if (step.terminated || step.truncated) {
        returns.push(sum);
        break;
      }
    }
  }
  return returns;
}

/** The options, of which those named must be whole numbers from 1 on. Throws a RangeError where one is not. */
export function checkCounts<Name extends string, Options extends Readonly<Record<Name, number>>>(
  options: Options,
  names: readonly Name[],
): Options {
  for (const name of names) {
    if (!Number.isInteger(options[name]) || options[name] < 1) {
      throw new RangeError(`Cannot train as ${name} must be a whole number from 1 on: got ${options[name]}`);
    }
  }
  return options;
}

/** Throws a RangeError where a loss is no number: what was learned from it is lost, too. */
export function checkLoss(loss: number): void {
  if (!Number.isFinite(loss)) {
    throw new RangeError(
      `Cannot go on training as observations and rewards must be finite, and steps small: got a loss of ${loss}`,
    );
  }
}
