/**
 * Edits that leave the words alone: a part less, another order, a list in place of a long sentence.
 *
 * @module
 */
import {
  BULLET,
  capitalized,
  isFree,
  joined,
  lines,
  named,
  paragraphs,
  type Passage,
  sentences,
  settled,
  whole,
  without,
  wordCount,
} from "./passages.ts";
import { placeholders, type Prompt, type Task } from "./prompt.ts";
import { isInstruction } from "./wording.ts";

const labelsOf = ({ space }: Task): readonly string[] => space?.kind === "labels" ? space.labels : NONE;
const NONE: readonly string[] = [];

// ---- what parts are worth

const COMMANDS = whole("must|should|always|never|do not|don['’]t|avoid");
const CONSTRAINTS = whole("only|exactly|precisely|specifically|at most|at least|one of|nothing else|alone");
const ANSWER = whole("answers?|reply|respond|output|format|return|choose|classify|extract");
const PERSONA =
  /^(?:you are|you're|act as|as an? |imagine|welcome|hello|hi\b|thank|thanks|good luck|let's|have fun)/iu;

const vocabularies = new WeakMap<Task["train"], ReadonlySet<string>>();

/** Words of five letters or more in the first questions and answers of train: what the task is about. */
function vocabulary(train: Task["train"]): ReadonlySet<string> {
  let words = vocabularies.get(train);
  if (!words) {
    words = new Set(
      train.slice(0, 500).flatMap(({ question, references }) => terms([question, ...references].join(" "))),
    );
    vocabularies.set(train, words);
  }
  return words;
}

const terms = (text: string): string[] => text.slice(0, 4000).toLowerCase().match(/\p{L}{5,}/gu) ?? [];

/**
 * What a part of a prompt is worth to whoever answers: that it tells what to do, limits the answer, names labels or
 * placeholders, speaks of what the questions speak of; less where it only greets or gives a role.
 */
export function worth(text: string, task: Task): number {
  const most = (pattern: RegExp, times: number) => Math.min(text.match(pattern)?.length ?? 0, times);
  const words = terms(text), known = vocabulary(task.train);
  const relevance = words.length === 0 ? 0 : words.filter((word) => known.has(word)).length / words.length;
  return (placeholders(text).size > 0 ? 4 : 0) +
    (named(text, labelsOf(task)).size > 0 ? 2 : 0) +
    most(COMMANDS, 2) + most(CONSTRAINTS, 2) + most(ANSWER, 2) +
    (sentences(text.replace(BULLET, "")).some(({ text }) => isInstruction(text)) ? 1 : 0) +
    relevance -
    (PERSONA.test(text) ? 1 : 0);
}

// ---- parts that belong together

/** What cannot stand without the sentence before it. */
const REFERS =
  /^(?:it|this|that|these|those|they|then|otherwise|however|also|finally|next|instead|but|and|so|or|for example|e\.g|in this|in that|such)(?![\p{L}\p{M}])/iu;
const NUMBERED = /^[ \t]*(?:[0-9]{1,3}[.)]|(?:step|part|first|second|third|finally)(?![\p{L}\p{M}]))/iu;

/** Paragraphs with what they announce, or the sentences of a text of one line; null where the order has a meaning. */
function components(text: string): Passage[] | null {
  const parts = paragraphs(text).filter(({ text }) => text !== "");
  const byParagraph = parts.length >= 2;
  const pieces = byParagraph
    ? parts
    : /\n/.test(text.trim())
    ? []
    : sentences(text).filter(({ text }) => text !== "");
  if (pieces.length < 2 || pieces.some(({ text }) => NUMBERED.test(text))) return null;
  if (!byParagraph && pieces.some(({ text }) => !/[.?!]["”’)]?$/u.test(text))) return null;
  const units: Passage[] = [];
  for (const piece of pieces) {
    const last = units.at(-1);
    if (last && (last.text.endsWith(":") || REFERS.test(piece.text))) {
      units[units.length - 1] = { text: last.text + last.gap + piece.text, gap: piece.gap };
    } else units.push(piece);
  }
  return units.length < 2 || REFERS.test(units[0]!.text) || units.at(-1)!.text.endsWith(":") ? null : units;
}

/** A prompt of fewer words is not long. */
const LONG_PROMPT = 20;

/**
 * Drops the part of the system prompt that is worth least: of a long one (20 words or more) a paragraph, or a line of a list, or
 * a sentence. A part with a placeholder stays, and so does the last one. Of equal parts the longest goes.
 */
export function removeText(prompt: Prompt, task: Task): Prompt {
  const text = prompt.systemPrompt;
  if (wordCount(text) < LONG_PROMPT) return prompt;
  const ways = [paragraphs(text), lines(text), sentences(text)];
  const parts = ways.find((parts) => parts.filter(({ text }) => text.trim() !== "").length >= 2);
  if (!parts) return prompt;
  let least = -1, lowest = Infinity, longest = 0;
  for (const [i, { text }] of parts.entries()) {
    if (text.trim() === "" || placeholders(text).size > 0 || text.endsWith(":")) continue;
    const value = worth(text, task);
    if (value > lowest || value === lowest && text.length <= longest) continue;
    [least, lowest, longest] = [i, value, text.length];
  }
  if (least < 0) return prompt;
  const rest = without(parts, (part, i) => i === least ? null : part);
  const last = least === parts.length - 1; // the gap before it ends the text now
  return { ...prompt, systemPrompt: last ? joined(rest).trimEnd() : joined(rest) };
}

/**
 * Puts the most important part of the system prompt first and the next one last: what stands in the middle is read least
 * (Liu et al., 2023, Lost in the middle). The others keep their order; numbered parts stay as they are.
 */
export function reorderComponents(prompt: Prompt, task: Task): Prompt {
  const text = prompt.systemPrompt, units = components(text);
  if (!units) return prompt;
  const values = units.map(({ text }) => worth(text, task));
  const best = values.indexOf(Math.max(...values));
  const second = values.lastIndexOf(Math.max(...values.filter((_, i) => i !== best)));
  const order = [best, ...units.keys().filter((i) => i !== best && i !== second), second];
  const begin = text.slice(0, text.length - joined(units).length);
  const made = begin + joined(units.map(({ gap }, i) => ({ text: units[order[i]!]!.text, gap })));
  const again = components(made); // a sentence may not be one in another place
  if (!again || again.some(({ text }, i) => text !== units[order[i]!]!.text)) return prompt;
  return { ...prompt, systemPrompt: made };
}

// ---- lists

/** Turns what is listed in a sentence into a list: numbered items, items after a colon, instructions in a row. */
export function improveFormat(prompt: Prompt, task: Task): Prompt {
  const labels = labelsOf(task);
  const rewrite = (text: string) => settled(text, (text) => listed(text, labels));
  return {
    ...prompt,
    systemPrompt: rewrite(prompt.systemPrompt),
    outputPrompt: rewrite(prompt.outputPrompt),
  };
}

/** What is followed by a colon and no list. */
const REMARK =
  /^(?:note|warning|important|remember|question|q|a|answer|example|input|output|context|hint|tip)$/iu;
const FEWEST_ITEMS = 3, LONGEST_ITEM = 15, FEWEST_INSTRUCTIONS = 4;

function listed(text: string, labels: readonly string[]): string {
  const all = lines(text);
  return joined(all.flatMap(({ text, gap }) => {
    const made = numbered(text, labels) ??
      (BULLET.test(text) ? null : afterColon(text, labels) ?? instructions(text));
    return [{ text: made ?? text, gap }];
  }));
}

/** `Do: 1) a, 2) b` as one item a line, where the numbers count up from 1. */
function numbered(line: string, labels: readonly string[]): string | null {
  const free = isFree(line, labels);
  const marks: { from: number; to: number }[] = [];
  for (const match of line.matchAll(/(?<![^\s])\(?([0-9]{1,2})[.)][ \t]+(?=\S)/gu)) {
    const from = match.index, to = from + match[0].length;
    if (Number(match[1]) === marks.length + 1 && free(from, to)) marks.push({ from, to });
  }
  if (marks.length < 2) return null;
  const head = line.slice(0, marks[0]!.from).trimEnd();
  const texts = marks.map(({ to }, i) => line.slice(to, marks[i + 1]?.from));
  const [last, more] = lastItem(texts);
  const items = texts.with(-1, last).map(itemOf);
  if (items.some((item) => item === "")) return null;
  return [
    ...(head === "" ? [] : [head]),
    ...items.map((item, i) => `${i + 1}. ${item}`),
    ...(more === "" ? [] : ["", more]),
  ].join("\n");
}

/** The last item ends with its sentence where those before it are no sentences. */
function lastItem(items: readonly string[]): [item: string, more: string] {
  const last = items.at(-1)!, [first] = sentences(last);
  const isEnd = first && items.slice(0, -1).every((item) => !/[.?!]\s*$/u.test(item));
  return isEnd ? [first.text.replace(/\.$/u, ""), last.slice(first.text.length).trim()] : [last, ""];
}

const itemOf = (text: string): string =>
  text.trim().replace(/(?:[,;]|[,;]?[ \t]+(?:and|or))$/iu, "").trimEnd();

/** `Options: a, b or c.` as a line for each. */
function afterColon(line: string, labels: readonly string[]): string | null {
  const free = isFree(line, labels);
  for (const { index } of line.matchAll(/:[ \t]+(?=\S)/g)) {
    const head = line.slice(0, index + 1);
    if (REMARK.test(head.slice(0, -1).trim().split(/[.?!]\s+/u).at(-1)!) || !free(index, index + 1)) continue;
    const rest = line.slice(index + 1).trimStart();
    const offset = line.length - rest.length;
    const [sentence] = sentences(rest).filter(({ text }) => text !== "");
    if (!sentence) continue;
    const more = rest.slice(rest.indexOf(sentence.text) + sentence.text.length).trim();
    const body = sentence.text.replace(/\.$/u, "");
    for (const separator of [/;[ \t]*/gu, /[ \t]+\|[ \t]+/gu, /,[ \t]+/gu]) {
      const items = itemsOf(body, separator, (from, to) => free(offset + from, offset + to));
      if (
        items.length < FEWEST_ITEMS || items.some((item) => item === "" || wordCount(item) > LONGEST_ITEM)
      ) continue;
      return [head, ...items.map((item) => `- ${item}`), ...(more === "" ? [] : ["", more])].join("\n");
    }
  }
  return null;
}

function itemsOf(body: string, separator: RegExp, free: (from: number, to: number) => boolean): string[] {
  const items: string[] = [];
  let from = 0;
  for (const { 0: { length }, index } of body.matchAll(separator)) {
    if (!free(index, index + length)) continue;
    items.push(body.slice(from, index));
    from = index + length;
  }
  const last = body.slice(from);
  // "a, b or c" has no comma before the last; "a, b, or c" has
  const [, left, right] = last.match(/^([^]*\S)[ \t]+(?:and|or)[ \t]+(\S[^]*)$/u) ?? [];
  if (/^(?:and|or)[ \t]/u.test(last)) items.push(last.replace(/^(?:and|or)[ \t]+/u, ""));
  else if (left !== undefined && items.length > 0 && wordCount(left) <= 4) items.push(left, right!);
  else items.push(last);
  return items.map((item) => item.trim());
}

/** Four instructions or more in a row as a line for each, after what stands before them. */
function instructions(line: string): string | null {
  const all = sentences(line).filter(({ text }) => text !== "");
  const first = all.findIndex(({ text }) => isInstruction(text));
  if (first < 0) return null;
  const found = all.slice(first);
  const end = found.findIndex(({ text }) => !isInstruction(text));
  const row = end < 0 ? found : found.slice(0, end);
  if (row.length < FEWEST_INSTRUCTIONS) return null;
  const head = joined(all.slice(0, first)).trimEnd(),
    tail = end < 0 ? "" : joined(found.slice(end)).trimEnd();
  return [
    ...(head === "" ? [] : [head]),
    ...row.map(({ text }) => `- ${capitalized(text)}`),
    ...(tail === "" ? [] : ["", tail]),
  ].join("\n");
}
