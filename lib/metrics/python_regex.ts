/**
 * A pattern of Python's `re`, as a JavaScript RegExp that matches the same text.
 *
 * What differs is rewritten: `\w \d \s \b` and their opposites know all of Unicode, `.` stops at a line feed only, `$`
 * also matches before a last line feed, and Python's own forms (`\A`, `\Z`, `(?P<name>…)`, `(?P=name)`, `(?#…)`,
 * `{,n}`, `(?i)` at the start, brackets and braces that stand for themselves) get their equals.
 *
 * ```ts
 * import { pythonRegex } from "./python_regex.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal("size: ٣ cm".replace(pythonRegex(String.raw`\b\d+ ?`), ""), "size: cm");
 * ```
 *
 * @module
 */
import { SPACE, WORD } from "./python_text.ts";

/** A piece of a pattern, rewritten, and where the next one begins. */
interface Piece {
  readonly source: string;
  readonly end: number;
}

const CLASSES: Readonly<Record<string, string>> = {
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  d: String.raw`\p{Nd}`,
  D: String.raw`\P{Nd}`,
  s: `[${SPACE}]`,
  S: `[^${SPACE}]`,
};
const BEFORE = `(?<=[${WORD}])`,
  NOT_BEFORE = `(?<![${WORD}])`,
  AFTER = `(?=[${WORD}])`,
  NOT_AFTER = `(?![${WORD}])`;
const ASSERTIONS: Readonly<Record<string, string>> = {
  b: `(?:${NOT_BEFORE}${AFTER}|${BEFORE}${NOT_AFTER})`,
  B: `(?:${NOT_BEFORE}${NOT_AFTER}|${BEFORE}${AFTER})`,
  A: "(?<![^])",
  Z: "(?![^])",
};
const CONTROLS: Readonly<Record<string, string>> = { a: "\x07", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** A global RegExp for Python's `pattern`. Throws a SyntaxError where it is wrong or has no equal in JavaScript. */
export function pythonRegex(pattern: string): RegExp {
  const [leading, flags = ""] = pattern.match(/^\(\?([imsu]+)\)/) ?? [""];
  let source = "";
  for (let end = leading.length; end < pattern.length;) {
    const piece = read(pattern, end, flags);
    source += piece.source;
    end = piece.end;
  }
  try {
    return new RegExp(source, flags.includes("i") ? "giv" : "gv");
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${JSON.stringify(pattern)} as it must be a pattern of Python's re`, {
      cause,
    });
  }
}

function read(pattern: string, at: number, flags: string): Piece {
  const rest = pattern.slice(at);
  const as = (token: string, source = token): Piece => ({ source, end: at + token.length });
  if (rest[0] === "[") return readSet(pattern, at);
  if (rest[0] === "\\") return readEscape(pattern, at);
  if (rest.startsWith("(?")) {
    const [group, name] = rest.match(/^\(\?P<(\w+)>/) ?? [];
    if (group) return as(group, `(?<${name}>`);
    const [back, to] = rest.match(/^\(\?P=(\w+)\)/) ?? [];
    if (back) return as(back, `\\k<${to}>`);
    const [comment] = rest.match(/^\(\?#[^)]*\)/) ?? [];
    if (comment) return as(comment, "");
    const [same] = rest.match(/^\(\?(?:[:=!]|<[=!])/) ?? unsupported(pattern, rest.slice(0, 3));
    return as(same!);
  }
  const [times] = rest.match(/^\{(?:\d+(?:,\d*)?|,\d*)\}/) ?? [];
  if (times) return as(times, times.replace("{,", "{0,"));
  const character = String.fromCodePoint(rest.codePointAt(0)!);
  if (character === ".") return as(".", flags.includes("s") ? "[^]" : "[^\\n]");
  if (character === "^") return as("^", flags.includes("m") ? "(?<=\\n|(?<![^]))" : "(?<![^])");
  if (character === "$") return as("$", flags.includes("m") ? "(?=\\n|(?![^]))" : "(?=\\n?(?![^]))");
  return as(character, "()|*+?".includes(character) ? character : literal(character));
}

/** An escape outside of a set. */
function readEscape(pattern: string, at: number): Piece {
  const letter = pattern[at + 1] ?? "";
  const source = ASSERTIONS[letter] ?? CLASSES[letter];
  if (source !== undefined) return { source, end: at + 2 };
  const [group] = pattern.slice(at).match(/^\\(?![0-3][0-7]{2})[1-9][0-9]?/) ?? [];
  if (group) return { source: `(?:${group})`, end: at + group.length };
  const { character, end } = readCharacter(pattern, at);
  return { source: literal(character), end };
}

/** `[…]`: single characters, ranges of them and classes. */
function readSet(pattern: string, from: number): Piece {
  const negated = pattern[from + 1] === "^";
  const first = from + (negated ? 2 : 1);
  let source = negated ? "[^" : "[", at = first;
  while (at < pattern.length && (pattern[at] !== "]" || at === first)) {
    const inner = pattern[at] === "\\" ? CLASSES[pattern[at + 1] ?? ""] : undefined;
    if (inner !== undefined) {
      source += inner;
      at += 2;
      continue;
    }
    const low = readCharacter(pattern, at, true);
    source += literal(low.character);
    at = low.end;
    if (pattern[at] === "-" && at + 1 < pattern.length && pattern[at + 1] !== "]") {
      const high = readCharacter(pattern, at + 1, true);
      source += `-${literal(high.character)}`;
      at = high.end;
    }
  }
  if (at >= pattern.length) {
    throw new SyntaxError(`Cannot read ${JSON.stringify(pattern)} as its [ is never closed`);
  }
  return { source: `${source}]`, end: at + 1 };
}

/** One character, written as itself or as an escape. */
function readCharacter(pattern: string, at: number, inSet = false): { character: string; end: number } {
  const character = String.fromCodePoint(pattern.codePointAt(at)!);
  if (character !== "\\") return { character, end: at + character.length };
  const rest = pattern.slice(at + 1);
  const [code, ...digits] = rest.match(/^(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8}))/) ?? [];
  if (code) {
    return { character: String.fromCodePoint(parseInt(digits.join(""), 16)), end: at + 1 + code.length };
  }
  const [octal] = rest.match(/^(?:0[0-7]{0,2}|[0-3][0-7]{2})/) ?? [];
  if (octal) return { character: String.fromCharCode(parseInt(octal, 8)), end: at + 1 + octal.length };
  const control = inSet && rest[0] === "b" ? "\b" : CONTROLS[rest[0] ?? ""];
  if (control !== undefined) return { character: control, end: at + 2 };
  if (rest === "" || /^[a-z0-9]/i.test(rest)) unsupported(pattern, `\\${rest.slice(0, 1)}`);
  return readCharacter(`${pattern.slice(0, at)} ${rest}`, at + 1);
}

/** A character that stands for itself, in a set or out of it. */
const literal = (character: string): string =>
  /[\^$\\.*+?()[\]{}|/&\-!#%,:;<=>@`~]/.test(character) ? escapeUnit(character) : character;

const escapeUnit = (character: string): string =>
  `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;

function unsupported(pattern: string, what: string): never {
  throw new SyntaxError(`Cannot read ${JSON.stringify(pattern)} as ${what} has no equal in JavaScript`);
}
