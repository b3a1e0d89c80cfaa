import { ok, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { random } from "../random.ts";
import { golden, near } from "./golden.ts";
import { mcnemar } from "./mcnemar.ts";
import { signFlip } from "./sign_flip.ts";

const { signFlips, lattices, drawn } = golden();
const flip = (differences: readonly number[]) => signFlip(differences, { random: random(1) });

Deno.test("signFlip() equals scipy.stats.permutation_test where all flips can be counted", () => {
  for (const [differences, pValue] of signFlips) near(flip(differences), pValue, differences);
});

Deno.test("signFlip() is exact on a lattice, however many differences there are", () => {
  for (const [whole, parts, pValue] of lattices) {
    near(flip(whole.map((d) => d / parts)), pValue, [parts, whole]);
  }
});

Deno.test("signFlip() comes near scipy's draws where they are too many to count", () => {
  for (const [differences, pValue] of drawn) {
    const got = signFlip(differences, { random: random(2), resamples: 20_000 });
    const error = Math.sqrt(pValue * (1 - pValue) * (1 / 20_000 + 1 / 200_000)) + 1e-4;
    ok(Math.abs(got - pValue) < 4 * error, `got ${got}, wanted ${pValue}`);
  }
});

Deno.test("signFlip() is 1 where nothing differs or all cancels out, and never 0", () => {
  equal(flip([]), 1);
  equal(flip([0, 0, 0]), 1);
  equal(flip([0.1, 0.2, -0.3]), 1);
  equal(flip([0.7]), 1);
  equal(flip([1e-9, 1, -1]), 1);
  equal(signFlip(Array(60).fill(Math.SQRT1_2), { random: random(1), resamples: 999 }), 1 / 1000);
  throws(() => flip([NaN]), RangeError);
});

Deno.test("signFlip() of wins and losses is McNemar's test", () => {
  fc.assert(fc.property(fc.array(fc.constantFrom(-1, 0, 1), { maxLength: 80 }), (differences) => {
    const count = (sign: number) => differences.filter((d) => d === sign).length;
    near(flip(differences), mcnemar(count(1), count(-1)), differences);
  }));
});
