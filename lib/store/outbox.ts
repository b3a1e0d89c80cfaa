/**
 * The outbox: messages for a server that may be away. They are written as things happen and delivered later, in the order of
 * their run, by one process at a time: whoever delivers a run's messages has an advisory lock on it.
 *
 * @module
 */
import type { Database, Queryable } from "./db.ts";

/** A run of a flow whose messages are kept. */
export interface OutboxRun {
  readonly id: string;
  /** Where its messages go. */
  readonly server: string;
  readonly registration: Readonly<Record<string, unknown>>;
  /** When the server knows it already. */
  readonly flowRunId?: string | undefined;
}

/** Keeps a run, or finds it kept. */
export async function openOutboxRun(
  db: Queryable,
  { id, server, registration, flowRunId = undefined }: OutboxRun,
): Promise<void> {
  await db.query(
    `insert into outbox_runs (id, server, registration, flow_run_id)
     values ($1, $2, $3, $4)
     on conflict (id) do nothing`,
    [id, server, registration, flowRunId],
  );
}

/** A message and its own id. */
export interface OutboxMessage {
  readonly id: string;
  readonly message: object;
}

/** Who writes: what a process wrote that was taken for dead, and whose experiment another one runs by now, is not kept. */
export interface Fence {
  readonly experimentId: string;
  readonly holder: string;
}

/** Keeps messages in their order, each once; none, and false is given, when `fence` says that another process has taken over. */
export async function addToOutbox(
  db: Queryable,
  runId: string,
  messages: readonly OutboxMessage[],
  fence?: Fence,
): Promise<boolean> {
  const { rows: [row] } = await db.query<{ mine: boolean }>(
    `with fence as (
       select not exists (select from experiments e where e.id = $4 and e.holder is distinct from $5) as mine
     ), kept as (
       insert into outbox (id, run_id, message)
       select id, $1, message::jsonb
         from fence, unnest($2::uuid[], $3::text[]) with ordinality as m (id, message, place)
        where mine
        order by place
           on conflict (id) do nothing
     )
     select mine from fence`,
    [
      runId,
      messages.map(({ id }) => id),
      messages.map(({ message }) => JSON.stringify(message)),
      fence?.experimentId,
      fence?.holder,
    ],
  );
  return row!.mine;
}

/** Runs with messages for `server`, those first that have waited longest. */
export async function waitingRuns(
  db: Queryable,
  server: string,
  { seconds = 0 }: {
    /** Only runs whose oldest message has waited as long. @default {0} */
    readonly seconds?: number | undefined;
  } = {},
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select r.id
       from outbox_runs r
       join outbox o on o.run_id = r.id and o.refused is null
      where r.server = $1
      group by r.id
     having min(o.created_at) <= now() - make_interval(secs => $2)
      order by min(o.position)`,
    [server, seconds],
  );
  return rows.map(({ id }) => id);
}

/** How many messages wait, by the server they are for. */
export async function waitingMessages(db: Queryable): Promise<{ server: string; messages: number }[]> {
  const { rows } = await db.query<{ server: string; messages: number }>(
    `select r.server, count(*) as messages
       from outbox_runs r
       join outbox o on o.run_id = r.id and o.refused is null
      group by r.server
      order by r.server`,
  );
  return rows;
}

/** The messages of one run, while nobody else delivers them. */
export interface OpenOutbox<Registration, Message> {
  readonly registration: Registration;
  readonly idempotencyKey: string;
  readonly flowRunId: string | null;
  registered(flowRunId: string): Promise<void>;
  /** Throws when the lock was lost: a process that was stopped for a while has to let others be first. */
  held(): Promise<void>;
  /** The oldest messages, marked as sent. `again`: they were marked before. */
  next(): Promise<{ readonly id: string; readonly message: Message; readonly again: boolean }[]>;
  delivered(ids: readonly string[]): Promise<void>;
  refused(id: string, why: string): Promise<void>;
}

/** Milliseconds between two signs of life of a session: the server ends one that says nothing for long, and its lock with it. */
const AWAKE_MS = 5_000;
/** Messages taken at once. */
const AT_ONCE = 50;

/**
 * Calls `work` with the outbox of a run, unless another process has it: then false is given. Throws what `work` throws. `work`
 * may be called again, when the connection is lost.
 */
export async function withOutbox<Registration, Message>(
  db: Database,
  runId: string,
  work: (outbox: OpenOutbox<Registration, Message>) => Promise<void>,
): Promise<boolean> {
  return await db.session(async (session) => {
    const { rows: [lock] } = await session.query<{ locked: boolean }>(
      "select pg_try_advisory_lock(hashtextextended($1, 1)) as locked",
      [runId],
    );
    if (!lock!.locked) return false;
    const { rows: [run] } = await session.query<{ registration: Registration; flowRunId: string | null }>(
      `select registration, flow_run_id as "flowRunId" from outbox_runs where id = $1`,
      [runId],
    );
    if (!run) return true;
    const awake = setInterval(() => session.query("select").catch(() => {}), AWAKE_MS);
    try {
      await work({
        ...run,
        held: async () => {
          await session.query("select");
        },
        idempotencyKey: `quintet-${runId}`,
        registered: async (flowRunId) => {
          await db.query("update outbox_runs set flow_run_id = $2 where id = $1", [runId, flowRunId]);
        },
        next: () => take(session, runId),
        delivered: async (ids) => {
          if (ids.length > 0) await db.query("delete from outbox where id = any($1::uuid[])", [ids]);
        },
        refused: async (id, why) => {
          await db.query("update outbox set refused = $2 where id = $1", [id, why]);
        },
      });
    } finally { // a connection that is closed may have its locks for a moment yet
      clearInterval(awake);
      await session.query("select pg_advisory_unlock(hashtextextended($1, 1))", [runId]).catch(() => {});
    }
    return true;
  });
}

/** Statements that cannot be told to be committed when their connection is lost, which then marks messages as sent: rightly. */
async function take<Message>(
  session: Queryable,
  runId: string,
): Promise<{ id: string; message: Message; again: boolean }[]> {
  const { rows } = await session.query<{ id: string; message: Message; again: boolean }>(
    `with oldest as (
       select id, position, message, sent as again
         from outbox
        where run_id = $1 and refused is null
        order by position
        limit $2
     ), marked as (
       update outbox set sent = true where id in (select id from oldest where not again)
     )
     select id, message, again from oldest order by position`,
    [runId, AT_ONCE],
  );
  return rows;
}
