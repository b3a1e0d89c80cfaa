/**
 * A whole database in one file, and back: every table by COPY in one snapshot.
 *
 * The file is gzip over lines that can be read with `zcat`: a header with the migrations; for each table its name and
 * columns, its rows in COPY's text format up to `\.`, and how many there are with their SHA-256; at last a line that says
 * that this is the end. Rows stand in the order of the primary key, byte by byte, so that the same rows have the same hash
 * on every server. Nothing is held in memory but what is on its way.
 *
 * To restore is one transaction, in which every table is read back and compared before it is committed: a database is
 * empty or whole, however it ends. What is of an older schema is filled into that, in a schema beside the database's own, goes
 * through the migrations that it has missed, and moves in: it is as if the database it was made of had been migrated.
 *
 * ```ts
 * import { backup, restore } from "./backup.ts";
 * import { openDatabase } from "./db.ts";
 * import { migrate } from "./migrate.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const folder = await Deno.makeTempDir();
 * {
 *   await using db = await openDatabase({ home: folder });
 *   await migrate(db, "sql");
 *   const made = await backup(db, `${folder}/quintet.gz`);
 *   const restored = await restore(db, `${folder}/quintet.gz`, { folder: "sql" }); // it is empty still
 *   deepEqual(restored.tables, made.tables);
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { destination } from "../destination.ts";
import type { Database, Session } from "./db.ts";
import { type Applied, applyUpTo, keepSchema, readApplied } from "./migrate.ts";

/** A backup cannot be used, or not here. The message says what is wrong with it, and ends with what to do. */
export class BackupError extends Error {
  override name = "BackupError";
}

/** What is in a backup. */
export interface Backup {
  /** When its snapshot was taken, by the clock of the server: an ISO date. */
  readonly madeAt: string;
  /** The last migration that was applied. */
  readonly schema: string;
  readonly tables: readonly TableCopy[];
}

/** One table of a backup. */
export interface TableCopy {
  readonly table: string;
  readonly rows: number;
  /** Of its rows in COPY's text format. */
  readonly sha256: string;
}

export interface BackupOptions {
  /** Told of each table. @default {() => {}} */
  notice?: (line: string) => void;
}

export interface RestoreOptions extends BackupOptions {
  /** The migrations of the database: a backup of an older schema goes through those that it has missed. */
  folder: string;
}

/** Of a table what is copied. */
interface Table {
  readonly table: string;
  readonly columns: readonly string[];
  /** Of its primary key, or all where it has none: what its rows are ordered by. */
  readonly key: readonly string[];
}

interface Header {
  readonly quintet_backup: 1;
  readonly made_at: string;
  readonly migrations: readonly Pick<Applied, "number" | "name" | "sha256" | "chain">[];
}

const MIGRATIONS = "quintet_migrations";
const END = "\\.\n";
/** Bytes that are hashed and compressed at a time. */
const PIECE = 2 ** 16;
const encoder = new TextEncoder();
const line = (value: unknown) => encoder.encode(JSON.stringify(value) + "\n");

/**
 * Writes all tables of a migrated database into the file `path`, whole or not at all. Others may go on writing meanwhile.
 * Throws BackupError when no file can be written there: what a pipe or a device has been given cannot be taken back when the
 * snapshot has to be taken again.
 */
export async function backup(
  db: Database,
  path: string,
  { notice = () => {} }: BackupOptions = {},
): Promise<Backup> {
  const to = await destination(path).catch((cause) => {
    throw new BackupError(`Cannot write ${path}: ${cause.message}: name another file`, { cause });
  });
  if (!to.replaceable) {
    throw new BackupError(
      `Cannot write ${path} as a backup is a file, whole or not at all, and that is none: name another`,
    );
  }
  const draft = `${to.path}.${crypto.randomUUID().slice(0, 8)}.draft`;
  try {
    const made = await db.session(async (session) => {
      await settle(session);
      await session.query("begin isolation level repeatable read read only");
      const { rows: [clock] } = await session.query<{ now: Date }>("select now() as now");
      const madeAt = clock!.now.toISOString();
      const applied = await readApplied(session);
      const tables: TableCopy[] = [];
      async function* parts(): AsyncGenerator<Uint8Array> {
        yield line({ quintet_backup: 1, made_at: madeAt, migrations: applied } satisfies Header);
        for (const table of await tablesOf(session)) {
          notice(table.table);
          yield line(table);
          const seen = { rows: 0, sha256: "" };
          yield* hashed(session.copy.out(selection(table)), seen);
          yield encoder.encode(END);
          const copy = { table: table.table, rows: seen.rows, sha256: seen.sha256 };
          yield line(copy);
          tables.push(copy);
        }
        yield line({ end: true, tables: tables.length });
      }
      await write(draft, parts(), to.mode);
      await session.query("commit");
      return { madeAt, schema: applied.at(-1)!.name, tables };
    });
    await Deno.rename(draft, to.path);
    return made;
  } catch (error) {
    await Deno.remove(draft).catch(() => {});
    throw error;
  }
}

/**
 * Fills a migrated database, which must be empty, from the file `path`. Throws BackupError, with nothing changed, when the
 * database has rows, when the file is cut off, damaged or none of ours, or of another or newer schema.
 */
export async function restore(
  db: Database,
  path: string,
  { folder, notice = () => {} }: RestoreOptions,
): Promise<Backup> {
  let committing: Filled | undefined;
  return await db.session(async (session) => {
    await settle(session);
    await session.query("begin");
    const own = await tablesOf(session);
    for (const { table } of own) await session.query(`lock table ${quoted(table)} in exclusive mode`);
    const full = await firstWithRows(session, own);
    if (full && committing && !await difference(session, committing)) return committing.made; // only its answer was lost
    if (full) {
      throw new BackupError(
        `Cannot restore into ${db.description} as it must be empty: ${full} has rows: ` +
          "name an empty database with --database, or an empty folder as QUINTET_HOME",
      );
    }
    const file = await openBackup(path);
    const applied = await readApplied(session);
    requireSchema(path, file.header, applied);
    const missed = applied.slice(file.header.migrations.length);
    const filled = missed.length === 0
      ? await fill(session, file, own, notice)
      : await fillOlder(session, file, { missed, folder, notice });
    await session.query(SEQUENCES);
    committing = filled;
    await session.query("commit");
    await session.query("analyze"); // a planner without statistics is slow
    return filled.made;
  });
}

/** Values are written alike by every server. */
async function settle(session: Session): Promise<void> {
  await keepSchema(session);
  await session.query(
    `set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set bytea_output = 'hex';
     set extra_float_digits = 1; set client_encoding = 'UTF8'; set idle_session_timeout = 0;
     set idle_in_transaction_session_timeout = 0`,
  );
}

/** What was copied into the database, and how to read it back. */
interface Filled {
  readonly made: Backup;
  readonly parts: readonly (Table & TableCopy)[];
}

/** A file of which the header was read. */
interface OpenBackup {
  readonly path: string;
  readonly header: Header;
  readonly reader: Reader;
  readonly damaged: (why: string, cause?: unknown) => BackupError;
}

async function openBackup(path: string): Promise<OpenBackup> {
  const file = await opened(path); // closed by its stream
  const damaged = (why: string, cause?: unknown) =>
    new BackupError(
      `Cannot restore ${path} as it is cut off or damaged: ${why}: nothing was changed, use another backup`,
      { cause },
    );
  const reader = readerOf(file.readable.pipeThrough(new DecompressionStream("gzip")), damaged);
  const header = parsed<Header>(await reader.line());
  if (header?.quintet_backup !== 1) {
    throw new BackupError(`Cannot restore ${path} as it is no backup: deno task backup makes one`);
  }
  return { path, header, reader, damaged };
}

/** Copies a file into the tables, in a transaction, and reads them back. */
async function fill(
  session: Session,
  { path, header, reader, damaged }: OpenBackup,
  own: readonly Table[],
  notice: (line: string) => void,
): Promise<Filled> {
  const tables: TableCopy[] = [];
  const parts: (Table & TableCopy)[] = [];
  for (;;) {
    const part = parsed<Table & { end?: true; tables?: number }>(await reader.line());
    if (part?.end) {
      if (part.tables !== tables.length) throw damaged(`it has ${tables.length} tables, not ${part.tables}`);
      break;
    }
    if (!part?.table || !part.columns || !part.key) throw damaged("a table does not say what it is");
    const { table, columns, key } = part;
    if (table !== MIGRATIONS) requireColumns(path, part, own);
    notice(table);
    const seen = { rows: 0, sha256: "" };
    const rows = hashed(reader.rows(), seen);
    if (table === MIGRATIONS) { for await (const _ of rows); // the target has its own
     } else {
      await session.copy.in(`copy ${named(part)} from stdin`, rows).catch((error) => {
        const theirs = /^2[23]/.test(error.code ?? ""); // the server cannot read a row, or it breaks a rule
        throw theirs ? damaged(`rows of ${table} are refused: ${error.message}`, error) : error;
      });
    }
    const copy = parsed<TableCopy>(await reader.line());
    if (copy?.table !== table || copy.rows !== seen.rows || copy.sha256 !== seen.sha256) {
      throw damaged(`the ${seen.rows} rows of ${table} have sha256 ${seen.sha256}, not ${copy?.sha256}`);
    }
    tables.push({ table, ...seen });
    if (table !== MIGRATIONS) parts.push({ table, columns, key, ...seen });
  }
  await reader.end();
  const filled = { made: { madeAt: header.made_at, schema: header.migrations.at(-1)!.name, tables }, parts };
  await requireWhole(session, path, filled);
  return filled;
}

/** Where rows of an older schema become rows of this one: it is gone before anybody else sees it. */
const BESIDE = "quintet_restoring";

/** The same with a file that has missed migrations: they are applied to what is in it before that moves into the tables. */
async function fillOlder(
  session: Session,
  file: OpenBackup,
  { missed, folder, notice }: {
    missed: readonly Applied[];
    folder: string;
    notice: (line: string) => void;
  },
): Promise<Filled> {
  const last = missed.at(-1)!;
  const back = await stepBeside(session, file.path);
  await applyUpTo(session, folder, file.header.migrations.length);
  const older = await tablesOf(session);
  const { made } = await fill(session, file, older, notice);
  await session.query(`analyze ${older.map(({ table }) => quoted(table)).join(", ")}`); // for what migrations look up
  for (const { name } of missed) notice(name);
  await applyUpTo(session, folder, last.number);
  await requireSame(session, file.path, last);
  const filled = { made, parts: await moveIn(session, back) };
  await requireWhole(session, file.path, filled);
  return filled;
}

/** Has the session work in a schema of its own; gives the search path that leads back. */
async function stepBeside(session: Session, path: string): Promise<string> {
  const { rows: [searched] } = await session.query<{ path: string }>(
    "select current_setting('search_path') as path",
  );
  await session.query(`create schema ${BESIDE}`).catch((error) => {
    if (error.code !== "42501") throw error; // the user may make tables, and nothing beside them
    throw new BackupError(
      `Cannot restore ${path} as it is of an older schema, which is filled beside this one: ${error.message}: ` +
        "restore as the owner of the database, or grant create on it",
      { cause: error },
    );
  });
  await search(session, `${BESIDE}, ${searched!.path}`);
  return searched!.path;
}

/** Moves all that is beside into the tables, and says what it is. */
async function moveIn(session: Session, back: string): Promise<(Table & TableCopy)[]> {
  const parts: (Table & TableCopy)[] = [];
  for (const table of await tablesOf(session)) {
    if (table.table !== MIGRATIONS) parts.push({ ...table, ...await digest(session, table) });
  }
  await search(session, back);
  for (const part of parts) {
    await session.query(
      `insert into ${named(part)} overriding system value
       select ${part.columns.map(quoted).join(", ")} from ${BESIDE}.${quoted(part.table)}`,
    );
  }
  await session.query(`drop schema ${BESIDE} cascade`);
  return parts;
}

/** Until the transaction ends. */
const search = (session: Session, path: string): Promise<unknown> =>
  session.query("select set_config('search_path', $1, true)", [path]);

/** The folder must have brought the schema to where the database is. */
async function requireSame(session: Session, path: string, last: Applied): Promise<void> {
  const here = (await readApplied(session)).at(-1);
  if (here?.chain === last.chain) return;
  throw new BackupError(
    `Cannot restore ${path} as its schema is older and this code has not the migrations of the database: ` +
      `that has ${last.name}, here the last is ${here?.name}: use the newer code`,
  );
}

function requireColumns(path: string, { table, columns, key }: Table, own: readonly Table[]): void {
  const here = own.find((one) => one.table === table)?.columns;
  const lacking = [...columns, ...key].find((column) => !here?.includes(column));
  if (here && lacking === undefined) return;
  throw new BackupError(
    `Cannot restore ${path} as this schema has no ${table}${
      here ? `.${lacking}` : ""
    }: use the code that made it`,
  );
}

/** Reads back what was copied: it must be as it was. */
async function requireWhole(session: Session, path: string, filled: Filled): Promise<void> {
  const different = await difference(session, filled);
  if (different) throw new Error(`Cannot restore ${path} as it would not be as it was: ${different}`);
}

/** Says where what is in the tables is not what was copied. */
async function difference(session: Session, { parts }: Filled): Promise<string | undefined> {
  for (const part of parts) {
    const seen = await digest(session, part);
    if (seen.rows === part.rows && seen.sha256 === part.sha256) continue;
    return `expected ${part.rows} rows of ${part.table} with sha256 ${part.sha256}, got ${seen.rows} with ${seen.sha256}`;
  }
  return undefined;
}

/** What a table holds. */
async function digest(session: Session, table: Table): Promise<{ rows: number; sha256: string }> {
  const seen = { rows: 0, sha256: "" };
  for await (const _ of hashed(session.copy.out(selection(table)), seen));
  return seen;
}

/** The backup's migrations must be the first of those here. */
function requireSchema(path: string, { migrations }: Header, applied: readonly Applied[]): void {
  if (!Array.isArray(migrations) || migrations.length === 0) {
    throw new BackupError(
      `Cannot restore ${path} as it does not say of what schema it is: use another backup`,
    );
  }
  for (const [i, was] of migrations.entries()) {
    const here = applied[i];
    if (!here) {
      throw new BackupError(
        `Cannot restore ${path} as its schema is newer: it has ${was.name}, here the last is ${
          applied.at(-1)?.name
        }: use the newer code`,
      );
    }
    if (here.chain === was.chain) continue;
    throw new BackupError(
      `Cannot restore ${path} as its schema is another one: it has ${was.name} with sha256 ${was.sha256}, here is ` +
        `${here.name} with ${here.sha256}: use the code that made it`,
    );
  }
}

/** The tables, each after those it refers to. */
async function tablesOf(session: Session): Promise<Table[]> {
  const { rows } = await session.query<{ name: string; columns: string[]; key: string[]; needs: string[] }>(
    `select c.relname as name,
            array(select a.attname::text
                    from pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                   order by a.attnum) as columns,
            array(select a.attname::text
                    from pg_index i
                   cross join unnest(i.indkey) with ordinality as k (attnum, position)
                    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                   where i.indrelid = c.oid and i.indisprimary
                   order by k.position) as key,
            array(select r.relname::text
                    from pg_constraint f
                    join pg_class r on r.oid = f.confrelid
                   where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as needs
       from pg_class c
      where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
      order by c.relname collate "C"`,
  );
  const ordered: Table[] = [];
  const left = new Map(rows.map((row) => [row.name, row]));
  while (left.size > 0) {
    const next = [...left.values()].find(({ needs }) => !needs.some((name) => left.has(name)));
    if (!next) {
      throw new Error(`Cannot order tables that refer to each other: ${[...left.keys()].join(", ")}`);
    }
    left.delete(next.name);
    const { name: table, columns, key } = next;
    ordered.push({ table, columns, key: key.length > 0 ? key : columns });
  }
  return ordered;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const named = ({ table, columns }: Pick<Table, "table" | "columns">): string =>
  `${quoted(table)} (${columns.map(quoted).join(", ")})`;
const selection = ({ table, columns, key }: Table): string =>
  `copy (select ${columns.map(quoted).join(", ")} from ${quoted(table)} order by ${
    key.map((column) => `${quoted(column)}::text collate "C"`).join(", ")
  }) to stdout`;

/** A column that counts goes on after the highest of its values. */
const SEQUENCES = `
  do $$
  declare owned record;
  begin
    for owned in
      select c.relname, a.attname, pg_get_serial_sequence(format('%I', c.relname), a.attname) as sequence
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
         and pg_get_serial_sequence(format('%I', c.relname), a.attname) is not null
    loop
      execute format('select setval(%L, coalesce(max(%I), 0) + 1, false) from %I', owned.sequence, owned.attname, owned.relname);
    end loop;
  end $$`;

async function firstWithRows(session: Session, tables: readonly Table[]): Promise<string | undefined> {
  for (const { table } of tables) {
    if (table === MIGRATIONS) continue;
    const { rows: [row] } = await session.query<{ full: boolean }>(
      `select exists (select from ${quoted(table)}) as full`,
    );
    if (row!.full) return table;
  }
  return undefined;
}

/** The same bytes in larger pieces; afterwards `seen` has what they are. In COPY's text a line end always ends a row. */
async function* hashed(
  pieces: AsyncIterable<Uint8Array>,
  seen: { rows: number; sha256: string },
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let held: Uint8Array[] = [];
  let size = 0;
  const flush = () => {
    const piece = Buffer.concat(held);
    [held, size] = [[], 0];
    hash.update(piece);
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) seen.rows++;
    return piece;
  };
  for await (const piece of pieces) {
    held.push(piece);
    if ((size += piece.length) >= PIECE) yield flush();
  }
  yield flush();
  seen.sha256 = hash.digest("hex");
}

// ---- the file ----

/** Its type asks for less than it takes. */
const gzip = () => new CompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>;

/** Compressed, and on the disk when it returns. */
async function write(path: string, parts: AsyncIterable<Uint8Array>, mode: number | null): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    using file = await Deno.open(path, { write: true, create: true, truncate: true });
    if (mode !== null) await Deno.chmod(path, mode);
    const compressed = ReadableStream.from(parts).pipeThrough(gzip());
    for await (const bytes of compressed) {
      for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    }
    await file.sync();
  } catch (error) {
    if (!/\(os error \d+\)/.test(String(error))) throw error;
    throw new BackupError(`Cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function opened(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw new BackupError(`Cannot restore ${path} as it cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

interface Reader {
  /** The next line, without its end. */
  line(): Promise<string>;
  /** Rows in pieces of any length, up to the line that ends them. */
  rows(): AsyncGenerator<Uint8Array>;
  /** Throws when there is more. */
  end(): Promise<void>;
}

function readerOf(
  stream: ReadableStream<Uint8Array>,
  damaged: (why: string, cause?: unknown) => Error,
): Reader {
  const chunks = stream[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  async function more(): Promise<boolean> {
    const next = await chunks.next().catch((error) => {
      throw damaged((error as Error).message, error);
    });
    if (next.done) return false;
    held = Buffer.concat([held, next.value]);
    return true;
  }
  const cutOff = () => damaged("it ends too early");
  return {
    async line() {
      for (;;) {
        const at = held.indexOf(10);
        if (at >= 0) {
          const text = held.toString("utf8", 0, at);
          held = held.subarray(at + 1);
          return text;
        }
        if (held.length > LONGEST_LINE) throw damaged("a line has no end");
        if (!await more()) throw cutOff();
      }
    },
    async *rows() {
      for (let first = true;;) {
        if (first && held.indexOf(END) === 0) {
          held = held.subarray(END.length);
          return;
        }
        const end = held.indexOf(`\n${END}`);
        if (end >= 0) {
          yield held.subarray(0, end + 1);
          held = held.subarray(end + 1 + END.length);
          return;
        }
        const safe = held.length - END.length; // the end may have begun
        if (safe > 0) {
          yield held.subarray(0, safe);
          held = held.subarray(safe);
          first = false;
        }
        if (!await more()) throw cutOff();
      }
    },
    async end() {
      if (held.length > 0 || await more()) throw damaged("something follows its end");
    },
  };
}

/** Bytes; those of a header are few. */
const LONGEST_LINE = 2 ** 20;

/** A line of JSON, or undefined when it is none. */
function parsed<Value>(text: string): Value | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
