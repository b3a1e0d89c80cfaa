/**
 * The parts of a text (paragraphs, lines, sentences), and what in it must stay word for word.
 *
 * ```ts
 * import { sentences, joined } from "./passages.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const text = "Choose one, e.g. Red.  Then stop.";
 * deepEqual(sentences(text).map(({ text }) => text), ["Choose one, e.g. Red.", "Then stop."]);
 * equal(joined(sentences(text)), text);
 * ```
 *
 * @module
 */

/** A part of a text, and the spaces between it and the next. Only the first may be empty. */
export interface Passage {
  readonly text: string;
  readonly gap: string;
}

/** The text that passages were taken from. */
export const joined = (passages: readonly Passage[]): string =>
  passages.map(({ text, gap }) => text + gap).join("");

/** Without those that become null. Where one goes, the wider of the two gaps stays: a paragraph still ends where it did. */
export function without(
  passages: readonly Passage[],
  rest: (passage: Passage, i: number) => Passage | null,
): Passage[] {
  const left: Passage[] = [];
  for (const [i, passage] of passages.entries()) {
    const one = rest(passage, i), last = left.at(-1);
    if (one) left.push(one);
    else if (last && height(passage.gap) > height(last.gap)) {
      left[left.length - 1] = { ...last, gap: passage.gap };
    }
  }
  return left;
}

const height = (gap: string): number => gap.split("\n").length;

/** What blank lines part. */
export const paragraphs = (text: string): Passage[] => parted(text, /\r?\n(?:[ \t]*\r?\n)+/g);

/** What line ends part; empty lines are in the gaps. */
export const lines = (text: string): Passage[] => parted(text, /(?:[ \t]*\r?\n)+/g);

function parted(text: string, gaps: RegExp): Passage[] {
  const passages: Passage[] = [];
  let from = 0;
  for (const { 0: gap, index } of text.matchAll(gaps)) {
    passages.push({ text: text.slice(from, index), gap });
    from = index + gap.length;
  }
  if (from < text.length) passages.push({ text: text.slice(from), gap: "" });
  return passages;
}

const SENTENCES = new Intl.Segmenter("en", { granularity: "sentence" });
const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Where Unicode sees an end of a sentence and a reader does not. */
const GOES_ON =
  /(?:^|[\s("'])(?:e\.g|i\.e|cf|vs|dr|mr|mrs|ms|prof|st|no|nr|fig|approx|[A-Z]|\d{1,3})\.\s*$/iu;

/** Sentences by Unicode's rules (UAX 29), put together again after common abbreviations, initials and numbers of items. */
export function sentences(text: string): Passage[] {
  const begin = text.length - text.trimStart().length;
  const passages: Passage[] = begin > 0 ? [{ text: "", gap: text.slice(0, begin) }] : [];
  let open = "";
  for (const { segment } of SENTENCES.segment(text.slice(begin))) {
    open += segment;
    if (GOES_ON.test(open.slice(-12)) && !/\n\s*$/.test(open)) continue;
    passages.push(trimmed(open));
    open = "";
  }
  if (open !== "") passages.push(trimmed(open));
  return passages;
}

function trimmed(text: string): Passage {
  const end = text.trimEnd().length;
  return { text: text.slice(0, end), gap: text.slice(end) };
}

/** The characters that a reader sees (grapheme clusters) beyond plain ones: none of a text in ASCII. */
export function clusters(text: string): Set<string> {
  const found = new Set<string>();
  if (/^[\t\n -~]*$/.test(text)) return found;
  for (const { segment } of GRAPHEMES.segment(text)) {
    if (!/^[\t\n -~]$/.test(segment)) found.add(segment);
  }
  return found;
}

/** A text without what does not make it another: case, width of spaces, a mark at its end, the mark of an item. */
export const folded = (text: string): string =>
  text.toLowerCase().replace(/\s+/gu, " ").trim().replace(BULLET, "").replace(/[.!;:,]+$/u, "");

/** What an item of a list begins with. */
export const BULLET = /^[ \t]*(?:[-*+•‣◦▪]|[0-9]{1,3}[.)])[ \t]+/u;

const LETTER = String.raw`[\p{L}\p{N}\p{M}_]`;

/** The words of a pattern, whole. */
export const whole = (pattern: string, flags = "giu"): RegExp =>
  new RegExp(`(?<!${LETTER}|${LETTER}['’-])(?:${pattern})(?!${LETTER}|['’-]${LETTER})`, flags);

/** How many words a text has. */
export const wordCount = (text: string): number => text.match(/[^\s]+/gu)?.length ?? 0;

/** With a capital at its beginning, where that is a letter of ASCII. */
export const capitalized = (text: string): string => text.replace(/^[a-z]/, (letter) => letter.toUpperCase());

/** Without it, unless the word is all capitals or "I". */
export const lowered = (text: string): string =>
  text.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());

/** What must stay word for word: quotations, code, placeholders, tags, addresses. Bounded, so that no text takes long. */
const VERBATIM = new RegExp(
  [
    ...['"[^"\\n]{0,300}"', "“[^”\\n]{0,300}”", "«[^»\\n]{0,300}»", "`[^`\\n]{0,300}`"],
    String.raw`\{\{?[^{}\n]{1,80}\}?\}`,
    String.raw`<[^<>\n]{1,80}>`,
    String.raw`https?://\S{1,300}`,
    `(?<!${LETTER})['‘][^'‘’\\n]{1,100}['’](?!${LETTER})`,
  ].join("|"),
  "gu",
);

const patterns = new WeakMap<readonly string[], RegExp>();

/** The labels as a pattern: longer ones first. */
function labelPattern(labels: readonly string[]): RegExp {
  let pattern = patterns.get(labels);
  if (!pattern) {
    const escaped = labels.filter((label) => label.trim() !== "" && label.length <= 200)
      .toSorted((a, b) => b.length - a.length)
      .map((label) => label.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
    patterns.set(labels, pattern = escaped.length === 0 ? /(?!)/g : whole(escaped.join("|"), "gu"));
  }
  return pattern;
}

/** Parts of a text that must stay word for word: what is quoted, and the labels. */
function kept(text: string, labels: readonly string[]): [from: number, to: number][] {
  return [VERBATIM, labelPattern(labels)].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ 0: { length }, index }): [number, number] => [index, index + length])
  );
}

/** The labels that a text names. */
export const named = (text: string, labels: readonly string[]): Set<string> =>
  new Set(text.match(labelPattern(labels)) ?? []);

/** Positions of a text at which something may be changed. */
export function isFree(text: string, labels: readonly string[]): (from: number, to: number) => boolean {
  const spans = kept(text, labels);
  return (from, to) => !spans.some(([begin, end]) => from < end && begin < to);
}

/** A pattern, and what comes in its place. A match that begins a sentence leaves a capital at the beginning. */
export type Rule = readonly [pattern: RegExp, replacement: string];

/**
 * The text after rules in their order. What is quoted stays, and so do labels. In a replacement, `$1` is the first group.
 */
export function rewritten(text: string, rules: readonly Rule[], labels: readonly string[]): string {
  let result = text;
  for (const [pattern, replacement] of rules) {
    if (result.search(pattern) < 0) continue;
    const free = isFree(result, labels), before = result;
    result = before.replace(pattern, (match, ...rest) => {
      const at = rest.findIndex((part) => typeof part === "number"), from = rest[at] as number;
      if (!free(from, from + match.length)) return match;
      const made = replacement.replace("$1", () => (at > 0 ? rest[0] as string | undefined : "") ?? "");
      return BEGINS.test(before.slice(Math.max(0, from - 80), from)) ? capitalized(made) : made;
    });
  }
  return result;
}

/** What stands before the beginning of a sentence. */
const BEGINS =
  /(?:^|[.?!][)"'’”]?\s+|\n[ \t]*(?:(?:[-*+•‣◦▪]|[0-9]{1,3}[.)])[ \t]+)?|^[ \t]*[-*+•‣◦▪][ \t]+)$/u;

/** With a sentence more, before a last line that waits for the answer (`Answer:`), as a paragraph where there are some. */
export function withSentence(text: string, sentence: string): string {
  const end = text.trimEnd();
  if (end === "") return text + sentence;
  const line = end.lastIndexOf("\n") + 1;
  if (end.endsWith(":") && end.length - line <= 40) {
    return `${text.slice(0, line)}${sentence}\n${text.slice(line)}`;
  }
  const isPlain = /[.?!)"”’]$/u.test(end) && clusters(end).size === 0;
  const parts = /\n[ \t]*\r?\n/.test(end) || BULLET.test(end.slice(line))
    ? "\n\n"
    : line > 0 || !isPlain
    ? "\n"
    : " ";
  return `${end}${parts}${sentence}`;
}

/** What `rewrite` comes to rest at when it is done again and again, so that once more changes nothing; else `given` itself. */
export function settled<T>(
  given: T,
  rewrite: (value: T) => T,
  isSame: (a: T, b: T) => boolean = Object.is,
): T {
  let value = given;
  for (let pass = 0; pass < PASSES; pass++) {
    const next = rewrite(value);
    if (isSame(next, value)) return value;
    value = next;
  }
  return given;
}

/** No text that means anything needs more than two or three. */
const PASSES = 10;
