import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import type { Blas } from "../native/mod.ts";
import { openSession, tensor } from "../onnx/mod.ts";
import { random } from "../random.ts";
import { cartPole } from "./cart_pole.ts";
import { dqn, type DqnOptions } from "./dqn.ts";
import { type Environment, vectorize } from "./environment.ts";
import { bothBlas, drawing, near } from "./golden.ts";
import { evaluatePolicy, finish, finishBest, type Policy, type Progress, type Training } from "./training.ts";

async function train(blas: Blas, seed: number, make: () => Environment, options: DqnOptions, count = 1) {
  const chance = random(seed),
    environments = vectorize(Array.from({ length: count }, make), chance.fork("environments"));
  const rates: number[] = [];
  const policy = await finish(
    dqn(environments, { ...options, blas, random: chance }),
    (news) => rates.push(news.losses.exploration_rate!),
  );
  return { policy, rates };
}

/**
 * A corridor of 5 places: 0 goes back, 1 goes on; the way out at its end is worth 1, and every step costs 0.1. At each place the
 * value of both actions is known.
 */
function corridor(): Environment {
  const observation = new Float32Array(5);
  let place = 0;
  const seen = () => (observation.fill(0), observation[place] = 1, observation);
  return {
    observationSize: 5,
    actions: 2,
    reset: (seed) => (place = seed % 5, seen()),
    step(action) {
      if (action === 1 && place === 4) {
        return { observation, reward: 0.9, terminated: true, truncated: false };
      }
      place = Math.max(0, place + (action === 1 ? 1 : -1));
      return { observation: seen(), reward: -0.1, terminated: false, truncated: false };
    },
  };
}

Deno.test("dqn() learns the values of a corridor, which Bellman's equation gives", async () => {
  const gamma = 0.9, best = [0, 0, 0, 0, 0, 0];
  const on = (place: number) => place === 4 ? 0.9 : -0.1 + gamma * best[place + 1]!;
  for (let place = 4; place >= 0; place--) best[place] = on(place);
  const back = (place: number) => -0.1 + gamma * best[Math.max(0, place - 1)]!;
  for (const blas of await bothBlas()) {
    using _ = blas;
    for (const double of [false, true]) {
      const { policy } = await train(blas, 1, corridor, {
        ...{
          totalTimesteps: 4000,
          gamma,
          learningRate: 0.002,
          targetUpdateInterval: 50,
          explorationFinal: 0.5,
          double,
        },
      }, 2);
      for (let place = 0; place < 5; place++) {
        const observation = Array.from({ length: 5 }, (_, i) => i === place ? 1 : 0);
        near(policy.logits(observation), [back(place), on(place)], 0.02, `${blas.name}, place ${place}`);
        equal(policy.act(observation), 1);
      }
    }
  }
});

Deno.test("dqn() trains alike from the same seed, explores less and less, and is saved as ONNX", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const options = { totalTimesteps: 3000, explorationFraction: 0.5, explorationFinal: 0.1, tau: 0.5 };
  const logits = async (seed: number) => {
    const { policy } = await train(blas!, seed, cartPole, { ...options, targetUpdateInterval: 100 }, 2);
    return [...policy.logits([0.01, 0.2, 0.03, -0.1])];
  };
  const first = await logits(1);
  deepEqual(await logits(1), first);
  equal((await logits(2)).join() === first.join(), false);

  const { policy, rates } = await train(blas!, 1, cartPole, options);
  near(rates, [1 - 0.9 * 999 / 1500, 0.1, 0.1], 1e-9, "ε");
  await using session = await openSession(policy.onnx());
  const rows = 20, observations = drawing(9).floats(rows * 4, 2);
  const outputs = await session.run({ observation: tensor(observations, [rows, 4]) });
  for (let i = 0; i < rows; i++) {
    const wanted = policy.logits(observations.subarray(4 * i, 4 * i + 4));
    near(outputs.logits!.data.slice(2 * i, 2 * i + 2) as Float32Array, wanted, 1e-5, `row ${i}`);
  }
});

Deno.test("dqn() refuses counts that are none", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  for (const options of [{ bufferSize: 0 }, { trainFreq: 0.5 }, { targetUpdateInterval: NaN }]) {
    await rejects(train(blas!, 1, cartPole, options), {
      name: "RangeError",
      message: /^Cannot train as \w+ must be/,
    });
  }
});

Deno.test("evaluatePolicy() gives the return of each episode", async () => {
  const left = { act: () => 0 } as unknown as Parameters<typeof evaluatePolicy>[0];
  const returns = await evaluatePolicy(left, cartPole(), { episodes: 30, random: random(1) });
  equal(returns.length, 30);
  ok(returns.every((value) => value >= 8 && value <= 12), returns.join());
});

Deno.test("finishBest() keeps the best policy as it was, and ends with one that is enough", async () => {
  const standing = (worth: number) => ({
    ...({} as Policy),
    copy: () => standing(worth),
    act: () => 0,
    worth,
  });
  let closed = false;
  async function* training(all: readonly number[]): Training {
    try {
      for (const [i, worth] of all.entries()) {
        yield { timesteps: i, totalTimesteps: 9, episodes: [], losses: {}, policy: standing(worth) };
      }
      return standing(0);
    } finally {
      closed = true;
    }
  }
  const worthOf = (policy: Policy) => Promise.resolve((policy as ReturnType<typeof standing>).worth);
  for (
    const [all, enough, worth, timesteps] of [[[1, 5, 3, 5], Infinity, 5, 1], [
      [1, 5, 9, 3],
      5,
      5,
      1,
    ]] as const
  ) {
    const best = await finishBest(training(all), { worthOf, enough });
    deepEqual([best.worth, best.timesteps, await worthOf(best.policy)], [worth, timesteps, worth]);
    equal(closed, true);
    closed = false;
  }
});

Deno.test("copy() of a policy stays as the training goes on", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const chance = random(1);
  const training = dqn(vectorize([cartPole()], chance), {
    totalTimesteps: 2000,
    blas: blas!,
    random: chance,
  });
  const { value } = await training.next();
  const policy = (value as Progress).policy, copy = policy.copy();
  const now = [...policy.logits([1, 1, 1, 1])];
  deepEqual([...copy.logits([1, 1, 1, 1])], now);
  await training.next();
  equal([...policy.logits([1, 1, 1, 1])].join() === now.join(), false);
  deepEqual([...copy.logits([1, 1, 1, 1])], now);
});
