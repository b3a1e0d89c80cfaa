/**
 * Brings messages from an outbox to Prefect: in order, and once in effect, though any request may be answered and its answer
 * lost. What Prefect knows by an id of ours can just be sent again; for the rest it is asked first what it has.
 *
 * @module
 */
import { type PrefectClient, PrefectError, type Schema } from "./client.ts";
import type { Message, Registration, State } from "./message.ts";

/** A message as it is kept. */
export interface Entry {
  readonly id: string;
  readonly message: Message;
  /** Whether it may have been sent before. */
  readonly again: boolean;
}

/** The messages of one flow run, while nobody else delivers them. */
export interface Outbox {
  readonly registration: Registration;
  /** What makes registering twice register once. */
  readonly idempotencyKey: string;
  /** Prefect's id of the flow run, once it is known. */
  readonly flowRunId: string | null;
  /** Throws when others may deliver by now. */
  held(): Promise<void>;
  /** Keeps Prefect's id. */
  registered(flowRunId: string): Promise<void>;
  /** The oldest messages that are not delivered, marked as sent before they are given. */
  next(): Promise<readonly Entry[]>;
  /** Forgets what arrived. */
  delivered(ids: readonly string[]): Promise<void>;
  /** Keeps why one will never be delivered, and passes it over from now on. */
  refused(id: string, why: string): Promise<void>;
}

/** Delivers all there is. Throws PrefectError when Prefect is away: what was delivered until then is. */
export async function deliver(
  client: PrefectClient,
  outbox: Outbox,
  { onRegistered = () => {}, onRefused = () => {} }: {
    readonly onRegistered?: (flowRunId: string) => void;
    readonly onRefused?: (why: string) => void;
  } = {},
): Promise<void> {
  let flowRunId = outbox.flowRunId;
  if (flowRunId === null) {
    flowRunId = await register(client, outbox);
    await outbox.registered(flowRunId);
  }
  onRegistered(flowRunId);
  for (;;) {
    const entries = await outbox.next();
    if (entries.length === 0) return;
    const delivered: string[] = [];
    try {
      for (const part of parts(entries)) {
        await outbox.held();
        try {
          await send(client, flowRunId, part);
          delivered.push(...part.map(({ id }) => id));
        } catch (error) {
          if (!(error instanceof PrefectError) || error.retryable) throw error;
          onRefused(error.message);
          for (const { id } of part) await outbox.refused(id, error.message);
        }
      }
    } finally {
      await outbox.delivered(delivered);
    }
  }
}

/** Registers a flow run of its own, to begin with as pending. */
async function register(
  { api, call }: PrefectClient,
  { registration, idempotencyKey }: Outbox,
): Promise<string> {
  const { flow, name, parameters, tags } = registration;
  const { id } = await call(api.POST("/flows/", { body: { name: flow, tags: [...tags] } }));
  const run = await call(api.POST("/flow_runs/", {
    body: {
      ...{ name, parameters, tags: [...tags] },
      flow_id: id,
      idempotency_key: idempotencyKey,
      state: { type: "PENDING" },
    },
  }));
  return run.id;
}

/** Logs in a row go together, all else by itself. */
function parts(entries: readonly Entry[]): Entry[][] {
  const found: Entry[][] = [];
  for (const entry of entries) {
    const last = found.at(-1);
    const joins = entry.message.kind === "log" && last?.[0]?.message.kind === "log";
    if (joins && last.length < LOGS_AT_ONCE) last.push(entry);
    else found.push([entry]);
  }
  return found;
}

const LOGS_AT_ONCE = 100;

async function send(client: PrefectClient, flowRunId: string, part: readonly Entry[]): Promise<void> {
  const { message, again } = part[0]!;
  switch (message.kind) {
    case "flow run state":
      return await sendFlowRunState(client, flowRunId, message, again);
    case "task run":
      return await sendTaskRun(client, flowRunId, part[0]!.id, message, again);
    case "task run state":
      return await sendTaskRunState(client, message, again);
    case "log":
      return await sendLogs(client, flowRunId, part);
    case "progress":
      return await sendProgress(client, flowRunId, message);
    case "artifact":
      return await sendArtifact(client, flowRunId, message, again);
    case "event": {
      const { id, event, resource, payload, at } = message;
      return await sendEvent(client, { id, event, resource, payload, at, flowRunId });
    }
  }
}

/** What a state of ours looks like: its transition has the message's id, by which it is found again. */
const stateOf = (id: string, { type, name, message, at }: State) => ({
  type,
  ...name === undefined ? {} : { name },
  ...message === undefined ? {} : { message },
  state_details: { transition_id: id, ...at === undefined ? {} : { scheduled_time: at } },
});

const arrived = (states: readonly Schema<"State">[], id: string): boolean =>
  states.some(({ state_details }) => state_details?.transition_id === id);

const OVER = ["COMPLETED", "CANCELLED"];

/**
 * Prefect itself lets any state follow any other. So what a person decided stays: a run that was cancelled does not go on,
 * and one that is over is not over for another reason. A run that was taken for dead, and was not, may say so.
 */
async function sendFlowRunState(
  { api, call }: PrefectClient,
  flowRunId: string,
  { id, state }: Extract<Message, { kind: "flow run state" }>,
  again: boolean,
): Promise<void> {
  const { state: now } = await call(api.GET("/flow_runs/{id}", { params: { path: { id: flowRunId } } }));
  if (now && OVER.includes(now.type)) return;
  if (state.type === "RUNNING" && now?.type === "CANCELLING") return;
  if (again) {
    const states = await call(
      api.GET("/flow_run_states/", { params: { query: { flow_run_id: flowRunId } } }),
    );
    if (arrived(states, id)) return;
  }
  await forced((force) =>
    call(api.POST("/flow_runs/{id}/set_state", {
      params: { path: { id: flowRunId } },
      body: { state: stateOf(id, state), force },
    }))
  );
}

/** Prefect's own rules may refuse a state (it would retry what has failed); that we report is what happened. */
async function forced(set: (force: boolean) => Promise<Schema<"OrchestrationResult">>): Promise<void> {
  const { status } = await set(false);
  if (status !== "ACCEPT") await set(true);
}

async function sendTaskRun(
  { api, call }: PrefectClient,
  flowRunId: string,
  entry: string,
  { id, key, dynamicKey, after, retries }: Extract<Message, { kind: "task run" }>,
  again: boolean,
): Promise<void> {
  const inputs = after.map((id) => ({ input_type: "task_run" as const, id }));
  const running = stateOf(entry, { type: "RUNNING" });
  const { state } = await call(api.POST("/task_runs/", {
    body: {
      ...{ id, flow_run_id: flowRunId, task_key: key, dynamic_key: dynamicKey, name: `${key} ${dynamicKey}` },
      state: running,
      empirical_policy: { retries, retry_delay: 0 },
      task_inputs: inputs.length === 0 ? {} : { after: inputs },
    },
  }));
  if (state?.type === "RUNNING") return;
  if (again) { // what followed may have arrived, too
    const states = await call(api.GET("/task_run_states/", { params: { query: { task_run_id: id } } }));
    if (arrived(states, entry)) return;
  }
  await forced((force) =>
    // the flow run was started again, and its task with it
    call(api.POST("/task_runs/{id}/set_state", { params: { path: { id } }, body: { state: running, force } }))
  );
}

async function sendTaskRunState(
  { api, call }: PrefectClient,
  { id, taskRun, state }: Extract<Message, { kind: "task run state" }>,
  again: boolean,
): Promise<void> {
  if (again) {
    const states = await call(api.GET("/task_run_states/", { params: { query: { task_run_id: taskRun } } }));
    if (arrived(states, id)) return;
  }
  await forced((force) =>
    call(api.POST("/task_runs/{id}/set_state", {
      params: { path: { id: taskRun } },
      body: { state: stateOf(id, state), force },
    }))
  );
}

async function sendLogs(
  { api, call }: PrefectClient,
  flowRunId: string,
  part: readonly Entry[],
): Promise<void> {
  const lines = part.flatMap(({ message, again }) => message.kind === "log" ? [{ ...message, again }] : []);
  const known = new Set<string>();
  const name = (text: string, at: string) => JSON.stringify([text, Date.parse(at)]);
  const doubtful = lines.filter(({ again }) => again).map(({ at }) => at).sort();
  if (doubtful.length > 0) {
    const there = await call(api.POST("/logs/filter", {
      body: {
        logs: {
          flow_run_id: { any_: [flowRunId] },
          timestamp: { after_: doubtful[0]!, before_: doubtful.at(-1)! },
        },
        limit: 200,
      },
    }));
    for (const { message, timestamp } of there) known.add(name(message, timestamp));
  }
  const open = lines.filter(({ text, at }) => !known.has(name(text, at)));
  if (open.length === 0) return;
  await call(api.POST("/logs/", {
    body: open.map(({ level, text, at }) => ({
      ...{ name: "quintet", level, message: text, timestamp: at },
      flow_run_id: flowRunId,
    })),
  }));
}

const artifacts = ({ api, call }: PrefectClient, flowRunId: string, key: string) =>
  call(api.POST("/artifacts/filter", {
    body: { artifacts: { flow_run_id: { any_: [flowRunId] }, key: { any_: [key] } }, limit: 200 },
  }));

/** One bar a run, which grows. */
async function sendProgress(
  client: PrefectClient,
  flowRunId: string,
  { key, percent, description }: Extract<Message, { kind: "progress" }>,
): Promise<void> {
  const { api, call } = client;
  const [bar] = await artifacts(client, flowRunId, key);
  if (bar?.id) {
    await call(api.PATCH("/artifacts/{id}", {
      params: { path: { id: bar.id } },
      body: { data: percent as never, description },
    }));
  } else {
    await call(api.POST("/artifacts/", {
      body: { key, type: "progress", data: percent as never, description, flow_run_id: flowRunId },
    }));
  }
}

async function sendArtifact(
  client: PrefectClient,
  flowRunId: string,
  { key, type, data, description }: Extract<Message, { kind: "artifact" }>,
  again: boolean,
): Promise<void> {
  const { api, call } = client;
  const text = typeof data === "string" ? data : JSON.stringify(data);
  if (again && (await artifacts(client, flowRunId, key)).some((one) => one.data as unknown === text)) return;
  await call(api.POST("/artifacts/", {
    body: { key, type, data: text as never, description, flow_run_id: flowRunId },
  }));
}

/** The tag of all that is ours: automations hear nothing of others. */
export const TAG = "quintet";

/** Sends an event, which Prefect knows by its id. */
export async function sendEvent(
  { api, call }: PrefectClient,
  { id, event, resource, payload = {}, at, flowRunId }: {
    readonly id: string;
    readonly event: string;
    /** Such as `quintet.experiment.ID`. */
    readonly resource: string;
    readonly payload?: Readonly<Record<string, unknown>>;
    readonly at: string;
    readonly flowRunId?: string;
  },
): Promise<void> {
  await call(api.POST("/events", {
    body: [{
      ...{ id, event, payload, occurred: at },
      resource: { "prefect.resource.id": resource },
      related: [
        { "prefect.resource.id": `prefect.tag.${TAG}`, "prefect.resource.role": "tag" },
        ...flowRunId === undefined || resource === `prefect.flow-run.${flowRunId}`
          ? []
          : [{ "prefect.resource.id": `prefect.flow-run.${flowRunId}`, "prefect.resource.role": "flow-run" }],
      ],
    }],
  }));
}

/**
 * Says that a flow run is alive: an automation takes it for dead when this is not heard any more. By the server's clock, as the
 * automation goes by that: where a machine's is a minute behind, each would come too late.
 */
export async function sendHeartbeat(
  client: PrefectClient,
  { id, flowRunId, at }: { readonly id: string; readonly flowRunId: string; readonly at: string },
): Promise<void> {
  await sendEvent(client, {
    id,
    at: new Date(Date.parse(at) + await client.ahead()).toISOString(),
    flowRunId,
    event: "prefect.flow-run.heartbeat",
    resource: `prefect.flow-run.${flowRunId}`,
  });
}
