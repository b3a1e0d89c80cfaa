import { strictEqual as equal, throws } from "node:assert/strict";
import { golden, near } from "./golden.ts";
import { mcnemar } from "./mcnemar.ts";

Deno.test("mcnemar() equals scipy.stats.binomtest", () => {
  for (const [wins, losses, pValue] of golden().mcnemar) near(mcnemar(wins, losses), pValue, [wins, losses]);
});

Deno.test("mcnemar() is 1 without pairs that differ, and refuses what is no count", () => {
  equal(mcnemar(0, 0), 1);
  throws(() => mcnemar(-1, 2), RangeError);
  throws(() => mcnemar(1.5, 2), RangeError);
  throws(() => mcnemar(NaN, 2), RangeError);
});
