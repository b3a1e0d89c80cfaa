/**
 * A database for another program on the embedded server, beside Quintet's own.
 *
 * @module
 */
// @ts-types="@types/pg"
import pg from "pg";
import { openServer, type ServerOptions } from "./server.ts";

/** A guest's database; the server runs at least until it is closed. */
export interface Guest extends AsyncDisposable {
  /** `postgresql://…`, which may hold a password. */
  readonly url: string;
}

/**
 * Opens the database `name` on the embedded server under `home`; both are made when they are not there. Throws a DatabaseError.
 *
 * ```ts
 * import { openGuest } from "./guest.ts";
 * import { match } from "node:assert/strict";
 *
 * const home = await Deno.makeTempDir();
 * {
 *   await using guest = await openGuest("prefect", { home });
 *   match(guest.url, /^postgresql:.*\/prefect/);
 * }
 * await Deno.remove(home, { recursive: true });
 * ```
 */
export async function openGuest(name: string, options: ServerOptions): Promise<Guest> {
  if (!/^[a-z_]{1,63}$/.test(name)) {
    throw new TypeError(`Cannot open a database as its name must be of letters a to z and _: got ${name}`);
  }
  const server = await openServer(options);
  try {
    const { host, port, user, password = "", database } = server.connection();
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    try {
      const { rows } = await client.query("select from pg_database where datname = $1", [name]);
      if (rows.length === 0) {
        await client.query(`create database ${name}`).catch((error) => {
          if (!["42P04", "23505"].includes(error.code)) throw error; // another process was faster
        });
      }
    } finally {
      await client.end();
    }
    const secret = password && `:${encodeURIComponent(password)}`;
    const url = host.startsWith("/")
      ? `postgresql://${user}${secret}@/${name}?host=${encodeURIComponent(host)}`
      : `postgresql://${user}${secret}@${host}:${port}/${name}`;
    return { url, [Symbol.asyncDispose]: () => server.close() };
  } catch (error) {
    await server.close();
    throw error;
  }
}
