/**
 * Records for the tests of this room: one made by hand, and one that a real run made and the store gave back.
 *
 * @module
 */
import { runExperiment } from "../experiment/mod.ts";
import { begun, questionTypes } from "../experiment/testing.ts";
import type { Database } from "../store/db.ts";
import type { LearnedRecord } from "../store/learning.ts";
import { type AnswerRow, type ExperimentRecord, readExperiment, type TrialRow } from "../store/overview.ts";

export { MIGRATIONS } from "../experiment/testing.ts";

/** A trial, as it is when nothing else is said. */
export const trial = (index: number, row: Partial<TrialRow> = {}): TrialRow => ({
  index,
  iteration: index === 0 ? 0 : 1,
  operator: index === 0 ? "seed" : "demonstrate",
  parent: index === 0 ? null : 0,
  prompt_id: `prompt-${index}`,
  system_prompt: "You are a helpful assistant.",
  output_prompt: "",
  demos: [],
  bias: null,
  metadata: { parents: index === 0 ? [] : [0], note: "a note" },
  validation: null,
  validation_low: null,
  validation_high: null,
  questions_seen: 0,
  gain: null,
  gain_n: 0,
  predicted: null,
  accepted: index === 0,
  reason: "a reason",
  calls: 0,
  ...row,
});

/** Trials of all fates: kept twice in a row, dropped, refused, with a second parent. */
export const TRIALS: readonly TrialRow[] = [
  trial(0, { validation: 0.1, validation_low: 0.02, validation_high: 0.4, questions_seen: 10 }),
  trial(1, {
    validation: 0.5,
    validation_low: 0.4,
    validation_high: 0.6,
    questions_seen: 80,
    gain: 0.4,
    gain_n: 10,
    accepted: true,
    calls: 150,
  }),
  trial(2, { operator: "instruct", reason: "duplicate of trial 0", calls: 150 }),
  trial(3, {
    operator: "reflect",
    validation: 0.1,
    validation_low: 0.02,
    validation_high: 0.4,
    questions_seen: 10,
    gain: 0,
    gain_n: 10,
    calls: 150,
  }),
  trial(4, {
    iteration: 2,
    operator: "recombine",
    parent: 1,
    metadata: { parents: [1, 3], note: "mixed" },
    validation: 0.45,
    validation_low: 0.3,
    validation_high: 0.61,
    questions_seen: 40,
    gain: -0.05,
    gain_n: 40,
    calls: 260,
  }),
  trial(5, {
    iteration: 3,
    parent: 1,
    system_prompt: "Say what is asked for.",
    output_prompt: "One word.",
    demos: [{ question: "Who?", answer: "person" }],
    validation: 0.625,
    validation_low: 0.51,
    validation_high: 0.72,
    questions_seen: 80,
    gain: 0.125,
    gain_n: 80,
    accepted: true,
    calls: 400,
  }),
];

/** A finished experiment in few rows: of six test questions three are won and one is lost. */
export const RECORD: ExperimentRecord = {
  experiment: {
    id: "11111111-2222-4333-8444-555555555555",
    kind: "optimize",
    status: "finished",
    stop_reason: "patience",
    error: null,
    dataset: "kinds",
    dataset_id: "66666666-7777-4888-8999-000000000000",
    dataset_sha256: "ab".repeat(32),
    splits: { train: 10, validation: 80, test: 6 },
    seed: 7,
    config: {
      ...{ dataset: "kinds.jsonl", metric: "exact_match", primary: "local" },
      ...{ threshold: 0.9, max_iterations: 10, patience: 3 },
    },
    started_at: new Date(Date.UTC(2026, 10, 23, 9, 5)),
    ended_at: new Date(Date.UTC(2026, 10, 23, 9, 6)),
    seconds: 60,
    cached: 4,
    trials: TRIALS.length,
    before: 0,
    after: 5,
    improvement: 2 / 6,
    ci_low: -0.3,
    ci_high: 0.8,
    p_value: 0.625,
    significant: false,
    test: "mcnemar",
    test_n: 6,
    calls: 412,
    cost_usd: 0.0123,
  },
  trials: TRIALS,
  bill: [
    {
      role: "primary",
      model: "local",
      calls: 408,
      failed: 1,
      lost: 1,
      prompt_tokens: 90_000,
      completion_tokens: 1_200,
      cost_usd: 0.012,
      p50_ms: 110,
      p95_ms: 260,
      given_up: 1,
      error: "it answered 400: filtered",
    },
    {
      role: "optimizer",
      model: "openai:large@https://models.example/v1",
      calls: 4,
      failed: 0,
      lost: 0,
      prompt_tokens: 4_000,
      completion_tokens: 900,
      cost_usd: 0.0003,
      p50_ms: 2_100,
      p95_ms: 3_400,
      given_up: 0,
      error: null,
    },
  ],
  metrics: [
    {
      version: 0,
      split: "test",
      metric: "exact_match",
      signature: "exact_match|case:lc",
      value: 1 / 6,
      n: 6,
      ci_low: 0.03,
      ci_high: 0.56,
    },
    {
      version: 5,
      split: "test",
      metric: "exact_match",
      signature: "exact_match|case:lc",
      value: 3 / 6,
      n: 6,
      ci_low: 0.19,
      ci_high: 0.81,
    },
  ],
  answers: Array.from({ length: 6 }, (_, i) =>
    [0, 5].map((version): AnswerRow => ({
      version,
      split: "test",
      example: `q${i}`,
      question: `Question ${i}?`,
      reference_texts: ["person", "somebody"],
      answer: version === 0 ? `Well, ${i} …` : `person ${i}`,
      score: version === 0 ? (i === 0 ? 1 : 0) : (i >= 3 ? 1 : 0),
    }))).flat(),
  models: [{
    model: "local",
    identity: { provider: "local", model: "SmolLM2-135M-Instruct", sha256: "01".repeat(32) },
  }],
  learned: { metaModel: null, metaModelUsed: false, policy: null, edits: [] },
};

/** A meta-model that goes by four features. */
export const META_MODEL: NonNullable<LearnedRecord["metaModel"]> = {
  id: "99999999-aaaa-4bbb-8ccc-dddddddddddd",
  featureVersion: 1,
  featureNames: ["system_words", "output_constraints", "output_embedding_3", "demo_count"],
  parameters: { numLeaves: 7 },
  trainedFrom: new Date(Date.UTC(2026, 10, 20)),
  trainedTo: new Date(Date.UTC(2026, 10, 22)),
  prompts: 60,
  rmse: 0.11,
  meanRmse: 0.21,
  r2: 0.7,
  rankCorrelation: 0.8,
  bestIteration: 14,
  importance: [
    { feature: "demo_count", value: 5, sign: 1, low: 0, high: 16 },
    { feature: "output_constraints", value: 2, sign: 1, low: 0, high: 3 },
    { feature: "system_words", value: 2, sign: -1, low: 0, high: 90 },
    { feature: "output_embedding_3", value: 1, sign: 0, low: -0.1, high: 0.2 },
  ],
  crossValidation: {
    ...{ folds: 5, prompts: 60, rmse: 0.12, meanRmse: 0.21, r2: 0.66, rankCorrelation: 0.77 },
    foresight: { searches: 5, rankCorrelation: 0.7, pValue: 0.03125 },
  },
  contexts: [
    {
      context: "[]",
      dataset: "kinds",
      searches: 6,
      prompts: 60,
      mean: 0.3,
      rmse: 0.12,
      meanRmse: 0.21,
      rankCorrelation: 0.77,
    },
  ],
  transfer: null,
  modelSha256: "cd".repeat(32),
  seconds: 2,
};

/** An experiment that used what was learned: predictions near and far, edits that gained, lost, and were not raced. */
export const LEARNED: LearnedRecord = {
  metaModel: META_MODEL,
  metaModelUsed: true,
  policy: {
    id: "eeeeeeee-aaaa-4bbb-8ccc-ffffffffffff",
    algorithm: "ppo",
    featureVersion: 1,
    parameters: { gamma: 0.99 },
    timesteps: 20_000,
    meanReturn: 0.31,
    randomReturn: 0.12,
    metaModelId: META_MODEL.id,
    history: [],
    bestPrompts: [],
    onnxSha256: "ef".repeat(32),
    seconds: 40,
  },
  edits: [
    { version: 2, step: 0, action: "shorten", predicted: 0.02, measured: null },
    { version: 3, step: 0, action: "add_constraint", predicted: 0.05, measured: 0.075 },
    { version: 3, step: 1, action: "add_demo", predicted: 0.11, measured: 0.075 },
    { version: 3, step: 2, action: "add_demo", predicted: 0.04, measured: 0.075 },
    { version: 4, step: 0, action: "add_structure", predicted: 0.03, measured: -0.05 },
  ],
};

/** The trials with what a surrogate had predicted, of a refused one, too. */
export const PREDICTED: readonly TrialRow[] = TRIALS.map((trial, i) => ({
  ...trial,
  predicted: i === 0 ? null : [0, 0.42, 0.3, 0.2, 0.5, 0.55][i]!,
}));

/** What the command line keeps of the run below, and a secret that it does not. */
const CONFIG = {
  dataset: "data/tasks/question_types.jsonl",
  metric: "exact_match",
  metric_options: { ignoreCase: true, ignorePunctuation: true },
  threshold: 0.9,
  max_iterations: 10,
  patience: 3,
  max_calls: 2000,
  primary: "local",
  temperature: 0,
  answer_tokens: 16,
  optimizer_tokens: 64,
  system_prompt: "You are a helpful assistant.",
  output_prompt: "",
  database: "postgresql://reader:canary@localhost/quintet",
};

/** Runs an experiment on the question types, interrupted when iteration `stopAt` begins, and reads it back. */
export async function measuredRecord(
  db: Database,
  { stopAt = Infinity }: { stopAt?: number } = {},
): Promise<ExperimentRecord> {
  const stop = new AbortController();
  const [setup, surroundings] = await begun(db, {
    dataset: await questionTypes(),
    caps: { calls: CONFIG.max_calls },
    search: {},
    config: CONFIG,
    around: { stop: stop.signal, concurrency: 64 },
  });
  await runExperiment(setup, {
    ...surroundings,
    onProgress: ({ iteration }) => iteration === stopAt && stop.abort(),
  });
  return await readExperiment(db, setup.id);
}
