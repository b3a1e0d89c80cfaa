/**
 * The ten edits that a policy chooses from: pure functions from a prompt to a prompt, each with a record that undoes it.
 *
 * An edit that has nothing to do gives the prompt back, the same object. So does one whose result would not be sound: one that
 * breaks a character, loses a placeholder or exceeds the limits.
 *
 * ```ts
 * import { act, changes, undo } from "./edit.ts";
 * import { random } from "../../random.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const prompt = { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] };
 * const task = { train: [], space: { kind: "labels", labels: ["no", "yes"] }, limits: { demos: 8, characters: 4000 } } as const;
 * const edited = act("add_constraint", prompt, task, random(1));
 * equal(edited.outputPrompt, "Answer with exactly one of: no, yes.");
 * equal(act("add_example", prompt, task, random(1)), prompt); // no examples to take one from
 * deepEqual(undo(edited, changes(prompt, edited)), prompt);
 * ```
 *
 * @module
 */
import type { Random } from "../../random.ts";
import { addConstraint, addExample, addReasoningHint, addStepByStep } from "./additions.ts";
import { clusters } from "./passages.ts";
import { type Demo, length, placeholders, type Prompt, type Task } from "./prompt.ts";
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
  return changes(prompt, edited).length > 0 && isSound(prompt, edited, task) ? edited : prompt;
}

/** A stretch of a text, or of the demos, that became another. */
export type Change =
  | {
    readonly part: "systemPrompt" | "outputPrompt";
    /** Where it begins, in UTF-16 units. */
    readonly at: number;
    readonly removed: string;
    readonly inserted: string;
  }
  | {
    readonly part: "demos";
    readonly at: number;
    readonly removed: readonly Demo[];
    readonly inserted: readonly Demo[];
  };

/** What makes `after` of `before`: at most one change of each part, none of equal prompts. Storable as JSON. */
export function changes(before: Prompt, after: Prompt): Change[] {
  const found: Change[] = [];
  for (const part of ["systemPrompt", "outputPrompt"] as const) {
    const a = before[part], b = after[part];
    if (a === b) continue;
    const [begin, end] = common(a, b, (i, j) => a.charCodeAt(i) === b.charCodeAt(j));
    // no half of a pair may be in a record: no database keeps it
    const at = begin > 0 && isHigh(a.charCodeAt(begin - 1)) ? begin - 1 : begin;
    const tail = end > 0 && isLow(a.charCodeAt(a.length - end)) ? end - 1 : end;
    found.push({ part, at, removed: a.slice(at, a.length - tail), inserted: b.slice(at, b.length - tail) });
  }
  const a = before.demos, b = after.demos;
  const same = (i: number, j: number) => a[i]!.question === b[j]!.question && a[i]!.answer === b[j]!.answer;
  const [at, end] = common(a, b, same);
  const [removed, inserted] = [a.slice(at, a.length - end), b.slice(at, b.length - end)];
  return removed.length + inserted.length > 0 ? [...found, { part: "demos", at, removed, inserted }] : found;
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** How many entries two sequences have in common at their beginning, and at their end. */
function common(
  a: ArrayLike<unknown>,
  b: ArrayLike<unknown>,
  same: (i: number, j: number) => boolean,
): [begin: number, end: number] {
  const most = Math.min(a.length, b.length);
  let begin = 0, end = 0;
  while (begin < most && same(begin, begin)) begin++;
  while (end < most - begin && same(a.length - 1 - end, b.length - 1 - end)) end++;
  return [begin, end];
}

/** The prompt as it was before `changes`. Throws a RangeError when it is not one that they lead to. */
export function undo(prompt: Prompt, changes: readonly Change[]): Prompt {
  return changes.toReversed().reduce((result, change) => {
    if (change.part === "demos") {
      const { at, removed, inserted } = change, demos = [...result.demos];
      const found = demos.splice(at, inserted.length, ...removed);
      if (JSON.stringify(found) !== JSON.stringify(inserted)) throw stranger(change);
      return { ...result, demos };
    }
    const { part, at, removed, inserted } = change, text = result[part];
    if (!text.startsWith(inserted, at)) throw stranger(change);
    return { ...result, [part]: text.slice(0, at) + removed + text.slice(at + inserted.length) };
  }, prompt);
}

const stranger = ({ part, at, inserted }: Change): RangeError =>
  new RangeError(
    `Cannot undo an edit as ${part} must have ${
      JSON.stringify(inserted).slice(0, 80)
    } at ${at}: it has something else there`,
  );

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
