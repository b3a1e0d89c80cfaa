import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import type { Example } from "../dataset/mod.ts";
import { metric } from "../metrics/mod.ts";
import { random } from "../random.ts";
import { bootstrap, paired, wilson } from "../statistics/mod.ts";
import {
  type Answer,
  byMetric,
  compare,
  measure,
  measureEach,
  type Measurement,
  questionsOf,
  type Scorer,
} from "./mod.ts";

const PROMPT = { systemPrompt: "", outputPrompt: "", demos: [] };
const questions = (n: number): Example[] =>
  Array.from({ length: n }, (_, i) => ({ id: `q${i}`, question: `${i}?`, references: [`${i}`] }));

/** Scores an answer by the number it is; `none` cannot be told. */
const byNumber: Scorer = {
  name: "number",
  signature: "number|version:1",
  score: (answer) => answer === "none" ? null : Number(answer),
};

/** Measures answers: one for each question, null where there is none. */
const measured = (answers: readonly (string | null)[], scorer: Scorer = byNumber): Promise<Measurement> => {
  const all = questions(answers.length);
  const answer: Answer = (_, { id }) => {
    const text = answers[all.findIndex((example) => example.id === id)]!;
    return Promise.resolve(text === null ? null : { text, completion: `key of ${id}` });
  };
  return measure(PROMPT, all, { split: "test", answer, scorer, random: random(1) });
};

Deno.test("measure() counts only what was answered and scored, and chooses the interval by the scores", async () => {
  const many = Array.from({ length: 12 }, (_, i) => i / 16);
  const rows: [(string | null)[], number, number, readonly [number, number]][] = [
    [["1", "0", "1", "1"], 3 / 4, 4, wilson(3, 4)],
    [["1", "1"], 1, 2, wilson(2, 2)],
    [["0", "0", "0"], 0, 3, wilson(0, 3)],
    [["1", null, "0", null], 1 / 2, 2, wilson(1, 2)],
    [["1", "none", "1", "0"], 2 / 3, 3, wilson(2, 3)],
    [["1", "0.5", "0", "0.5"], 1 / 2, 4, wilson(2, 4)],
    [["0.5", null, "0.5", "none"], 1 / 2, 2, wilson(1, 2)],
    [[...many.map(String), null], 11 / 32, 12, bootstrap(many, { random: random(1) })],
    [[null, "none"], 0, 0, [0, 1]],
    [[], 0, 0, [0, 1]],
  ];
  for (const [answers, value, n, ci95] of rows) {
    const { results, ...measurement } = await measured(answers);
    const expected = { split: "test", value, n, ci95, metric: "number", signature: "number|version:1" };
    deepEqual(measurement, expected, JSON.stringify(answers));
    deepEqual(
      results.map(({ example, answer, completion }) => [example.id, answer, completion]),
      answers.flatMap((text, i) => text === null || text === "none" ? [] : [[`q${i}`, text, `key of q${i}`]]),
    );
  }
});

Deno.test("measure() scores by a metric against every reference", async () => {
  const { value, signature, results } = await measured(["0", "two", "2"], byMetric(metric("exact_match")));
  deepEqual([value, results.map(({ score }) => score)], [2 / 3, [1, 0, 1]]);
  equal(signature, metric("exact_match").signature);
});

Deno.test("measure() waits for every answer before it throws the first error", async () => {
  for (const broken of ["answer", "score"] as const) {
    let ended = 0;
    const late = async (id: string) => {
      for (let turns = 0; turns < 50; turns++) await null;
      ended++;
      return { text: "1", completion: id };
    };
    const failing = measure(PROMPT, questions(6), {
      split: "test",
      random: random(1),
      answer: (_, { id }) =>
        broken === "answer" && ["q1", "q4"].includes(id)
          ? Promise.reject(new Error(`no answer to ${id}`))
          : late(id),
      scorer: {
        ...byNumber,
        score: (_, { id }) => {
          if (broken === "score" && ["q1", "q4"].includes(id)) throw new Error(`no answer to ${id}`);
          return 1;
        },
      },
    });
    await rejects(failing, { message: "no answer to q1" });
    equal(ended, broken === "answer" ? 4 : 6);
  }
});

Deno.test("measureEach() spends what there is on the same questions for all, in a drawn order", async () => {
  const all = questions(60);
  const options = { split: "test", scorer: byNumber } as const;
  const measured = (budget: number, refused: readonly string[] = [], seed = 1) => {
    const asked: string[] = [];
    const answer = (name: string): Answer => (_, { id }) => {
      if (refused.includes(name) || asked.length === budget) return Promise.resolve(null);
      asked.push(`${name} ${id}`);
      return Promise.resolve({ text: name === "old" ? "0" : "1", completion: id });
    };
    const prompts = ["old", "new"].map((name) => ({
      prompt: PROMPT,
      answer: answer(name),
      random: random(1),
    }));
    return measureEach(prompts, all, { ...options, random: random(seed) }).then((both) => ({ both, asked }));
  };
  for (const [budget, n] of [[120, 60], [41, 20], [40, 20], [2, 1], [0, 0]] as const) {
    const { both: [old, fresh], asked } = await measured(budget);
    equal(asked.length, budget);
    const of = ({ results }: Measurement) => results.map(({ example }) => example.id);
    deepEqual(of(old!), of(fresh!));
    deepEqual([old!.n, fresh!.n, fresh!.value], [n, n, n > 0 ? 1 : 0]);
    deepEqual(
      of(old!),
      all.map(({ id }) => id).filter((id) => of(old!).includes(id)),
      "in the order of the questions",
    );
  }
  const first = async (seed: number) => (await measured(40, [], seed)).asked.filter((_, i) => i % 2 === 0);
  deepEqual(await first(1), await first(1));
  ok(
    `${await first(1)}` !== `${await first(2)}` &&
      `${await first(1)}` !== `${all.slice(0, 20).map(({ id }) => `old ${id}`)}`,
  );
  const { both } = await measured(120, ["new"]);
  deepEqual(both.map(({ n }) => n), [60, 0], "what one alone was asked is not thrown away");
});

Deno.test("questionsOf() gives a split whole or drawn, in its order, the same for the same seed", () => {
  const test = questions(50);
  const dataset = { name: "d", sha256: "", card: {}, train: [], validation: questions(3), test };
  const of = (most?: number, seed = 1) =>
    questionsOf(dataset, "test", { ...most === undefined ? {} : { most }, random: random(seed) });
  for (const [most, n] of [[undefined, 50], [50, 50], [51, 50], [49, 49], [7, 7], [1, 1], [0, 0]] as const) {
    const drawn = of(most);
    equal(drawn.length, n);
    deepEqual(drawn, test.filter((example) => drawn.includes(example)));
    deepEqual(of(most), drawn);
  }
  ok(of(7).every((example) => of(20).includes(example)), "a larger draw holds the smaller one");
  ok(JSON.stringify(of(7, 2)) !== JSON.stringify(of(7)));
  equal(questionsOf(dataset, "validation", { random: random(1) }).length, 3);
});

Deno.test("compare() pairs the questions that both answered, and no others", async () => {
  const rows: [(string | null)[], (string | null)[], number[], number[]][] = [
    [["0", "1", "0"], ["1", "1", "1"], [0, 1, 0], [1, 1, 1]],
    [["0", null, "0", "1"], ["1", "1", null, "1"], [0, 1], [1, 1]],
    [["0.5", "none", "0.25"], ["1", "1", "0.75"], [0.5, 0.25], [1, 0.75]],
    [[null, "1"], ["1", null], [], []],
    [["1", "1"], ["0", "1"], [1, 1], [0, 1]],
  ];
  for (const [before, after, old, now] of rows) {
    deepEqual(
      compare(await measured(before), await measured(after), random(7)),
      paired(old, now, { random: random(7) }),
    );
  }
});
