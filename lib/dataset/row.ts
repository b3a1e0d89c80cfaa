/**
 * From a row's fields to an example: what must be there, and what must not.
 *
 * @module
 */
import { DatasetError, didYouMean, shown, unstorable, visible } from "./dataset_error.ts";
import type { Example, SplitName } from "./example.ts";
import type { Row } from "./rows.ts";

/** The splits in the order in which they are used. */
export const SPLITS: readonly SplitName[] = ["train", "validation", "test"];

/** Characters; a row of an index in PostgreSQL has room for 2,704 bytes. */
const LONGEST_ID = 500;

const FIELDS: ReadonlySet<string> = new Set(["question", "answer", "split", "id"]);

/** A row that passed: the example, and its split when the file gives one. */
export interface CheckedRow {
  readonly line: number;
  readonly example: Example;
  readonly split?: SplitName;
}

/**
 * The example in `row`, the `ordinal`th of the file at `path`.
 *
 * Fields that are not ours are let pass and left out; only what looks like a mistyped `split` is refused, since
 * without it the seed would split the file behind its author's back. Throws a DatasetError naming line and field.
 */
export function checkRow(row: Row, path: string, ordinal: number): CheckedRow {
  const refuse = (problem: string): never => {
    throw new DatasetError(problem, path, row.line);
  };
  const text = (field: string, value: unknown): string => {
    if (typeof value !== "string") return refuse(`must have text in "${field}": got ${shown(value)}`);
    if (value.trim() === "") return refuse(`must have more than blanks in "${field}": got ${shown(value)}`);
    const wrong = unstorable(value);
    return wrong ? refuse(`must have no ${wrong} in "${field}": got ${shown(value)}`) : value;
  };
  const required = (field: string): unknown => {
    const value = row.fields[field];
    if (value !== undefined) return value;
    const meant = Object.keys(row.fields).map((name) => didYouMean(name, [field])).find((hint) =>
      hint !== ""
    );
    return refuse(`must have "${field}": got ${visible(row.text)}${meant ?? ""}`);
  };

  const question = text("question", required("question"));
  const answer = required("answer");
  if (Array.isArray(answer) && answer.length === 0) refuse(`must have at least one "answer": got []`);
  const references = (Array.isArray(answer) ? answer : [answer]).map((one) => text("answer", one));
  const id = isAbsent(row.fields.id) ? `row-${ordinal}` : text("id", row.fields.id);
  if (id.length > LONGEST_ID) {
    refuse(`must have at most ${LONGEST_ID} characters in "id": got ${id.length}`);
  }
  const mistyped = Object.keys(row.fields).find((name) =>
    !FIELDS.has(name) && didYouMean(name, ["split"]) !== ""
  );
  if (mistyped !== undefined) {
    refuse(`must have no "${visible(mistyped)}"${didYouMean(mistyped, ["split"])}: got ${visible(row.text)}`);
  }
  const example = { id, question, references };
  if (isAbsent(row.fields.split)) return { line: row.line, example };
  const split = text("split", row.fields.split);
  if (!isSplit(split)) {
    return refuse(
      `must have train, validation or test in "split": got ${shown(split)}${didYouMean(split, SPLITS)}`,
    );
  }
  return { line: row.line, example, split };
}

// pandas and SQL write null where a field is not set
const isAbsent = (value: unknown): boolean => value === undefined || value === null;

const isSplit = (text: string): text is SplitName => (SPLITS as readonly string[]).includes(text);
