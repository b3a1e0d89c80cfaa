/**
 * The ten edits that a policy chooses from: pure functions from a prompt to a prompt.
 *
 * An edit that has nothing to do gives the prompt back, the same object. So does one whose result would not be sound: one that
 * breaks a character, loses a placeholder or exceeds the limits.
 *
 * ```ts
 * import { act } from "./edit.ts";
 * import { random } from "../../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const prompt = { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] };
 * const task = { train: [], space: { kind: "labels", labels: ["no", "yes"] }, limits: { demos: 8, characters: 4000 } } as const;
 * const edited = act("add_constraint", prompt, task, random(1));
 * equal(edited.outputPrompt, "Answer with exactly one of: no, yes.");
 * equal(act("add_example", prompt, task, random(1)), prompt); // no examples to take one from
 * ```
 *
 * @module
 */
import type { Random } from "../../random.ts";
import { addConstraint, addExample, addReasoningHint, addStepByStep } from "./additions.ts";
import { clusters } from "./passages.ts";
import { fingerprint, length, placeholders, type Prompt, type Task } from "./prompt.ts";
import { improveFormat, removeText, reorderComponents } from "./structure.ts";
import { changeTone, clarifyInstruction, shortenPrompt } from "./wording.ts";

/** The names of the edits. Their order is that of a policy's outputs: a saved policy relies on it. */
export const ACTIONS = [
  "add_constraint",
  "remove_text",
  "add_example",
  "change_tone",
  "add_step_by_step",
  "add_reasoning_hint",
  "shorten_prompt",
  "clarify_instruction",
  "reorder_components",
  "format_improvement",
] as const;

/** The name of an edit. */
export type Action = typeof ACTIONS[number];

const EDITS: Readonly<Record<Action, (prompt: Prompt, task: Task, random: Random) => Prompt>> = {
  add_constraint: addConstraint,
  remove_text: removeText,
  add_example: addExample,
  change_tone: changeTone,
  add_step_by_step: addStepByStep,
  add_reasoning_hint: addReasoningHint,
  shorten_prompt: shortenPrompt,
  clarify_instruction: clarifyInstruction,
  reorder_components: reorderComponents,
  format_improvement: improveFormat,
};

/** `prompt` after one edit, or `prompt` itself where there is nothing to do. Only `add_example` draws from `random`. */
export function act(action: Action, prompt: Prompt, task: Task, random: Random): Prompt {
  const edited = EDITS[action](prompt, task, random);
  return fingerprint(edited) !== fingerprint(prompt) && isSound(prompt, edited, task) ? edited : prompt;
}

/** Whether `after` keeps what no edit may break. */
function isSound(before: Prompt, after: Prompt, { space, limits }: Task): boolean {
  if (length(after) > limits.characters && length(after) >= length(before)) return false;
  if (after.demos.length > limits.demos && after.demos.length >= before.demos.length) return false;
  return (["systemPrompt", "outputPrompt"] as const).every((part) => {
    const a = before[part], b = after[part];
    if (a === b) return true;
    if (a.isWellFormed() && !b.isWellFormed()) return false;
    if (!placeholders(a).isSubsetOf(placeholders(b))) return false;
    const found = clusters(b);
    if (found.size === 0) return true;
    const known = clusters(a);
    for (const label of space?.kind === "labels" ? space.labels : []) {
      for (const cluster of clusters(label)) known.add(cluster);
    }
    return found.isSubsetOf(known);
  });
}
