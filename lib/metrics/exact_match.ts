/**
 * Exact match: 1 when a prediction equals one of its references, else 0; the options are those of Hugging Face
 * Evaluate's `exact_match` and are applied in its order (regexes, case, punctuation, numbers).
 *
 * ```ts
 * import { exactMatch } from "./exact_match.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(exactMatch("Paris.", "paris"), 0);
 * equal(exactMatch("Paris.", "paris", { ignoreCase: true, ignorePunctuation: true }), 1);
 * ```
 *
 * @module
 */
import { checkText } from "./input.ts";
import { pythonRegex } from "./python_regex.ts";
import { DIGITS, PUNCTUATION } from "./python_text.ts";

/** What is left out of the comparison; by default nothing is. */
export interface ExactMatchOptions {
  /** Patterns of Python's `re` whose matches are removed first, one pattern after another. @default {[]} */
  readonly regexesToIgnore?: readonly string[];
  /** @default {false} */
  readonly ignoreCase?: boolean;
  /** Removes the ASCII punctuation. @default {false} */
  readonly ignorePunctuation?: boolean;
  /** Removes the digits 0 to 9. @default {false} */
  readonly ignoreNumbers?: boolean;
}

/** 1 when the texts are equal, else 0. Throws a SyntaxError for a pattern that cannot be read. */
export function exactMatch(prediction: string, reference: string, options: ExactMatchOptions = {}): 0 | 1 {
  checkText(prediction, "a prediction");
  checkText(reference, "a reference");
  const normalize = normalizer(options);
  return normalize(prediction) === normalize(reference) ? 1 : 0;
}

/** What is compared. Evaluate cuts a text that grows in lower case (İ) to the longest of its batch; this does not. */
export function normalizer(
  { regexesToIgnore = [], ignoreCase, ignorePunctuation, ignoreNumbers }: ExactMatchOptions,
): (text: string) => string {
  const regexes = regexesToIgnore.map(pythonRegex);
  return (text) => {
    let left = regexes.reduce((text, regex) => text.replace(regex, ""), text);
    if (ignoreCase) left = left.toLowerCase();
    if (ignorePunctuation) left = left.replace(PUNCTUATION, "");
    if (ignoreNumbers) left = left.replace(DIGITS, "");
    return left;
  };
}
