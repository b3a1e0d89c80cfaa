/**
 * Proximal policy optimization (Schulman et al., 2017, algorithm 1 with the clipped objective, eq. 7 and 9), with the defaults
 * of Stable-Baselines3's PPO and MlpPolicy, and its numbers.
 *
 * A rollout of T steps in N environments gives advantages Â and returns R; then the actor π and the critic V, two networks
 * of 64-64 tanh, take some epochs of steps in minibatches on
 *
 *     L = -min(r Â, clip(r, 1 - ε, 1 + ε) Â) + c₁ (V - R)² - c₂ S(π),  r = π(a|s) / π_old(a|s)
 *
 * with Â normalized in each minibatch, and the norm of the gradient clipped. The last state of an episode that was cut off is
 * worth its V (Pardo et al., 2018).
 *
 * ```ts
 * import { cartPole, evaluatePolicy, finish, ppo, vectorize } from "./mod.ts";
 * import { plainBlas } from "../native/mod.ts";
 * import { random } from "../random.ts";
 *
 * const environments = vectorize([cartPole()], random("environments"));
 * const policy = await finish(
 *   ppo(environments, { totalTimesteps: 512, nSteps: 256, blas: plainBlas(), random: random("training") }),
 * );
 * policy.act([0, 0, 0.1, 0]); // 0 or 1
 * ```
 *
 * @module
 */
import type { Blas } from "../native/mod.ts";
import { integer, type Random } from "../random.ts";
import type { Environments, Episode } from "./environment.ts";
import { gae } from "./gae.ts";
import { type Adam, adam, type Network, network, orthogonal, parameterCount } from "./network.ts";
import { checkCounts, checkLoss, policyOf, type Schedule, scheduled, type Training } from "./training.ts";

/** How it learns. */
export interface PpoOptions {
  /** Steps to train for, in all environments together; whole rollouts are made until there are as many. @default {5000} */
  readonly totalTimesteps?: number;
  /** T: steps of a rollout in each environment. @default {2048} */
  readonly nSteps?: number;
  /** Steps in a minibatch. @default {64} */
  readonly batchSize?: number;
  /** K: how often a rollout is gone through. @default {10} */
  readonly epochs?: number;
  /** γ: what a reward is worth a step later. @default {0.99} */
  readonly gamma?: number;
  /** λ: how far advantages look, 0 one step, 1 to the end. @default {0.95} */
  readonly gaeLambda?: number;
  /** ε: how far r may pull. @default {0.2} */
  readonly clipRange?: Schedule;
  /** c₁. @default {0.5} */
  readonly valueCoef?: number;
  /** c₂. @default {0} */
  readonly entropyCoef?: number;
  /** @default {0.5} */
  readonly maxGradNorm?: number;
  /** α. @default {0.0003} */
  readonly learningRate?: Schedule;
  /** @default {true} */
  readonly normalizeAdvantage?: boolean;
}

/** The defaults, which are Stable-Baselines3's but for the number of steps. */
export const PPO_DEFAULTS = {
  totalTimesteps: 5000,
  nSteps: 2048,
  batchSize: 64,
  epochs: 10,
  gamma: 0.99,
  gaeLambda: 0.95,
  clipRange: 0.2,
  valueCoef: 0.5,
  entropyCoef: 0,
  maxGradNorm: 0.5,
  learningRate: 3e-4,
  normalizeAdvantage: true,
} as const satisfies Required<PpoOptions>;

/** Numbers of a hidden layer. */
const HIDDEN = [64, 64] as const;

/** Trains in `environments`, with news after each update. The same seed of `random` gives the same training. */
export async function* ppo(
  environments: Environments,
  { blas, random, ...options }: PpoOptions & { readonly blas: Blas; readonly random: Random },
): Training {
  const given = checkCounts({ ...PPO_DEFAULTS, ...options }, [
    "totalTimesteps",
    "nSteps",
    "batchSize",
    "epochs",
  ]);
  const { totalTimesteps, nSteps: T, gamma } = given;
  const { count: N, observationSize: size, actions: A, observations, terminated, truncated } = environments;
  const rows = Math.max(N, given.batchSize);
  const agent = actorCritic(environments, { blas, rows, random: random.fork("init") });
  const { actor, critic } = agent;
  const optimizer = adam(agent, { epsilon: 1e-5 });
  const policy = policyOf(actor);
  const choice = random.fork("actions"), order = random.fork("minibatches");

  const rollout = emptyRollout(T * N, size);
  const rewards = new Float32Array(T * N), ended = new Uint8Array(T * N);
  const chosen = new Int32Array(N);
  await environments.reset();

  for (let timesteps = 0; timesteps < totalTimesteps;) {
    const episodes: Episode[] = [];
    for (let t = 0, at = 0; t < T; t++, at += N) {
      rollout.observations.set(observations, at * size);
      const logits = actor.forward(observations, N), values = critic.forward(observations, N);
      for (let i = 0; i < N; i++) {
        const a = chosen[i] = draw(logits, i * A, A, choice);
        rollout.actions[at + i] = a;
        rollout.logProbs[at + i] = logits[i * A + a]! - logSumExp(logits, i * A, A);
        rollout.values[at + i] = values[i]!;
      }
      const waiting = environments.step(chosen);
      if (waiting) await waiting;
      rewards.set(environments.rewards, at);
      for (let i = 0; i < N; i++) {
        ended[at + i] = terminated[i]! | truncated[i]!;
        if (!truncated[i] || terminated[i]) continue;
        rewards[at + i]! += gamma * critic.forward(environments.finalObservations, N)[i]!;
      }
      episodes.push(...environments.finished);
    }
    const nextValues = critic.forward(observations, N).subarray(0, N);
    const { advantages, returns, values } = rollout;
    gae({ rewards, values, ended, nextValues }, advantages, given);
    for (let at = 0; at < T * N; at++) returns[at] = advantages[at]! + values[at]!;

    timesteps += T * N;
    const remaining = Math.max(0, 1 - timesteps / totalTimesteps);
    const losses = update(agent, optimizer, rollout, {
      ...given,
      clipRange: scheduled(given.clipRange, remaining),
      learningRate: scheduled(given.learningRate, remaining),
      reorder: (indices) => reorder(indices, order),
    });
    checkLoss(losses.policy_gradient_loss + losses.value_loss);
    yield { timesteps, totalTimesteps, episodes, losses, policy };
  }
  return policy;
}

/** π and V, with all their parameters in one array: π's first. */
export interface ActorCritic {
  readonly actor: Network;
  readonly critic: Network;
  readonly parameters: Float32Array<ArrayBuffer>;
  readonly gradients: Float32Array<ArrayBuffer>;
}

/** π and V as they begin: orthogonal, with gains √2 within, 0.01 for the logits, 1 for the value. */
export function actorCritic(
  { observationSize, actions }: { readonly observationSize: number; readonly actions: number },
  { blas, rows, random }: { readonly blas: Blas; readonly rows: number; readonly random: Random },
): ActorCritic {
  const shapes = [[observationSize, ...HIDDEN, actions], [observationSize, ...HIDDEN, 1]] as const;
  const [middle, end] = [parameterCount(shapes[0]), parameterCount(shapes[0]) + parameterCount(shapes[1])];
  const parameters = new Float32Array(end), gradients = new Float32Array(end);
  const part = (from: number, to: number) => ({
    parameters: parameters.subarray(from, to),
    gradients: gradients.subarray(from, to),
  });
  const actor = network(shapes[0], { blas, rows, room: part(0, middle) });
  const critic = network(shapes[1], { blas, rows, room: part(middle, end) });
  for (const [{ layers }, gain] of [[actor, 0.01], [critic, 1]] as const) {
    layers.forEach((layer, l) => orthogonal(layer, l < layers.length - 1 ? Math.SQRT2 : gain, random));
  }
  return { actor, critic, parameters, gradients };
}

/** Steps to learn from, in any order. */
export interface Rollout {
  /** s, steps x observationSize. */
  readonly observations: Float32Array<ArrayBuffer>;
  /** a. */
  readonly actions: Int32Array;
  /** log π_old(a|s). */
  readonly logProbs: Float32Array;
  /** V(s) as it was. */
  readonly values: Float32Array;
  /** Â. */
  readonly advantages: Float32Array;
  /** R = Â + V(s). */
  readonly returns: Float32Array;
}

const emptyRollout = (steps: number, observationSize: number): Rollout => ({
  observations: new Float32Array(steps * observationSize),
  actions: new Int32Array(steps),
  logProbs: new Float32Array(steps),
  values: new Float32Array(steps),
  advantages: new Float32Array(steps),
  returns: new Float32Array(steps),
});

/** What an update needs to know. */
export interface UpdateOptions {
  readonly batchSize: number;
  readonly epochs: number;
  readonly clipRange: number;
  readonly valueCoef: number;
  readonly entropyCoef: number;
  readonly maxGradNorm: number;
  readonly learningRate: number;
  readonly normalizeAdvantage: boolean;
  /** Brings the indices of the steps into the order of an epoch's minibatches. */
  reorder(indices: Int32Array): void;
}

/** What was lost, as means over minibatches, by the names of Stable-Baselines3's log. */
export interface Losses extends Record<string, number> {
  readonly policy_gradient_loss: number;
  readonly value_loss: number;
  readonly entropy_loss: number;
  /** Mean of r - 1 - log r in the last epoch: how far the policy went from that of the rollout. */
  readonly approx_kl: number;
  /** Part of the steps whose r left the range. */
  readonly clip_fraction: number;
}

/** Improves π and V on a rollout. */
export function update(
  { actor, critic }: ActorCritic,
  optimizer: Adam,
  { observations, actions, logProbs, advantages, returns }: Rollout,
  { batchSize, epochs, clipRange, valueCoef, entropyCoef, ...options }: UpdateOptions,
): Losses {
  const steps = actions.length, size = actor.sizes[0]!, A = actor.sizes.at(-1)!;
  const indices = Int32Array.from({ length: steps }, (_, i) => i);
  const s = new Float32Array(batchSize * size);
  const dLogits = new Float32Array(batchSize * A), dValues = new Float32Array(batchSize);
  let policyLoss = 0, valueLoss = 0, entropyLoss = 0, kl = 0, clipped = 0, minibatches = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    options.reorder(indices);
    kl = 0;
    for (let start = 0; start < steps; start += batchSize, minibatches++) {
      const B = Math.min(batchSize, steps - start);
      let mean = 0, variance = 0;
      for (let b = 0; b < B; b++) {
        const from = indices[start + b]!;
        for (let j = 0; j < size; j++) s[b * size + j] = observations[from * size + j]!;
        mean += advantages[from]! / B;
      }
      for (let b = 0; b < B; b++) variance += (advantages[indices[start + b]!]! - mean) ** 2 / (B - 1);
      const normalize = options.normalizeAdvantage && B > 1;
      const shift = normalize ? mean : 0, scale = normalize ? 1 / (Math.sqrt(variance) + 1e-8) : 1;

      const logits = actor.forward(s, B), values = critic.forward(s, B);
      let surrogate = 0, squares = 0, entropies = 0;
      for (let b = 0; b < B; b++) {
        const from = indices[start + b]!, a = actions[from]!, z = b * A;
        const advantage = (advantages[from]! - shift) * scale;
        const normalizer = logSumExp(logits, z, A);
        const logRatio = logits[z + a]! - normalizer - logProbs[from]!, r = Math.exp(logRatio);
        const plain = r * advantage;
        const clip = Math.min(Math.max(r, 1 - clipRange), 1 + clipRange) * advantage;
        surrogate += Math.min(plain, clip);
        kl += (r - 1 - logRatio) / B / Math.ceil(steps / batchSize);
        if (Math.abs(r - 1) > clipRange) clipped += 1 / B;

        let entropy = 0;
        for (let k = 0; k < A; k++) {
          const logP = logits[z + k]! - normalizer;
          entropy -= Math.exp(logP) * logP;
        }
        entropies += entropy;
        const pull = plain <= clip ? -plain : 0; // d surrogate / d log π; none where the clip holds
        for (let k = 0; k < A; k++) {
          const logP = logits[z + k]! - normalizer, p = Math.exp(logP);
          dLogits[z + k] = (pull * ((k === a ? 1 : 0) - p) + entropyCoef * p * (logP + entropy)) / B;
        }
        const error = values[b]! - returns[from]!;
        squares += error * error;
        dValues[b] = valueCoef * 2 * error / B;
      }
      policyLoss -= surrogate / B;
      valueLoss += squares / B;
      entropyLoss -= entropies / B;
      actor.backward(s, B, dLogits);
      critic.backward(s, B, dValues);
      optimizer.step(options.learningRate, options.maxGradNorm);
    }
  }
  return {
    policy_gradient_loss: policyLoss / minibatches,
    value_loss: valueLoss / minibatches,
    entropy_loss: entropyLoss / minibatches,
    approx_kl: kl,
    clip_fraction: clipped / minibatches,
  };
}

/** An action by its probability. */
function draw(logits: Float32Array, from: number, n: number, random: Random): number {
  const normalizer = logSumExp(logits, from, n);
  let left = random();
  for (let k = 0; k < n - 1; k++) {
    left -= Math.exp(logits[from + k]! - normalizer);
    if (left < 0) return k;
  }
  return n - 1;
}

function logSumExp(logits: Float32Array, from: number, n: number): number {
  let most = logits[from]!;
  for (let k = 1; k < n; k++) if (logits[from + k]! > most) most = logits[from + k]!;
  let sum = 0;
  for (let k = 0; k < n; k++) sum += Math.exp(logits[from + k]! - most);
  return most + Math.log(sum);
}

/** Fisher and Yates, in place. */
function reorder(indices: Int32Array, random: Random): void {
  for (let i = indices.length - 1; i > 0; i--) {
    const j = integer(i + 1, random), index = indices[i]!;
    indices[i] = indices[j]!;
    indices[j] = index;
  }
}
