import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { questionTypes } from "../experiment/testing.ts";
import { COLUMNS, type Embed, features, layOutModel, openEmbedder } from "../features/mod.ts";
import { findLibrary, Lightgbm, openBlas } from "../native/mod.ts";
import { ensurePython } from "../python/mod.ts";
import { answerSpace, type Policy } from "../optimize/mod.ts";
import { random } from "../random.ts";
import { ACTIONS, editPolicy, observer } from "../rl/mod.ts";
import { type Database, newestPolicy } from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { beatsChance, choosePolicy, openPolicy, trainPolicy } from "./mod.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = `${ROOT}/sql`;
const python = await ensurePython({ root: ROOT, group: "learn" });
const library = await findLibrary("lightgbm", python);

const seedPrompt = { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] };
const limits = { demos: 8, characters: 4000 };

/** Whether a mean of 100 gains may be that of these: not 4 standard errors apart. */
async function near(mean: number, made: (i: number) => ReturnType<Policy>) {
  const gains = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const { edits } = await made(i);
    return edits.reduce((sum, { predicted }) => sum + predicted, 0);
  }));
  const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value) / values.length;
  const here = average(gains), variance = average(gains.map((gain) => (gain - here) ** 2));
  const error = Math.sqrt(variance / 100 + variance / gains.length);
  ok(Math.abs(mean - here) < 4 * error, `${mean} instead of ${here}, give or take ${error}`);
}

async function training(db: Database, embed: Embed) {
  const { train } = await questionTypes();
  return {
    ...{ db, embed, train, limits, seedPrompt, environments: 4, edits: 4, random: random(3) },
    lightgbm: () => Promise.resolve(new Lightgbm(library)),
    newId: () => crypto.randomUUID(),
    elapsed: () => performance.now(),
  };
}

Deno.test("trainPolicy() keeps a policy that edits better than chance, and a loop is given it", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await using sentences = await openEmbedder(await layOutModel(python, `${ROOT}/.quintet/models`));
  using blas = await openBlas(python);
  const given = await training(db, sentences.embed);
  equal((await choosePolicy(db)).policy, null);

  const told: number[] = [];
  const row = await trainPolicy({
    ...{ ...given, blas, timesteps: 2048, options: { nSteps: 128 } },
    onProgress: ({ timesteps }) => told.push(timesteps),
  });
  deepEqual(told, [512, 1024, 1536, 2048]);
  deepEqual(row.history.map(({ timesteps }) => timesteps), told);
  ok(beatsChance(row), JSON.stringify([row.meanReturn, row.randomReturn]));
  const scores = row.bestPrompts.map(({ score }) => score);
  deepEqual([scores.length, scores], [10, scores.toSorted((a, b) => b - a)]);
  const { policy } = await choosePolicy(db);
  equal(policy!.id, row.id);

  await using opened = await openPolicy(policy!, given);
  const candidate = {
    ...{ index: 0, prompt: seedPrompt, operator: "seed", parents: [], note: "" },
    ...{ results: new Map(), practice: new Map() },
  };
  const made = await opened.policy(candidate, random(1));
  ok(made.edits.length > 0 && made.prompt !== seedPrompt);
  ok(
    made.edits.every(({ action, predicted }) =>
      ACTIONS.some((name) => name === action) && Number.isFinite(predicted)
    ),
  );
  deepEqual(await opened.policy(candidate, random(1)), made); // the same chance, the same edits
  const { train } = given, space = answerSpace(train);
  const byChance = editPolicy({
    logits: () => Array(ACTIONS.length).fill(0),
    look: observer({ columns: COLUMNS, features: (prompt) => features(prompt, given.embed), space }),
    ...{ task: { train, limits, space }, edits: given.edits },
  });
  await near(row.meanReturn, (i) => opened.policy(candidate, random(i))); // what was measured is what the loop is given
  await near(row.randomReturn, (i) => byChance(candidate, random(i)));

  equal(policy!.parameters.drawn, true);
  await db.query("update rl_models set parameters = parameters - 'drawn'"); // as they were kept before
  deepEqual(await choosePolicy(db), {
    policy: null,
    because: "the newest was measured by its best edits alone: train it anew (`deno task train-policy`)",
  });

  const damaged = { ...policy!, onnx: policy!.onnx.slice(0, -9) };
  await rejects(openPolicy(damaged, given), /Cannot use policy .* as it is not what was kept/);
});

Deno.test("trainPolicy() learns by DQN as well", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await using sentences = await openEmbedder(await layOutModel(python, `${ROOT}/.quintet/models`));
  using blas = await openBlas(python);
  const row = await trainPolicy({
    ...{ ...await training(db, sentences.embed), blas, algorithm: "dqn", timesteps: 800 },
    options: { learningStarts: 100, learningRate: 1e-3, targetUpdateInterval: 100, explorationFraction: 0.5 },
  });
  const kept = await newestPolicy(db, row.featureVersion);
  deepEqual([kept!.id, kept!.algorithm, kept!.metaModelId], [row.id, "dqn", null]);
  ok(row.history.length > 0 && Number.isFinite(row.meanReturn));
});
