/**
 * Edits that say or show more: a constraint, a worked example, a way to think.
 *
 * What helps depends on the answers. A small model is held to a closed set of answers by naming it; a model that is told to
 * think aloud where one word is wanted gives a page that no metric accepts, so it is told to keep its steps to itself.
 *
 * @module
 */
import { pick, type Random } from "../../random.ts";
import { folded, named, whole, withSentence, wordCount } from "./passages.ts";
import { type AnswerSpace, length, type Prompt, type Task } from "./prompt.ts";

/** Something to say, and how one sees that a prompt says it, in whatever words. */
interface Saying {
  readonly text: string;
  readonly said: (prompt: Prompt) => boolean;
}

const saying = (text: string, pattern: RegExp): Saying => ({
  text,
  said: ({ systemPrompt, outputPrompt }) => {
    const both = `${systemPrompt}\n${outputPrompt}`;
    return both.search(pattern) >= 0 || folded(both).includes(folded(text));
  },
});

/** The first that is not said yet; the prompt itself when all are. */
function say(part: "systemPrompt" | "outputPrompt", sayings: readonly Saying[], prompt: Prompt): Prompt {
  const next = sayings.find(({ said }) => !said(prompt));
  return next ? { ...prompt, [part]: withSentence(prompt[part], next.text) } : prompt;
}

/** A list of labels is named when it is no longer than this, in characters. */
const LONGEST_LIST = 400;

const ALONE = whole(
  "only|alone|nothing else|nothing more|without (?:any )?explanation|no explanation|do not explain",
);
const LENGTH = whole(
  String.raw`(?:at most|about|no more than|up to|in) (?:\d+|one|two|three|a few) words?|one word`,
);

/** What an answer must be, said after the question: the labels there are, words of the text, a number, a length. */
export function addConstraint(prompt: Prompt, { space }: Task): Prompt {
  return say("outputPrompt", constraints(space), prompt);
}

function constraints(space: AnswerSpace | undefined): Saying[] {
  const alone = (text: string) => saying(text, ALONE);
  switch (space?.kind) {
    case "labels": {
      const list = space.labels.join(", "), text = `Answer with exactly one of: ${list}.`;
      if (
        list.length > LONGEST_LIST || space.labels.some((label) => !/^[^\p{Cc}\p{Zl}\p{Zp}]*\S$/u.test(label))
      ) {
        return [alone("Answer with one label and nothing else.")];
      }
      const said = ({ outputPrompt }: Prompt) =>
        folded(outputPrompt).includes(folded(text)) ||
        new Set(space.labels).isSubsetOf(named(outputPrompt, space.labels));
      return [{ text, said }, alone("Reply with that alone, without explanation.")];
    }
    case "extract":
      return [
        saying(
          "Answer with the exact words from the text.",
          whole("exact words|word for word|cop(?:y|ied)|verbatim"),
        ),
        alone("Reply with that alone, nothing else."),
      ];
    case "number":
      return [
        saying("Answer with a number in digits.", whole("digits|number only")),
        alone("Reply with the number alone, without explanation."),
      ];
    case "text":
      return [
        saying(`Answer in at most ${count(space.words.most)}.`, LENGTH),
        alone("Give only the answer, without explanation."),
      ];
    default:
      return [alone("Give only the answer, without explanation.")];
  }
}

const count = (words: number): string => words <= 1 ? "1 word" : `${words} words`;

/**
 * A worked example from train more: one whose answer is shown least often so far, drawn at random, and last, so that those
 * before it stay where they are. No question is shown twice.
 */
export function addExample(prompt: Prompt, { train, limits }: Task, random: Random): Prompt {
  const { demos } = prompt;
  if (demos.length >= limits.demos) return prompt;
  const room = limits.characters - length(prompt);
  const shown = new Set(demos.map(({ question }) => question));
  const times = new Map<string, number>();
  for (const { answer } of demos) times.set(answer, (times.get(answer) ?? 0) + 1);
  let least = Infinity;
  const answers = new Map<string, string[]>(); // of each answer shown least: its questions
  for (const { question, references: [answer] } of train) {
    if (answer === undefined || shown.has(question) || question.length + answer.length > room) continue;
    if (!storable(question) || !storable(answer)) continue;
    const seen = times.get(answer) ?? 0;
    if (seen > least) continue;
    if (seen < least) answers.clear();
    least = seen;
    const questions = answers.get(answer);
    if (questions) questions.push(question);
    else answers.set(answer, [question]);
  }
  if (answers.size === 0) return prompt;
  const [answer, questions] = pick([...answers], random);
  return { ...prompt, demos: [...demos, { question: pick(questions, random), answer }] };
}

const storable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** Whether an answer is so short that a chain of thought in it would be wrong. */
const isShort = (space: AnswerSpace | undefined): boolean =>
  space !== undefined && (space.kind !== "text" || space.words.most <= 12);

/** Asks for thinking in steps: aloud where the answer is a text, silently where it is a word or a number. */
export const addStepByStep = (prompt: Prompt, { space }: Task): Prompt =>
  say("systemPrompt", [
    saying(
      isShort(space)
        ? "Think step by step in silence, then give the final answer."
        : "Think step by step, then state the final answer.",
      whole("step[- ]by[- ]step|one step at a time|chain of thought|show your (?:work|reasoning)"),
    ),
  ], prompt);

const NEVER = /(?!)/;

/** Says what to look at before answering; then, how to decide in doubt. */
export function addReasoningHint(prompt: Prompt, { space, train }: Task): Prompt {
  return say("systemPrompt", [...hints(space, train), DOUBT], prompt);
}

const DOUBT = saying(
  "If in doubt, give the most likely answer.",
  whole("(?:if|when) (?:in doubt|unsure|you are (?:not sure|unsure))"),
);

function hints(space: AnswerSpace | undefined, train: Task["train"]): Saying[] {
  switch (space?.kind) {
    case "labels":
      return [
        saying(
          "Compare the question with each possible answer before you choose.",
          whole("compare .{1,60} each"),
        ),
      ];
    case "extract":
      return [
        saying("First find the part of the text that holds the answer.", whole("first find|find the part")),
      ];
    case "number":
      return [
        saying(
          "First work out which quantities are given and which is asked for.",
          whole("quantit(?:y|ies)"),
        ),
      ];
    default: {
      const long = train.length > 0 && train.every(({ question }) => wordCount(question) > 60);
      return [
        saying(
          long
            ? "First read the whole text, then decide what matters most in it."
            : "First work out what the question asks for, then what you know about it.",
          NEVER,
        ),
      ];
    }
  }
}

/** Whether a text says in words what form an answer takes. */
export const saysForm = (text: string): boolean =>
  [ALONE, LENGTH, FORM].some((pattern) => text.search(pattern) >= 0);
const FORM = whole("one of|exact words|word for word|digits|one label|in lower ?case|json|yes or no");
