import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { cartPole } from "./cart_pole.ts";
import { golden, near } from "./golden.ts";

Deno.test("cartPole() goes step for step as Gymnasium's", () => {
  const ends = new Set<string>();
  for (const [i, [start, steps]] of golden().cart_poles.entries()) {
    const pole = cartPole();
    deepEqual([...pole.begin(start)], start.map(Math.fround));
    for (const [t, [action, observation, reward, terminated, truncated]] of steps.entries()) {
      const step = pole.step(action);
      // A last bit of sin and cos may differ between libraries of mathematics.
      near(step.observation, observation, 1e-6, `episode ${i}, step ${t}`);
      deepEqual(
        [step.reward, step.terminated, step.truncated],
        [reward, terminated, truncated],
        `${i}, ${t}`,
      );
      const [x] = step.observation;
      if (terminated) ends.add(Math.abs(x!) > 2.4 ? "left the track" : "fell");
      if (truncated) ends.add("stood");
    }
    equal(steps.at(-1)![3] || steps.at(-1)![4], true);
  }
  deepEqual([...ends].sort(), ["fell", "left the track", "stood"], "the golden episodes have every end");
});

Deno.test("cartPole() begins by its seed, within ±0.05", () => {
  const pole = cartPole();
  const begin = (seed: number) => [...pole.reset(seed)];
  deepEqual(begin(1), begin(1));
  equal(begin(1).join() === begin(2).join(), false);
  const starts = Array.from({ length: 500 }, (_, seed) => begin(seed)).flat();
  equal(starts.every((value) => Math.abs(value) <= 0.05), true);
  near([starts.reduce((sum, value) => sum + value ** 2) / starts.length], [0.05 ** 2 / 3], 1e-4, "variance");
});
