import { ok, strictEqual as equal, throws } from "node:assert/strict";
import { random } from "../random.ts";
import { type Arms, choose, reward } from "./bandit.ts";

const operators = ["a", "b", "c"].map((name) => ({ name, cost: 10 }));
const share = (arms: Arms, name: string, among = operators) => {
  const draws = random("share");
  return Array.from({ length: 2000 }, () => choose(arms, among, draws).name).filter((n) => n === name)
    .length / 2000;
};

Deno.test("choose() treats operators alike before anything is known", () => {
  for (const { name } of operators) ok(Math.abs(share(new Map(), name) - 1 / 3) < 0.05);
});

Deno.test("choose() prefers what gained, and does not forget the rest", () => {
  let arms: Arms = new Map();
  for (const gain of [0.02, 0, 0.03, 0.01]) arms = reward(reward(reward(arms, "a", gain), "b", 0), "c", 0);
  ok(share(arms, "a") > 0.7);
  ok(share(arms, "b") > 0);
});

Deno.test("choose() asks more of an operator that costs more", () => {
  const dear = [{ name: "a", cost: 10 }, { name: "b", cost: 30 }];
  ok(share(new Map(), "a", dear) > 0.8);
});

Deno.test("choose() finds the best of three noisy operators", () => {
  const draws = random("noise");
  let arms: Arms = new Map();
  const chosen = { a: 0, b: 0, c: 0 } as Record<string, number>;
  for (let i = 0; i < 300; i++) {
    const { name } = choose(arms, operators, draws);
    chosen[name]!++;
    arms = reward(arms, name, { a: 0.004, b: 0.008, c: 0.002 }[name]! * 2 * draws());
  }
  equal(Object.entries(chosen).sort((x, y) => y[1] - x[1])[0]![0], "b");
});

Deno.test("choose() needs an operator", () => {
  throws(() => choose(new Map(), [], random(1)), RangeError);
});
