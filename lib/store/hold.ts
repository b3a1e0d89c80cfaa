/**
 * One process at a time runs an experiment: two would pay twice for the same answers, each within the caps, both beyond.
 *
 * Whether the process that runs it lives is told by an advisory lock of PostgreSQL that its session holds: gone at the
 * very moment at which the process dies, however it dies, so that its successor need not wait for a lease to run out; and
 * within 30 seconds when its machine vanishes, as the server ends a session that says nothing for so long. A connection
 * can be lost while the process lives, and the server restarted: then the lock is taken again. Whoever came in between is
 * safe all the same, by a name that each process draws and writes to its experiment: an intent of any other name is
 * refused in the statement that would write it (calls.ts), so what was taken for dead and was not sends nothing more.
 *
 * Behind a pooler use its session mode, as for migrations.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Database, Queryable } from "./db.ts";

/** Another process runs the experiment, or whatever `what` says. */
export class HeldError extends Error {
  override name = "HeldError";
  constructor(id: string, what = "experiment") {
    super(
      `Cannot go on with ${what} ${id} as another process runs it: wait until that has ended, or end it`,
    );
  }
}

/** The right to run an experiment, until it is disposed of. */
export interface Hold extends AsyncDisposable {
  /** To be written to the experiment when it is begun or resumed. */
  readonly holder: string;
}

export interface HoldOptions {
  /** How long the lock of a process that has just died is waited for. @default {2_000} */
  readonly patienceMs?: number;
  /** How often the lock's connection is looked after. @default {2_000} */
  readonly beatMs?: number;
}

/** Takes the experiment `id`, which need not be there yet; throws HeldError when another process has it. */
export async function holdExperiment(
  db: Database,
  id: string,
  { patienceMs = 2_000, beatMs = 2_000 }: HoldOptions = {},
): Promise<Hold> {
  const taken = Promise.withResolvers<void>();
  const over = new AbortController();
  const pause = (ms: number) => delay(ms, undefined, { signal: over.signal }).catch(() => {});
  let patience = patienceMs;
  const holding = db.session(async (session) => {
    const began = performance.now();
    while (!over.signal.aborted && !(await lock(session, id))) {
      if (performance.now() - began > patience) throw new HeldError(id);
      await pause(POLL);
    }
    taken.resolve();
    patience = AGAIN;
    while (!over.signal.aborted) {
      await Promise.race([pause(beatMs), session.gone]); // the sooner it is taken again, the better
      await session.query("select");
    }
  });
  const ended = holding.catch(taken.reject);
  await taken.promise;
  return {
    holder: crypto.randomUUID(),
    async [Symbol.asyncDispose]() {
      over.abort();
      await ended;
    },
  };
}

/** Milliseconds that a connection of ours that was lost may still have the lock, and a while more. */
const AGAIN = 60_000;
/** Milliseconds between two tries. */
const POLL = 100;

async function lock(session: Queryable, id: string): Promise<boolean> {
  const { rows: [row] } = await session.query<{ locked: boolean }>(
    "select pg_try_advisory_lock(hashtextextended($1, 0)) as locked",
    [id],
  );
  return row!.locked;
}
