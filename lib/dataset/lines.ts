/**
 * The lines of a text file, read in pieces, so that only the piece in hand is held.
 *
 * @module
 */
import { DatasetError, visible } from "./dataset_error.ts";

/** A line without its end, counted from 1. */
export interface Line {
  readonly number: number;
  readonly text: string;
}

const PIECE = 256 * 1024;
const NEWLINE = 10;

/** Bytes after which an open line is given up: far above what a model reads, far below what fills the memory. */
export const LONGEST_LINE = 16 * 1024 * 1024;

/**
 * The lines of the UTF-8 file `path`, some at a time; a byte order mark and carriage returns are dropped.
 *
 * `onPiece` hears after each piece how many bytes were read and how many there are. Throws a DatasetError for
 * what is no readable file, for bytes that are not UTF-8 and for a line over {@link LONGEST_LINE}.
 */
export async function* lines(
  path: string,
  onPiece: (bytes: number, totalBytes: number) => void,
): AsyncGenerator<Line[]> {
  const { file, size } = await open(path);
  using _ = file;
  let number = 0, bytes = 0, heldBytes = 0;
  let held: Uint8Array[] = []; // the begun line
  for (;;) {
    const piece = new Uint8Array(PIECE);
    const count = await read(file, piece, path);
    if (count === null) break;
    const got = piece.subarray(0, count);
    if (bytes === 0) refuseUtf16(got, path);
    bytes += count;
    const end = got.lastIndexOf(NEWLINE);
    if (end >= 0) {
      const texts = decode([...held, got.subarray(0, end)], path, number).split("\n");
      yield texts.map((text) => ({ number: ++number, text: withoutMarks(text, number) }));
      held = [];
      heldBytes = 0;
    }
    held.push(got.slice(end + 1)); // a copy, so that the piece can go
    heldBytes += count - end - 1;
    if (heldBytes > LONGEST_LINE) {
      throw new DatasetError(
        `must be at most ${LONGEST_LINE / 2 ** 20} MiB long: got more`,
        path,
        number + 1,
      );
    }
    onPiece(bytes, size);
  }
  if (heldBytes > 0) {
    const text = decode(held, path, number);
    yield [{ number: number + 1, text: withoutMarks(text, number + 1) }];
  }
}

async function open(path: string): Promise<{ file: Deno.FsFile; size: number }> {
  try {
    const { isDirectory, size } = await Deno.stat(path);
    if (isDirectory) throw new DatasetError("it must be a file: got a directory", path);
    return { file: await Deno.open(path), size };
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    if (error instanceof Deno.errors.NotFound) throw new DatasetError("there is no such file", path);
    throw unreadable(error, path);
  }
}

async function read(file: Deno.FsFile, into: Uint8Array, path: string): Promise<number | null> {
  try {
    return await file.read(into);
  } catch (error) {
    throw unreadable(error, path);
  }
}

const unreadable = (error: unknown, path: string): DatasetError =>
  new DatasetError(`the system refuses: ${error instanceof Error ? error.message : error}`, path, undefined, {
    cause: error,
  });

function refuseUtf16([first, second]: Uint8Array, path: string): void {
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new DatasetError("it must be UTF-8: got UTF-16, save it anew", path);
  }
}

/** The text of `pieces`; `before` lines went before it. */
function decode(pieces: Uint8Array[], path: string, before: number): string {
  const bytes = pieces.length === 1 ? pieces[0]! : concat(pieces);
  try {
    return strictUtf8(bytes);
  } catch {
    throw firstWrongLine(bytes, path, before);
  }
}

const strictUtf8 = (bytes: Uint8Array): string =>
  new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

function firstWrongLine(bytes: Uint8Array, path: string, before: number): DatasetError {
  for (let start = 0, number = before + 1;; number++) {
    const end = bytes.indexOf(NEWLINE, start);
    const line = bytes.subarray(start, end < 0 ? undefined : end);
    try {
      strictUtf8(line);
    } catch {
      return new DatasetError(`must be UTF-8: got ${visible(new TextDecoder().decode(line))}`, path, number);
    }
    start = end + 1;
  }
}

function concat(pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function withoutMarks(text: string, number: number): string {
  const start = number === 1 && text.startsWith("\ufeff") ? 1 : 0;
  const end = text.endsWith("\r") ? text.length - 1 : text.length;
  return text.slice(start, end);
}
