import { ok, strictEqual as equal, throws } from "node:assert/strict";
import { golden, near } from "./golden.ts";
import { normalCdf, normalQuantile, studentQuantile } from "./normal.ts";
import { wilson } from "./wilson.ts";

const { normal, quantiles, student, wilson: wilsons } = golden();

Deno.test("normalCdf() equals scipy.stats.norm.cdf, in the tail by its digits", () => {
  for (const [x, p] of normal) {
    ok(Math.abs(normalCdf(x) - p) <= 1e-12 * p, `${x}: ${normalCdf(x)}, wanted ${p}`);
  }
});

Deno.test("normalQuantile() equals scipy.stats.norm.ppf", () => {
  for (const [p, x] of quantiles) near(normalQuantile(p), x, p);
  equal(normalQuantile(0), -Infinity);
  equal(normalQuantile(1), Infinity);
  throws(() => normalQuantile(1.1), RangeError);
  throws(() => normalQuantile(NaN), RangeError);
});

Deno.test("studentQuantile() equals scipy.stats.t.ppf", () => {
  for (const [p, freedom, t] of student) near(studentQuantile(p, freedom), t, [p, freedom]);
});

Deno.test("wilson() equals binomtest().proportion_ci(method='wilson')", () => {
  for (const [successes, n, wanted] of wilsons) {
    wilson(successes, n).forEach((bound, i) => near(bound, wanted[i]!, [successes, n]));
  }
  equal(wilson(0, 0).join(), "0,1");
  throws(() => wilson(2, 1), RangeError);
  throws(() => wilson(0.5, 1), RangeError);
});
