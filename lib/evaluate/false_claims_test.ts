import { ok } from "node:assert/strict";
import { chanceOfClaim, falseClaims } from "./testing.ts";

Deno.test("compare() calls at most 5 % of differences significant where there are none", () => {
  for (const scores of ["binary", "continuous"] as const) {
    for (let n = 1; n <= 150; n += n < 20 ? 1 : 10) {
      const chance = chanceOfClaim(scores, n)!;
      ok(chance < 0.05, `${n} ${scores} scores: ${chance}`);
    }
  }
  const times = 200;
  const rows = [
    ["binary", 8],
    ["binary", 40],
    ["continuous", 8],
    ["continuous", 24],
    ["thirds", 40],
  ] as const;
  let all = 0;
  for (const [scores, n] of rows) {
    const claims = falseClaims({ scores, n, times, seed: 1 });
    const chance = chanceOfClaim(scores, n);
    const most = times * (chance ?? 0.05), reach = 3.3 * Math.sqrt(times * 0.05); // one in a thousand is further out
    ok(claims < most + reach, `${n} ${scores} scores: ${claims} claims where ${most} were to be expected`);
    ok(chance === null || claims > most - reach, `${n} ${scores} scores: ${claims} of ${most}`);
    all += claims;
  }
  ok(all > 0 && all <= 0.05 * times * rows.length, `${all} claims`);
});
