/**
 * `copy … to stdout` and `copy … from stdin` through the driver, as streams that wait for each other (PostgreSQL's manual,
 * 54.2.6). The package pg-copy-streams takes the socket away from the driver to do so, and under Deno a second copy then
 * loses the connection; the driver has all that is needed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Socket } from "node:net";
// @ts-types="@types/pg"
import type pg from "pg";

/** Whole tables as bytes in COPY's formats. */
export interface Copy {
  /** The rows, in pieces of any length. Who does not read them to their end has spoiled the connection. */
  out(sql: string): AsyncIterable<Uint8Array>;
  /** Copies in. What `rows` throws is thrown, and nothing of this statement is kept. */
  in(sql: string, rows: AsyncIterable<Uint8Array>): Promise<void>;
}

/** What of the driver's connection is used. */
interface Wire {
  readonly stream: Socket;
  query(sql: string): void;
  sendCopyFromChunk(bytes: Uint8Array): void;
  endCopyFrom(): void;
  sendCopyFail(why: string): void;
}

/** Bytes that may wait for their reader, before the server has to. */
const AHEAD = 2 ** 20;

/** The pieces as they come; `wait` is given every promise that the server has to keep. */
export async function* copyOut(
  client: pg.Client,
  sql: string,
  wait: <T>(act: () => Promise<T>) => Promise<T>,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  let wire: Wire | undefined;
  let arrival = Promise.withResolvers<void>();
  const copy = statement(sql, {
    submitted: (connection) => wire = connection,
    piece(bytes) {
      pieces.push(Buffer.from(bytes)); // the driver will use its own again
      if ((size += bytes.length) > AHEAD) wire!.stream.pause();
      arrival.resolve();
    },
  });
  client.query(copy.submittable);
  copy.done.then(() => arrival.resolve(), () => arrival.resolve());
  for (let over = false; !over;) {
    await wait(() => Promise.race([arrival.promise, copy.done]));
    over = copy.isDone();
    arrival = Promise.withResolvers();
    const given = pieces;
    [pieces, size] = [[], 0];
    wire?.stream.resume();
    if (given.length > 0) yield Buffer.concat(given);
  }
  await copy.done; // it may have failed as its last piece was taken
}

/** Sends the rows once the server is ready for them. */
export async function copyIn(client: pg.Client, sql: string, rows: AsyncIterable<Uint8Array>): Promise<void> {
  const ready = Promise.withResolvers<Wire>();
  const copy = statement(sql, { ready: ready.resolve });
  client.query(copy.submittable);
  copy.done.catch(() => {}); // whatever it is, it is thrown below
  const wire = await Promise.race([ready.promise, copy.done.then(() => undefined)]);
  if (!wire) throw new TypeError(`Cannot copy in as this statement does not: ${sql}`);
  let failure: { error: unknown } | undefined;
  try {
    for await (const bytes of rows) {
      if (copy.isDone()) break; // the server refused a row
      wire.sendCopyFromChunk(bytes);
      if (wire.stream.writableNeedDrain) await Promise.race([once(wire.stream, "drain"), copy.done]);
    }
    if (!copy.isDone()) wire.endCopyFrom();
  } catch (error) {
    failure = { error };
    if (!copy.isDone()) wire.sendCopyFail("its source failed");
  }
  try {
    await copy.done;
  } catch (error) {
    throw failure && !lostConnection(error) ? failure.error : error;
  }
}

/** Without a code it is not the server that says so. */
const lostConnection = (error: unknown) => !/^[0-9A-Z]{5}$/.test((error as { code?: string }).code ?? "");

/** What the driver calls back for a statement that copies. */
function statement(
  sql: string,
  { submitted = () => {}, ready = () => {}, piece = () => {} }: {
    submitted?: (wire: Wire) => void;
    ready?: (wire: Wire) => void;
    piece?: (bytes: Uint8Array) => void;
  },
) {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  let isDone = false;
  const submittable = {
    submit(wire: Wire) {
      submitted(wire);
      wire.query(sql);
    },
    handleCopyInResponse: ready,
    handleCopyData: ({ chunk }: { chunk: Uint8Array }) => piece(chunk),
    handleRowDescription() {},
    handleDataRow() {},
    handleCommandComplete() {},
    handleEmptyQuery() {},
    handleError(error: Error) {
      isDone = true;
      reject(error);
    },
    handleReadyForQuery() {
      isDone = true;
      resolve();
    },
  };
  return { submittable: submittable as unknown as pg.Submittable, done, isDone: () => isDone };
}
