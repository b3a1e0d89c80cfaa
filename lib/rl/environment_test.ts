import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { random } from "../random.ts";
import { type Environment, vectorize } from "./environment.ts";

/** Episodes of as many steps as their seed says, 1 to 3; sees the seed and the step, and answers after `delay` turns. */
function short(seeds: number[], delay = 0): Environment {
  const observation = new Float32Array(2);
  let length = 0;
  const later = async <T>(value: T): Promise<T> => {
    for (let i = 0; i < delay; i++) await Promise.resolve();
    return value;
  };
  return {
    observationSize: 2,
    actions: 2,
    reset(seed) {
      seeds.push(seed);
      length = seed % 3 + 1;
      observation.set([length, 0]);
      return delay ? later(observation) : observation;
    },
    step() {
      observation[1]!++;
      const over = observation[1] === length;
      const step = {
        observation,
        reward: observation[1]!,
        terminated: over && length < 3,
        truncated: over && length === 3,
      };
      return delay ? later(step) : step;
    },
  };
}

/** All that is seen in 12 steps of three environments, and the seeds of their episodes. */
async function history(delays: readonly number[], seed: number) {
  const seeds = delays.map((): number[] => []);
  const all = vectorize(delays.map((delay, i) => short(seeds[i]!, delay)), random(seed));
  await all.reset();
  const seen: unknown[] = [[...all.observations]];
  for (let t = 0; t < 12; t++) {
    await all.step([0, 0, 0]);
    const ends = all.finished.map(({ environment }) => environment);
    seen.push([...all.observations], [...all.rewards], [...all.terminated], [...all.truncated], [
      ...all.finished,
    ]);
    seen.push(ends.map((i) => [...all.finalObservations.subarray(2 * i, 2 * i + 2)]));
    for (const [at, { environment: i, length, return: sum }] of all.finished.entries()) {
      equal(sum, length * (length + 1) / 2);
      equal(all.truncated[i], +(length === 3));
      equal(all.terminated[i], +(length < 3));
      deepEqual([...all.finalObservations.subarray(2 * i, 2 * i + 2)], [length, length]);
      equal(all.observations[2 * i + 1], 0, "the next episode has begun");
      equal(at, ends.indexOf(i));
    }
  }
  return { seen, seeds };
}

Deno.test("vectorize() begins the next episode by itself, by seeds of its random alone", async () => {
  const first = await history([0, 0, 0], 1);
  deepEqual(await history([0, 0, 0], 1), first);
  equal(JSON.stringify(await history([0, 0, 0], 2)) === JSON.stringify(first), false);
  equal(new Set(first.seeds.flat()).size, first.seeds.flat().length, "no two episodes share a seed");
});

Deno.test("vectorize() gives the same whatever the order in which environments answer", async () => {
  const first = await history([0, 0, 0], 1);
  for (const delays of [[1, 1, 1], [9, 5, 1], [0, 7, 3], [4, 0, 0]]) {
    deepEqual(await history(delays, 1), first);
  }
});

Deno.test("vectorize() refuses none, and environments of two shapes", () => {
  throws(() => vectorize([], random(1)), { name: "RangeError", message: /at least 1: got 0/ });
  const other = { ...short([]), actions: 3 };
  throws(() => vectorize([short([]), other], random(1)), {
    name: "RangeError",
    message: /one shape: got 2 numbers, 2/,
  });
});
