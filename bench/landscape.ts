/**
 * The search where what a prompt is worth is known, as it is made up: hundreds of searches in a minute, so that a point can be
 * told from chance, which with a model would take days.
 *
 * Whether a question is answered rightly depends on the question, on which demos are shown, each at which place, and on what
 * they do for this very question. How far sets of demos lie apart was measured with the embedded model on data/tasks: far as
 * on question types (standard deviation 12 points), near as on topics (4), and between, where less is answered rightly. Words
 * mean nothing here: what chooses demos by their text gains nothing.
 *
 * @module
 */
import type { Example } from "../lib/dataset/mod.ts";
import { type Operator, optimize, type Options, type Prompt, toDemo } from "../lib/optimize/mod.ts";
import { normal, random, sample } from "../lib/random.ts";
import type { Bench, Row } from "./row.ts";

/** How far sets lie apart, and how easy questions are, in deviations of a question's difficulty. */
const LANDSCAPES = [
  { name: "sets far apart", apart: 0.42, ease: 0.1 },
  { name: "sets near each other", apart: 0.14, ease: 0.35 },
  { name: "hard questions", apart: 0.25, ease: -0.4 },
];
type Landscape = typeof LANDSCAPES[number];

const CALLS = 1000, QUESTIONS = 100, TEST = 200, DEMOS = 16;
const ANSWERS = ["ash", "beech", "cedar", "elm", "fir", "oak"];
/** What each demo fewer than DEMOS costs, and a form said after every question, as the embedded model takes it. */
const FEWER = 0.08, FORM = 0.8;

export const bench: Bench = async ({ quick, log }) => {
  const rows: Row[] = [];
  const runs = quick ? 10 : 150;
  for (const landscape of LANDSCAPES) {
    const mean = async (options: Partial<Options>) => {
      let sum = 0;
      for (let run = 0; run < runs; run++) sum += await found(landscape, run, options);
      return 100 * sum / runs;
    };
    const [own, whole] = [await mean({}), await mean(WHOLE)];
    log(`${landscape.name}: ${own.toFixed(1)}, whole sets by chance ${whole.toFixed(1)}`);
    rows.push({
      ...{
        name: `landscape, ${landscape.name}`,
        value: own,
        unit: `points of 100, ${CALLS} calls, ${runs} searches`,
      },
      ...{ peer: "whole sets by chance, each seen by all questions", peer_value: whole, ratio: own / whole },
      ...{ bar: "ratio >= 1", holds: own >= whole },
    });
  }
  return rows;
};

const byChance: Operator = {
  ...{ name: "demonstrate", practises: 0, asks: 0, applies: () => true },
  propose: ({ pool, train, random }) =>
    Promise.resolve({
      prompt: { ...pool[0]!.prompt, demos: sample(train, DEMOS, random).map(toDemo) },
      ...{ parents: [0], note: `${DEMOS} demos by chance` },
    }),
};
/** What DSPy's BootstrapFewShotWithRandomSearch does, but for its first demos, which the model has answered itself. */
const WHOLE: Partial<Options> = {
  ...{ operators: [byChance], opening: 1, breadth: 1, course: { block: QUESTIONS, alpha: 0 } },
};

/** What the prompt that a search ends with is worth on questions that it has not seen. */
async function found(landscape: Landscape, run: number, options: Partial<Options>): Promise<number> {
  const right = model(landscape, `${landscape.name} ${run}`);
  const search = optimize({
    seedPrompt: { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
    ...{
      train: questions("train", QUESTIONS),
      validation: questions("validation", QUESTIONS),
      random: random(run),
    },
    answer: (prompt, { question, references }) =>
      Promise.resolve({ text: right(prompt, question) ? references[0]! : "yew", completion: "" }),
    score: (answer, { references }) => answer === references[0] ? 1 : 0,
    ask: () => Promise.resolve({ text: "I cannot write prompts.", finish: "stop", usage: null }),
    ...{ target: 1, maxIterations: Infinity, patience: Infinity, maxCalls: CALLS },
    ...options,
  });
  for (;;) {
    const step = await search.next();
    if (!step.done) continue;
    const { prompt } = step.value.best;
    return questions("test", TEST).filter(({ question }) => right(prompt, question)).length / TEST;
  }
}

const questions = (split: string, n: number): Example[] =>
  Array.from({ length: n }, (_, i) => ({
    ...{ id: `${split} ${i}`, question: `${split} ${i}?`, references: [ANSWERS[i % ANSWERS.length]!] },
  }));

/** Whether a question is answered rightly under a prompt, for good. */
function model({ apart, ease }: Landscape, seed: string): (prompt: Prompt, question: string) => boolean {
  const drawn = new Map<string, number>();
  const draw = (label: string): number => {
    const value = drawn.get(label) ?? normal(random(`${seed} ${label}`));
    drawn.set(label, value);
    return value;
  };
  return ({ demos, outputPrompt, systemPrompt }, question) => {
    if (demos.length === 0) return false;
    const scale = Math.sqrt(2 * demos.length);
    let set = 0, own = 0;
    demos.forEach((demo, place) => {
      set += draw(demo.question) + draw(`${demo.question} ${place}`);
      own += draw(`${demo.question} ${question}`) + draw(`${demo.question} ${place} ${question}`);
    });
    return ease + draw(question) + apart * set / scale + own / scale + 0.1 * draw(systemPrompt) >
      FEWER * Math.max(0, DEMOS - demos.length) + (outputPrompt === "" ? 0 : FORM);
  };
}
