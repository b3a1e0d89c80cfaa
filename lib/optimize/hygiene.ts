/**
 * Which proposals are refused before a single question is spent on them, and why.
 *
 * Each rule answers a failure that users of other optimizers reported: the same dead mutation bought again, a cut-off
 * or erroneous reply taken for a prompt, a template variable lost, validation questions pasted into the instruction,
 * prompts that grow without end. The reason is kept with the trial and shown to the next `reflect`.
 *
 * @module
 */
import type { Example } from "../dataset/example.ts";
import { normalize } from "../dataset/split.ts";
import { isStorable, json } from "../text.ts";
import { type Candidate, isSame, type Prompt } from "./candidate.ts";

/** How long a prompt may become. */
export interface Limits {
  /** Worked examples at most. @default {24} */
  readonly demos: number;
  /** Characters of system prompt, output prompt and demos together, beyond those of the seed prompt. @default {12000} */
  readonly characters: number;
}

/** Those of a search unless it is given others. */
export const LIMITS: Limits = { demos: 24, characters: 12_000 };

/** What the rules need to know. */
export interface Surroundings {
  readonly limits: Limits;
  /** Everything tried or refused so far. */
  readonly known: readonly Candidate[];
  readonly seedPrompt: Prompt;
  readonly validation: readonly Example[];
  /** Whether the search fits biases, so that prompts which differ in theirs alone are one. @default {false} */
  readonly calibrates?: boolean;
}

/** A run of this many words in common with a validation question counts as copied. */
const COPIED_WORDS = 8;

/** Why `prompt` is not worth a call, or null when nothing speaks against it. */
export function refusal(
  prompt: Prompt,
  { limits, known, seedPrompt, validation, calibrates = false }: Surroundings,
): string | null {
  const twin = known.find((candidate) => isSame(candidate.prompt, prompt, calibrates));
  if (twin) return `duplicate of trial ${twin.index}`;

  const instructions = `${prompt.systemPrompt}\n${prompt.outputPrompt}`;
  const length = lengthOf(prompt), most = limits.characters + lengthOf(seedPrompt);
  if (length > most) return `over-long: ${length} characters where ${most} are allowed`;
  if (prompt.demos.length > limits.demos) {
    return `over-long: ${prompt.demos.length} demos where ${limits.demos} are allowed`;
  }
  const given = `${seedPrompt.systemPrompt}\n${seedPrompt.outputPrompt}`;
  const lost = placeholders(given).filter((name) => !instructions.includes(name));
  if (lost.length > 0) return `lost the placeholder ${lost.join(", ")}`;
  const madeUp = placeholders(instructions).find((name) =>
    FOR_THE_QUESTION.test(name) && !given.includes(name)
  );
  if (madeUp) return `made up the placeholder ${madeUp}: the question comes by itself`;
  const trouble = TROUBLE.find((pattern) => pattern.test(instructions) && !pattern.test(given));
  if (trouble) {
    return `error text in place of a prompt: ${json(instructions.match(trouble)![0].slice(0, 80))}`;
  }
  const copied = copiedFrom(prompt, { instructions, given, validation });
  if (copied !== undefined) return `copied the validation question ${json(copied)}`;
  return null;
}

/** Why a prompt that is not `readable` is refused: no database could keep it. */
export const UNREADABLE = "unreadable: it holds a NUL or half of a surrogate pair";

/** Whether a prompt is text that can be kept. */
export const readable = ({ systemPrompt, outputPrompt, demos }: Prompt): boolean =>
  [systemPrompt, outputPrompt, ...demos.flatMap(({ question, answer }) => [question, answer])]
    .every(isStorable);

/** Template variables in braces, single or double: `{name}`, `{{name}}`. */
export const placeholders = (
  text: string,
): string[] => [...new Set(text.match(/\{\{?[A-Za-z_][\w.]*\}?\}/g) ?? [])];

/** A place for the question, which nothing fills. Others may describe the form of an answer: `{city}: {number} sold`. */
const FOR_THE_QUESTION = /^\{\{?(?:user_)?(?:question|query|input|message)\}?\}$/i;

/** Texts that a model or a server says instead of a prompt. They begin a sentence: a rule may speak of them, or quote them. */
const TROUBLE = [
  /^\s*Error:.*/,
  /^[ \t]*(?:\w+(?:Error|Exception)\b.*|Traceback \(most recent call last\))/m,
  /(?:^|[.!?}]\s)[ \t]*(?:rate limit(?:ed)?|quota) exceeded\b/im,
  /(?:^|[.!?}]\s)[ \t]*(?:invalid|incorrect) api key\b/im,
  /(?:^|[.!?}]\s)[ \t]*(?:I'm sorry|I am sorry|I apologize),? (?:but )?I (?:can't|cannot|am unable|am not able)\b/im,
  /<\/?(?:think|thinking|system_prompt|output_prompt)>/i,
];

/**
 * The id of a validation question of which `instructions` hold a run of COPIED_WORDS words, or the whole when it has four
 * words or more; or that a demo asks. A run that several questions share is their template, and what the seed prompt has is
 * the user's: neither tells an answer.
 */
function copiedFrom(
  { demos }: Prompt,
  { instructions, given, validation }: {
    instructions: string;
    given: string;
    validation: readonly Example[];
  },
): string | undefined {
  const { runs, questions } = indexOf(validation);
  const words = folded(instructions).split(" "), own = ` ${folded(given)} `;
  for (let length = FEWEST_WORDS; length <= COPIED_WORDS; length++) {
    for (let i = 0; i + length <= words.length; i++) {
      const run = words.slice(i, i + length).join(" "), id = runs.get(run);
      if (id && !own.includes(` ${run} `)) return id;
    }
  }
  return demos.map(({ question }) => questions.get(asked(question))).find((id) => id !== undefined);
}

/** A shorter question may stand in a prompt by chance. */
const FEWEST_WORDS = 4;

/** What counts as copied, with the id of its question. */
interface Index {
  /** Null for a run of several questions. */
  readonly runs: ReadonlyMap<string, string | null>;
  readonly questions: ReadonlyMap<string, string>;
}

const indexes = new WeakMap<readonly Example[], Index>();

/** Made once: there may be thousands of questions, and as many proposals. */
function indexOf(validation: readonly Example[]): Index {
  const known = indexes.get(validation);
  if (known) return known;
  const [runs, questions] = [new Map<string, string | null>(), new Map<string, string>()];
  for (const { id, question } of validation) {
    const words = folded(question).split(" ");
    questions.set(asked(question), id);
    if (words.length < FEWEST_WORDS) continue;
    const length = Math.min(COPIED_WORDS, words.length);
    for (let i = 0; i + length <= words.length; i++) {
      const run = words.slice(i, i + length).join(" ");
      runs.set(run, runs.has(run) && runs.get(run) !== id ? null : id);
    }
  }
  const index = { runs, questions };
  indexes.set(validation, index);
  return index;
}

/** Characters of all of a prompt's texts. */
export const lengthOf = ({ systemPrompt, outputPrompt, demos }: Prompt): number =>
  systemPrompt.length + outputPrompt.length +
  sum(demos.map((demo) => demo.question.length + demo.answer.length));

/** A question as far as it asks something of its own: signs tell "3 + 4" from "3 - 4". */
const asked = (question: string): string => normalize(question).replace(/[\s.?!]+$/, "");

const folded = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
