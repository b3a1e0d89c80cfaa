/**
 * The connections of a process to a server: pg's pool, made to notice when one is lost.
 *
 * A connection can be half open: this side waits, and nobody is at the other end. TCP notices after minutes or hours, so a
 * statement without an answer is looked after by a second connection, which asks the server whether it works at it.
 *
 * @module
 */
// @ts-types="@types/pg"
import pg from "pg";
import { type Copy, copyIn, copyOut } from "./copy.ts";
import { getTypeParser } from "./values.ts";

/** Runs a statement on one connection. */
export type Run = <Row>(sql: string, params?: readonly unknown[]) => Promise<Answer<Row>>;

/** What came back for a statement; of several in one text, for the last. */
export interface Answer<Row> {
  readonly rows: Row[];
  readonly rowCount: number;
  /** What was done: `SELECT`, `COMMIT`. */
  readonly command: string;
}

/** A connection was lost, or there is none to be had for now. */
export class Loss extends Error {
  override name = "Loss";
  constructor(override readonly cause: Error & { code?: string }) {
    super(cause.message);
  }
}

export interface ConnectionsOptions {
  /** How to connect; asked for each connection, as a restarted server may be elsewhere. */
  config: () => pg.ClientConfig;
  /** Connections at most, not counting those that look after others; 2 when it is less, as a run keeps one to itself. */
  size: number;
  /** After how many milliseconds without an answer a statement is looked after; never when 0. */
  silenceMs: number;
}

/** What is done on a connection. */
export type Act<T> = (run: Run, gone: Promise<unknown>, copy: Copy) => Promise<T>;

/** An open pool. */
export interface Connections {
  /**
   * Runs `act` on a connection, which is closed after it when it is to be its `own`. Throws a Loss, whatever `act` makes of
   * it, when that connection is lost; pg's error when the server refuses to connect; else what `act` throws. `gone` resolves
   * when the connection ends.
   */
  use<T>(act: Act<T>, options?: { own?: boolean }): Promise<T>;
  /** Waits for whatever is in use or waits for a connection, then closes all. */
  close(): Promise<void>;
}

/** Where it cannot be seen whether a statement is worked at, as behind a pooler, it gets so many milliseconds. */
const POOLER_SILENCE = 60_000;
/** How many milliseconds the other end gets to close a connection that is not needed any more. */
const GOODBYE = 1000;

/** Makes a pool; it connects when it is used. */
export function openConnections({ config, size, silenceMs }: ConnectionsOptions): Connections {
  const open = new Set<Client>();
  const uses = new Set<Promise<unknown>>();
  let lostAt = -Infinity;

  class Client extends pg.Client {
    readonly born = performance.now();
    readonly gone: Promise<unknown>;
    lost: Error | undefined;
    constructor() {
      super({ ...config(), types: { getTypeParser } } as pg.ClientConfig);
      this.on("error", () => {}); // the statement that runs is told, and an idle connection just goes
      open.add(this);
      this.gone = new Promise((resolve) => this.once("end", resolve)).then(() => open.delete(this));
    }
    /** The server's number for it. */
    get backend(): number {
      return (this as unknown as { processID: number }).processID;
    }
    /** Ends it politely, and cuts it when nobody hears: the pool gives its place away only when it is gone. */
    override end(...done: unknown[]): Promise<void> {
      const timer = setTimeout(() => this.cut(), GOODBYE);
      this.gone.then(() => clearTimeout(timer));
      return super.end(...done as []);
    }
    /** Closes it at once: one that hangs cannot be ended politely. */
    cut(): void {
      (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    }
  }
  type Pooled = Client & pg.PoolClient;

  const pool = new pg.Pool({ Client, max: Math.max(2, size), allowExitOnIdle: true } as pg.PoolConfig);
  pool.on("error", () => {});

  /** A connection made after the last loss: older ones may be dead without knowing. */
  async function acquire(): Promise<Pooled> {
    for (;;) {
      const client = await pool.connect().catch((error) => {
        throw isLoss(error) ? new Loss(error) : error;
      }) as unknown as Pooled;
      if (client.born > lostAt) return client;
      client.cut();
      client.release(true);
    }
  }

  function use<T>(act: Act<T>, { own = false } = {}): Promise<T> {
    const running = onConnection(act, own).finally(() => uses.delete(running));
    uses.add(running);
    return running;
  }

  async function onConnection<T>(act: Act<T>, own: boolean): Promise<T> {
    const client = await acquire();
    try {
      return await act((sql, params) => run(client, sql, params), client.gone, {
        out: (sql) => copyOut(client, sql, (wait) => lookedAfter(client, wait)),
        in: (sql, rows) => lookedAfter(client, () => copyIn(client, sql, rows)),
      });
    } catch (error) {
      throw client.lost ? new Loss(client.lost) : error;
    } finally {
      if (client.lost) {
        if (client.born > lostAt) lostAt = performance.now();
        client.cut();
      }
      client.release(own || client.lost !== undefined);
    }
  }

  async function run<Row>(client: Client, sql: string, params?: readonly unknown[]): Promise<Answer<Row>> {
    return await lookedAfter(client, async () => {
      const result: unknown = await client.query(sql, params as unknown[]);
      const { rows, rowCount, command } = (Array.isArray(result) ? result.at(-1) : result) as pg.QueryResult;
      return { rows: rows as Row[], rowCount: rowCount ?? 0, command };
    });
  }

  /** What waits for the server; when that is gone, the connection is marked as lost. */
  async function lookedAfter<T>(client: Client, wait: () => Promise<T>): Promise<T> {
    const answered = silenceMs > 0 ? lookAfter(client) : () => {};
    try {
      return await wait();
    } catch (error) {
      if (isLoss(error as Error)) client.lost = error as Error;
      throw error;
    } finally {
      answered();
    }
  }

  /** Looks in on a statement from time to time until it is answered; cuts its connection when nobody works at it. */
  function lookAfter(client: Client): () => void {
    const began = performance.now();
    let over = false;
    let idle = 0;
    async function look() {
      const state = await stateOf(client, performance.now() - began);
      if (over) return;
      idle = state === "idle" ? idle + 1 : 0;
      if (state === "away" || idle === 2) return client.cut(); // idle once: its answer may be on the way
      timer = setTimeout(look, state === "idle" ? silenceMs / 10 : silenceMs);
    }
    let timer = setTimeout(look, silenceMs);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }

  /** What the server does for a connection, or that there is no server. */
  async function stateOf(client: Client, silent: number): Promise<"active" | "idle" | "away"> {
    const second = new Client();
    const timer = setTimeout(() => second.cut(), silenceMs);
    second.gone.then(() => clearTimeout(timer));
    try {
      await second.connect();
      const { rows: [seen] } = await second.query(
        "select pg_backend_pid() as me, (select state from pg_stat_activity where pid = $1)",
        [client.backend],
      );
      if (seen.me !== second.backend) return silent < POOLER_SILENCE ? "active" : "away";
      return seen.state === "active" ? "active" : "idle";
    } catch (error) {
      const { code } = error as { code?: string };
      if (UNSEEN.includes(code ?? "")) return silent < POOLER_SILENCE ? "active" : "away";
      return isLoss(error as Error) ? "away" : "active"; // a refusal is an answer too
    } finally {
      void second.end();
    }
  }

  async function close(): Promise<void> {
    await Promise.allSettled(uses); // pg's pool forgets whoever waits for a connection when it ends
    await pool.end();
    const timer = setTimeout(() => open.forEach((client) => client.cut()), GOODBYE);
    await Promise.all(Array.from(open, ({ gone }) => gone));
    clearTimeout(timer);
  }

  return { use, close };
}

/** Whether an error of the driver says that there is no connection any more, or none to be had for now. */
function isLoss(error: Error & { code?: string }): boolean {
  const { code = "", message } = error;
  return LOSSES.has(code) || (code.startsWith("08") && code !== "08P01") || LOST.test(message);
}

const LOST =
  /^(Connection terminated|timeout expired|Client has encountered a connection error|Client was closed)/;
/** This process, or this machine, has as many files open as it may: one is to be had when another is closed. */
export const NO_FILES: readonly string[] = ["EMFILE", "ENFILE"];
/** A second connection is not to be had, which says nothing of the first: the server is full, or this process is. */
const UNSEEN = ["53300", ...NO_FILES];
const LOSSES = new Set([
  ...["57P01", "57P02", "57P03", "53300"], // shut down, crashed, starting, too many connections
  ...["57P05", "25P03"], // idle for too long, outside and inside a transaction
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ENOENT", "ETIMEDOUT"],
  "EAGAIN", // a Unix socket with too many at its door
  ...["EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ENOTFOUND", "EAI_AGAIN"],
  ...NO_FILES,
]);
