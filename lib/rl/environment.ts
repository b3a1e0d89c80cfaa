/**
 * What an agent acts in: Gymnasium's interface (Towers et al., 2024) with discrete actions, one environment or several in
 * step with each other.
 *
 * An episode is a function of its seed and its actions: an environment has no other chance than `reset`'s seed.
 *
 * ```ts
 * import { type Environment, vectorize } from "./environment.ts";
 * import { random } from "../random.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * /** Counts down from 2: its episodes have two steps. *\/
 * function countdown(): Environment {
 *   const observation = new Float32Array(1);
 *   return {
 *     observationSize: 1,
 *     actions: 2,
 *     reset: () => (observation[0] = 2, observation),
 *     step: (action) => ({ observation, reward: action, terminated: --observation[0]! === 0, truncated: false }),
 *   };
 * }
 * const both = vectorize([countdown(), countdown()], random(1));
 * await both.reset();
 * await both.step([0, 1]);
 * await both.step([1, 1]);
 * deepEqual([...both.terminated], [1, 1]);
 * deepEqual([...both.finalObservations], [0, 0]);
 * deepEqual([...both.observations], [2, 2]); // the next episodes have begun
 * deepEqual(both.finished, [{ environment: 0, return: 1, length: 2 }, { environment: 1, return: 2, length: 2 }]);
 * ```
 *
 * @module
 */
import { integer, type Random } from "../random.ts";

/** What came of one action. */
export interface Step {
  /** What is seen now: `observationSize` numbers, the environment's own array, valid until its next `reset` or `step`. */
  readonly observation: Float32Array;
  /** What the action was worth. */
  readonly reward: number;
  /** Whether the episode reached its end: there is nothing after it to be worth anything. */
  readonly terminated: boolean;
  /** Whether the episode was cut off, as by a limit of steps: the state it stopped in still has a value. */
  readonly truncated: boolean;
}

/**
 * An environment with discrete actions. One that has to wait for something, such as an embedding, answers with promises; one
 * that has not answers at once, which is faster.
 */
export interface Environment {
  /** Numbers in an observation. */
  readonly observationSize: number;
  /** How many actions there are: 0 to `actions` - 1. */
  readonly actions: number;
  /** Begins the episode of `seed`, and gives its first observation (the environment's own array, as in `Step`). */
  reset(seed: number): Float32Array | Promise<Float32Array>;
  /** Takes one action. After an end, `reset` must come first. */
  step(action: number): Step | Promise<Step>;
}

/** An episode that ended: its undiscounted return and its length in steps. */
export interface Episode {
  readonly environment: number;
  readonly return: number;
  readonly length: number;
}

/**
 * Environments in step with each other, each beginning its next episode by itself in the step in which one ended (autoreset, as
 * in Stable-Baselines3's VecEnv). Arrays have one row or entry for each environment, and are overwritten by each step.
 */
export interface Environments {
  readonly count: number;
  readonly observationSize: number;
  readonly actions: number;
  /** What is seen now, `count` x `observationSize`: after an end, the first observation of the next episode. */
  readonly observations: Float32Array<ArrayBuffer>;
  /** The last observation of an episode that ended in this step, `count` x `observationSize`; other rows are of no meaning. */
  readonly finalObservations: Float32Array<ArrayBuffer>;
  readonly rewards: Float32Array;
  /** 1 where the episode reached its end in this step. */
  readonly terminated: Uint8Array;
  /** 1 where the episode was cut off in this step. */
  readonly truncated: Uint8Array;
  /** The episodes that ended in this step. */
  readonly finished: readonly Episode[];
  /** Begins an episode in each. Is a promise only where an environment's is. */
  reset(): void | Promise<void>;
  /** One action in each. Is a promise only where an environment's is; these wait side by side. */
  step(actions: ArrayLike<number>): void | Promise<void>;
}

/**
 * Environments in step with each other; the seeds of their episodes come from `random`, a stream for each of them. Throws a
 * RangeError where they are none or not of one shape.
 */
export function vectorize(environments: readonly Environment[], random: Random): Environments {
  const count = environments.length;
  const { observationSize, actions } = environments[0] ?? {};
  if (observationSize === undefined || actions === undefined) {
    throw new RangeError("Cannot vectorize environments as there must be at least 1: got 0");
  }
  for (const other of environments) {
    if (other.observationSize !== observationSize || other.actions !== actions) {
      throw new RangeError(
        "Cannot vectorize environments as they must be of one shape: " +
          `got ${observationSize} numbers, ${actions} actions and ${other.observationSize}, ${other.actions}`,
      );
    }
  }
  const streams = environments.map((_, i) => random.fork(i));
  const observations = new Float32Array(count * observationSize);
  const finalObservations = new Float32Array(count * observationSize);
  const rewards = new Float32Array(count);
  const terminated = new Uint8Array(count), truncated = new Uint8Array(count);
  const returns = new Float64Array(count), lengths = new Int32Array(count);
  const finished: Episode[] = [];

  function begin(i: number): void | Promise<void> {
    returns[i] = lengths[i] = 0;
    const first = environments[i]!.reset(integer(2 ** 31, streams[i]!));
    if (first instanceof Promise) return first.then((row) => put(observations, i, row));
    put(observations, i, first);
  }

  function record(i: number, step: Step): void | Promise<void> {
    rewards[i] = step.reward;
    terminated[i] = +step.terminated;
    truncated[i] = +step.truncated;
    returns[i]! += step.reward;
    lengths[i]!++;
    if (!step.terminated && !step.truncated) return put(observations, i, step.observation);
    put(finalObservations, i, step.observation);
    finished.push({ environment: i, return: returns[i]!, length: lengths[i]! });
    return begin(i);
  }

  function put(rows: Float32Array, i: number, row: Float32Array): void {
    const at = i * observationSize!;
    for (let j = 0; j < observationSize!; j++) rows[at + j] = row[j]!;
  }

  return {
    count,
    observationSize,
    actions,
    observations,
    finalObservations,
    rewards,
    terminated,
    truncated,
    finished,
    reset: () => all(environments.map((_, i) => begin(i))),
    step(chosen) {
      finished.length = 0;
      let waiting: (void | Promise<void>)[] | undefined;
      for (let i = 0; i < count; i++) {
        const step = environments[i]!.step(chosen[i]!);
        const done = step instanceof Promise ? step.then((step) => record(i, step)) : record(i, step);
        if (done) (waiting ??= []).push(done);
      }
      if (waiting) {
        return all(waiting)!.then(() => {
          finished.sort((a, b) => a.environment - b.environment); // not in the order in which answers came
        });
      }
    },
  };
}

function all(waiting: readonly (void | Promise<void>)[]): void | Promise<void> {
  if (waiting.some((one) => one)) return Promise.all(waiting).then(() => undefined);
}
