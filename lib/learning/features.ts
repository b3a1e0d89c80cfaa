/**
 * Features of every scored prompt, made once and kept.
 *
 * @module
 */
import { COLUMNS, type Embed, FEATURE_VERSION, features } from "../features/mod.ts";
import { type Queryable, saveFeatures, type ScoredPrompt, scoredPrompts } from "../store/mod.ts";

/** A scored prompt with its row, a number for each of COLUMNS. */
export type Observation = ScoredPrompt & { readonly features: readonly number[] };

/** Prompts between two writes: what was embedded is kept when the process ends. */
const AT_ONCE = 256;

/**
 * All scored prompts, oldest first. Rows that are missing, or were made by another version of the features, are made and kept
 * first; `onProgress` is told how many of how many. Throws what `embed` throws.
 */
export async function observations(
  db: Queryable,
  embed: Embed,
  onProgress: (made: number, of: number) => void = () => {},
): Promise<Observation[]> {
  const scored = await scoredPrompts(db, FEATURE_VERSION);
  const open = scored.filter(({ features }) => features === null);
  const made = new Map<string, readonly number[]>();
  for (let from = 0; from < open.length; from += AT_ONCE) {
    const rows = await Promise.all(
      open.slice(from, from + AT_ONCE).map(async ({ promptId, prompt }) => ({
        promptId,
        values: [...await features(prompt, embed)],
      })),
    );
    await saveFeatures(db, { version: FEATURE_VERSION, names: COLUMNS, rows });
    for (const { promptId, values } of rows) made.set(promptId, values);
    onProgress(made.size, open.length);
  }
  return scored.map((prompt) => ({ ...prompt, features: prompt.features ?? made.get(prompt.promptId)! }));
}
