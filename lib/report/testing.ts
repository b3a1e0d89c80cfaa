/**
 * Records for the tests of this room: one that the real loop made on shipped questions and the store gave back.
 *
 * The model is a rule: without demos it chats; with demos it answers as the demo whose words are most like the
 * question's. So demos help it as they help a small language model, and nothing is invented.
 *
 * @module
 */
import { readDataset } from "../dataset/mod.ts";
import { byMetric, compare, measure } from "../evaluate/mod.ts";
import type { Role } from "../llm/model.ts";
import { metric } from "../metrics/mod.ts";
import { messages, optimize, type Options, type Prompt } from "../optimize/mod.ts";
import { random } from "../random.ts";
import { journal } from "../store/calls.ts";
import { saveDataset } from "../store/datasets.ts";
import type { Database } from "../store/db.ts";
import { beginExperiment, endExperiment } from "../store/experiments.ts";
import { type AnswerRow, type ExperimentRecord, readExperiment, type TrialRow } from "../store/overview.ts";
import { saveComparison, saveMeasurement, saveScores, saveTrial } from "../store/trials.ts";

const path = (relative: string) => decodeURIComponent(new URL(relative, import.meta.url).pathname);

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
    config: { dataset: "kinds.jsonl", metric: "exact_match", threshold: 0.9, patience: 3, primary: "local" },
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
};

/** The migrations that a test database needs. */
export const MIGRATIONS = path("../../sql");

/** Runs the loop on the question types with the rule for a model, keeps everything in `db`, reads it back. */
export async function measuredRecord(
  db: Database,
  { claimed = true, ...search }: Partial<Options> & { claimed?: boolean } = {},
): Promise<ExperimentRecord> {
  const dataset = await readDataset(path("../../data/tasks/question_types.jsonl"), { seed: 1 });
  const scorer = byMetric(metric(dataset.card.metric!, dataset.card.metricOptions));
  const datasetId = await saveDataset(db, dataset);
  const id = crypto.randomUUID();
  const seedPrompt: Prompt = { systemPrompt: dataset.card.systemPrompt!, outputPrompt: "", demos: [] };
  await beginExperiment(db, {
    id,
    kind: "optimize",
    datasetId,
    seed: 1,
    config: {
      dataset: "data/tasks/question_types.jsonl",
      metric: scorer.name,
      ignore_case: true,
      ignore_punctuation: true,
      threshold: 0.9,
      max_iterations: 10,
      patience: 3,
      max_calls: 2000,
      primary: "local",
      optimizer: "local",
      system_prompt: seedPrompt.systemPrompt,
      database: "postgresql://reader:canary@localhost/quintet",
    },
  });
  const called = caller(db, id);
  const answer: Options["answer"] = async (prompt, { question }) => {
    const text = nearest(prompt, question);
    const sent = JSON.stringify(messages(prompt, question));
    return { text, completion: await called("primary", sent, text) };
  };
  const loop = optimize({
    seedPrompt,
    train: dataset.train,
    validation: dataset.validation,
    random: random(1),
    maxCalls: 1400,
    answer,
    score: scorer.score,
    async ask(sent) {
      const text = rewritten(JSON.stringify(sent));
      await called("optimizer", JSON.stringify(sent), text);
      return { text, finish: "stop", usage: null };
    },
    ...search,
  });
  let incumbent = 0;
  const candidates = [];
  let next = await loop.next();
  for (; !next.done; next = await loop.next()) {
    const { candidate, accepted } = next.value;
    if (accepted) incumbent = candidate.index;
    await saveTrial(db, id, next.value, incumbent);
    candidates.push(candidate);
  }
  const { seed, best, stopReason } = next.value;
  const keep = (index: number, results: typeof seed.results) =>
    saveScores(db, {
      experimentId: id,
      datasetId,
      results: [...results.values()].map((result) => ({ ...result, version: index })),
    });
  for (const { index, results } of candidates) await keep(index, results);
  if (claimed) {
    const measured = ({ prompt }: typeof seed) =>
      measure(prompt, dataset.test, { split: "test", answer, scorer, random: random(1) });
    const [before, after] = [await measured(seed), await measured(best)];
    for (const [{ index }, { results, ...measurement }] of [[seed, before], [best, after]] as const) {
      await keep(index, new Map(results.map((result) => [result.example.id, result])));
      await saveMeasurement(db, { experimentId: id, version: index, ...measurement });
    }
    await saveComparison(db, {
      experimentId: id,
      before: seed.index,
      after: best.index,
      comparison: compare(before, after, random(1)),
    });
  }
  await endExperiment(db, id, {
    status: claimed ? "finished" : "interrupted",
    stopReason: claimed ? stopReason : "interrupted",
    seconds: 41.5,
    cached: 0,
  });
  return await readExperiment(db, id);
}

/** Keeps a call as the ledger does, at a price by the token and a time by the length, once for each request. */
function caller(db: Database, id: string): (role: Role, sent: string, text: string) => Promise<string> {
  const { intend, settle } = journal(db, id);
  const known = new Map<string, Promise<string>>();
  const call = async (role: Role, sent: string, text: string) => {
    const digest = new Uint8Array(
      await crypto.subtle.digest("SHA-256", new TextEncoder().encode(role + sent)),
    );
    const key = digest.toHex();
    const usage = { promptTokens: Math.ceil(sent.length / 4), completionTokens: Math.ceil(text.length / 4) };
    const cost = BigInt(usage.promptTokens + 4 * usage.completionTokens) * 100_000n;
    const intent = {
      id: crypto.randomUUID(),
      role,
      model: "local",
      key,
      attempt: 1,
      reserved: { tokens: 4000, cost },
    };
    await intend(intent);
    await settle({
      id: intent.id,
      usage,
      cost,
      ms: usage.promptTokens / 4 + 10 * usage.completionTokens,
      outcome: {
        kind: "answered",
        completion: {
          key,
          model: "local",
          identity: { provider: "rule" },
          request: { messages: JSON.parse(sent), temperature: 0, maxTokens: 32 },
          text,
          finish: "stop",
          usage,
        },
      },
    });
    return key;
  };
  return (role, sent, text) => {
    const key = role + sent;
    if (!known.has(key)) known.set(key, call(role, sent, text));
    return known.get(key)!;
  };
}

/** The answer of the demo most like the question: by the words they share, of which the first weighs most. */
function nearest({ systemPrompt, demos }: Prompt, question: string): string {
  const words = (text: string): string[] => text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const asked = words(question);
  const likeness = (demo: string) => {
    const shown = words(demo);
    return asked.filter((word) => shown.includes(word)).length / (asked.length + shown.length) +
      (shown[0] === asked[0] ? 0.5 : 0) + (shown[0] === asked[0] && shown[1] === asked[1] ? 0.5 : 0);
  };
  const [best] = demos.toSorted((a, b) => likeness(b.question) - likeness(a.question));
  if (best) return best.answer;
  return systemPrompt.includes("helpful")
    ? `That is an interesting question! "${question}" can be seen in different ways.`
    : `I think it is about "${asked.at(-1) ?? question}".`;
}

/** What the optimizer says: a prompt in the form it was asked for, or, one time in three, something else. */
function rewritten(sent: string): string {
  if (sent.length % 3 === 0) return "Sure! Here is a better prompt for you.";
  const rule = sent.length % 2 === 0
    ? "Name the kind of answer it asks for."
    : "Say what type the answer has.";
  return `<system_prompt>\nYou sort questions by the kind of answer they want. ${rule}\n</system_prompt>\n<output_prompt>\nKind:\n</output_prompt>`;
}
