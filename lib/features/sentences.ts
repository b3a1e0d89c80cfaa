/**
 * Sentences of an English text, as Punkt finds them (Kiss and Strunk, 2006, Unsupervised Multilingual Sentence Boundary
 * Detection): a full stop ends a sentence unless it ends an abbreviation, a number or somebody's initial.
 *
 * What Punkt would learn from a corpus is given here as two short lists of common words; it knows nothing of which words
 * begin with a capital in the middle of a sentence. NLTK 3.10's PunktSentenceTokenizer with these lists gives the same.
 *
 * ```ts
 * import { sentences } from "./sentences.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(sentences("Ask Dr. Hill. (He knows.) Then stop!"), ["Ask Dr. Hill.", "(He knows.)", "Then stop!"]);
 * ```
 *
 * @module
 */
import { rstrip } from "../metrics/python_text.ts";

/** What ends in a full stop that is part of it. */
export const ABBREVIATIONS: ReadonlySet<string> = new Set(
  ("mr mrs ms messrs dr prof st jr sr sen rep gen col lt maj adm inc corp co ltd bros vs ave ft yr mg ill " +
    "jan feb aug sep sept oct nov dec tues wed fri a.m p.m a.d u.s u.s.a u.k u.n n.y n.j n.c s.c d.c l.a ph.d m.b.a " +
    "calif conn wash minn mich wis fla tenn ariz colo okla ore ala nev va ky vt ga pa").split(" "),
);

/** What, with a capital, begins a sentence even after an abbreviation. */
export const STARTERS: ReadonlySet<string> = new Set(
  "the this these it he they there i but so yet if in when while since although though however instead some many most both"
    .split(" "),
);

const ENDS = [".", "?", "!"];
// NLTK's patterns are run by the `regex` package, whose classes are those of Unicode's UTS 18
const S = String.raw`\p{White_Space}`, NOT_S = String.raw`\P{White_Space}`;
/** What cannot stand in a word; a full stop before it may end a sentence. */
const APART = String.raw`[\)";\}\]*:@'\(\{\[‘’“”«»?!]`;
const RUNS = String.raw`(?:-{2,}|\.{2,}|(?:\.${S}){2,}\.)`;

const END = new RegExp(String.raw`[.?!](?=(?<after>${APART}|${S}+(?<next>${NOT_S}+)))`, "gu");
const TOKENS = new RegExp(
  String
    .raw`${RUNS}|(?=[^\("\x60\{\[:;&#*@\)\}\]\-,])${NOT_S}+?(?=${S}|$|${APART}|${RUNS}|,(?=$|${S}|${APART}|${RUNS}))|${NOT_S}`,
  "gu",
);
const CLOSING = new RegExp(String.raw`^["'\)\]\}‘’“”«»]+?(?:${S}+|(?=--)|(?=\n)|$)`, "u");

/** The sentences of `text`, without the spaces between them. */
export function sentences(text: string): string[] {
  const found: string[] = [];
  const slices = [...split(text)];
  let begun = 0; // characters of this slice that closed the sentence before
  slices.forEach(([from, to], i) => {
    const next = slices[i + 1];
    // marks that belong to this sentence: `"She said so." He left.`
    const [closing] = next ? text.slice(...next).match(CLOSING) ?? [] : [];
    const sentence = text.slice(from + begun, closing ? next![0] + rstrip(closing).length : to);
    if (sentence !== "") found.push(sentence);
    begun = closing?.length ?? 0;
  });
  return found;
}

function* split(text: string): Generator<[from: number, to: number]> {
  let from = 0;
  for (const { at, after, next, context } of possibleEnds(text)) {
    if (!endsWithin(context)) continue;
    yield [from, at + 1];
    from = next === undefined ? at + 1 : at + 1 + after.length - next.length;
  }
  yield [from, rstrip(text).length];
}

/** A mark that may end a sentence, with the word it ends and what follows. */
interface PossibleEnd {
  readonly at: number;
  readonly after: string;
  readonly next: string | undefined;
  readonly context: string;
}

/** Of several marks that end one word, as in `Really?!`, the last. */
function* possibleEnds(text: string): Generator<PossibleEnd> {
  let word = { from: 0, to: 0 };
  let last: PossibleEnd | undefined;
  for (const match of text.matchAll(END)) {
    const { index: at } = match;
    const { after, next } = match.groups as { after: string; next?: string };
    const space = lastSpace(text.slice(word.to, at));
    const from = space > 0 ? word.to + space + 1 : word.from;
    if (last && word.to <= from) yield last;
    word = { from, to: at };
    last = { at, after, next, context: text.slice(from, at + 1) + after };
  }
  if (last) yield last;
}

/** Where the last space of ASCII stands, 0 when there is none. */
function lastSpace(text: string): number {
  for (let i = text.length - 1; i > 0; i--) if (" \t\n\r\v\f".includes(text[i]!)) return i;
  return 0;
}

interface Token {
  readonly text: string;
  /** Lower case, and one for all numbers. */
  readonly type: string;
  readonly ellipsis: boolean;
  readonly abbreviation: boolean;
  readonly ends: boolean;
}

const PUNCTUATION = [";", ":", ",", ...ENDS];
const NUMBER = "##number##";

const NUMERIC = /^-?[.,]?\p{Nd}[\p{Nd},.\-]*\.?$/u;
const INITIAL = /^[\p{Alphabetic}\p{M}\p{Pc}\u200c\u200d]\.$/u;

function tokenOf(text: string): Token {
  const lower = text.toLowerCase();
  const type = NUMERIC.test(lower) ? NUMBER : lower;
  const plain = { text, type, ellipsis: false, abbreviation: false, ends: false };
  if (ENDS.includes(text)) return { ...plain, ends: true };
  if (text.endsWith("..")) return { ...plain, ellipsis: /^\.\.+$/.test(text) };
  if (!text.endsWith(".")) return plain;
  const word = lower.slice(0, -1);
  const abbreviation = ABBREVIATIONS.has(word) || ABBREVIATIONS.has(word.split("-").at(-1)!);
  return { ...plain, abbreviation, ends: !abbreviation };
}

/** Whether a sentence ends before the last token of `context`. */
function endsWithin(context: string): boolean {
  const tokens = context.split("\n").flatMap((line) => line.match(TOKENS) ?? []).map(tokenOf);
  return tokens.slice(0, -1).some((token, i) => ends(token, tokens[i + 1]!));
}

/** Punkt's second pass: what the next token says. */
function ends(token: Token, next: Token): boolean {
  if (!token.text.endsWith(".")) return token.ends;
  const initial = INITIAL.test(token.text);
  const capital = /^\p{Uppercase}/u.test(next.text);
  if ((token.abbreviation || token.ellipsis) && !initial && capital && STARTERS.has(bare(next))) return true;
  const numbered = token.type === NUMBER;
  const goesOn = PUNCTUATION.includes(next.text) || /^\p{Lowercase}/u.test(next.text);
  if (initial && (goesOn || capital) || numbered && goesOn) return false;
  return token.ends;
}

/** Its type, without the full stop that ends its sentence. */
const bare = ({ type, ends }: Token): string =>
  ends && type.length > 1 && type.endsWith(".") ? type.slice(0, -1) : type;
