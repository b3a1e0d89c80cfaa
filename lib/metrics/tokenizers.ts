/**
 * The tokenizers of sacrebleu 2.6.0: `13a` (that of WMT's mteval-v13a), `intl`, `char` and `none`.
 *
 * ```ts
 * import { tokenize } from "./tokenizers.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(tokenize("Hello, world: $1,000.5!", "13a"), ["Hello", ",", "world", ":", "$", "1,000.5", "!"]);
 * ```
 *
 * @module
 */
import { type Cutter, type Emit, tokens } from "./numbering.ts";
import { isSpace, rstrip, SPACE } from "./python_text.ts";

/** A tokenizer, by its name in sacrebleu. */
export type Tokenizer = "13a" | "intl" | "char" | "none";

/** Spaces at a text's end are stripped first, as in sacrebleu. */
export const cutters: Readonly<Record<Tokenizer, Cutter>> = {
  "13a": { prepare: (text) => spaced(unescape(rstrip(text))), cut: cut13a },
  intl: { prepare: (text) => spaced(international(rstrip(text))), cut: cutSpaces },
  char: { prepare: (text) => spaced([...rstrip(text)].join(" ")), cut: cutSpaces },
  none: { prepare: (text) => spaced(rstrip(text)), cut: cutSpaces },
};

/** The names of the tokenizers. */
export const tokenizers = Object.keys(cutters) as readonly Tokenizer[];

/** The tokens of `text`. */
export const tokenize = (text: string, tokenizer: Tokenizer): string[] => tokens(text, cutters[tokenizer]);

const SPACES_BEYOND_ASCII = new RegExp(`(?![\0-\x7f])[${SPACE}]`, "g");

/** With all space in ASCII, so that bytes tell it. */
const spaced = (text: string): string => text.replace(SPACES_BEYOND_ASCII, " ");

function international(text: string): string {
  const apart = text.replace(/(\P{N})(\p{P})/gu, "$1 $2 ").replace(/(\p{P})(\P{N})/gu, " $1 $2");
  return apart.replace(/\p{S}/gu, " $& ");
}

// What a byte is to 13a; those of characters beyond ASCII are letters.
const LETTER = 0, DIGIT = 1, DASH = 2, POINT = 3, SPACES = 4, SYMBOL = 5;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (byte >= 128) return LETTER;
  if (isSpace(byte)) return SPACES;
  if (/[0-9]/.test(character)) return DIGIT;
  if (/[.,]/.test(character)) return POINT;
  if (character === "-") return DASH;
  return /[!-&(-+/:-@[-`{-~]/.test(character) ? SYMBOL : LETTER; // ' stays in its word
});

function cutSpaces(bytes: Uint8Array, from: number, to: number, emit: Emit): void {
  let start = from;
  for (let i = from; i <= to; i++) {
    if (i < to && KINDS[bytes[i]!] !== SPACES) continue;
    if (start < i) emit(start, i);
    start = i + 1;
  }
}

/**
 * 13a in one pass. sacrebleu makes four substitutions one after another, each over the text that the last one left;
 * together they say: symbols stand alone; a dash stands alone after a digit; points and commas stand alone, except
 * next to digits as `joins` has it.
 */
function cut13a(bytes: Uint8Array, from: number, to: number, emit: Emit): void {
  let start = from, before = SPACES; // of the token that is being read; the kind of the byte before i
  for (let i = from; i < to; i++) {
    const kind = KINDS[bytes[i]!]!;
    if (kind <= DIGIT || (kind === DASH && before !== DIGIT)) {
      before = kind;
      continue;
    }
    let end = i + 1, next = end; // of the bytes that stand alone; where the next token begins
    if (kind === POINT) {
      while (end < to && KINDS[bytes[end]!] === POINT) end++;
      next = end < to && joins(end - i, before, KINDS[bytes[end]!]!) ? end - 1 : end;
      if (next === i && before === DIGIT) { // 1.5 stays whole
        before = POINT;
        continue;
      }
    }
    if (start < i) emit(start, i);
    if (kind !== SPACES) { for (let at = i; at < next; at++) emit(at, at + 1); }
    start = next;
    i = end - 1;
    before = kind;
  }
  if (start < to) emit(start, to);
}

/**
 * Whether the last of `length` points and commas joins what follows. The substitution "unless preceded by a digit"
 * takes its characters in pairs, so it cuts off the odd ones of a run (the even ones after a digit); "unless followed
 * by a digit" then cuts off the rest, save the last one before a digit: `1.5` is one token, `..5` is `.` and `.5`.
 */
const joins = (length: number, before: number, after: number): boolean =>
  after === DIGIT && length % 2 === (before === DIGIT ? 1 : 0);

/** mteval's language-independent part: skipped segments, words hyphenated over a line's end, four entities. */
function unescape(text: string): string {
  let line = text;
  if (line.includes("<skipped>")) line = line.replaceAll("<skipped>", "");
  if (line.includes("-\n")) line = line.replaceAll("-\n", "");
  if (line.includes("&")) {
    line = line.replaceAll("&quot;", '"').replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll(
      "&gt;",
      ">",
    );
  }
  return line;
}
