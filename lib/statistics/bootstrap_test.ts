import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import { random } from "../random.ts";
import { bcaCorrections, bcaInterval, bootstrap, percentileInterval } from "./bootstrap.ts";
import { golden, near } from "./golden.ts";
import { normalQuantile } from "./normal.ts";

const { resampled, intervals } = golden();

Deno.test("the intervals of given resamples equal scipy's, with their corrections", () => {
  for (const [values, distribution, percentile, bca, z0, acceleration] of resampled) {
    const means = Float64Array.from(distribution).sort();
    percentileInterval(means, 0.025, 0.975).forEach((bound, i) => near(bound, percentile[i]!, values));
    bcaInterval(values, means, normalQuantile(0.975)).forEach((bound, i) => near(bound, bca[i]!, values));
    const got = bcaCorrections(values, means);
    near(got.z0, z0, values);
    near(got.acceleration, acceleration, values);
  }
});

Deno.test("bootstrap() comes within 3 % of the width of scipy's interval of 200,000 resamples", () => {
  for (const [values, percentile, bca] of intervals) {
    for (const [method, wanted] of [["percentile", percentile], ["bca", bca]] as const) {
      const got = bootstrap(values, { random: random(3), resamples: 20_000, method });
      const width = wanted[1]! - wanted[0]!;
      got.forEach((bound, i) =>
        ok(Math.abs(bound - wanted[i]!) < 0.03 * width, `${method}: ${got}, not ${wanted}`)
      );
    }
  }
});

Deno.test("bootstrap() narrows with less confidence, and repeats with the same seed", () => {
  const values = [0.1, 0.5, 0.2, 0.9, 0.4, 0.4, 0.7, 0.3];
  const [low, high] = bootstrap(values, { random: random(4) });
  const [low80, high80] = bootstrap(values, { random: random(4), confidence: 0.8 });
  ok(low < low80 && high80 < high);
  deepEqual(bootstrap(values, { random: random(4) }), [low, high]);
});

Deno.test("bootstrap() of equal values is that value; of none an error", () => {
  const check = (values: number[], options: object) =>
    throws(() => bootstrap(values, { random: random(5), ...options }), RangeError);
  equal(bootstrap([0.25, 0.25, 0.25], { random: random(5) }).join(), "0.25,0.25");
  check([], {});
  check([1, NaN], {});
  check([1, 2], { resamples: 10 });
  check([1, 2], { confidence: 1 });
});
