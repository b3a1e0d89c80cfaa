/**
 * An environment in which a policy edits prompts: ten actions, one edit each; a reward is what the edit adds to the score that
 * is expected of the prompt. So an episode's return is what all its edits add (TEMPERA rewards so: Zhang et al., 2023).
 *
 * ```ts
 * import { editJournal, promptEnv } from "./prompt_env.ts";
 * import { observer } from "./observation.ts";
 * import { vectorize } from "./environment.ts";
 * import { random } from "../random.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const journal = editJournal();
 * const environment = promptEnv({
 *   startPrompts: [{ systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] }],
 *   task: { train: [], space: { kind: "labels", labels: ["no", "yes"] }, limits: { demos: 8, characters: 4000 } },
 *   look: observer({ columns: ["output_length"], features: ({ outputPrompt }) => [outputPrompt.length] }),
 *   journal,
 * });
 * const environments = vectorize([environment], random(1));
 * await environments.reset();
 * await environments.step([0]); // add_constraint
 * equal(environment.prompt.outputPrompt, "Answer with exactly one of: no, yes.");
 * const [best] = journal.bestPrompts(1);
 * deepEqual(best!.edits.map(({ action }) => action), ["add_constraint"]);
 * ```
 *
 * @module
 */
import { pick, type Random, random } from "../random.ts";
import { act, type Action, ACTIONS } from "./edits/edit.ts";
import { fingerprint, type Prompt, type Task } from "./edits/prompt.ts";
import type { Environment, Step } from "./environment.ts";
import { type Look, OBSERVATION_SIZE, type View } from "./observation.ts";

/** An edit that was made. */
export interface MadeEdit {
  /** The seed of its episode. */
  readonly episode: number;
  readonly action: Action;
  /** The expected scores before and after it. */
  readonly before: number;
  readonly after: number;
}

/** A prompt that was reached, with the way to it. */
export interface Reached {
  readonly prompt: Prompt;
  /** What is expected of it. */
  readonly score: number;
  readonly start: Prompt;
  readonly edits: readonly MadeEdit[];
}

/** What was edited in one or several environments. */
export interface EditJournal {
  /** The last edits, in the order in which they were made. */
  readonly editHistory: readonly MadeEdit[];
  /** The prompts of which most is expected, each once, with the fewest edits that led there; start prompts are not among them. */
  bestPrompts(topK: number): Reached[];
  /** Keeps what the last of `reached.edits` led to. */
  add(reached: Reached): void;
}

/** An empty journal, which keeps so many edits, and so many of the best prompts. */
export function editJournal({ edits = 50_000, prompts = 1000 } = {}): EditJournal {
  const editHistory: MadeEdit[] = [];
  const reached = new Map<string, Reached>();
  const ranked = () =>
    [...reached].sort(([, a], [, b]) => b.score - a.score || (order(a) < order(b) ? -1 : 1));
  return {
    editHistory,
    add(one) {
      editHistory.push(one.edits.at(-1)!);
      if (editHistory.length > 2 * edits) editHistory.splice(0, editHistory.length - edits);
      const key = fingerprint(one.prompt), known = reached.get(key);
      if (known && order(known) <= order(one)) return;
      reached.set(key, one);
      if (reached.size <= 2 * prompts) return;
      for (const [key] of ranked().slice(prompts)) reached.delete(key);
    },
    bestPrompts: (topK) => ranked().slice(0, Math.max(0, topK)).map(([, one]) => one),
  };
}

/** Fewer edits first, then by their names and the prompts: not by who was first, which may be chance. */
const order = ({ edits, start, prompt }: Reached): string =>
  JSON.stringify([
    String(edits.length).padStart(6, "0"),
    edits.map(({ action }) => action),
    fingerprint(start),
    fingerprint(prompt),
  ]);

/** What an environment needs. */
export interface PromptEnvOptions {
  /** Where episodes begin: each draws one by its seed. */
  readonly startPrompts: readonly Prompt[];
  readonly task: Task;
  /** How prompts are seen. Environments that share it share its memory. */
  readonly look: Look;
  /** N: edits after which an episode is cut off. @default {8} */
  readonly edits?: number;
  /** Told each edit. */
  readonly journal?: EditJournal;
}

/** An environment of prompts. */
export interface PromptEnv extends Environment {
  /** As edited so far in this episode. */
  readonly prompt: Prompt;
  /** The edits of this episode. */
  readonly editHistory: readonly MadeEdit[];
}

/**
 * An environment whose actions are ACTIONS by their index. An episode is cut off (truncated) after N edits, and ends (terminated),
 * with reward 0, when an action changes nothing: so a policy can say that it is done. Throws a RangeError without a start prompt.
 */
export function promptEnv(
  { startPrompts, task, look, edits: N = 8, journal }: PromptEnvOptions,
): PromptEnv {
  if (startPrompts.length === 0) {
    throw new RangeError("Cannot edit prompts as there must be at least 1 to start with: got 0");
  }
  if (!(N >= 1)) throw new RangeError(`Cannot edit prompts as edits must be 1 or more: got ${N}`);
  let start = startPrompts[0]!, prompt = start, view: View | undefined; // none before a reset and after an end
  let editHistory: MadeEdit[] = [];
  let episode = 0, chance: Random = random(0);

  function arrived(action: Action, edited: Prompt, seen: View): Step {
    const before = view!;
    editHistory = [...editHistory, { episode, action, before: before.score, after: seen.score }];
    prompt = edited;
    journal?.add({ prompt, score: seen.score, start, edits: editHistory });
    const truncated = editHistory.length >= N;
    view = truncated ? undefined : seen;
    return { observation: seen.observation, reward: seen.score - before.score, terminated: false, truncated };
  }

  return {
    observationSize: OBSERVATION_SIZE,
    actions: ACTIONS.length,
    get prompt() {
      return prompt;
    },
    get editHistory() {
      return editHistory;
    },
    reset(seed) {
      episode = seed;
      chance = random(seed);
      start = prompt = pick(startPrompts, chance);
      editHistory = [];
      const begin = (seen: View) => (view = seen).observation;
      const seen = look(prompt);
      return seen instanceof Promise ? seen.then(begin) : begin(seen);
    },
    step(index) {
      const action = ACTIONS[index];
      if (action === undefined) {
        throw new RangeError(
          `Cannot edit a prompt as an action must be one of 0 to ${ACTIONS.length - 1}: got ${index}`,
        );
      }
      if (!view) throw new Error("Cannot edit a prompt as no episode has begun: reset must come first");
      const edited = act(action, prompt, task, chance.fork(editHistory.length));
      if (edited === prompt) {
        const { observation } = view;
        view = undefined;
        return { observation, reward: 0, terminated: true, truncated: false };
      }
      const seen = look(edited);
      return seen instanceof Promise
        ? seen.then((seen) => arrived(action, edited, seen))
        : arrived(action, edited, seen);
    },
  };
}
