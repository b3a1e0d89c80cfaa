/**
 * Text and numbers as a reader sees them: nothing hidden in a text, nothing false in a digit.
 *
 * Whatever a model wrote may hold what cannot be seen: characters that turn the writing direction, colour a terminal,
 * or carry a second text between the letters of the first. `visible` shows each of them.
 *
 * ```ts
 * import { aligned, percent, shortened, visible } from "./text.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * equal(visible("\u001b[31mred\u202e"), "␛[31mred⟨U+202E⟩");
 * deepEqual(shortened("naïve 😀😀", 11), { shown: "naïve 😀", rest: "😀" });
 * equal(percent(0.6267), "62.7");
 * deepEqual(aligned([["seed", "9.5"], ["best", "62.7"]], (column) => column === 1), ["seed   9.5", "best  62.7"]);
 * ```
 *
 * @module
 */

/**
 * Controls, marks that turn the writing direction, letters and tags without width, separators, halves of surrogate
 * pairs. Line break and tab are no secret; the joiners and U+FE0F make words of some scripts, and emoji.
 */
const UNSEEN =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]--[\n\t\u200c\u200d\ufe0f]]/gv;

/** `text` with all that cannot be seen made visible; line breaks and tabs stay. */
export const visible = (text: string): string =>
  text.replaceAll("\r\n", "\n").replace(UNSEEN, (character) => {
    const code = character.codePointAt(0)!;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code); // control pictures: ␀ … ␟
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });

/** `text` without what gives access: names, passwords and queries in addresses, and what has the form of a key. */
export const discreet = (text: string): string =>
  text.replace(/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]*@/gi, "$1")
    .replace(/\b[a-z][a-z0-9+.-]{0,20}:\/\/\S*/gi, (address) => address.replace(/[?#][^"']*/g, ""))
    .replace(/\bBearer\s+[^\s"']+/gi, "Bearer …")
    .replace(/\b(?:sk|pk|rk|gh[a-z]|AIza|xox[a-z])[-_]?[A-Za-z0-9_-]{16,}/g, "…");

/** Rows of as many cells each as lines of a terminal: two blanks between columns, those that `right` names aligned to it. */
export function aligned(
  rows: readonly (readonly string[])[],
  right: (column: number) => boolean = () => false,
): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows.map((row) =>
    row.map((cell, column) => right(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))
      .join("  ").trimEnd()
  );
}

/** Bytes that a character takes in a page: UTF-8, escaped. */
const bytes = (code: number): number => {
  if (code === 0x26 || code === 0x27) return 5; // &amp; &#39;
  if (code === 0x22) return 6; // &quot;
  if (code === 0x3c || code === 0x3e) return 4; // &lt; &gt;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
};

/** `text` in two: what takes up to `most` bytes in a page, and the rest. Characters stay whole. */
export function shortened(text: string, most: number): { shown: string; rest: string } {
  let at = 0, taken = 0;
  while (at < text.length) {
    const code = text.codePointAt(at)!;
    taken += bytes(code);
    if (taken > most) break;
    at += code > 0xffff ? 2 : 1;
  }
  return { shown: text.slice(0, at), rest: text.slice(at) };
}

/** A name for a line of a page: visible, cut to `most` bytes. */
export function term(text: string, most = 120): string {
  const { shown, rest } = shortened(visible(text.slice(0, most + 1)), most);
  return rest === "" ? shown : `${shown}…`;
}

/** A model's name without what gives access. */
export const modelName = (text: string, most?: number): string => term(discreet(text.slice(0, 1000)), most);

/** A minus as wide as a plus. */
export const MINUS = "−";
const signed = (text: string, value: number): string =>
  Number(text.replaceAll(",", "")) === 0
    ? text.replace("-", "")
    : value < 0
    ? text.replace("-", MINUS)
    : `+${text}`;

/** A score in [0, 1] as points of 100. */
export const percent = (score: number): string => (100 * score).toFixed(1);

/** A difference of scores in points of 100, with its sign. */
export const points = (difference: number): string => signed(percent(difference), difference);

/** What a prompt adds to each answer, by answer: `abbreviation −2.10`, in nats. */
export const biasTerms = (bias: Readonly<Record<string, number>> | null | undefined): string[] =>
  Object.entries(bias ?? {}).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([answer, nats]) => `${term(answer.replace(/\s+/g, " "), 40)} ${signed(nats.toFixed(2), nats)}`);

/** A whole number with its thousands apart. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** `3 trials`, `1 trial`. */
export const plural = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** A p-value to two digits, three where 0.05 is near; what is smaller than a thousandth is said to be. */
export const probability = (p: number): string =>
  p < 0.001 ? "p < 0.001" : `p = ${p < 0.1 ? p.toPrecision(3) : p.toFixed(2)}`;

/** Dollars to the cent, or to two digits where they are less. */
export function dollars(value: number): string {
  if (value === 0) return "$0";
  if (value < 0.1) return `$${value.toFixed(Math.min(20, 1 - Math.floor(Math.log10(value))))}`;
  return value.toLocaleString("en-US", { style: "currency", currency: "USD" });
}

/** Seconds: `8.2 s`, `2 min 05 s`, `1 h 02 min`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${count(Math.floor(whole / 3600))} h ${two(Math.floor(whole % 3600 / 60))} min`;
}

/** Milliseconds to three digits: `9 ms`, `840 ms`, `1.24 s`. */
export const latency = (ms: number): string =>
  ms < 999.5 ? `${Math.round(ms)} ms` : `${count(Number((ms / 1000).toPrecision(3)))} s`;

/** A moment in UTC to the minute. */
export const moment = (date: Date): string => `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;

const METRICS: Readonly<Record<string, string>> = {
  exact_match: "exact match",
  f1: "F1",
  bleu: "BLEU",
  rouge1: "ROUGE-1",
  rouge2: "ROUGE-2",
  rougeL: "ROUGE-L",
  rougeLsum: "ROUGE-Lsum",
};

/** A metric as its literature calls it. */
export const metricName = (name: string): string =>
  Object.hasOwn(METRICS, name) ? METRICS[name]! : term(name);

/** A feature of a prompt in words: `system_words` is "words of the system prompt", or "system: words" where room is short. */
export function featureName(name: string, { short = false }: { short?: boolean } = {}): string {
  const [, part = "", what = ""] = name.match(/^(system|output|demo)_(\w{1,40})$/) ?? [];
  if (part === "") return name;
  const counted = what.replace(/^embedding_(\d+)$/, "meaning $1").replaceAll("_", " ");
  if (short) return `${part === "demo" ? "demos" : part}: ${counted}`;
  return part === "demo" ? `${counted} of the demos` : `${counted} of the ${part} prompt`;
}

/** An edit in words: `add_constraint` is "add constraint". */
export const actionName = (name: string): string => name.slice(0, 200).replaceAll("_", " ");
