/**
 * Raw SQL files, applied forward only, each once, each whole.
 *
 * `0001_prompts.sql`, `0002_….sql` … without a gap. Each is run in a transaction of its own together with its row in
 * `quintet_migrations`, which holds the file's sha256 and the chain: the sha256 of the chain before it, its name and its
 * hash. What was applied is a fact: a file that was edited, renamed, moved to another number, doubled, left out or put in
 * before applied ones is refused by name, before anything is run. Line ends do not count (CRLF is read as LF), so that a
 * checkout on Windows has the same hashes.
 *
 * An advisory lock, held by the same session that does the work, lets one process migrate and the others wait; were that
 * session lost, lock and unfinished file would vanish together. Behind a pooler use its session mode.
 *
 * ```ts
 * import { openDatabase } from "./db.ts";
 * import { migrate } from "./migrate.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/0001_prompts.sql`, "create table prompts (id uuid primary key);");
 * {
 *   await using db = await openDatabase({ home: `${folder}/home` });
 *   deepEqual(await migrate(db, folder), ["0001_prompts.sql"]);
 *   deepEqual(await migrate(db, folder), []); // nothing left to do
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */
import { point } from "../cut.ts";
import type { Database, Queryable } from "./db.ts";
import { DatabaseError } from "./database_error.ts";
import { OLDEST } from "./programs.ts";

/** One line of `status()`. */
export interface MigrationStatus {
  /** The file's name, or that of an applied one whose file is not there. */
  readonly name: string;
  /** `refused` when it is not as it was applied; `problem` says what is wrong. */
  readonly state: "applied" | "pending" | "refused";
  readonly appliedAt: Date | undefined;
  /** Of the file, or of what was applied when there is no file. */
  readonly sha256: string;
  readonly problem: string | undefined;
}

export interface MigrateOptions {
  /** Told when another process is waited for, and of each file applied. @default {() => {}} */
  notice?: (line: string) => void;
}

interface File {
  readonly number: number;
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

/** A migration that was applied. */
export interface Applied {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
  readonly chain: string;
  readonly applied_at: Date;
}

/**
 * Applies the files of `folder` that `db` has not got yet; gives their names. Throws a DatabaseError when the server is too
 * old, when files are not as they were applied, or when the database is newer than the files; PostgreSQL's error, with
 * file and line, when a file fails: it is rolled back, those before it stay.
 */
export async function migrate(
  db: Database,
  folder: string,
  { notice = () => {} }: MigrateOptions = {},
): Promise<string[]> {
  const files = await read(folder);
  files.forEach(requireTransactional);
  const done: string[] = [];
  await requireServer(db);
  await db.session(async (session) => {
    await session.query("set statement_timeout = 0; set lock_timeout = 0");
    await lock(session, () => notice("Waiting for another process that migrates the database"));
    try {
      await session.query(TABLE);
      const applied = await readApplied(session);
      const problem = compare(files, applied).find((row) => row.problem !== undefined)?.problem;
      if (problem) throw new DatabaseError(problem);
      let chain = applied.at(-1)?.chain ?? "";
      for (const file of files.slice(applied.length)) {
        chain = await link(chain, file);
        await apply(session, file, chain);
        done.push(file.name);
        notice(`Applied ${file.name}`);
      }
    } finally {
      // a lost connection, or an aborted transaction, has let it go or is about to
      await session.query("select pg_advisory_unlock($1)", [LOCK]).catch(() => {});
    }
  });
  return done;
}

/** Keeps others from migrating as long as the session lasts; waits for who does. */
export async function keepSchema(session: Queryable): Promise<void> {
  await session.query("set statement_timeout = 0; set lock_timeout = 0");
  await session.query("select pg_advisory_lock_shared($1)", [LOCK]);
}

/** What `migrate` would find: a row for each file and each applied migration. Changes nothing. */
export async function status(db: Queryable, folder: string): Promise<MigrationStatus[]> {
  const files = await read(folder);
  const { rows: [made] } = await db.query<{ made: boolean }>(
    "select to_regclass('quintet_migrations') is not null as made",
  );
  return compare(files, made!.made ? await readApplied(db) : []);
}

/** A fingerprint of all files: the last link of their chain. */
export async function fingerprint(folder: string): Promise<string> {
  let chain = "";
  for (const file of await read(folder)) chain = await link(chain, file);
  return chain;
}

/** Writes the skeleton of the next migration, and gives its path. Throws RangeError when the name is no name_like_this. */
export async function draftMigration(folder: string, name: string): Promise<string> {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new RangeError(`Cannot create a migration as its name must be like add_mood: got ${name}`);
  }
  const last = (await read(folder)).at(-1)!.number;
  const path = `${folder}/${String(last + 1).padStart(4, "0")}_${name}.sql`;
  await Deno.writeTextFile(path, SKELETON, { createNew: true });
  return path;
}

const SKELETON = `\
-- What this changes, and why. The file is one transaction, so there is no begin or commit in it; once applied anywhere it is
-- never edited: what is to be otherwise is the next file. Lower-case SQL; comments say why.
--
-- create table notes (
--   id            uuid primary key default gen_random_uuid(),
--   experiment_id uuid not null references experiments on delete cascade,
--   text          text not null check (text <> ''),
--   created_at    timestamptz not null default now()
-- );
--
-- A column that is added has a default, may be null, or is filled here: backups of an older version go through this, too.
--
-- alter table prompts add column mood text;
`;

const LOCK = 7_313_482_991; // any number, the same for ever

const TABLE = `
  create table if not exists quintet_migrations (
    number     int primary key check (number > 0),
    name       text not null unique,
    sha256     text not null unique,
    chain      text not null unique,
    applied_at timestamptz not null default now()
  )`;

/** What was applied, in order. Throws a DatabaseError when a row of it was changed by hand. */
export async function readApplied(db: Queryable): Promise<Applied[]> {
  const { rows } = await db.query<Applied>(
    "select number, name, sha256, chain, applied_at from quintet_migrations order by number",
  );
  let chain = "";
  for (const row of rows) {
    chain = await link(chain, row);
    if (chain !== row.chain) {
      throw new DatabaseError(
        `Cannot trust the migrations of this database: its row of ${row.name} was changed: expected chain sha256 ` +
          `${chain}, got ${row.chain}: restore the database from a backup`,
      );
    }
  }
  return rows;
}

/**
 * Applies what of `folder` the first schema of the session's path has not got yet, up to the file with the number `last`, in the
 * transaction under way.
 */
export async function applyUpTo(session: Queryable, folder: string, last = Infinity): Promise<void> {
  const files = (await read(folder)).filter(({ number }) => number <= last);
  await session.query(TABLE);
  const applied = await readApplied(session);
  let chain = applied.at(-1)?.chain ?? "";
  for (const file of files.slice(applied.length)) {
    chain = await link(chain, file);
    await carryOut(session, file, chain).catch((error) => {
      throw named(file, error);
    });
  }
}

async function apply(session: Queryable, file: File, chain: string): Promise<void> {
  await session.query("begin");
  try {
    await carryOut(session, file, chain);
    point("migration: before commit");
    await session.query("commit");
    point("migration: committed");
  } catch (error) {
    await session.query("rollback").catch(() => {});
    throw named(file, error);
  }
}

/** Runs a file, and notes that it was applied. */
async function carryOut(
  session: Queryable,
  { number, name, text, sha256 }: File,
  chain: string,
): Promise<void> {
  await session.query(text);
  await session.query(
    "insert into quintet_migrations (number, name, sha256, chain) values ($1, $2, $3, $4)",
    [number, name, sha256, chain],
  );
}

/** The server's error, with the place in the file. */
function named({ name, text }: File, error: unknown): Error {
  const { position, message } = error as Error & { position?: string };
  const line = text.slice(0, Number(position ?? 1) - 1).split("\n").length;
  (error as Error).message = `Cannot apply ${name}, line ${line}: ${message}`;
  return error as Error;
}

async function lock(session: Queryable, waiting: () => void): Promise<void> {
  const timer = setTimeout(waiting, 1000);
  try {
    await session.query("select pg_advisory_lock($1)", [LOCK]);
  } finally {
    clearTimeout(timer);
  }
}

async function requireServer(db: Database): Promise<void> {
  const { rows: [server] } = await db.query<{ number: number; version: string; encoding: string }>(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
            current_setting('server_encoding') as encoding`,
  );
  const { number, version, encoding } = server!;
  if (number < OLDEST * 10_000) {
    throw new DatabaseError(
      `Cannot use ${db.description} as PostgreSQL must be ${OLDEST} or newer: it is ${version}: upgrade the server`,
    );
  }
  if (encoding !== "UTF8") {
    throw new DatabaseError(
      `Cannot use ${db.description} as its encoding must be UTF8: it is ${encoding}: create a database with encoding 'UTF8'`,
    );
  }
}

// ---- the files ----

async function read(folder: string): Promise<File[]> {
  const names: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile && name.endsWith(".sql")) names.push(name);
    }
  } catch (error) {
    throw new DatabaseError(`Cannot read the migrations in ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (names.length === 0) throw new DatabaseError(`Cannot migrate from ${folder}: it has no 0001_….sql`);
  return await Promise.all(names.sort().map((name) => readFile(folder, name)));
}

async function readFile(folder: string, name: string): Promise<File> {
  const number = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1];
  if (number === undefined) {
    throw new DatabaseError(
      `Cannot migrate from ${folder} as files must be called 0001_like_this.sql: got ${name}`,
    );
  }
  try {
    const bytes = await Deno.readFile(`${folder}/${name}`);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replaceAll("\r\n", "\n");
    return { number: Number(number), name, text, sha256: await sha256(text) };
  } catch (error) {
    throw new DatabaseError(`Cannot read ${folder}/${name} as UTF-8: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const link = (chain: string, { name, sha256: hash }: { name: string; sha256: string }) =>
  sha256(`${chain}\n${name}\n${hash}`);

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Files against what was applied, in the order of their numbers. */
function compare(files: readonly File[], applied: readonly Applied[]): MigrationStatus[] {
  const rows = files.map((file): MigrationStatus => {
    const was = applied.find(({ number }) => number === file.number);
    const problem = problemOf(file, files, applied);
    const state = problem ? "refused" : was ? "applied" : "pending";
    return { name: file.name, state, appliedAt: was?.applied_at, sha256: file.sha256, problem };
  });
  const left = applied.filter((was) => files.every(({ number }) => number !== was.number));
  return [
    ...rows,
    ...left.map(({ name, applied_at, sha256 }): MigrationStatus => {
      const problem = problemOfMissing({ name, sha256 }, files);
      return { name, state: "refused", appliedAt: applied_at, sha256, problem };
    }),
  ].sort((a, b) => a.name < b.name ? -1 : 1);
}

/** What is wrong with a file, in the words of what was most likely done to it. */
function problemOf(file: File, files: readonly File[], applied: readonly Applied[]): string | undefined {
  const refused = (done: string, expected = "none") => problem(file.name, done, expected, file.sha256);
  const was = applied.find(({ number }) => number === file.number);
  if (was?.name === file.name && was.sha256 === file.sha256) return undefined;
  const origin = applied.find(({ sha256 }) => sha256 === file.sha256);
  const rival = files.find(({ number, name }) => number === file.number && name !== file.name);
  const twin = files.find(({ sha256, name }) => sha256 === file.sha256 && name !== file.name);
  if (rival) return refused(`has the same number as ${rival.name}`, was?.sha256);
  if (twin) return refused(`is a copy of ${twin.name}`, was?.sha256);
  if (was) {
    if (was.sha256 === file.sha256) return refused(`was renamed: it was applied as ${was.name}`, was.sha256);
    if (origin) return refused(`was applied as ${origin.name}: the order was changed`, was.sha256);
    if (was.name === file.name) return refused("was edited after it was applied", was.sha256);
    const moved = files.some(({ sha256 }) => sha256 === was.sha256);
    return refused(
      `${moved ? "was put in before" : "took the place of"} ${was.name}, which was applied`,
      was.sha256,
    );
  }
  if (origin) return refused(`was renumbered: it was applied as ${origin.name}`, origin.sha256);
  const before = files[files.indexOf(file) - 1];
  if (file.number === (before?.number ?? 0) + 1) return undefined;
  return `Cannot migrate as numbers must follow one another from 0001 on: ${file.name} comes after ` +
    `${before?.name ?? "nothing"}: rename it`;
}

function problemOfMissing(was: Pick<Applied, "name" | "sha256">, files: readonly File[]): string {
  const moved = files.find(({ sha256 }) => sha256 === was.sha256);
  if (moved) {
    return problem(moved.name, `was renumbered: it was applied as ${was.name}`, was.sha256, moved.sha256);
  }
  if (was.name < files.at(-1)!.name) return problem(was.name, "is missing", was.sha256, "no such file");
  return `Cannot migrate as the database is newer than this code: it has ${was.name}: expected sha256 ${was.sha256}, ` +
    "got no such file: use the newer code, or another database";
}

const problem = (name: string, done: string, expected: string, got: string) =>
  `Cannot migrate as ${name} ${done}: expected sha256 ${expected}, got ${got}: ` +
  "restore the files as they were, and write what is new as a migration after the last";

// ---- what cannot be in a transaction ----

/** Comments, strings, quoted names and dollar-quoted bodies. */
const OPAQUE =
  /--[^\n]*|\/\*[\s\S]*?\*\/|\be'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[\s\S]*?\$\1\$/gi;

const OUTSIDE: RegExp[] = [
  /^(create (unique )?index|drop index|reindex( \([^)]*\))? \w+) concurrently\b/,
  /^alter table .* detach partition .* concurrently\b/,
  /^(vacuum|reindex( \([^)]*\))? (database|system|schema)|alter system|cluster$)/,
  /^(create|drop) (database|tablespace|subscription)\b/,
  /^alter database .* set tablespace\b/,
  /^(begin|start transaction|commit|end|rollback|abort|prepare transaction|savepoint|release)\b/,
];

/** Each file is one transaction: refuses what PostgreSQL would not run in one, and what would end it. */
function requireTransactional({ name, text }: File): void {
  const bare = text.replace(OPAQUE, (opaque) => /^(--|\/\*)/.test(opaque) ? " " : "''");
  const whole = bare.replace(/\bbegin\s+atomic\b[\s\S]*?\bend\s*(?=;|$)/gi, " "); // the body of a function
  for (const part of whole.split(";")) {
    const statement = part.trim().replace(/\s+/g, " ").toLowerCase();
    if (OUTSIDE.some((pattern) => pattern.test(statement))) {
      throw new DatabaseError(
        `Cannot apply ${name} as each file is one transaction: "${
          statement.slice(0, 60)
        }" cannot be in one: leave it out`,
      );
    }
  }
}
