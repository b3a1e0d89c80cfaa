import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { Example } from "../dataset/example.ts";
import type { Bias } from "../optimize/candidate.ts";
import { candidate } from "../optimize/search.ts";
import { saveDataset } from "./datasets.ts";
import { type Database } from "./db.ts";
import { beginExperiment } from "./experiments.ts";
import { journal } from "./calls.ts";
import {
  contextOf,
  editsOf,
  findMetaModel,
  findPolicy,
  measureEdits,
  type MetaModelRow,
  newestMetaModel,
  newestPolicy,
  type PolicyRow,
  saveFeatures,
  saveMetaModel,
  savePolicy,
  scoredPrompts,
  settingOf,
} from "./learning.ts";
import { testDatabase } from "./testing.ts";
import { promptId, saveScores, saveTrials } from "./trials.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

const examples = (split: string, n: number): Example[] =>
  Array.from({ length: n }, (_, i) => ({
    id: `${split}${i}`,
    question: `${split} ${i}?`,
    references: ["yes"],
  }));
const splits = { train: examples("a", 1), validation: examples("b", 4), test: examples("c", 2) };

const hex = (name: string) =>
  Array.from(name, (c) => c.charCodeAt(0).toString(16)).join("").padStart(64, "0");

/** An experiment with one answered completion for each name. */
async function experiment(db: Database, config: Record<string, unknown>): Promise<string> {
  const datasetId = await saveDataset(db, { name: "tiny", sha256: "0".repeat(64), card: {}, ...splits });
  const id = crypto.randomUUID();
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: 1, config });
  return id;
}

/** Keeps a trial with scores on its first validation questions, and on test. */
async function trial(
  db: Database,
  experimentId: string,
  index: number,
  { systemPrompt, bias, scores, edits, test = [] }: {
    systemPrompt: string;
    bias?: Bias;
    scores: number[];
    edits?: { action: string; predicted: number }[];
    test?: number[];
  },
): Promise<void> {
  const { rows: [dataset] } = await db.query<{ id: string }>("select id from datasets");
  const made = candidate(index, {
    prompt: { systemPrompt, outputPrompt: "", demos: [], ...bias ? { bias } : {} },
    operator: index === 0 ? "seed" : "edit",
    parents: index === 0 ? [] : [0],
    note: "",
    ...edits ? { edits } : {},
  });
  await saveTrials(db, experimentId, [{
    ...{ candidate: made, iteration: index === 0 ? 0 : 1, predicted: null },
    ...{ accepted: index === 0, reason: "a test", calls: 0, incumbent: 0 },
  }]);
  const answered = [
    ...scores.map((score, i) => ({ score, example: splits.validation[i]! })),
    ...test.map((score, i) => ({ score, example: splits.test[i]! })),
  ];
  const calls = journal(db, experimentId);
  const results = [];
  for (const { score, example } of answered) {
    const key = hex(`${experimentId.slice(0, 4)}${index}${example.id}`);
    const id = crypto.randomUUID();
    await calls.intend({
      id,
      role: "primary",
      model: "m",
      key,
      attempt: 1,
      reserved: { tokens: 1, cost: 0n },
    });
    const usage = { promptTokens: 1, completionTokens: 1 };
    const request = { messages: [{ role: "user", content: "?" }], temperature: 0, maxTokens: 1 } as const;
    await calls.settle({
      ...{ id, usage, cost: 0n, ms: 1 },
      outcome: {
        kind: "answered",
        completion: { key, model: "m", identity: {}, request, text: "yes", finish: "stop", usage },
      },
    });
    results.push({ version: index, example, answer: "yes", score, completion: key });
  }
  await saveScores(db, { experimentId, datasetId: dataset!.id, results });
}

const EXACT = { metric: "exact_match", metric_options: {}, primary: "local" };

Deno.test("scoredPrompts() pools a prompt's scores within a context, each question once, and none of test", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const [first, second, other] = [
    await experiment(db, EXACT),
    await experiment(db, { ...EXACT, seed: 2 }),
    await experiment(db, { ...EXACT, primary: "openai:x" }),
  ];
  await trial(db, first, 0, { systemPrompt: "Be brief.", scores: [1, 0], test: [1, 1] });
  await trial(db, first, 1, { systemPrompt: "Be exact.", scores: [1, 1, 1] });
  await trial(db, second, 0, { systemPrompt: "Be brief.", scores: [0, 1, 1, 1] }); // the first two count already
  await trial(db, other, 0, { systemPrompt: "Be brief.", scores: [0] });

  const seen = await scoredPrompts(db, 1);
  deepEqual(
    seen.map(({ prompt, score, n, dataset, features }) => [prompt.systemPrompt, score, n, dataset, features]),
    [
      ["Be brief.", 0.75, 4, "tiny", null],
      ["Be exact.", 1, 3, "tiny", null],
      ["Be brief.", 0, 1, "tiny", null],
    ],
  );
  equal(seen[0]!.promptId, promptId(first, 0));
  deepEqual(seen.map(({ experimentId }) => experimentId), [first, first, other]);
  equal(seen[0]!.context, seen[1]!.context);
  const { rows: [dataset] } = await db.query<{ id: string }>("select id from datasets");
  equal(await contextOf(db, dataset!.id, { ...EXACT, seed: 9 }), seen[0]!.context);
  equal(await contextOf(db, dataset!.id, { ...EXACT, primary: "openai:x" }), seen[2]!.context);
  const elsewhere = await contextOf(db, crypto.randomUUID(), EXACT);
  equal(settingOf(elsewhere), settingOf(seen[0]!.context)); // other questions, the same metric and model
  notEqual(settingOf(elsewhere), settingOf(seen[2]!.context));

  const rows = [{ promptId: seen[0]!.promptId, values: Float64Array.of(0.1, -2e-7, 3) }];
  await saveFeatures(db, { version: 1, names: ["a", "b", "c"], rows });
  await saveFeatures(db, { version: 1, names: ["a", "b", "c"], rows }); // again changes nothing
  deepEqual((await scoredPrompts(db, 1)).map(({ features }) => features), [[0.1, -2e-7, 3], null, null]);
  deepEqual((await scoredPrompts(db, 2)).map(({ features }) => features), [null, null, null]);
});

Deno.test("contextOf() tells the weights of the primary model apart, where they are known", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const id = crypto.randomUUID();
  const of = (weights?: Record<string, string | null>) => contextOf(db, id, { ...EXACT, weights });
  const plain = await of();
  deepEqual(JSON.parse(plain), [id, "exact_match", {}, "local"]); // as it was before weights were known
  equal(await of({ primary: null, optimizer: "b" }), plain);
  const first = await of({ primary: "a", optimizer: null });
  equal(await of({ primary: "a", optimizer: "b" }), first);
  deepEqual(new Set([plain, first, await of({ primary: "b", optimizer: null })]).size, 3);

  for (const weights of ["a", "b"]) {
    const own = await experiment(db, { ...EXACT, weights: { primary: weights, optimizer: null } });
    await trial(db, own, 0, { systemPrompt: "Be brief.", scores: [weights === "a" ? 1 : 0] });
  }
  deepEqual((await scoredPrompts(db, 1)).map(({ score, n }) => [score, n]), [[1, 1], [0, 1]]);
});

Deno.test("scoredPrompts() has no features of another prompt that was there before", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const id = await experiment(db, EXACT);
  await trial(db, id, 0, { systemPrompt: "Be brief.", scores: [0] });
  await trial(db, id, 1, { systemPrompt: "Be exact.", scores: [1] });
  const rows = (await scoredPrompts(db, 1)).map(({ promptId }, i) => ({ promptId, values: [i] }));
  await saveFeatures(db, { version: 1, names: ["a"], rows });
  await trial(db, id, 0, { systemPrompt: "Be brief.", scores: [0] }); // a replay that came to the same prompt
  await trial(db, id, 1, { systemPrompt: "Be short.", scores: [1] }); // and to another one
  deepEqual((await scoredPrompts(db, 1)).map(({ prompt, features }) => [prompt.systemPrompt, features]), [
    ["Be brief.", [0]],
    ["Be short.", null],
  ]);
});

Deno.test("scoredPrompts() takes prompts that differ in their bias alone for different ones", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const experiments = [await experiment(db, EXACT), await experiment(db, EXACT)];
  const versions: { bias?: Bias; scores: number[] }[][] = [
    [{ scores: [1] }, { bias: { yes: -1, no: 0.1 }, scores: [0, 0] }, { bias: { yes: -2 }, scores: [1, 0] }],
    [{ scores: [0, 0] }, { bias: { no: 0.1, yes: -1 }, scores: [1, 1, 1] }], // the same two, on further questions
  ];
  for (const [i, prompts] of versions.entries()) {
    for (const [version, row] of prompts.entries()) {
      await trial(db, experiments[i]!, version, { systemPrompt: "Be brief.", ...row });
    }
  }
  deepEqual((await scoredPrompts(db, 1)).map(({ prompt: { bias }, score, n }) => [bias, score, n]), [
    [undefined, 1 / 2, 2],
    [{ yes: -1, no: 0.1 }, 1 / 3, 3],
    [{ yes: -2 }, 1 / 2, 2],
  ]);
});

Deno.test("edits are kept with the version they led to, and measured by its gain", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const policy: PolicyRow = {
    id: crypto.randomUUID(),
    algorithm: "ppo",
    featureVersion: 1,
    parameters: { gamma: 0.99 },
    timesteps: 5000,
    meanReturn: 0.2,
    randomReturn: 0.1,
    metaModelId: null,
    history: [{ step: 2048, mean_return: 0.1 }],
    bestPrompts: [{
      score: 0.5,
      prompt: { systemPrompt: "x", outputPrompt: "", demos: [] },
      actions: ["shorten_prompt"],
    }],
    onnx: Uint8Array.of(0, 255, 7),
    onnxSha256: "a".repeat(64),
    seconds: 1.5,
  };
  await savePolicy(db, policy);
  const kept = await newestPolicy(db, 1);
  deepEqual({ ...kept, onnx: [...kept!.onnx] }, { ...policy, onnx: [0, 255, 7] });
  equal(await newestPolicy(db, 2), null);
  equal((await findPolicy(db, policy.id.slice(0, 8))).id, policy.id);

  const id = await experiment(db, { ...EXACT, policy_model: policy.id });
  const edits = [{ action: "add_constraint", predicted: 0.1 }, { action: "shorten_prompt", predicted: 0.05 }];
  await trial(db, id, 0, { systemPrompt: "Be brief.", scores: [0, 0, 1] });
  await trial(db, id, 1, { systemPrompt: "Only be brief.", scores: [1, 0], edits });
  const expected = (measured: number | null) =>
    edits.map(({ action, predicted }, step) => ({ version: 1, step, action, predicted, measured }));
  deepEqual(await editsOf(db, id), expected(null));
  await measureEdits(db, id);
  await measureEdits(db, id);
  deepEqual(await editsOf(db, id), expected(0.5));
  await trial(db, id, 1, { systemPrompt: "Be short.", scores: [] }); // a replay that came to another prompt
  deepEqual(await editsOf(db, id), []);
});

Deno.test("a meta-model is kept whole and found again, the newest without its id", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const row = (n: number): MetaModelRow => ({
    id: crypto.randomUUID(),
    featureVersion: 1,
    featureNames: ["system_length", "demo_count"],
    parameters: { learningRate: 0.05 },
    trainedFrom: new Date("2026-01-01T00:00:00Z"),
    trainedTo: new Date("2026-01-02T00:00:00Z"),
    prompts: 50 + n,
    ...{ rmse: 0.1, meanRmse: 0.2, r2: 0.75, rankCorrelation: 0.8, bestIteration: 17 },
    importance: [{ feature: "demo_count", value: 3.5, sign: 1, low: 0, high: 8 }],
    crossValidation: {
      ...{ folds: 5, prompts: 50, rmse: 0.11, meanRmse: 0.2, r2: 0.7, rankCorrelation: 0.7 },
      foresight: n === 1 ? null : { searches: 5, rankCorrelation: 0.6, pValue: 0.03125 },
    },
    contexts: [{
      context: "c",
      dataset: "tiny",
      mean: 0.4,
      searches: 2,
      prompts: 50,
      rmse: 0.1,
      meanRmse: 0.2,
      rankCorrelation: 0.6,
    }],
    transfer: n === 1 ? null : { sets: 5, rankCorrelation: 0.3, pValue: 0.03125 },
    model: "tree\n",
    modelSha256: "b".repeat(64),
    seconds: 0.5,
  });
  const [older, newer] = [row(1), row(2)];
  for (const each of [older, newer, older]) await saveMetaModel(db, each);
  deepEqual(await newestMetaModel(db, 1), newer);
  equal(await newestMetaModel(db, 2), null);
  await db.query("update meta_models set created_at = created_at - interval '1 day' where id = $1", [
    newer.id,
  ]);
  deepEqual(await newestMetaModel(db, 1), older);
  deepEqual(await findMetaModel(db, older.id.slice(0, 13)), older);
  for (const wrong of ["", "0", crypto.randomUUID()]) {
    await rejects(findMetaModel(db, wrong), /Cannot find the meta-model/);
  }
});
