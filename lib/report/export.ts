/**
 * Rows as text for other programs: JSON lines, one JSON document, or CSV for spreadsheets.
 *
 * JSON holds every value as it is kept. CSV is for eyes: a spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a
 * tab or a line break for a formula, and most cells were written by a model; so such a text gets an apostrophe before it,
 * and what cannot be seen in a text is made visible. Numbers stay numbers.
 *
 * ```ts
 * import { cell } from "./export.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(cell('=HYPERLINK("https://example.com")'), `"'=HYPERLINK(""https://example.com"")"`);
 * equal(cell(-0.25), "-0.25");
 * equal(cell(null), "");
 * ```
 *
 * @module
 */
import type { Row, Table } from "../store/export.ts";
import { json } from "../text.ts";
import { visible } from "./text.ts";
import { withoutSecrets } from "./sections/reproduce.ts";

/** A row with its table. */
export interface Exported {
  readonly table: Table;
  readonly row: Row;
}

/** What rows can become. */
export const FORMATS = ["jsonl", "csv", "json"] as const;
export type Format = typeof FORMATS[number];

/** The text of `rows` in pieces. `columns` are those of each table that is wanted, in its order. */
export function exportText(
  rows: AsyncIterable<Exported>,
  { format, columns }: { readonly format: Format; readonly columns: ReadonlyMap<Table, readonly string[]> },
): AsyncGenerator<string> {
  const shown = discreetRows(rows);
  return format === "csv"
    ? csv(shown, columns)
    : format === "jsonl"
    ? jsonl(shown)
    : document(shown, columns);
}

/** Names, passwords and keys in what was configured, in models' names and in errors are left out, as in a report. */
async function* discreetRows(rows: AsyncIterable<Exported>): AsyncGenerator<Exported> {
  const SHOWN: readonly string[] = ["config", "model", "error"];
  for await (const { table, row } of rows) {
    const entries = Object.entries(row).map(([name, value]) => [
      name,
      SHOWN.includes(name) ? withoutSecrets(value) : value,
    ]);
    yield { table, row: Object.fromEntries(entries) };
  }
}

/** An object a line, of which `table` says what it is. */
async function* jsonl(rows: AsyncIterable<Exported>): AsyncGenerator<string> {
  for await (const { table, row } of rows) yield `${json({ table, ...row })}\n`;
}

/** One document on one line: the experiment's row by itself, all others in lists. */
async function* document(
  rows: AsyncIterable<Exported>,
  columns: ReadonlyMap<Table, readonly string[]>,
): AsyncGenerator<string> {
  const tables = [...columns.keys()];
  let at = -1;
  let first = true;
  const name = (table: Table) => `${table === tables[0] ? "{" : ","}${JSON.stringify(table)}:`;
  const opened = (table: Table) => name(table) + (table === "experiment" ? "" : "[");
  const closed = (table: Table | undefined) =>
    table === undefined ? "" : table !== "experiment" ? "]" : first ? "null" : "";
  /** Ends the table that is open, and begins all up to the wanted one. */
  function* until(wanted: number): Generator<string> {
    while (at < wanted) {
      yield closed(tables[at]);
      at++;
      if (tables[at] !== undefined) yield opened(tables[at]!);
      first = true;
    }
  }
  for await (const { table, row } of rows) {
    yield* until(tables.indexOf(table));
    yield table === "experiment" ? json(row) : `${first ? "" : ","}${json(row)}`;
    first = false;
  }
  yield* until(tables.length);
  yield "}\n";
}

/** A header, then a row a line; of several tables, `table` is the first column and each row leaves the others' empty. */
async function* csv(
  rows: AsyncIterable<Exported>,
  columns: ReadonlyMap<Table, readonly string[]>,
): AsyncGenerator<string> {
  const several = columns.size > 1;
  const names = [...new Set([...columns.values()].flat())];
  yield `${[...several ? ["table"] : [], ...names].join(",")}\r\n`;
  for await (const { table, row } of rows) {
    const cells = names.map((name) => cell(row[name]));
    yield `${[...several ? [table] : [], ...cells].join(",")}\r\n`;
  }
}

/** What a spreadsheet takes for the beginning of a formula, also in its wide form, or behind blanks that it skips. */
const FORMULA = /^[\s]*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212|%]|^[\t\r\n]/u;

/** A cell of CSV (RFC 4180). */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value instanceof Date) return value.toISOString();
  const text = visible(typeof value === "string" ? value : json(value));
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}
