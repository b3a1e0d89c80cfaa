/**
 * What Prefect is told of a flow: its run, its tasks, how it ended. Everything goes through the outbox, beside the work and
 * never in its way: that Prefect is down, slow or broken changes nothing in what a flow does.
 *
 * @module
 */
import { EXIT, UsageError } from "../lib/command/mod.ts";
import {
  deliver,
  type Heartbeats,
  type Message,
  openHeartbeats,
  type Outbox,
  type PrefectClient,
  prefectClient,
  PrefectError,
  type Registration,
  sendHeartbeat,
  type State,
  TAG,
  taskRunId,
} from "../lib/prefect/mod.ts";
import {
  addToOutbox,
  type Database,
  openOutboxRun,
  type OutboxHolder,
  type Queryable,
  requireOutboxRun,
  takeOutboxRun,
  waitingRuns,
  withOutbox,
} from "../lib/store/mod.ts";

/** The part of a message that is not its id. */
type Told = Extract<Message, { kind: "artifact" }>;

/** A flow as it is told of. */
export interface Run {
  /** Prefect's id of the flow run that a worker started this process for. */
  readonly flowRunId?: string | undefined;
  /** Runs `work` as a task run that follows on the one before. Tried again `retries` times when it throws what is no `Stop`. */
  task<T>(
    key: string,
    dynamicKey: string,
    work: () => Promise<T>,
    options?: { retries?: number },
  ): Promise<T>;
  log(text: string, level?: number): void;
  /** How far it is, in percent. */
  progress(percent: number, description: string): void;
  artifact(artifact: Omit<Told, "kind">): void;
  /** Something happened that automations may wait for. */
  event(event: string, resource: string, payload?: Readonly<Record<string, unknown>>): void;
  /** From now on messages are kept, and sent. */
  attach(db: Database): void;
  /**
   * From now on this process alone tells of the run: those that Prefect had started for it before, and took for dead, keep and
   * send nothing more.
   */
  takeOver(): void;
  /** Writes what counts as the newest. Throws HeldError when another process has taken the run over. */
  keep<T>(db: Database, write: (tx: Queryable) => Promise<T>): Promise<T>;
  /**
   * How it ended, by its exit code; resolves when that is told or kept, and the database is not needed any more. Gives the code to
   * end with: a worker takes any but 0 for a crash, also of a run that another process has taken over.
   */
  end(code: number, last: string): Promise<number>;
}

/** A flow that nobody is told of. */
export const untold: Run = {
  task: (_key, _dynamicKey, work) => work(),
  log() {},
  progress() {},
  artifact() {},
  event() {},
  attach() {},
  takeOver() {},
  keep: (db, write) => write(db),
  end: (code) => Promise.resolve(code),
};

/** How long the end of a flow waits for Prefect: a run that a worker started is lost without it, any other is told later. */
const PATIENCE_MS = { child: 60_000, own: 5_000, away: 500 };
/** Milliseconds before a task is tried again; twice as many each time. */
const RETRY_MS = 2_000;
/** Milliseconds after which an unreachable Prefect is tried again, at first and at most. */
const AGAIN_MS = [250, 15_000] as const;
/** Milliseconds after which a process sees again whether another one has taken its place. */
const LOOK_MS = 10_000;

/** Tells Prefect at `env.PREFECT_API_URL` of a flow; nobody when that is not set. */
export function openRun(
  { flow, parameters, env, attempt, now, tell, newId }: {
    readonly flow: string;
    readonly parameters: Readonly<Record<string, unknown>>;
    readonly env: Readonly<Record<string, string | undefined>>;
    /** How often Prefect's workers had started the flow run when this process was. */
    readonly attempt: number;
    readonly now: () => Date;
    readonly tell: (text: string) => void;
    readonly newId: () => string;
  },
): Run {
  const over = new AbortController();
  const client = clientOf(env, over.signal);
  if (!client) return untold;
  const flowRunId = env.PREFECT__FLOW_RUN_ID || undefined;
  const id = flowRunId ?? newId();
  const registration: Registration = {
    ...{ flow, parameters, tags: [TAG] },
    name: `${flow} ${now().toISOString().slice(0, 19).replace("T", " ")}`,
  };
  const heartbeats = openHeartbeats({ url: client.url, auth: env.PREFECT_API_AUTH_STRING || undefined });
  const holder = { id: newId(), attempt };
  const post = postOffice({
    ...{ client, over, heartbeats, id, holder, registration, flowRunId },
    ...{ newId, tell, now },
  });
  let last: string | undefined; // the task run that the next one follows on
  const state = (state: State) => post.add({ kind: "flow run state", id: newId(), state });
  state({ type: "RUNNING" });

  return {
    flowRunId,
    async task(key, dynamicKey, work, { retries = 0 } = {}) {
      const taskRun = taskRunId(id, key, dynamicKey);
      post.add({ kind: "task run", id: taskRun, key, dynamicKey, after: last ? [last] : [], retries });
      last = taskRun;
      const state = (state: State) => post.add({ kind: "task run state", id: newId(), taskRun, state });
      for (let tries = 0;; tries++) {
        try {
          const result = await work();
          state({ type: "COMPLETED" });
          return result;
        } catch (error) {
          const { name, message } = error as Error;
          if (name === "Stop") state({ type: "CANCELLED", message });
          else if (tries < retries && !LASTING.includes(name)) {
            const pause = RETRY_MS * 2 ** tries;
            const at = new Date(now().getTime() + pause).toISOString();
            state({ type: "SCHEDULED", name: "AwaitingRetry", message: message.slice(0, 2000), at });
            tell(`Trying ${key} again in ${pause / 1000} s: ${message}`);
            await new Promise((resolve) => setTimeout(resolve, pause));
            state({ type: "RUNNING", name: "Retrying" });
            continue;
          } else state({ type: "FAILED", message: `${name}: ${message}`.slice(0, 2000) });
          throw error;
        }
      }
    },
    log: (text, level = 20) =>
      post.add({ kind: "log", level, text: text.slice(0, 20_000), at: now().toISOString() }),
    progress: (percent, description) => post.add({ kind: "progress", key: "progress", percent, description }),
    artifact: (artifact) => post.add({ kind: "artifact", ...artifact }),
    event: (event, resource, payload = {}) =>
      post.add({ kind: "event", id: newId(), event, resource, payload, at: now().toISOString() }),
    attach: post.attach,
    takeOver: post.takeOver,
    keep: (db, write) =>
      db.transaction(async (tx) => {
        await requireOutboxRun(tx, id, holder);
        return await write(tx);
      }),
    async end(code, last) {
      state(
        ending(code, {
          last,
          child: flowRunId !== undefined,
          cancelled: await cancelling(client, flowRunId, code),
        }),
      );
      await post.close();
      return flowRunId !== undefined && post.fenced() ? EXIT.done : code;
    },
  };
}

/** Errors that a second try would meet again. */
const LASTING = ["UsageError", "DatasetError", "HeldError", "SetupError", "DatabaseError"];

/** How often workers have started a flow run. Throws PrefectError. */
export async function attemptsOf({ api, call }: PrefectClient, flowRunId: string): Promise<number> {
  const states = await call(
    api.GET("/flow_run_states/", { params: { query: { flow_run_id: flowRunId } } }),
  );
  // Which a worker sets each time, and may set anew by another name (Submitting, InfrastructurePending)
  return states.filter(({ type }, i) => type === "PENDING" && states[i - 1]?.type !== "PENDING").length;
}

/** The client of the server that is configured, if one is. */
export const clientOf = (
  env: Readonly<Record<string, string | undefined>>,
  signal?: AbortSignal,
): PrefectClient | undefined =>
  env.PREFECT_API_URL
    ? prefectClient({ url: env.PREFECT_API_URL, auth: env.PREFECT_API_AUTH_STRING || undefined, signal })
    : undefined;

/** The client; throws UsageError when no server is configured. */
export function configured(env: Readonly<Record<string, string | undefined>>): PrefectClient {
  const client = clientOf(env);
  if (client) return client;
  throw new UsageError(
    "Cannot reach Prefect as PREFECT_API_URL must be set: `deno task prefect` starts a server and says what to set it to",
  );
}

/** Again, a few times, while Prefect is busy: on SQLite it answers 503 when two want to write. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PrefectError && error.retryable) || tries === 8) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * tries));
    }
  }
}

/** Whether somebody asked Prefect to cancel a run that was interrupted. */
async function cancelling(client: PrefectClient, id: string | undefined, code: number): Promise<boolean> {
  if (code !== EXIT.interrupted || id === undefined) return false;
  const { api, call } = client;
  const run = await call(api.GET("/flow_runs/{id}", { params: { path: { id } } })).catch(() => undefined);
  return run === undefined || run.state_type === "CANCELLING" || run.state_type === "CANCELLED";
}

/** The state that an exit code stands for. */
function ending(
  code: number,
  { last, child, cancelled }: { last: string; child: boolean; cancelled: boolean },
): State {
  const message = last.slice(0, 2000);
  switch (code) {
    case EXIT.done:
      return { type: "COMPLETED" };
    case EXIT.budget:
      return { type: "COMPLETED", message: "A cap was met before the target." };
    case EXIT.target:
      return { type: "FAILED", message: "The target was not reached." };
    case EXIT.interrupted: // a worker's machine that goes down ends its children, too
      return child && !cancelled
        ? { type: "CRASHED", message: "Ended by a signal; started again, it goes on from here." }
        : { type: "CANCELLED", message };
    default:
      return { type: "FAILED", message: message || `Exit code ${code}` };
  }
}

/** What is told while messages are delivered. */
type Heard = Parameters<typeof deliver>[2];

/** Delivers the messages of one run; false when another process is at it. Throws PrefectError. */
const deliverRun = (
  db: Database,
  client: PrefectClient,
  run: string,
  heard: Heard,
  holder?: OutboxHolder,
): Promise<boolean> =>
  withOutbox<Registration, Message>(db, run, (outbox: Outbox) => deliver(client, outbox, heard), holder);

/**
 * Delivers what waits for a server, but that of run `but`; what another process is at is left to it. Throws PrefectError when
 * Prefect is away.
 */
export async function deliverWaiting(
  db: Database,
  client: PrefectClient,
  { onRefused, but, seconds }: {
    readonly onRefused: (why: string) => void;
    readonly but?: string;
    /** Only what has waited as long. @default {0} */
    readonly seconds?: number;
  },
): Promise<void> {
  for (const run of await waitingRuns(db, client.url, { seconds })) {
    if (run !== but) await deliverRun(db, client, run, { onRefused });
  }
}

/** Keeps messages, delivers them, and beats; all beside the flow. */
function postOffice(
  { client, over, heartbeats, id, holder, registration, flowRunId, newId, tell, now }: {
    readonly client: PrefectClient;
    /** Gives up what the client asks, when nobody can wait any more. */
    readonly over: AbortController;
    readonly heartbeats: Heartbeats;
    readonly id: string;
    readonly holder: OutboxHolder;
    readonly registration: Registration;
    readonly flowRunId: string | undefined;
    readonly newId: () => string;
    readonly tell: (text: string) => void;
    readonly now: () => Date;
  },
) {
  const queue: { id: string; message: Message }[] = []; // not in the database yet
  let db: Database | undefined, opened = false, taking = false;
  let looking: ReturnType<typeof setInterval> | undefined;
  let keeping: Promise<void> | undefined, delivering: Promise<void> | undefined;
  let known = flowRunId, wanted = false, told = false, lost = false, fenced = false;
  let wait: { timer: ReturnType<typeof setTimeout>; over: () => void } | undefined;

  if (flowRunId !== undefined) {
    void sendHeartbeat(client, { id: newId(), flowRunId, at: now().toISOString() }).catch(() => {}); // before there is a thread
    heartbeats.beat(flowRunId);
  }
  const know = (id: string) => {
    if (known !== undefined) return;
    heartbeats.beat(known = id);
  };

  /** Another process has taken over: it alone is heard. */
  const leave = () => {
    fenced = true;
    clearInterval(looking);
    heartbeats.close();
  };

  /** Writes the queue to the outbox, in its order. */
  const keep = async (db: Database) => {
    try {
      if (!opened) {
        await openOutboxRun(db, { id, server: client.url, registration: { ...registration }, flowRunId });
      }
      opened = true;
      while (queue.length > 0 || taking) {
        if (taking && !await takeOutboxRun(db, id, holder, ["flow run state"])) leave();
        taking = false;
        if (!await addToOutbox(db, id, queue.splice(0, 500), holder)) leave();
      }
    } catch { // the flow itself will meet what the database has
      lost = true;
    } finally {
      keeping = undefined;
    }
    wanted = true;
    delivering ??= (async () => {
      while (wanted) {
        wanted = false;
        await deliverAll(db);
      }
      delivering = undefined;
    })();
  };

  const onRefused = (why: string) => tell(`Prefect refused something: ${why}`);

  /** Until nothing is left: own messages first, then those of runs that ended while Prefect was away. */
  const deliverAll = async (db: Database) => {
    for (let pause: number = AGAIN_MS[0];; pause = Math.min(AGAIN_MS[1], 2 * pause)) {
      try {
        const mine = await deliverRun(db, client, id, { onRegistered: know, onRefused }, holder);
        await deliverWaiting(db, client, { onRefused, but: id });
        if (told) tell("Prefect is back.");
        told = false;
        if (mine) return; // else another process is at it, and what came since may be left
      } catch (error) {
        if (!(error instanceof PrefectError) || over.signal.aborted) return; // the database's affair, or too late
        if (!told) tell(`Prefect will be told later: ${error.message}`);
        told = true;
      }
      await new Promise<void>((resolve) => {
        wait = { over: resolve, timer: setTimeout(resolve, pause) };
      });
    }
  };

  const pump = () => {
    if (db && !lost && (queue.length > 0 || taking)) keeping ??= keep(db);
  };
  return {
    add(message: Message) {
      queue.push({ id: newId(), message });
      if (!keeping) queueMicrotask(pump);
    },
    attach(opened: Database) {
      db = opened;
      pump();
    },
    takeOver() {
      taking = true;
      pump();
      if (flowRunId === undefined) return;
      looking = setInterval(() => { // a process that is silent for long would beat for the other one's run
        if (db) void addToOutbox(db, id, [], holder).then((mine) => mine || leave(), () => {});
      }, LOOK_MS);
    },
    /** Keeps what is left, and waits for its delivery, but not for long. */
    async close() {
      const { child, own, away } = PATIENCE_MS;
      const ms = flowRunId !== undefined ? child : told ? away : own;
      let timer;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
      if (db) {
        for (pump(); keeping; pump()) await keeping;
        clearTimeout(wait?.timer);
        wait?.over();
        await Promise.race([delivering, late]);
      } else if (flowRunId !== undefined) await Promise.race([direct(), late]);
      clearTimeout(timer);
      clearInterval(looking);
      heartbeats.close();
      over.abort(); // a request that hangs would keep the database open
    },
    fenced: () => fenced,
  };

  /** A worker's run that failed before it had a database: Prefect would take it for pending, for ever. */
  async function direct(): Promise<void> {
    const attempts = await attemptsOf(client, flowRunId!).catch(() => holder.attempt);
    if (attempts > holder.attempt) return leave();
    const entries = queue.splice(0).map(({ id, message }) => ({ id, message, again: true }));
    const outbox: Outbox = {
      ...{ registration, idempotencyKey: id, flowRunId: flowRunId! },
      registered: () => Promise.resolve(),
      held: () => Promise.resolve(),
      next: () => Promise.resolve(entries.slice()),
      delivered: (ids) => {
        for (const id of ids) entries.splice(entries.findIndex((entry) => entry.id === id), 1);
        return Promise.resolve();
      },
      refused: (id) => outbox.delivered([id]),
    };
    for (let tries = 0; tries < 20 && entries.length > 0; tries++) {
      await deliver(client, outbox).catch(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    }
  }
}
