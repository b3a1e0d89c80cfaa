import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { openSession, tensor } from "../onnx/mod.ts";
import { random } from "../random.ts";
import { cartPole } from "./cart_pole.ts";
import { dqn } from "./dqn.ts";
import { type Environment, vectorize } from "./environment.ts";
import { gae } from "./gae.ts";
import { bothBlas, drawing, golden, near } from "./golden.ts";
import { adam } from "./network.ts";
import { actorCritic, ppo, type PpoOptions, type Rollout, update } from "./ppo.ts";
import { evaluatePolicy, finish, linear } from "./training.ts";

Deno.test("gae() and update() give the numbers of Stable-Baselines3", async () => {
  for (const blas of await bothBlas()) {
    using _ = blas;
    for (
      const [seed, size, actions, T, N, settings, old, nextValues, losses, norm, everyTenth] of golden()
        .updates
    ) {
      const what = `${blas.name}, seed ${seed}`;
      const { draw, floats, permute } = drawing(seed);
      const rows = Math.max(settings.batchSize, N);
      const agent = actorCritic({ observationSize: size, actions }, { blas, rows, random: random(0) });
      agent.parameters.set(floats(agent.parameters.length, 0.4));
      const steps = T * N;
      const rollout: Rollout = {
        observations: new Float32Array(steps * size),
        actions: new Int32Array(steps),
        logProbs: Float32Array.from(old.logProbs),
        values: Float32Array.from(old.values),
        advantages: new Float32Array(steps),
        returns: new Float32Array(steps),
      };
      const rewards = new Float32Array(steps), ended = new Uint8Array(steps);
      for (let t = 0; t < T; t++) {
        rollout.observations.set(floats(N * size), t * N * size);
        for (let i = 0; i < N; i++) rollout.actions[t * N + i] = Math.floor(draw() * actions);
        rewards.set(floats(N), t * N);
        floats(N); // what moved the old policy's logProbs
        for (let i = 0; i < N; i++) ended[t * N + i] = +(draw() < 0.1);
      }
      const last = floats(N * size);
      near(agent.critic.forward(last, N).subarray(0, N), nextValues, 1e-5, `${what}: next values`);
      for (let t = 0; t < T; t++) {
        const seen = rollout.observations.slice(t * N * size, (t + 1) * N * size);
        const values = agent.critic.forward(seen, N).subarray(0, N);
        near(values, old.values.slice(t * N, (t + 1) * N), 1e-5, `${what}: values`);
      }
      gae({ rewards, values: rollout.values, ended, nextValues }, rollout.advantages, settings);
      near(rollout.advantages, old.advantages, 1e-5, `${what}: advantages`);
      rollout.returns.set(rollout.advantages.map((advantage, at) => advantage + rollout.values[at]!));
      near(rollout.returns, old.returns, 1e-5, `${what}: returns`);

      const before = agent.parameters.slice();
      const got = update(agent, adam(agent, { epsilon: 1e-5 }), rollout, { ...settings, reorder: permute });
      for (const [name, loss] of Object.entries(losses)) near([got[name]!], [loss], 1e-4, `${what}: ${name}`);
      near(agent.parameters.filter((_, i) => i % 10 === 0), everyTenth, 1e-4, `${what}: parameters`);
      near([Math.hypot(...agent.parameters)], [norm], 1e-5, `${what}: their norm`);
      const moved = agent.parameters.filter((_, i) => i % 10 === 0)
        .map((value, i) => Math.abs(value - before[10 * i]!));
      ok(Math.max(...moved) > 1e-3, `${what}: the update moves parameters by more than the tolerance`);
    }
  }
});

/** A training on CartPole, from its seed. */
const train = async (
  blas: Parameters<typeof ppo>[1]["blas"],
  seed: number,
  count: number,
  options: PpoOptions,
) => {
  const chance = random(seed);
  const environments = vectorize(Array.from({ length: count }, cartPole), chance.fork("environments"));
  const losses: number[] = [];
  const policy = await finish(
    ppo(environments, { ...options, blas, random: chance }),
    (news) => losses.push(news.losses.value_loss!),
  );
  return { policy, losses };
};

const SMALL = { nSteps: 64, batchSize: 32, epochs: 2, totalTimesteps: 1000 } as const;

Deno.test("ppo() trains alike from the same seed, and otherwise from another", async () => {
  for (const blas of await bothBlas()) {
    using _ = blas;
    const logits = async (seed: number) => {
      const { policy, losses } = await train(blas, seed, 3, SMALL);
      return [...losses, ...policy.logits([0.01, 0.2, 0.03, -0.1])];
    };
    const first = await logits(1);
    deepEqual(await logits(1), first);
    equal((await logits(2)).join() === first.join(), false);
    equal(first.length, Math.ceil(1000 / 192) + 2, "whole rollouts");
  }
});

Deno.test("ppo() masters CartPole", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const { policy } = await train(blas!, 1, 8, CART_POLE);
  const returns = await evaluatePolicy(policy, cartPole(), { episodes: 20, random: random("evaluation") });
  ok(returns.reduce((sum, value) => sum + value) / 20 >= 475, returns.join());
});

/** Those of RL Baselines3 Zoo for CartPole-v1, within half its steps. */
const CART_POLE: PpoOptions = {
  ...{ nSteps: 32, batchSize: 256, epochs: 20, gamma: 0.98, gaeLambda: 0.8, totalTimesteps: 50_000 },
  learningRate: linear(0.001),
  clipRange: linear(0.2),
};

/** Gives 1 a step, and is cut off after each: what comes then is worth the same again. */
function endless(cutOff: boolean): Environment {
  const observation = Float32Array.of(1);
  return {
    observationSize: 1,
    actions: 2,
    reset: () => observation,
    step: () => ({ observation, reward: 1, terminated: !cutOff, truncated: cutOff }),
  };
}

Deno.test("ppo() counts what would have come where an episode is cut off, not where it ends", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const losses = async (cutOff: boolean) => {
    const chance = random(1), found: number[] = [];
    const environments = vectorize([endless(cutOff), endless(cutOff)], chance.fork("environments"));
    const options = { nSteps: 32, gamma: 1, epochs: 1, learningRate: 0.01, totalTimesteps: 6400 };
    await finish(ppo(environments, { ...options, blas: blas!, random: chance }), (news) => {
      found.push(news.losses.value_loss!);
      equal(news.episodes.length, 64);
    });
    return found;
  };
  // Cut off, a step is worth 1 more than what V says, whatever it says.
  near(await losses(true), Array(100).fill(1), 1e-3, "(1 + V - V)²");
  near((await losses(false)).slice(-1), [0], 1e-3, "V = 1 is learned");
});

Deno.test("ppo() waits for environments that answer with promises, to the same numbers", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const slowly = (): Environment => {
    const pole = cartPole();
    return {
      ...pole,
      reset: (seed) => Promise.resolve(pole.reset(seed)),
      step: (action) => Promise.resolve(pole.step(action)),
    };
  };
  const logits = async (make: () => Environment) => {
    const chance = random(4);
    const environments = vectorize([make(), make(), make()], chance.fork("environments"));
    const policy = await finish(ppo(environments, { ...SMALL, blas: blas!, random: chance }));
    return [...policy.logits([0, 0, 0, 0])];
  };
  deepEqual(await logits(slowly), await logits(cartPole));
});

Deno.test("onnx() gives a file whose logits onnxruntime finds equal to 1e-5", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const { policy } = await train(blas!, 3, 2, SMALL);
  await using session = await openSession(policy.onnx());
  const rows = 50, observations = drawing(8).floats(rows * 4, 2);
  const { logits } = await session.run({ observation: tensor(observations, [rows, 4]) });
  deepEqual(logits!.dims, [rows, 2]);
  for (let i = 0; i < rows; i++) {
    const wanted = policy.logits(observations.subarray(4 * i, 4 * i + 4));
    near(logits!.data.slice(2 * i, 2 * i + 2) as Float32Array, wanted, 1e-5, `row ${i}`);
  }
});

Deno.test("ppo() refuses counts that are none, and a policy an observation of another size", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  for (const options of [{ nSteps: 0 }, { batchSize: 1.5 }, { epochs: -1 }, { totalTimesteps: NaN }]) {
    await rejects(train(blas!, 1, 1, options), {
      name: "RangeError",
      message: /^Cannot train as \w+ must be/,
    });
  }
  const { policy } = await train(blas!, 1, 1, { ...SMALL, totalTimesteps: 1 });
  try {
    policy.act([1, 2]);
    ok(false);
  } catch (error) {
    ok(error instanceof RangeError, String(error));
  }
});

Deno.test("ppo() and dqn() end with an error where an environment pays what is no number", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  const broken = (): Environment => {
    const pole = cartPole();
    return { ...pole, step: (action) => ({ ...pole.step(action), reward: NaN }) };
  };
  for (const learn of [ppo, dqn]) {
    const environments = vectorize([broken()], random(1));
    const training = learn(environments, {
      totalTimesteps: 200,
      ...{ nSteps: 64 },
      blas: blas!,
      random: random(1),
    });
    await rejects(finish(training), { name: "RangeError", message: /must be finite.*NaN/ });
  }
});
