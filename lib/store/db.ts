/**
 * The one way to a database: PostgreSQL by `DATABASE_URL`, or the embedded one. One driver, pg.
 *
 * **Lost connections are mended here.** A statement, or a transaction as a whole, whose connection is lost is run again
 * until it is answered, for `waitMs` at most. Whether the lost one was committed cannot be known, so *everything given to
 * `query` and `transaction` must be safe to run twice*: writes are upserts by a key the caller made (`on conflict … do
 * nothing`), and a transaction's function does nothing but statements. Serialization failures and deadlocks (40001,
 * 40P01) are run again too, a few times; any other error of PostgreSQL, a broken constraint for one, is thrown at once.
 *
 * **Values.** int8 is a number, or a RangeError beyond 2^53; numeric is its digits in a string; timestamptz is a Date (to
 * the millisecond); date and timestamp stay text; json and jsonb are their value; bytea is bytes. As parameters, objects
 * become JSON and arrays become PostgreSQL arrays, so an array meant as jsonb must go through `JSON.stringify` first. Text with
 * NUL or a lone surrogate is refused by the parameter's name (see storable.ts).
 *
 * ```ts
 * import { openDatabase } from "./db.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const home = await Deno.makeTempDir();
 * {
 *   await using db = await openDatabase({ home });
 *   await db.query("create table if not exists seen (question text primary key, times int8 not null)");
 *   await db.transaction(async (tx) => {
 *     await tx.query("insert into seen values ($1, $2) on conflict do nothing", ["What is the capital of Peru?", 1]);
 *   });
 *   const { rows } = await db.query("select question, times from seen");
 *   deepEqual(rows, [{ question: "What is the capital of Peru?", times: 1 }]);
 * }
 * await Deno.remove(home, { recursive: true });
 * ```
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
// @ts-types="@types/pg"
import pg from "pg";
import { type Act, type Connections, Loss, NO_FILES, openConnections, type Run } from "./connections.ts";
import type { Copy } from "./copy.ts";
import { DatabaseError } from "./database_error.ts";
import { type DatabaseTarget, parseDatabaseUrl } from "./database_url.ts";
import { openServer, type Server, type ServerOptions } from "./server.ts";
import { requireStorable } from "./storable.ts";

/** The rows of one statement. */
export interface Rows<Row> {
  readonly rows: Row[];
  /** Rows given or changed. */
  readonly rowCount: number;
}

/** Whatever takes a statement: a database, a transaction, a session. */
export interface Queryable {
  /** Runs one statement. Without `params` the text may hold several, and the last one's rows are given. */
  query<Row = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<Rows<Row>>;
}

/** A connection of one's own. */
export interface Session extends Queryable {
  /** Resolves when the connection ends, or the database is closed: a statement would fail. */
  readonly gone: Promise<unknown>;
  /** Whole tables as streams, for `copy` statements. */
  readonly copy: Copy;
}

/** An open database. */
export interface Database extends Queryable, AsyncDisposable {
  /** Where it is, without password: fit for a log. */
  readonly description: string;
  /** Runs `fn` between begin and commit; rolled back when it throws. `fn` may run several times (see above). */
  transaction<T>(fn: (transaction: Queryable) => Promise<T>): Promise<T>;
  /**
   * Runs `fn` on a connection of its own, which is closed after it: for advisory locks and settings. `fn` runs again when
   * the connection is lost. Once the database is closed each further statement is refused, so that no session outlasts it.
   */
  session<T>(fn: (session: Session) => Promise<T>): Promise<T>;
  /** Waits for what is running, then closes all connections and lets go of the embedded server. */
  close(): Promise<void>;
}

export interface DatabaseOptions extends Omit<ServerOptions, "home"> {
  /** `DATABASE_URL`. The embedded server is used when it is empty or not given. */
  url?: string;
  /** `QUINTET_HOME`: where the embedded server has its data. */
  home?: string;
  /** Connections this process holds at most, never fewer than 2; a URL's `pool_size` wins. @default {8} */
  poolSize?: number;
  /** How the connections are called in `pg_stat_activity`; a URL's `application_name` wins. @default {"quintet"} */
  applicationName?: string;
  /** Time to connect, in milliseconds; a URL's `connect_timeout` wins. @default {5_000} */
  connectTimeoutMs?: number;
  /** Time the server gives a statement, in milliseconds, 0 is no limit; a URL's `statement_timeout` wins. @default {0} */
  statementTimeoutMs?: number;
  /**
   * A statement unanswered for so many milliseconds is looked after by a second connection. When that is not answered for as
   * long, or the server does not know of the statement, the connection is taken for lost. @default {5_000}
   */
  silenceMs?: number;
  /** How long a lost database is waited for, in milliseconds. @default {120_000} */
  waitMs?: number;
  /** The same when opening. @default {5_000} */
  openWaitMs?: number;
}

/**
 * Opens a database; throws a DatabaseError when it cannot be started or reached.
 *
 * @example At `DATABASE_URL`, or the embedded one when that is not set
 * ```ts ignore
 * await using db = await openDatabase({ url: Deno.env.get("DATABASE_URL"), home: ".quintet" });
 * ```
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.url ? await openRemote(parseDatabaseUrl(options.url), options) : await openEmbedded(options);
}

async function openEmbedded(options: DatabaseOptions): Promise<Database> {
  const { home, poolSize = POOL_SIZE, connectTimeoutMs = CONNECT_TIMEOUT } = options;
  if (!home) throw new TypeError(`Cannot open a database as url or home must be given: got ${home}`);
  const server = await openServer({ ...options, home });
  const config = () => ({
    ...server.connection(),
    application_name: options.applicationName ?? APPLICATION,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: options.statementTimeoutMs,
    options: "-c client_encoding=UTF8", // and nothing from PGOPTIONS
  });
  return await connect({
    connections: openConnections({ config, size: poolSize, silenceMs: 0 }), // a local socket is never half open
    description: `embedded PostgreSQL in ${server.directory}`,
    mend: `see ${server.directory}/server.log`,
    server,
    idleMs: 6 * SILENCE, // of a process that was stopped
  }, options);
}

async function openRemote(target: DatabaseTarget, options: DatabaseOptions): Promise<Database> {
  const { silenceMs = SILENCE } = options;
  const config = {
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.database,
    enableChannelBinding: target.channelBinding,
    options: target.options,
    application_name: target.applicationName ?? options.applicationName ?? APPLICATION,
    connectionTimeoutMillis: target.connectTimeoutMs ?? options.connectTimeoutMs ?? CONNECT_TIMEOUT,
    statement_timeout: target.statementTimeoutMs ?? options.statementTimeoutMs,
    keepAlive: true, // idle connections stay known to whatever routes them
    keepAliveInitialDelayMillis: 5000,
  };
  const size = target.poolSize ?? options.poolSize ?? POOL_SIZE;
  const attempt = (ssl: pg.ClientConfig["ssl"]) =>
    connect({
      connections: openConnections({ config: () => ({ ...config, ssl }), size, silenceMs }),
      description: target.description,
      mend: "start it, or mend DATABASE_URL",
      idleMs: 6 * silenceMs,
    }, options);
  try {
    return await attempt(await tls(target));
  } catch (error) {
    const optional = target.sslMode === "prefer" || target.sslMode === "allow";
    if (!optional || !/server does not support SSL/.test(String((error as Error).cause))) throw error;
    return await attempt(false);
  }
}

const POOL_SIZE = 8;
const APPLICATION = "quintet";
const CONNECT_TIMEOUT = 5000;
const SILENCE = 5000;

/** As libpq's sslmode, but that the system's roots are trusted where no `sslrootcert` is given. */
async function tls(target: DatabaseTarget): Promise<pg.ClientConfig["ssl"]> {
  const { sslMode, sslRootCert, sslCert, sslKey } = target;
  if (sslMode === "disable") return false;
  const own = sslRootCert !== undefined && sslRootCert !== "system";
  return {
    ...(own ? { ca: await pem(sslRootCert, "sslrootcert") } : {}),
    ...(sslCert === undefined ? {} : { cert: await pem(sslCert, "sslcert") }),
    ...(sslKey === undefined ? {} : { key: await pem(sslKey, "sslkey") }),
    rejectUnauthorized: sslMode.startsWith("verify-") || (sslMode === "require" && own),
    ...(sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}

async function pem(path: string, parameter: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const { message } = error as Error;
    throw new DatabaseError(
      `Cannot use DATABASE_URL as its ${parameter} cannot be read: ${message}: name a PEM file`,
    );
  }
}

interface Reached {
  readonly connections: Connections;
  readonly description: string;
  /** What to do when it cannot be reached. */
  readonly mend: string;
  readonly server?: Server;
  /** How long the server waits inside a transaction, or an idle session, before it takes this side for gone. */
  readonly idleMs?: number;
}

async function connect(reached: Reached, options: DatabaseOptions): Promise<Database> {
  const { connections, description, mend, server, idleMs } = reached;
  const { waitMs = 120_000, openWaitMs = 5000, notice = () => {} } = options;
  let away = false;
  let closing: Promise<void> | undefined;
  const closed = Promise.withResolvers<void>();

  function requireOpen(): void {
    if (closing) throw new Error(`Cannot use the database at ${description} as it was closed`);
  }

  /** Runs `act` on a connection, and again when that is lost: the one place where anything is repeated. */
  async function persist<T>(
    act: Act<T>,
    { own = false, patience = waitMs } = {},
  ): Promise<T> {
    for (let losses = 0, conflicts = 0, began = performance.now();;) {
      let connected = Infinity;
      requireOpen();
      try {
        const result = await connections.use((...connection) => {
          connected = performance.now();
          return act(...connection);
        }, { own });
        if (away) notice(`The database is back: ${description}`);
        away = false;
        return result;
      } catch (error) {
        if (isConflict(error) && conflicts < 5) await delay(jitter() * 10 * 2 ** conflicts++);
        else if (error instanceof Loss) {
          const limit = error.cause.code === "57P03" ? waitMs : patience; // it said that it is starting
          const now = performance.now();
          if (now - connected > limit) [losses, began] = [0, now]; // it had lasted, and is lost only now
          await recover(error, now - began, limit);
          await delay((0.5 + jitter() / 2) * Math.min(2000, 25 * 2 ** losses++));
        } else throw explained(error as Error);
      }
    }
  }

  async function recover(loss: Loss, waited: number, limit: number): Promise<void> {
    if (waited > limit) {
      const seconds = (waited / 1000).toFixed();
      throw new DatabaseError(
        `Cannot reach the database for ${seconds} s (${loss.message}): ${description}: ${mend}`,
        { cause: loss.cause },
      );
    }
    if (waited > 1000 && !away) {
      away = true;
      notice(`Waiting for the database (${loss.message}): ${description}`);
    }
    if (!NO_FILES.includes(loss.cause.code ?? "")) await server?.ensure(); // which would need files, too
  }

  function explained(error: Error): Error {
    const mend = error instanceof pg.DatabaseError ? MENDS[error.code ?? ""] : undefined;
    return mend ? new DatabaseError(`${error.message}: ${description}: ${mend}`, { cause: error }) : error;
  }

  async function close(): Promise<void> {
    closed.resolve();
    await connections.close();
    await server?.close();
  }

  // Else the server would keep the locks of a half-open connection until TCP gives up, after hours
  const inTransaction = `idle_in_transaction_session_timeout = ${idleMs}`;
  const begin = idleMs ? `begin; set local ${inTransaction}` : "begin";
  const beginSession = idleMs ? `set idle_session_timeout = ${idleMs}; set ${inTransaction}` : "select";

  const database: Database = {
    description,
    query: (sql, params) => persist((run) => queryable(run).query(sql, params)),
    session: (fn) =>
      persist(async (run, gone, copy) => {
        await run(beginSession);
        const open: Run = (sql, params) => {
          requireOpen();
          return run(sql, params);
        };
        return await fn({ ...queryable(open), gone: Promise.race([gone, closed.promise]), copy });
      }, { own: true }),
    transaction: (fn) =>
      persist(async (run) => {
        await run(begin);
        try {
          const result = await fn(queryable(run));
          const { command } = await run("commit");
          if (command !== "ROLLBACK") return result;
        } catch (error) {
          await run("rollback").catch(() => {});
          throw error;
        }
        throw new Error("Cannot commit a transaction as one of its statements failed: throw that error on");
      }),
    close: () => closing ??= close(),
    [Symbol.asyncDispose]: () => closing ??= close(),
  };

  try {
    await persist((run) => run("select"), { patience: openWaitMs });
    return database;
  } catch (error) {
    await database.close();
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      `Cannot open the database: ${(error as Error).message}: ${description}: ${mend}`,
      {
        cause: error,
      },
    );
  }
}

const queryable = (run: Run): Queryable => ({
  query: async (sql, params) => {
    if (params) requireStorable(params);
    const { rows, rowCount } = await run(sql, params);
    return { rows: rows as never[], rowCount };
  },
});

/** Uniform in [0, 1): keeps those who wait for the same thing from coming back at the same time. */
const jitter = () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;

const CONFLICTS = ["40001", "40P01"]; // serialization failure, deadlock
const isConflict = (error: unknown) =>
  error instanceof pg.DatabaseError && CONFLICTS.includes(error.code ?? "");

const MENDS: Record<string, string> = {
  "28000": "mend the user, or sslmode, in DATABASE_URL",
  "28P01": "mend the password in DATABASE_URL",
  "3D000": "create it, or mend DATABASE_URL",
  "53100": "the disk is full: make room, then resume",
  "53200": "the server is out of memory: give it more, then resume",
  "58030": "the server cannot read or write its files: see its log",
};
