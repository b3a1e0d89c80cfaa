/**
 * A whole training of PPO in prompt environments, embeddings and LightGBM's predictions included: `deno task bench promptenv`.
 *
 * @module
 */
import { COLUMNS, features, layOutModel, openEmbedder } from "../lib/features/mod.ts";
import { predict, train } from "../lib/gbdt/mod.ts";
import { findLibrary, Lightgbm, openBlas } from "../lib/native/mod.ts";
import { answerSpace, toDemo } from "../lib/optimize/mod.ts";
import { random } from "../lib/random.ts";
import {
  clarity,
  editJournal,
  finish,
  observer,
  ppo,
  type Prompt,
  promptEnv,
  vectorize,
} from "../lib/rl/mod.ts";
import type { Bench } from "./row.ts";

const STEPS = 5000, MOST_SECONDS = 60;
const ENVIRONMENTS = 8;

const LABELS = ["abbreviation", "description", "entity", "human", "location", "number"];
const TRAIN = LABELS.flatMap((label, i) =>
  Array.from({ length: 20 }, (_, n) => ({
    question: `What is the name, and what is the use, of thing ${n} of kind ${i}?`,
    references: [label],
  }))
).map((example, i) => ({ ...example, id: `${i}` }));

/** What a search begins with, and what a large model writes. */
const START: readonly Prompt[] = [
  { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
  {
    systemPrompt: "Classify each question by the kind of answer it asks for.",
    outputPrompt: "Please answer briefly.",
    demos: [],
  },
  {
    systemPrompt: `You are a very helpful assistant who really knows how to classify questions.

It is important to note that you should read the question carefully and then decide what kind of answer it asks for. \
Please make sure to give only the label. Never explain your choice, even if the question seems to ask for it.

Follow these rules: 1) read the question, 2) find what is asked for, and 3) reply with one label. Thank you very much!`,
    outputPrompt: `Options: ${LABELS.join(", ")}.`,
    demos: [],
  },
];

export const bench: Bench = async ({ python, folder, quick, log }) => {
  const interpreter = await python("learn");
  await using embedder = await openEmbedder(await layOutModel(interpreter, folder), { threads: 2 });
  using lightgbm = new Lightgbm(await findLibrary("lightgbm", interpreter));
  using blas = await openBlas(interpreter);
  const space = answerSpace(TRAIN), task = { train: TRAIN, space, limits: { demos: 16, characters: 12_000 } };
  const row = (prompt: Prompt) => features(prompt, embedder.embed);
  // a model of the size that a meta-model has; what it learnt is of no meaning here
  const seen = await Promise.all(
    Array.from({ length: 60 }, (_, i) => ({
      ...START[i % START.length]!,
      demos: TRAIN.slice(0, i).map(toDemo),
    })).map(async (prompt) => ({ row: await row(prompt), label: clarity(prompt, space) })),
  );
  const table = {
    features: [...COLUMNS],
    rows: seen.map(({ row }) => row),
    labels: seen.map(({ label }) => label),
  };
  using booster = train(table, {}, { lightgbm });

  const journal = editJournal();
  const look = observer({ columns: COLUMNS, features: row, predict: (row) => predict(booster, [row])[0]! });
  const environments = vectorize(
    Array.from({ length: ENVIRONMENTS }, () => promptEnv({ startPrompts: START, task, look, journal })),
    random("environments"),
  );
  const totalTimesteps = quick ? 256 : STEPS;
  const begun = performance.now();
  let steps = 0;
  await finish(
    ppo(environments, {
      ...{ totalTimesteps, nSteps: (quick ? 256 : 2048) / ENVIRONMENTS, blas, random: random("training") },
    }),
    ({ timesteps }) => log(`${steps = timesteps} steps, ${journal.editHistory.length} edits`),
  );
  const seconds = (performance.now() - begun) / 1000;
  return [{
    ...{
      name: `promptenv, ${totalTimesteps} steps of PPO (whole rollouts: ${steps})`,
      value: seconds,
      unit: "s",
    },
    ...{ peer: null, peer_value: null, ratio: null, bar: `< ${MOST_SECONDS}`, holds: seconds < MOST_SECONDS },
  }];
};
