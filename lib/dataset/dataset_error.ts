/**
 * What is wrong with a file of questions, in one manner: what was wanted, and what came.
 *
 * @module
 */

import { nearest } from "../nearest.ts";
import { visible as shortVisible } from "../text.ts";

/** A question file or its card cannot be used as it is; a flow that catches it ends with exit code 2. */
export class DatasetError extends Error {
  override name = "DatasetError";
  /** `path` is the file as the caller named it, `line` counts from 1 where one line is to blame. */
  constructor(problem: string, readonly path: string, readonly line?: number, options?: ErrorOptions) {
    super(
      `Cannot read ${shortVisible(path)} as ${line === undefined ? "" : `line ${line} `}${problem}`,
      options,
    );
  }
}

const LONGEST = 100;

/** `text` on one line: shortened, with what cannot be seen as escapes. */
export const visible = (text: string): string => shortVisible(text, LONGEST);

/** A value of a JSON file as an error message shows it. */
export const shown = (value: unknown): string => visible(JSON.stringify(value));

/** ` (did you mean "validation"?)` when one of `names` is close to `word`, else nothing. */
export function didYouMean(word: string, names: readonly string[]): string {
  const near = nearest(word, names);
  return near === undefined ? "" : ` (did you mean "${near}"?)`;
}

/** What PostgreSQL, or UTF-8 itself, cannot hold: `text` must have none of it. */
export function unstorable(text: string): string | undefined {
  if (text.includes("\0")) return "NUL";
  return text.isWellFormed() ? undefined : "unpaired surrogate";
}
