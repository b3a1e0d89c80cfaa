/**
 * A prompt as numbers: named columns in a fixed order, for models that learn which prompts are good.
 *
 * ```ts
 * import { COLUMNS, features } from "./features.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const prompt = { systemPrompt: "You must answer. Is it red?", outputPrompt: "Only one word.", demos: [] };
 * const embed = (texts: readonly string[]) => Promise.resolve(texts.map(() => new Float32Array(384)));
 * const row = await features(prompt, embed);
 * equal(row[COLUMNS.indexOf("system_words")], 8);
 * equal(row[COLUMNS.indexOf("system_commands")], 1);
 * equal(row[COLUMNS.indexOf("output_constraints")], 1);
 * ```
 *
 * @module
 */
import { SPACE, split, WORD } from "../metrics/python_text.ts";
import { words } from "./words.ts";

/** What is looked at of a prompt. */
export interface PromptTexts {
  readonly systemPrompt: string;
  readonly outputPrompt: string;
  readonly demos: readonly { readonly question: string; readonly answer: string }[];
  /** What is added for each label; of this counts only whether there is one. */
  readonly bias?: Readonly<Record<string, number>>;
}

/** Gives each text its sentence embedding, 384 numbers of all-MiniLM-L6-v2. */
export type Embed = (texts: readonly string[]) => Promise<readonly Float32Array[]>;

/** Counts up whenever a column is added, removed, moved or means another thing: rows of other versions are made anew. */
export const FEATURE_VERSION = 2;

/** Dimensions of an embedding that become columns. */
const DIMENSIONS = 20;

const COUNTS = ["length", "words", "paragraphs", "bullets", "commands", "questions", "constraints"] as const;

/** What each number of a row is: seven counts and twenty dimensions of both texts, the demos, whether there is a bias. */
export const COLUMNS: readonly string[] = [
  ...["system", "output"].flatMap((part) => [
    ...COUNTS.map((name) => `${part}_${name}`),
    ...Array.from({ length: DIMENSIONS }, (_, i) => `${part}_embedding_${i + 1}`),
  ]),
  "demo_count",
  "demo_mean_length",
  "demo_balance",
  "calibrated",
];

/** The row of `prompt`, a number for each of COLUMNS. Throws a RangeError when an embedding has fewer than 20 numbers. */
export async function features(prompt: PromptTexts, embed: Embed): Promise<Float64Array<ArrayBuffer>> {
  const texts = [prompt.systemPrompt, prompt.outputPrompt];
  const embeddings = await embed(texts);
  return Float64Array.from([
    ...texts.flatMap((text, i) => {
      const counts = textCounts(text), first = [...embeddings[i]!.subarray(0, DIMENSIONS)];
      if (first.length < DIMENSIONS) {
        throw new RangeError(
          `Cannot use an embedding as it must have ${DIMENSIONS} numbers or more: got ${first.length}`,
        );
      }
      return [...COUNTS.map((name) => counts[name]), ...first];
    }),
    prompt.demos.length,
    demoLength(prompt.demos),
    demoBalance(prompt.demos),
    prompt.bias === undefined ? 0 : 1, // how large it is is known only when the prompt is about to be raced
  ]);
}

/** What can be counted in a text. */
export type TextCounts = Readonly<Record<typeof COUNTS[number], number>>;

const BLANK = new RegExp(`^[${SPACE}]*$`, "u");
const BULLET = new RegExp(`^[${SPACE}]*(?:[-*+•‣◦▪]|[0-9]+[.)])[${SPACE}]+[^${SPACE}]`, "u");
const whole = (...words: string[]) => new RegExp(`(?<![${WORD}])(?:${words.join("|")})(?![${WORD}])`, "gu");
const COMMAND = whole("must", "should", "always", "never", "don['’]t", "do", "avoid");
const CONSTRAINT = whole("only", "exactly", "precisely", "specifically");

/**
 * Characters (Unicode code points); words as NLTK's `word_tokenize` counts them; paragraphs, which blank lines part; lines
 * that begin as items of a list (`- a`, `• a`, `1. a`, `2) a`); commands (must, should, always, never, do, don't, avoid) and
 * constraints (only, exactly, precisely, specifically), whole words in upper or lower case; question marks.
 */
export function textCounts(text: string): TextCounts {
  const lines = text.split("\n"), filled = lines.map((line) => !BLANK.test(line));
  const lower = text.toLowerCase();
  const count = (pattern: RegExp) => lower.match(pattern)?.length ?? 0;
  return {
    length: [...text].length,
    words: words(text).length,
    paragraphs: filled.filter((here, i) => here && !filled[i - 1]).length,
    bullets: lines.filter((line) => BULLET.test(line)).length,
    commands: count(COMMAND),
    questions: count(/\?/g),
    constraints: count(CONSTRAINT),
  };
}

type Demos = PromptTexts["demos"];

/** Characters of question and answer, in the mean; 0 without demos. */
const demoLength = (demos: Demos): number =>
  demos.reduce((sum, { question, answer }) => sum + [...question, ...answer].length, 0) /
  Math.max(1, demos.length);

/**
 * How evenly the demos are spread over their answers: entropy over its maximum (Pielou, 1966), 1 when each answer is given
 * equally often, 0 when fewer than two different ones are. Case and the width of spaces in answers do not count.
 */
function demoBalance(demos: Demos): number {
  const times = new Map<string, number>();
  for (const { answer } of demos) {
    const key = split(answer.toLowerCase()).join(" ");
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  if (times.size < 2) return 0;
  const shares = [...times.values()].map((n) => n / demos.length);
  return shares.reduce((sum, p) => sum - p * Math.log(p), 0) / Math.log(times.size);
}
