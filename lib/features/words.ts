/**
 * Words as NLTK's `word_tokenize` counts them: sentences by Punkt, then the rules of the Penn Treebank, in which
 * punctuation stands alone and contractions are two words.
 *
 * ```ts
 * import { words } from "./words.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(words("Don't stop. It's $3.50!"), ["Do", "n't", "stop", ".", "It", "'s", "$", "3.50", "!"]);
 * ```
 *
 * Source: R. MacIntyre's tokenizer.sed of the Penn Treebank, with the quotes of other alphabets and the order of NLTK
 * 3.10's NLTKWordTokenizer. Where it meets a model, word_tokenize's is the one downloaded with `punkt_tab`: see sentences.ts.
 *
 * @module
 */
import { SPACE, split, WORD } from "../metrics/python_text.ts";
import { sentences } from "./sentences.ts";

/** The words of `text`; double quotes come out as `` and ''. */
export const words = (text: string): string[] => sentences(text).flatMap(tokens);

type Rule = readonly [pattern: RegExp, replacement: string];

const OPENING_QUOTES: readonly Rule[] = [
  [/[«“‘„]|`+/g, " $& "],
  [/^"/g, "``"],
  [/``/g, " `` "],
  [/([ (\[{<])(?:"|'{2})/g, "$1 `` "],
  [apostrophe(), "' "],
];

/** One that begins a word, unless it begins the second part of a contraction. */
function apostrophe(): RegExp {
  const word = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]`; // of the `regex` package
  return new RegExp(`(?<!${word})'(?!(?:re|ve|ll|m|t|s|d|n)(?!${word}))(?=${word})`, "giu");
}

const PUNCTUATION: readonly Rule[] = [
  [/([:,])(\P{Nd})/gu, " $1 $2"],
  [/[:,]$/g, " $& "],
  [/\.{2,}/g, " $& "],
  [/[;@#$%&]/g, " $& "],
  [/[\u2012-\u2015]/g, " $& "],
];

const MORE_PUNCTUATION: readonly Rule[] = [
  [/[?!]/g, " $& "],
  [/([^'])' /g, "$1 ' "],
  [/[*]/g, " $& "],
  [/[\][(){}<>]/g, " $& "],
  [/--/g, " -- "],
];

const CLOSING_QUOTES: readonly Rule[] = [
  [/[»”’]/g, " $& "],
  [/''/g, " '' "],
  [/"/g, " '' "],
  [/\p{White_Space}+/gu, " "],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /g, "$1 $2 "],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /g, "$1 $2 "],
];

const NO_LETTER_BEFORE = `(?<![${WORD}])`, NO_LETTER_AFTER = `(?![${WORD}])`;
const contraction = (pattern: string): Rule => [new RegExp(pattern, "giu"), " $1 $2 "];
const CONTRACTIONS: readonly Rule[] = [
  ...["(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)"]
    .map((parts) => contraction(NO_LETTER_BEFORE + parts + NO_LETTER_AFTER)),
  contraction(`${NO_LETTER_BEFORE}(wan)(na)(?=[${SPACE}])`),
  contraction(` ('t)(is)${NO_LETTER_AFTER}`),
  contraction(` ('t)(was)${NO_LETTER_AFTER}`),
];

/** The words of one sentence. */
function tokens(sentence: string): string[] {
  let text = apply(OPENING_QUOTES, sentence);
  text = fullStop(text, /^[\])}>"' »”’]*/, " ");
  text = apply(PUNCTUATION, text);
  text = fullStop(text, /^[\])}>"']*/, "");
  text = apply(MORE_PUNCTUATION, text);
  return split(apply(CONTRACTIONS, apply(CLOSING_QUOTES, ` ${text} `)));
}

const apply = (rules: readonly Rule[], text: string): string =>
  rules.reduce((text, [pattern, replacement]) => text.replaceAll(pattern, replacement), text);

/** With the last full stop standing alone, where nothing but closing marks and spaces follow it. */
function fullStop(text: string, closing: RegExp, gap: string): string {
  const at = text.lastIndexOf(".");
  if (at < 1 || text[at - 1] === ".") return text;
  const after = text.slice(at + 1);
  const [marks] = after.match(closing)!;
  return split(after.slice(marks.length)).length === 0 ? `${text.slice(0, at)} .${gap}${marks} ` : text;
}
