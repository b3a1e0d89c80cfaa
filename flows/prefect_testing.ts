/**
 * What the tests of Prefect share: a server and a worker as users start them, what the server says of a run, and a door before
 * it that can be shut.
 *
 * @module
 */
import { ok, strictEqual as equal } from "node:assert/strict";
import { type PrefectClient, PrefectError, type Schema } from "../lib/prefect/mod.ts";
import type { Asked } from "./testing.ts";
import { ROOT } from "./setting.ts";

/** A command that does not end by itself, once it has printed its line. */
export interface Standing extends AsyncDisposable {
  readonly line: string;
  /** Its exit code. */
  readonly ended: Promise<number>;
  kill(signal: Deno.Signal): void;
}

export async function standing(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Standing> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", `flows/${name}.ts`, ...args],
    ...{ cwd: ROOT, env, stdin: "null", stdout: "piped", stderr: "null" },
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.includes("\n")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`Cannot start ${name}: it ended with ${(await child.status).code}`);
    line += value;
  }
  const kill = (signal: Deno.Signal) => child.kill(signal);
  return {
    ...{ line: line.trim(), ended: child.status.then(({ code }) => code), kill },
    async [Symbol.asyncDispose]() {
      try {
        kill("SIGTERM");
      } catch { /* it has ended */ }
      await child.status;
      await lines.cancel();
    },
  };
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until `wanted` is found, for `seconds` at most; a machine may be slow. */
export async function until<T>(
  what: string,
  seconds: number,
  wanted: () => Promise<T | undefined | false>,
): Promise<T> {
  const began = performance.now();
  for (;;) {
    const found = await wanted().catch((error) => {
      if (error instanceof PrefectError && error.retryable) return undefined;
      throw error;
    });
    if (found) return found;
    ok(performance.now() - began < seconds * 1000, `no ${what} for ${seconds} s`);
    await pause(300);
  }
}

/** What tests ask Prefect. */
export function asking({ api, call }: PrefectClient) {
  const flowRun = (id: string) => call(api.GET("/flow_runs/{id}", { params: { path: { id } } }));
  const flowRunStates = (id: string) =>
    call(api.GET("/flow_run_states/", { params: { query: { flow_run_id: id } } }));
  const artifacts = (id: string) =>
    call(api.POST("/artifacts/filter", { body: { artifacts: { flow_run_id: { any_: [id] } }, limit: 200 } }));
  return {
    flowRun,
    artifacts,
    runsOf: (flow: string) =>
      call(
        api.POST("/flow_runs/filter", {
          body: { flows: { name: { any_: [flow] } }, sort: "START_TIME_ASC", limit: 50 },
        }),
      ),
    reaches: (id: string, state: string, seconds: number) =>
      until(`${state} of ${id}`, seconds, async () => {
        const { state: now } = await flowRun(id);
        if (now?.type === "FAILED" && state !== "FAILED") throw new Error(`${id} failed: ${now.message}`);
        return now?.type === state && now;
      }),
    set: (id: string, type: Schema<"StateType">) =>
      call(api.POST("/flow_runs/{id}/set_state", {
        params: { path: { id } },
        body: { state: { type }, force: true },
      })),
    /** Labels of the graph in their order, with their states. */
    graph: async (id: string) => {
      const { nodes } = await call(api.GET("/flow_runs/{id}/graph-v2", { params: { path: { id } } }));
      const all = nodes as unknown as [
        string,
        { label: string; state_type: string; parents: { id: string }[] },
      ][];
      const [first] = all.filter(([, { parents }]) => parents.length === 0);
      const order = [];
      for (
        let now = first;
        now;
        now = all.find(([, { parents }]) => parents.some(({ id }) => id === now![0]))
      ) {
        order.push(now[1]);
      }
      equal(order.length, all.length, "one chain");
      return order;
    },
    taskStates: async (id: string) => {
      const states = await call(api.GET("/task_run_states/", { params: { query: { task_run_id: id } } }));
      return states.map(({ type }) => type);
    },
    tasks: (id: string) =>
      call(api.POST("/task_runs/filter", { body: { flow_runs: { id: { any_: [id] } }, limit: 200 } })),
    states: async (id: string) => (await flowRunStates(id)).map(({ type }) => type),
    stateNames: async (id: string) => (await flowRunStates(id)).map(({ name }) => name),
    /** From when to when it ran, in milliseconds since 1970, each time. */
    spans: async (id: string) => {
      const at = (await flowRunStates(id)).map(({ type, timestamp }) => ({
        type,
        at: Date.parse(timestamp!),
      }));
      return at.flatMap(({ type, at: from }, i) =>
        type === "RUNNING" ? [{ from, to: at[i + 1]?.at ?? Infinity }] : []
      );
    },
    /** Heartbeats since a time, oldest first. */
    beats: async (id: string, since: Date) => {
      const { events } = await call(api.POST("/events/filter", {
        body: {
          filter: {
            event: { name: ["prefect.flow-run.heartbeat"] },
            resource: { id: [`prefect.flow-run.${id}`] },
            occurred: { since: since.toISOString(), until: new Date().toISOString() },
            order: "ASC",
          },
          limit: 50,
        },
      }));
      return events.map(({ occurred }) => Date.parse(occurred));
    },
    artifactKeys: async (id: string) => (await artifacts(id)).map(({ key }) => key).sort(),
    logs: async (id: string) => {
      const lines = await call(api.POST("/logs/filter", {
        body: { logs: { flow_run_id: { any_: [id] } }, sort: "TIMESTAMP_ASC", limit: 200 },
      }));
      return lines.map(({ message }) => message);
    },
  };
}

/** The steps of a graph without numbers, each run of the same two as one. */
export const shape = (labels: readonly string[]) =>
  labels.map((label) => label.split(" ")[0]).join(" ").replace(
    /(refined_inference refined_evaluation ?)+/g,
    "race ",
  );

/** Requests that were made more than once. */
export const twice = (asked: readonly Asked[]) =>
  asked.length - new Set(asked.map(({ request }) => JSON.stringify(request))).size;

/** The processes that a worker has started for a flow run. */
export async function processesOf(flowRunId: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (environment.includes(`PREFECT__FLOW_RUN_ID=${flowRunId}`)) found.push(Number(name));
  }
  return found;
}

/** Sends a signal to all processes of a flow run; gives their numbers. */
export async function signal(flowRunId: string, signal: Deno.Signal): Promise<number[]> {
  const pids = await processesOf(flowRunId);
  ok(pids.length > 0, "its process is found");
  for (const pid of pids) Deno.kill(pid, signal);
  return pids;
}

/** What becomes of requests that go through a door. */
export type Mode = "open" | "down" | "failing" | "forgetful" | "slow" | "hung";

/**
 * Prefect behind a door that can be shut: `down` answers 503, `failing` answers every second request with 500 and does not pass it
 * on, `forgetful` passes all on and answers 500 instead of what came back for every fifth, `slow` takes its time, `hung` accepts
 * and never answers.
 */
export function fickle(target: string, mode: Mode = "open") {
  let n = 0;
  const door = { mode, asked: 0 };
  const over = new AbortController();
  const shut = new Promise<void>((resolve) => over.signal.addEventListener("abort", () => resolve()));
  const failed = () => Response.json({}, { status: 500 });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    door.asked++;
    const { mode } = door;
    const asked = request.body ? { body: await request.text() } : {}; // whoever asked may be gone when it is passed on
    if (mode === "hung") await shut;
    if (mode === "slow") await Promise.race([shut, pause(2_000)]);
    if (mode === "down" || over.signal.aborted) return Response.json({}, { status: 503 });
    if (mode === "failing" && ++n % 2 === 0) return failed();
    const { pathname, search } = new URL(request.url);
    const { headers } = request;
    const authorization = headers.get("authorization");
    const answer = await fetch(`${new URL(target).origin}${pathname}${search}`, {
      method: request.method,
      headers: { "content-type": "application/json", ...authorization ? { authorization } : {} },
      ...asked,
    });
    const body = await answer.arrayBuffer();
    if (mode === "forgetful" && request.method === "POST" && ++n % 5 === 0) return failed();
    return new Response(answer.status === 204 ? null : body, { status: answer.status });
  });
  return Object.assign(door, {
    url: `http://127.0.0.1:${server.addr.port}/api`,
    async [Symbol.asyncDispose]() {
      over.abort();
      await server.shutdown();
    },
  });
}

/** Prefect as far as one flow run needs it that a worker starts by `parameters`; what it is told it forgets. */
export function flowRunServer(parameters: Readonly<Record<string, unknown>>) {
  const told = { parameters, attempts: 1 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.body?.cancel();
    const { pathname } = new URL(request.url);
    if (pathname.endsWith("/flow_run_states/") && request.method === "GET") {
      const attempt = [{ type: "PENDING" }, { type: "RUNNING" }];
      return Response.json(Array.from({ length: told.attempts }, () => attempt).flat());
    }
    const state = { type: "RUNNING" };
    const answer = { id: crypto.randomUUID(), status: "ACCEPT", state, state_type: state.type };
    return Response.json({ ...answer, parameters: told.parameters });
  });
  return Object.assign(told, {
    url: `http://127.0.0.1:${server.addr.port}/api`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  });
}
