/**
 * The outbox: messages for a server that may be away. They are written as things happen and delivered later, in the order of
 * their run, by one process at a time: whoever delivers a run's messages has an advisory lock on it.
 *
 * @module
 */
import type { Database, Queryable } from "./db.ts";
import { HeldError } from "./hold.ts";

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

/** A process as the writer of a run's messages: of two, the one of the later attempt is to be heard. */
export interface OutboxHolder {
  /** Drawn by the process for itself. */
  readonly id: string;
  /** How often the run had been started when this process was. */
  readonly attempt: number;
}

/** Holds for who has run `r`, and who may take it: its own name and attempt are `id` and `attempt`. */
const mayWrite = (id: string, attempt: string) =>
  `(r.holder is null or r.holder = ${id}::uuid or r.attempt < ${attempt}::int)`;

/**
 * Makes `holder` the one who writes the messages of a run, unless a process of the same attempt or a later one does already: then
 * false is given. Messages of those `kinds` that others wrote and that did not arrive are not sent any more.
 */
export async function takeOutboxRun(
  db: Queryable,
  runId: string,
  { id, attempt }: OutboxHolder,
  kinds: readonly string[] = [],
): Promise<boolean> {
  const { rows } = await db.query(
    `with taken as (
       update outbox_runs r
          set holder = $2, attempt = $3
        where id = $1 and ${mayWrite("$2", "$3")}
       returning id
     ), withdrawn as (
       delete from outbox o
        using taken
        where o.run_id = taken.id and o.holder is distinct from $2 and o.message ->> 'kind' = any($4::text[])
     )
     select from taken`,
    [runId, id, attempt, kinds],
  );
  return rows.length > 0;
}

/**
 * Keeps messages in their order, each once; none, and false is given, when a process of the same attempt or a later one has taken
 * the run from `holder`. Without one they are kept whoever has it. Throws RangeError when the run was not opened.
 */
export async function addToOutbox(
  db: Queryable,
  runId: string,
  messages: readonly OutboxMessage[],
  holder?: OutboxHolder,
): Promise<boolean> {
  const { rows: [row] } = await db.query<{ mine: boolean }>(
    `with run as (
       select id, $4::uuid is null or ${
      mayWrite("$4", "$5")
    } as mine from outbox_runs r where id = $1 for share
     ), kept as (
       insert into outbox (id, run_id, message, holder)
       select m.id, run.id, message::jsonb, $4
         from run, unnest($2::uuid[], $3::text[]) with ordinality as m (id, message, place)
        where mine
        order by place
           on conflict (id) do nothing
     )
     select mine from run`,
    [
      runId,
      messages.map(({ id }) => id),
      messages.map(({ message }) => JSON.stringify(message)),
      holder?.id,
      holder?.attempt,
    ],
  );
  if (!row) throw new RangeError(`Cannot keep messages of run ${runId} as it must be opened first`);
  return row.mine;
}

/**
 * Throws HeldError when another process has taken a run from `holder`. In a transaction nobody takes it before that ends: what is
 * written there is written by who has the run.
 */
export async function requireOutboxRun(
  tx: Queryable,
  runId: string,
  { id, attempt }: OutboxHolder,
): Promise<void> {
  const { rows: [run] } = await tx.query<{ mine: boolean }>(
    `select ${mayWrite("$2", "$3")} as mine from outbox_runs r where id = $1 for share`,
    [runId, id, attempt],
  );
  if (run?.mine === false) throw new HeldError(runId, "flow run");
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
  /** Throws when the lock was lost, or the run taken over: a process that was stopped for a while has to let others be first. */
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
 * Calls `work` with the outbox of a run, unless another process has it, or takes the run over meanwhile: then false is given.
 * Nothing is left to do for a `holder` whom the run was taken from. Throws what `work` throws. `work` may be called again, when
 * the connection is lost.
 */
export async function withOutbox<Registration, Message>(
  db: Database,
  runId: string,
  work: (outbox: OpenOutbox<Registration, Message>) => Promise<void>,
  holder?: OutboxHolder,
): Promise<boolean> {
  return await db.session(async (session) => {
    const { rows: [lock] } = await session.query<{ locked: boolean }>(
      "select pg_try_advisory_lock(hashtextextended($1, 1)) as locked",
      [runId],
    );
    if (!lock!.locked) return false;
    const { rows: [found] } = await session.query<
      { registration: Registration; flowRunId: string | null; holder: string | null; mine: boolean }
    >(
      `select registration, flow_run_id as "flowRunId", holder, $2::uuid is null or ${
        mayWrite("$2", "$3")
      } as mine
         from outbox_runs r
        where id = $1`,
      [runId, holder?.id, holder?.attempt],
    );
    if (!found?.mine) return true;
    const { holder: before, registration, flowRunId } = found;
    let takenOver = false;
    const awake = setInterval(() => session.query("select").catch(() => {}), AWAKE_MS);
    try {
      await work({
        ...{ registration, flowRunId },
        held: async () => {
          const { rows: [now] } = await session.query<{ holder: string | null }>(
            "select holder from outbox_runs where id = $1",
            [runId],
          );
          takenOver = now?.holder !== before;
          if (takenOver) throw new HeldError(runId, "flow run");
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
    } catch (error) {
      if (takenOver) return false;
      throw error;
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
