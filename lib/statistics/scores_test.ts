import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { random } from "../random.ts";
import { bootstrap } from "./bootstrap.ts";
import { corpusInterval, meanInterval } from "./scores.ts";
import { wilson } from "./wilson.ts";

const chance = () => random("scores");

Deno.test("meanInterval() is Wilson's of zeros and ones, of few scores and of equal ones, else BCa", () => {
  const some = Array.from({ length: 10 }, (_, i) => i / 10), half = Array(40).fill(0.5);
  deepEqual(meanInterval([], { random: chance() }), [0, 1]);
  deepEqual(meanInterval([1, 0, 1, 1], { random: chance() }), wilson(3, 4));
  deepEqual(meanInterval([0.25, 0.75, 0.5, 0.5], { random: chance() }), wilson(2, 4));
  deepEqual(meanInterval([0.5], { random: chance() }).map((bound) => bound.toFixed(3)), ["0.055", "0.945"]);
  deepEqual(meanInterval(half, { random: chance() }), wilson(20, 40));
  deepEqual(meanInterval(some, { random: chance() }), bootstrap(some, { random: chance() }));
});

Deno.test("the interval of meanInterval() covers the truth 90 times of 100 or more, at any number of scores", () => {
  const draws = random("coverage");
  const kinds: readonly [kind: string, score: () => number, truth: number][] = [
    ["any score", draws, 0.5],
    ["mostly right", () => draws() < 0.9 ? 1 : 0.5, 0.95],
    ["mostly wrong", () => draws() < 0.9 ? 0 : 0.4, 0.04],
    ["always one half", () => 0.5, 0.5],
    ["wrong, right or between", () => draws() < 0.4 ? 0 : draws() < 0.5 ? 1 : draws(), 0.45],
  ];
  for (const n of [1, 2, 3, 5, 9, 10, 20, 60]) {
    for (const [kind, score, truth] of kinds) {
      let covered = 0;
      for (let run = 0; run < 200; run++) {
        const scores = Array.from({ length: n }, score);
        const [low, high] = meanInterval(scores, { random: draws.fork(run), resamples: 200 });
        ok(low >= 0 && low <= high && high <= 1);
        if (low <= truth + 1e-9 && truth - 1e-9 <= high) covered++;
      }
      ok(covered >= 175, `${covered} of 200 with ${n} scores, ${kind}`); // 180, less 1.2 standard deviations
    }
  }
});

Deno.test("corpusInterval() has the score of the corpus in it, and narrows with its segments", () => {
  const width = (n: number) => {
    const draws = random(`corpus of ${n}`);
    const words = Array.from({ length: n }, () => 1 + Math.floor(20 * draws()));
    const right = words.map((of) => Math.floor(of * draws()));
    const sum = (places: readonly number[], of: readonly number[]) =>
      places.reduce((sum, place) => sum + of[place]!, 0);
    const worth = (places: readonly number[]) => sum(places, right) / sum(places, words);
    const [low, high] = corpusInterval(n, worth, { random: draws });
    const score = worth(words.map((_, i) => i));
    ok(0 <= low && low <= score && score <= high && high <= 1, `${low}, ${score}, ${high}: ${n} segments`);
    ok(high - low > 0);
    return high - low;
  };
  const widths = [1, 5, 20, 200, 2000].map(width);
  deepEqual(widths, widths.toSorted((a, b) => b - a));
  deepEqual(corpusInterval(12, () => 1, { random: chance() }), wilson(12, 12));
});
