/**
 * A database for each test, on one real server for the whole run.
 *
 * The server lives under `.quintet/test` in the project and is shared by every test file that runs at the time, in
 * threads or processes: its first use starts it, its last use stops it. It is like the product's but for fsync, as nobody
 * pulls the plug on a test. A folder of migrations is applied once, to a template; a test's database is a copy of it.
 *
 * ```ts
 * import { testDatabase } from "./testing.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * await using db = await testDatabase();
 * const { rows } = await db.query<{ one: number }>("select 1 as one");
 * equal(rows[0]?.one, 1);
 * ```
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Database, type DatabaseOptions, openDatabase, type Queryable } from "./db.ts";
import { fingerprint, migrate } from "./migrate.ts";
import { openServer, type Server } from "./server.ts";

const HOME = `${import.meta.dirname}/../../.quintet/test`;
const SETTINGS = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", autovacuum: "off" };

let server: Server;
let admin: Database;

// Not inside a test, whose sanitizers would count the server's locks and sockets against it.
Deno.test.beforeAll(async () => {
  server = await openServer({ home: HOME, settings: SETTINGS });
  admin = await openDatabase({ url: urlOf("postgres"), applicationName: "quintet tests" });
  await dropOld("test_%", "1 hour");
});
Deno.test.afterAll(async () => {
  await admin?.close();
  await server?.close();
});

export interface TestDatabaseOptions extends Omit<DatabaseOptions, "url" | "home"> {
  /** A folder of migrations to apply; none when not given. */
  folder?: string;
}

/** A database of a test; disposing of it drops it. */
export interface TestDatabase extends Database {
  /** For further clients: what `DATABASE_URL` would be. */
  readonly url: string;
}

/** Makes a database for one test. */
export async function testDatabase({ folder, ...options }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const template = folder === undefined ? "template0" : await templateOf(folder);
  await undisturbed(admin, `create database ${name} template ${template}`);
  const url = urlOf(name);
  const db = await openDatabase({ ...options, url });
  const close = async () => {
    await db.close();
    await admin.query(`drop database if exists ${name} with (force)`);
  };
  return { ...db, url, close, [Symbol.asyncDispose]: close };
}

function urlOf(database: string): string {
  const { host, user } = server.connection();
  return `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}`;
}

/** The template of a folder; made by the first of all processes that asks, under a name that shows only when it is whole. */
async function templateOf(folder: string): Promise<string> {
  const name = `template_${(await fingerprint(folder)).slice(0, 16)}`;
  const { rows } = await admin.query("select from pg_database where datname = $1", [name]);
  if (rows.length > 0) return name;
  await admin.session(async (session) => {
    await session.query("select pg_advisory_lock(hashtext($1))", [name]); // gone with the session
    const { rows } = await session.query("select from pg_database where datname = $1", [name]);
    if (rows.length > 0) return;
    await dropOld("template_%", "1 day");
    await session.query(`drop database if exists draft_${name} with (force)`);
    await undisturbed(session, `create database draft_${name} template template0`);
    {
      await using db = await openDatabase({ url: urlOf(`draft_${name}`) });
      await migrate(db, folder);
    }
    await undisturbed(session, `alter database draft_${name} rename to ${name}`);
    await session.query(`alter database ${name} allow_connections false`);
  });
  return name;
}

/** Runs what PostgreSQL refuses while the database is in use: a connection that was closed may linger for a moment. */
async function undisturbed(db: Queryable, sql: string): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      await db.query(sql);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== "55006" || tries === 100) throw error;
      await delay(50);
    }
  }
}

/** Drops what killed runs have left. */
async function dropOld(like: string, age: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `select datname
       from pg_database as d
      where datname like $1
        and (pg_stat_file(format('base/%s/PG_VERSION', oid), true)).modification < now() - $2::interval
        and not exists (select from pg_stat_activity as a where a.datid = d.oid)`,
    [like, age],
  );
  for (const { datname } of rows) await admin.query(`drop database if exists ${datname}`);
}
