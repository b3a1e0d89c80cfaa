import { ok } from "node:assert/strict";
import { normal, type Random, random, sample } from "../random.ts";
import { correlation } from "../statistics/mod.ts";
import { type Candidate, mean } from "./candidate.ts";
import { candidate } from "./search.ts";
import { drawWorth } from "./worth.ts";

const demos = Array.from({ length: 60 }, (_, i) => `demo ${i}`);
const draw = random("worth");
const adds = new Map(demos.map((question) => [question, 0.025 * normal(draw)]));

/** `n` sets of 12 demos that answer 20 questions each, as often rightly as their demos add up to. */
function raced(n: number): Candidate[] {
  return Array.from({ length: n }, (_, index) => {
    const chosen = sample(demos, 12, draw);
    const share = 0.5 + chosen.reduce((sum, question) => sum + adds.get(question)!, 0);
    const made = candidate(index, {
      prompt: {
        systemPrompt: "",
        outputPrompt: "",
        demos: chosen.map((question) => ({ question, answer: "a" })),
      },
      ...{ operator: "demonstrate", parents: [0], note: "" },
    });
    for (let i = 0; i < 20; i++) {
      const example = { id: `v${i}`, question: "?", references: ["a"] };
      made.results.set(example.id, { example, answer: "", score: draw() < share ? 1 : 0, completion: "" });
    }
    return made;
  });
}

Deno.test("drawWorth() tells the better demos from what their sets scored, and the more sets the better", () => {
  const truth = demos.map((question) => adds.get(question)!);
  const told = [0, 20, 80, 400].map((n) => {
    const sets = raced(n);
    const draws = Array.from({ length: 5 }, (_, i) => {
      const worth = drawWorth(demos, sets, random(i));
      return correlation(demos.map((question) => worth.get(question)!), truth);
    });
    return mean(draws);
  });
  ok(Math.abs(told[0]!) < 0.25 && told[1]! > 0.1 && told[2]! > told[1]! && told[3]! > 0.7, told.join(" "));
});

Deno.test("drawWorth() strays, and less the more is known", () => {
  const deviation = (sets: Candidate[]) => {
    const draws = Array.from({ length: 200 }, (_, i) => drawWorth(demos, sets, random(i)).get(demos[0]!)!);
    const center = mean(draws);
    return Math.sqrt(mean(draws.map((value) => (value - center) ** 2)));
  };
  const [nothing, much] = [deviation([]), deviation(raced(100))];
  ok(Math.abs(nothing - 0.3 * 0.025) < 0.001 && much < 0.9 * nothing && much > 0, `${nothing} ${much}`);
});

Deno.test("drawWorth() tells the same by equations of the sets as by equations of the demos", () => {
  const even: Random = Object.assign(() => 0.5, { fork: () => even });
  const sets = raced(100), unseen = Array.from({ length: 100 }, (_, i) => `unseen ${i}`);
  const byDemos = drawWorth(demos, sets, even), bySets = drawWorth([...demos, ...unseen], sets, even);
  for (const question of demos) ok(Math.abs(byDemos.get(question)! - bySets.get(question)!) < 1e-12);
});
