/**
 * Where faults are tried: a folder, a PostgreSQL of its own, and how the small run ends there when nothing happens to it.
 *
 * @module
 */
import { migrate, openDatabase, openServer } from "../../lib/store/mod.ts";
import { ROOT } from "../setting.ts";
import type { Line } from "./line.ts";
import { QUESTIONS, undisturbed, type Whole } from "./small_run.ts";

/** What faults share: one PostgreSQL, a folder, and how the small run ends when nothing happens to it. */
export interface Arena {
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** The questions of the small run, as a file. */
  readonly questions: string;
  /** The small run, undisturbed. */
  readonly whole: Whole;
  /** A new database with the schema, unless `bare`; its URL. */
  database(name: string, options?: { bare?: boolean }): Promise<string>;
  /** Whether the small form will do: it shows that the line can be drawn. */
  readonly quick: boolean;
  /** Progress. */
  log(text: string): void;
  /** The interpreter that has Prefect, installed when it is missing. */
  prefect(): Promise<string>;
}

/** A kind of fault; gives its lines. */
export type Fault = (arena: Arena) => Promise<Line[]>;

/** What an arena is made of. */
export interface ArenaOptions {
  /** Empty; whoever gives it removes it. */
  readonly folder: string;
  readonly quick: boolean;
  readonly prefect: Arena["prefect"];
}

/** An arena that faults are tried in, some at once. */
export interface OpenArena extends AsyncDisposable {
  /** Tries a fault, in a folder of its own. */
  lines(name: string, fault: Fault, log: (text: string) => void): Promise<Line[]>;
}

export async function openArena({ folder, quick, prefect }: ArenaOptions): Promise<OpenArena> {
  await Deno.chmod(folder, 0o755); // PostgreSQL, which is another user where this one is root, walks through
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await openServer({ home: `${folder}/arena` }));
  const { host, user } = server.connection();
  const urlOf = (name: string) => `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}`;
  const admin = opened.use(await openDatabase({ url: urlOf("postgres"), applicationName: "admin" }));
  const database: Arena["database"] = async (name, { bare = false } = {}) => {
    await admin.query(`create database ${name} template template0`);
    if (!bare) {
      await using db = await openDatabase({ url: urlOf(name) });
      await migrate(db, `${ROOT}/sql`);
    }
    return urlOf(name);
  };
  const questions = `${folder}/questions.jsonl`;
  await Deno.writeTextFile(questions, QUESTIONS);
  const whole = await undisturbed(questions, {
    QUINTET_HOME: `${folder}/undisturbed`,
    DATABASE_URL: await database("undisturbed"),
  });
  const stay = opened.move();
  return {
    async lines(name, fault, log) {
      const own = `${folder}/${name}`;
      await Deno.mkdir(own);
      await Deno.chmod(own, 0o755);
      return await fault({ folder: own, questions, whole, database, quick, log, prefect });
    },
    [Symbol.asyncDispose]: () => stay.disposeAsync(),
  };
}
