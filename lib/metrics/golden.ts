/**
 * The golden files of data/golden: numbers of the Python packages, for the tests beside this file.
 *
 * @module
 */
import { ok } from "node:assert/strict";

/** A text, or the recipe of a long one: [seed, count]. */
export type GoldenText = string | { readonly words: readonly [number, number] };

/** Reads data/golden/NAME.json. */
export const golden = <Golden>(name: string): Golden =>
  JSON.parse(Deno.readTextFileSync(new URL(`../../data/golden/${name}.json`, import.meta.url)));

/** Makes long texts as data/golden/texts.py does: `count` words of `long`, drawn by Park and Miller's generator. */
export const expander = (long: readonly string[]) => (text: GoldenText): string => {
  if (typeof text === "string") return text;
  let [state, count] = text.words;
  const words: string[] = [];
  while (count-- > 0) words.push(long[(state = state * 48271 % 2147483647) % long.length]!);
  return words.join(" ");
};

/** Fails unless the numbers agree to 1e-9. */
export const near = (got: number, wanted: number, what: string): void =>
  ok(Math.abs(got - wanted) <= 1e-9, `${what}: got ${got}, wanted ${wanted}`);
