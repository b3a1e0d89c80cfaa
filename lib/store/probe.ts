/**
 * What can be told of a database that was reached, before anything depends on it.
 *
 * ```ts
 * import { openDatabase } from "./db.ts";
 * import { probe } from "./probe.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const home = await Deno.makeTempDir();
 * {
 *   await using db = await openDatabase({ home });
 *   equal((await probe(db)).may_create, true);
 * }
 * await Deno.remove(home, { recursive: true });
 * ```
 *
 * @module
 */
import type { Database } from "./db.ts";

/** How a database answers. */
export interface Probe {
  readonly version: string;
  readonly encoding: string;
  readonly user: string;
  /** The protocol of TLS, null without. */
  readonly tls: string | null;
  /** Whether the user may make tables. */
  readonly may_create: boolean;
  readonly connections: number;
  readonly max_connections: number;
  /** Milliseconds of a statement that does nothing: the median of five. */
  readonly round_trip_ms: number;
  /** Milliseconds of a commit that waits for the disk: the median of five. */
  readonly commit_ms: number;
}

/** Asks the server about itself and this connection. Changes nothing that stays. */
export async function probe(db: Database): Promise<Probe> {
  const { rows: [seen] } = await db.query<Omit<Probe, "round_trip_ms" | "commit_ms">>(
    `select current_setting('server_version') as version, current_setting('server_encoding') as encoding,
            current_user::text as user,
            (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl) as tls,
            coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
            (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
            current_setting('max_connections')::int as max_connections`,
  );
  const round_trip_ms = await median(() => db.query("select"));
  // a transaction's number alone makes a commit wait for the disk
  const commit_ms = await median(() =>
    db.query("select pg_current_xact_id(), pg_logical_emit_message(true, 'probe', '')")
  );
  return { ...seen!, round_trip_ms, commit_ms };
}

async function median(act: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    await act();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[2]!;
}
