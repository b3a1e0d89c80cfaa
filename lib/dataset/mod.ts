/**
 * Questions with their answers, read from JSONL or CSV, checked, and split into train, validation and test.
 *
 * ```ts
 * import { readDataset } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * await Deno.writeTextFile(
 *   path,
 *   `{"question": "What is the capital of Peru?", "answer": "Lima"}
 *    {"question": "What is the capital of Kenya?", "answer": "Nairobi"}
 *    {"question": "What is the capital of Ukraine?", "answer": ["Kyiv", "Kiev"]}`,
 * );
 * const { train, validation, test } = await readDataset(path, { seed: 1 });
 * equal(train.length + validation.length + test.length, 3);
 * await Deno.remove(path);
 * ```
 *
 * @module
 */
export type { Card, Dataset, Example, SplitName } from "./example.ts";
export { nameOf, readDataset, type ReadOptions, type ReadProgress } from "./read.ts";
export { FRACTIONS, type Fractions, normalize, splitBySeed } from "./split.ts";
export { cardPath, readCard } from "./card.ts";
export { DatasetError } from "./dataset_error.ts";
export { type Prediction, readPredictions } from "./predictions.ts";
