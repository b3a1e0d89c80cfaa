/**
 * Deep Q-learning (Mnih et al., 2015, algorithm 1): the value Q of each action is learned from steps that are kept and drawn again,
 * towards the values of an older copy of the network. With the schedule and the defaults of Stable-Baselines3's DQN, its
 * Huber loss, and its layers of 64-64 ReLU.
 *
 * ```ts
 * import { cartPole, dqn, finish, vectorize } from "./mod.ts";
 * import { plainBlas } from "../native/mod.ts";
 * import { random } from "../random.ts";
 *
 * const environments = vectorize([cartPole()], random("environments"));
 * const training = dqn(environments, { totalTimesteps: 500, blas: plainBlas(), random: random("training") });
 * const policy = await finish(training);
 * policy.act([0, 0, 0.1, 0]); // 0 or 1
 * ```
 *
 * @module
 */
import type { Blas } from "../native/mod.ts";
import { integer, type Random } from "../random.ts";
import type { Environments, Episode } from "./environment.ts";
import { adam, network, uniform } from "./network.ts";
import {
  checkCounts,
  checkLoss,
  greatest,
  policyOf,
  type Schedule,
  scheduled,
  type Training,
} from "./training.ts";

/** How it learns. */
export interface DqnOptions {
  /** Steps to train for, in all environments together. @default {5000} */
  readonly totalTimesteps?: number;
  /** Steps that are kept; the oldest go first. @default {1000000} */
  readonly bufferSize?: number;
  /** Steps before the first update. @default {100} */
  readonly learningStarts?: number;
  /** Steps in a minibatch. @default {32} */
  readonly batchSize?: number;
  /** Steps in each environment between updates. @default {4} */
  readonly trainFreq?: number;
  /** Minibatches of an update. @default {1} */
  readonly gradientSteps?: number;
  /** C: steps between updates of the older copy, in all environments together. @default {10000} */
  readonly targetUpdateInterval?: number;
  /** τ: how far the older copy then goes to the network, 1 all the way. @default {1} */
  readonly tau?: number;
  /** Whether the network says which action is best next, and the older copy only what it is worth (van Hasselt et al., 2016). @default {false} */
  readonly double?: boolean;
  /** γ: what a reward is worth a step later. @default {0.99} */
  readonly gamma?: number;
  /** The part of the training in which ε, the part of actions that are chance, falls. @default {0.1} */
  readonly explorationFraction?: number;
  /** What ε begins with. @default {1} */
  readonly explorationInitial?: number;
  /** What ε ends with. @default {0.05} */
  readonly explorationFinal?: number;
  /** @default {10} */
  readonly maxGradNorm?: number;
  /** α. @default {0.0001} */
  readonly learningRate?: Schedule;
  /** Numbers of each hidden layer. @default {[64, 64]} */
  readonly hidden?: readonly number[];
}

/** The defaults, which are Stable-Baselines3's but for the number of steps. */
const DQN_DEFAULTS = {
  totalTimesteps: 5000,
  bufferSize: 1_000_000,
  learningStarts: 100,
  batchSize: 32,
  trainFreq: 4,
  gradientSteps: 1,
  targetUpdateInterval: 10_000,
  tau: 1,
  double: false,
  gamma: 0.99,
  explorationFraction: 0.1,
  explorationInitial: 1,
  explorationFinal: 0.05,
  maxGradNorm: 10,
  learningRate: 1e-4,
  hidden: [64, 64],
} as const satisfies Required<DqnOptions>;

const NEWS = 1000; // steps between news

/** Trains in `environments`. The same seed of `random` gives the same training. */
export async function* dqn(
  environments: Environments,
  { blas, random, ...options }: DqnOptions & { readonly blas: Blas; readonly random: Random },
): Training {
  const given = checkCounts({ ...DQN_DEFAULTS, ...options }, [
    ...["totalTimesteps", "bufferSize", "batchSize", "trainFreq", "gradientSteps"] as const,
    "targetUpdateInterval",
  ]);
  const { totalTimesteps, batchSize, gamma, learningStarts } = given;
  const { count: N, observationSize: size, actions: A, observations, terminated, truncated } = environments;
  const sizes = [size, ...given.hidden, A],
    room = { blas, activation: "relu", rows: Math.max(N, batchSize) } as const;
  const Q = network(sizes, room), target = network(sizes, room);
  const first = random.fork("init");
  for (const layer of Q.layers) uniform(layer, first);
  target.parameters.set(Q.parameters);
  const optimizer = adam(Q, { epsilon: 1e-8 });
  const policy = policyOf(Q);
  const choice = random.fork("actions"), order = random.fork("minibatches");

  const memory = emptyMemory(Math.min(given.bufferSize, totalTimesteps + N), size);
  const batch = emptyMemory(batchSize, size), y = new Float32Array(batchSize);
  const dQ = new Float32Array(batchSize * A);
  const actions = new Int32Array(N);
  let kept = 0, next = 0; // steps kept, and where the next goes
  let episodes: Episode[] = [], loss = 0, updates = 0, news = 0, copied = 0;
  await environments.reset();

  for (let timesteps = 0, rounds = 0; timesteps < totalTimesteps;) {
    const epsilon = given.explorationInitial + (given.explorationFinal - given.explorationInitial) *
        Math.min(1, timesteps / totalTimesteps / given.explorationFraction);
    const values = Q.forward(observations, N);
    const start = next;
    for (let i = 0; i < N; i++) {
      const explores = timesteps < learningStarts || choice() < epsilon;
      actions[i] = explores ? integer(A, choice) : greatest(values, i * A, A);
      const at = (start + i) % memory.size;
      memory.actions[at] = actions[i]!;
      copyRow(observations, i, memory.observations, at, size);
    }
    const waiting = environments.step(actions);
    if (waiting) await waiting;
    for (let i = 0; i < N; i++) {
      const at = (start + i) % memory.size, over = terminated[i]! | truncated[i]!;
      memory.rewards[at] = environments.rewards[i]!;
      memory.terminated[at] = terminated[i]!;
      const seen = over ? environments.finalObservations : observations;
      copyRow(seen, i, memory.nextObservations, at, size);
    }
    next = (start + N) % memory.size;
    kept = Math.min(kept + N, memory.size);
    timesteps += N;
    rounds++;
    episodes.push(...environments.finished);
    if (timesteps - copied >= given.targetUpdateInterval) {
      follow(target.parameters, Q.parameters, given.tau);
      copied = timesteps;
    }

    if (timesteps > learningStarts && rounds % given.trainFreq === 0) {
      const alpha = scheduled(given.learningRate, Math.max(0, 1 - timesteps / totalTimesteps));
      for (let step = 0; step < given.gradientSteps; step++) {
        for (let b = 0; b < batchSize; b++) copyStep(memory, integer(kept, order), batch, b, size);
        const nextQ = target.forward(batch.nextObservations, batchSize);
        const judge = given.double ? Q.forward(batch.nextObservations, batchSize) : nextQ;
        for (let b = 0; b < batchSize; b++) {
          const best = nextQ[b * A + greatest(judge, b * A, A)]!;
          y[b] = batch.rewards[b]! + gamma * (1 - batch.terminated[b]!) * best;
        }
        const q = Q.forward(batch.observations, batchSize);
        dQ.fill(0);
        let sum = 0;
        for (let b = 0; b < batchSize; b++) {
          const at = b * A + batch.actions[b]!, error = q[at]! - y[b]!, size = Math.abs(error);
          sum += size < 1 ? error * error / 2 : size - 0.5; // Huber
          dQ[at] = Math.max(-1, Math.min(1, error)) / batchSize;
        }
        Q.backward(batch.observations, batchSize, dQ);
        optimizer.step(alpha, given.maxGradNorm);
        loss += sum / batchSize;
        updates++;
      }
    }
    checkLoss(loss);
    if (timesteps - news >= NEWS || timesteps >= totalTimesteps) {
      const losses = { loss: updates === 0 ? NaN : loss / updates, exploration_rate: epsilon };
      yield { timesteps, totalTimesteps, episodes, losses, policy };
      episodes = [];
      loss = updates = 0;
      news = timesteps;
    }
  }
  return policy;
}

/** Steps (s, a, r, s'): a row or an entry each. */
interface Memory {
  readonly size: number;
  readonly observations: Float32Array<ArrayBuffer>;
  readonly actions: Int32Array;
  readonly rewards: Float32Array;
  readonly nextObservations: Float32Array<ArrayBuffer>;
  /** Whether s' is an end, after which nothing comes; not set where the episode was cut off. */
  readonly terminated: Uint8Array;
}

const emptyMemory = (size: number, observationSize: number): Memory => ({
  size,
  observations: new Float32Array(size * observationSize),
  actions: new Int32Array(size),
  rewards: new Float32Array(size),
  nextObservations: new Float32Array(size * observationSize),
  terminated: new Uint8Array(size),
});

/** x ← (1 - τ) x + τ y. */
function follow(x: Float32Array, y: Float32Array, tau: number): void {
  for (let i = 0; i < x.length; i++) x[i] = (1 - tau) * x[i]! + tau * y[i]!;
}

function copyRow(from: Float32Array, i: number, to: Float32Array, j: number, size: number): void {
  for (let k = 0; k < size; k++) to[j * size + k] = from[i * size + k]!;
}

function copyStep(from: Memory, i: number, to: Memory, j: number, size: number): void {
  copyRow(from.observations, i, to.observations, j, size);
  copyRow(from.nextObservations, i, to.nextObservations, j, size);
  to.actions[j] = from.actions[i]!;
  to.rewards[j] = from.rewards[i]!;
  to.terminated[j] = from.terminated[i]!;
}
