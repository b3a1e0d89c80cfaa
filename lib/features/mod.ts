/**
 * A prompt as numbers: what can be counted in its texts, and where they lie among all texts.
 *
 * ```ts
 * import { COLUMNS, features } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const prompt = { systemPrompt: "Never guess.", outputPrompt: "Answer with exactly one word.", demos: [] };
 * const embed = (texts: readonly string[]) => Promise.resolve(texts.map(() => new Float32Array(384)));
 * const row = await features(prompt, embed); // an Embedder's `embed` in earnest
 * equal(row[COLUMNS.indexOf("output_constraints")], 1);
 * ```
 *
 * @module
 */
export {
  COLUMNS,
  type Embed,
  FEATURE_VERSION,
  features,
  type PromptTexts,
  type TextCounts,
  textCounts,
} from "./features.ts";
export { words } from "./words.ts";
export { sentences } from "./sentences.ts";
export { type Embedder, type EmbedderOptions, type EmbeddingCache, openEmbedder } from "./embedder.ts";
export { layOutModel } from "./model_folder.ts";
