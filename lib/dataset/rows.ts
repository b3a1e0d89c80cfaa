/**
 * The rows of a JSONL or CSV file, one after another, before their fields are checked.
 *
 * @module
 */
import { CsvError, parse } from "csv-parse";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { DatasetError, didYouMean, shown, visible } from "./dataset_error.ts";
import { type Line, lines, LONGEST_LINE } from "./lines.ts";

/** A row as the file gives it. */
export interface Row {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
  /** What an error message quotes. */
  readonly text: string;
}

type OnRow = (row: Row) => void;
type OnPiece = (bytes: number, totalBytes: number) => void;

/** Calls `onRow` with each object of a JSONL file; blank lines are skipped. */
export async function readJsonl(path: string, onRow: OnRow, onPiece: OnPiece): Promise<void> {
  for await (const batch of lines(path, onPiece)) {
    for (const { number, text } of batch) {
      if (text.trim() !== "") onRow({ line: number, fields: parseObject(text, path, number), text });
    }
  }
}

function parseObject(text: string, path: string, line: number): Record<string, unknown> {
  let value: unknown;
  let cause: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    cause = error;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const detail = cause instanceof Error ? ` (${visible(cause.message)})` : "";
  throw new DatasetError(`must be a JSON object: got ${visible(text)}${detail}`, path, line, { cause });
}

/**
 * Calls `onRow` with each row of a CSV file (RFC 4180: commas, double quotes) below its header.
 *
 * The header names `question`, `answer` and, if there are any, `split` and `id`; further right answers stand in
 * `answer_2`, `answer_3` and so on. An empty cell is one that is not there.
 */
export async function readCsv(path: string, onRow: OnRow, onPiece: OnPiece): Promise<void> {
  let header: string[] | undefined;
  let last = 0; // the line on which the last record ended
  let ended = 0; // records
  const take = (record: string[], { lines }: { lines: number }): null => {
    const line = lines - newlinesIn(record);
    last = lines;
    ended++;
    if (header === undefined) header = readHeader(record, path, line);
    else onRow(csvRow(record, header, path, line));
    return null; // nothing is left for the stream to carry
  };
  const parser = parse({
    on_record: take,
    record_delimiter: "\n", // what `texts` puts between lines: a parser left to find out takes carriage returns for it
    skip_empty_lines: true,
    relax_column_count: true, // counted here, where the message can say what is wrong
    max_record_size: LONGEST_LINE,
  });
  try {
    await pipeline(Readable.from(texts(lines(path, onPiece))), parser.resume());
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw quoteError(error, path, last + 1);
  }
  if (ended === 1 && header!.some((name) => name.includes("\r"))) throw carriageReturns(path);
}

async function* texts(batches: AsyncIterable<Line[]>): AsyncGenerator<string> {
  for await (const batch of batches) yield batch.map(({ text }) => text + "\n").join("");
}

const newlinesIn = (cells: readonly string[]): number =>
  cells.reduce((sum, cell) => sum + (cell.includes("\n") ? cell.split("\n").length - 1 : 0), 0);

function readHeader(cells: readonly string[], path: string, line: number): string[] {
  const names = cells.map((cell) => cell.trim());
  for (const wanted of ["question", "answer"]) {
    if (names.includes(wanted)) continue;
    if (names.some((name) => name.startsWith(`${wanted}\r`))) throw carriageReturns(path);
    const meant = names.map((name) => didYouMean(name, [wanted])).find((hint) => hint !== "") ?? "";
    throw new DatasetError(`must name the column "${wanted}": got ${shown(names)}${meant}`, path, line);
  }
  const twice = names.find((name, i) => name !== "" && names.indexOf(name) < i);
  if (twice !== undefined) {
    const advice = twice === "answer" ? ", call the second answer_2" : "";
    throw new DatasetError(`must name each column once: got "${visible(twice)}" twice${advice}`, path, line);
  }
  return names;
}

function csvRow(cells: readonly string[], header: readonly string[], path: string, line: number): Row {
  const text = cells.join(",");
  if (cells.length !== header.length) {
    const advice = cells.length > header.length ? " (a cell with a comma needs double quotes)" : "";
    throw new DatasetError(
      `must have ${header.length} cells like the header: got ${cells.length} in ${visible(text)}${advice}`,
      path,
      line,
    );
  }
  const named = header.map((name, i) => [name, cells[i]!] as const).filter(([, cell]) => cell !== "");
  const fields: Record<string, unknown> = Object.fromEntries(named);
  const more = named.filter(([name]) => /^answer_\d+$/.test(name)).map(([, cell]) => cell);
  if (more.length > 0 && fields.answer !== undefined) fields.answer = [fields.answer, ...more];
  return { line, fields, text };
}

const carriageReturns = (path: string): DatasetError =>
  new DatasetError("it must end its lines with line feeds: got carriage returns alone, save it anew", path);

function quoteError(error: CsvError, path: string, begun: number): DatasetError {
  const options = { cause: error };
  switch (error.code) {
    case "CSV_QUOTE_NOT_CLOSED":
    case "CSV_MAX_RECORD_SIZE":
      return new DatasetError("must have its quotes closed: got none to the end", path, begun, options);
    default:
      return new DatasetError(
        `must have well-formed quotes: got a stray one, double it inside a quoted cell ("")`,
        path,
        (error as CsvError & { lines?: number }).lines ?? begun,
        options,
      );
  }
}
