/**
 * An experiment from its questions to its claim, kept as it goes.
 *
 * ```ts
 * import { runExperiment } from "./mod.ts";
 * import type { LanguageModel } from "../llm/mod.ts";
 * import { metric } from "../metrics/mod.ts";
 * import { random } from "../random.ts";
 * import { beginExperiment, readExperiment, saveDataset } from "../store/mod.ts";
 * import { testDatabase } from "../store/testing.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * // A model that can add once it has seen it done.
 * const model: LanguageModel = {
 *   name: "local",
 *   identity: { provider: "example" },
 *   promptTokensAtMost: () => 1000,
 *   complete({ messages }) {
 *     const n = Number(/\d+/.exec(messages.at(-1)!.content)?.[0]);
 *     const text = messages.length > 4 ? `${n + 1}` : "Let me think.";
 *     return Promise.resolve({ text, finish: "stop", usage: null });
 *   },
 * };
 * const sums = (from: number) =>
 *   Array.from({ length: 20 }, (_, i) => from + i).map((n) => ({ id: `${n}`, question: `${n} + 1?`, references: [`${n + 1}`] }));
 * const dataset = { name: "sums", sha256: "0".repeat(64), card: {}, train: sums(0), validation: sums(20), test: sums(40) };
 *
 * await using db = await testDatabase({ folder: "sql" });
 * const [id, datasetId] = [crypto.randomUUID(), await saveDataset(db, dataset)];
 * await beginExperiment(db, { id, kind: "optimize", datasetId, seed: 1, config: {} });
 * const reason = await runExperiment({
 *   id, datasetId, dataset, seed: 1,
 *   seedPrompt: { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
 *   metric: metric("exact_match"), primary: model, optimizer: model, caps: { calls: 500 },
 *   answerTokens: 16, optimizerTokens: 64, search: {},
 * }, {
 *   db, priceOf: () => null, retry: { random: random(1) }, concurrency: 8,
 *   newId: () => crypto.randomUUID(), elapsed: () => performance.now(),
 * });
 * equal(reason, "target");
 * const { experiment, metrics } = await readExperiment(db, id);
 * deepEqual(metrics.map(({ value, n }) => [value, n]), [[0, 20], [1, 20]]);
 * equal(experiment.significant, true);
 * ```
 *
 * @module
 */
export type { Surroundings } from "./life.ts";
export { type MeasurementSetup, runMeasurement } from "./measure.ts";
export type { Grading, Unreadable } from "./roles.ts";
export { callsToSearch, type ExperimentStep, type Progress, runExperiment, type Setup } from "./run.ts";
