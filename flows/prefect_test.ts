/**
 * Quintet under Prefect, all parts real: a server, a worker, and what the server says of every run.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { type PrefectClient, prefectClient, PrefectError, type Schema } from "../lib/prefect/mod.ts";
import {
  type Asked,
  essence,
  type ModelServer,
  modelServer,
  parity,
  place,
  printed,
  run,
} from "./testing.ts";
import { ROOT } from "./setting.ts";

/** A command that does not end by itself, once it has printed its line. */
interface Standing extends AsyncDisposable {
  readonly line: string;
  kill(signal: Deno.Signal): void;
}

async function standing(
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
    ...{ line: line.trim(), kill },
    async [Symbol.asyncDispose]() {
      try {
        kill("SIGTERM");
      } catch { /* it has ended */ }
      await child.status;
      await lines.cancel();
    },
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until `wanted` is found, for `seconds` at most; a machine may be slow. */
async function until<T>(
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
function asking({ api, call }: PrefectClient) {
  const flowRun = (id: string) => call(api.GET("/flow_runs/{id}", { params: { path: { id } } }));
  return {
    flowRun,
    runsOf: (flow: string) =>
      call(
        api.POST("/flow_runs/filter", {
          body: { flows: { name: { any_: [flow] } }, sort: "START_TIME_ASC", limit: 50 },
        }),
      ),
    reaches: (id: string, state: string, seconds: number) =>
      until(`${state} of ${id}`, seconds, async () => {
        const { state: now } = await flowRun(id);
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
    states: async (id: string) => {
      const states = await call(api.GET("/flow_run_states/", { params: { query: { flow_run_id: id } } }));
      return states.map(({ type }) => type);
    },
    logs: async (id: string) => {
      const lines = await call(api.POST("/logs/filter", {
        body: { logs: { flow_run_id: { any_: [id] } }, sort: "TIMESTAMP_ASC", limit: 200 },
      }));
      return lines.map(({ message }) => message);
    },
    artifacts: (id: string) =>
      call(
        api.POST("/artifacts/filter", { body: { artifacts: { flow_run_id: { any_: [id] } }, limit: 200 } }),
      ),
  };
}

/** The steps of a graph without numbers, each run of the same two as one. */
const shape = (labels: readonly string[]) =>
  labels.map((label) => label.split(" ")[0]).join(" ").replace(
    /(refined_inference refined_evaluation ?)+/g,
    "race ",
  );

/** Requests that were made more than once. */
const twice = (asked: readonly Asked[]) =>
  asked.length - new Set(asked.map(({ request }) => JSON.stringify(request))).size;

Deno.test("Prefect runs, cancels, schedules and takes for dead what is deployed, and is told of all else later", async (t) => {
  await using here = await place();
  let slow = Promise.resolve();
  await using models: ModelServer = modelServer(async (request) => {
    if (request.messages[0]?.content.startsWith("Slowly")) await slow;
    return parity(request);
  });
  const [, primary, , optimizer] = models.models as [string, string, string, string];
  await using server = await standing("prefect", ["--port", "0", "--json"], here.env);
  const { url } = JSON.parse(server.line);
  const env = { ...here.env, PREFECT_API_URL: url };
  const client = prefectClient({ url, timeoutMs: 30_000 });
  const { api, call } = client;
  const prefect = asking(client);
  const deploy = async (...args: string[]) =>
    printed(
      await run("deploy", ["--json", "--zombie-seconds", "30", "--retrain-after", "2", ...args], { env }),
    );
  const parameters = {
    ...{ dataset: here.questions, primary, optimizer, max_calls: 300, threshold: 0.8 },
    ...{ surrogate: false, policy: false },
  };
  const worker = () =>
    standing("worker", ["--limit", "4", "--json"], {
      ...env,
      ...{ QUINTET_DATASET: here.questions, QUINTET_PRIMARY: primary, QUINTET_SPLIT: "validation" },
      QUINTET_MAX_CALLS: "1", // a run's parameters win over it
    });

  let deployed!: { deployments: Record<string, string> };
  await t.step("what is deployed twice is there once", async () => {
    deployed = await deploy("--flow", "evaluate", "--schedule", "* * * * *");
    deepEqual(await deploy(), deployed);
    deepEqual(Object.keys(deployed.deployments).sort(), [
      ...["evaluate", "prompt-optimizer", "report", "sweep", "train-meta-model", "train-policy"],
    ]);
    const { schedules } = await call(api.GET("/deployments/{id}", {
      params: { path: { id: deployed.deployments.evaluate! } },
    }));
    deepEqual(schedules?.map(({ schedule }) => "cron" in schedule && schedule.cron), ["* * * * *"]);
  });
  const create = async (given: Record<string, unknown> = {}) =>
    (await call(api.POST("/deployments/{id}/create_flow_run", {
      params: { path: { id: deployed.deployments["prompt-optimizer"]! } },
      body: { parameters: { ...parameters, ...given } },
    }))).id;
  await t.step("parameters are checked by the flow's schema", async () => {
    for (const wrong of [{ threshold: 2 }, { max_iteration: 3 }, { metric: "charm" }]) {
      equal(await create(wrong).catch(({ status }) => status), 409);
    }
  });

  const held = Promise.withResolvers<void>();
  slow = held.promise;
  let killed!: string;
  {
    await using first = await worker();
    const [whole, cancelled] = [await create(), await create({ system_prompt: "Slowly.", seed: 2 })];
    killed = await create({ system_prompt: "Slowly but surely.", seed: 3 });

    await t.step("a run of a deployment shows the loop, its logs and what came of it", async () => {
      await prefect.reaches(whole, "COMPLETED", 120);
      const graph = await prefect.graph(whole);
      deepEqual([...new Set(graph.map(({ state_type }) => state_type))], ["COMPLETED"]);
      match(
        shape(graph.map(({ label }) => label)),
        /^load_state (primary_inference baseline_evaluation optimizer_refine (race )?compare_and_log )+locked_test$/,
      );
      deepEqual((await prefect.states(whole)).slice(-2), ["RUNNING", "COMPLETED"]);
      ok((await prefect.logs(whole)).some((line) => line?.startsWith("iteration 1, keeping")));
      const artifacts = await prefect.artifacts(whole);
      deepEqual(artifacts.map(({ key }) => key).sort(), [
        "progress",
        "prompt-diff",
        "report",
        "result",
        "trials",
      ]);
      equal(artifacts.find(({ key }) => key === "progress")?.data, 100);
      const { rows } = await here.db.query("select status from experiments where id = $1", [whole]);
      deepEqual(rows, [{ status: "finished" }]);
    });

    await t.step("a run that is cancelled ends within 30 s, and its best prompt is kept", async () => {
      await prefect.reaches(cancelled, "RUNNING", 120);
      await until(
        "question",
        60,
        () => Promise.resolve(models.asked.some(({ request }) => request.messages[0]?.content === "Slowly.")),
      );
      const began = performance.now();
      await prefect.set(cancelled, "CANCELLING");
      await prefect.reaches(cancelled, "CANCELLED", 40);
      ok(performance.now() - began < 32_000); // with what asking takes
      await until("end", 20, async () => {
        const { rows } = await here.db.query(
          `select e.status, p.system_prompt from experiments e join prompts p on p.experiment_id = e.id
            where e.id = $1 and p.version = 0 and e.status <> 'running'`,
          [cancelled],
        );
        return rows.length > 0 &&
          deepEqual(rows, [{ status: "interrupted", system_prompt: "Slowly." }]) === undefined;
      });
    });

    await t.step("a run whose process and worker die counts as crashed", async () => {
      await prefect.reaches(killed, "RUNNING", 120);
      await until(
        "question",
        60,
        () =>
          Promise.resolve(
            models.asked.some(({ request }) => request.messages[0]?.content === "Slowly but surely."),
          ),
      );
      await pause(9_000); // it was heard of at least once more
      await killAll(killed, first);
      const { name, message } = await prefect.reaches(killed, "CRASHED", 90);
      equal(name, "Crashed");
      match(message ?? "", /^Not heard of for 30 s/);
    });
  }

  await using _second = await worker();
  await t.step("a run that crashed and is started again goes on from where it was", async () => {
    held.resolve();
    await prefect.set(killed, "SCHEDULED");
    await prefect.reaches(killed, "COMPLETED", 120);
    const { rows } = await here.db.query("select status from experiments where id = $1", [killed]);
    deepEqual(rows, [{ status: "finished" }]);
    ok(
      twice(models.asked) <= 16,
      `${twice(models.asked)} requests twice, 8 were in flight at each of two ends`,
    );
  });

  await t.step("a schedule fires", async () => {
    const fired = await until(
      "scheduled run",
      120,
      async () =>
        (await prefect.runsOf("evaluate")).find(({ auto_scheduled, state_type }) =>
          auto_scheduled && state_type === "COMPLETED"
        ),
    );
    equal(fired.deployment_id, deployed.deployments.evaluate);
    await deploy("--flow", "evaluate", "--schedule", "none");
  });

  await t.step("after enough experiments the meta-model is trained", async () => {
    const trained = await until("training", 60, async () => (await prefect.runsOf("train-meta-model")).at(0));
    equal(trained.created_by?.type, "AUTOMATION");
    await prefect.reaches(trained.id!, "COMPLETED", 120);
    deepEqual((await prefect.graph(trained.id!)).map(({ label }) => label), [
      ...["extract-prompt-features 1", "train-meta-model 1"],
    ]);
  });

  await t.step(
    "what happens while Prefect is away, or loses its answers, arrives later: in order, and once",
    async () => {
      await using door = fickle(url);
      const away = { ...here.env, PREFECT_API_URL: door.url };
      const args = [
        "--dataset",
        here.questions,
        ...models.models,
        "--max-calls",
        "200",
        "--json",
        "--seed",
        "9",
      ];
      const alone = await run("optimize", [...args], { env: here.env });
      door.mode = "down";
      const told = await run("optimize", [...args], { env: away });
      deepEqual([alone.code, told.code], [EXIT.done, EXIT.done]);
      const [one, other] = [alone, told].map((ended) => essence(printed(ended)));
      deepEqual({ ...other, calls: null, tokens: null }, { ...one, calls: null, tokens: null }); // the second reads back what the first has paid for
      match(told.stderr, /Prefect will be told later: .* answered 503/);

      door.mode = "forgetful"; // does what it is asked, and often answers 500
      const before = (await prefect.runsOf("prompt-optimizer")).length;
      await until("delivery", 90, async () => {
        const later = await run("report", ["latest", "--json"], { env: away });
        equal(later.code, EXIT.done, later.stderr);
        const { rows } = await here.db.query("select from outbox where refused is null");
        return rows.length === 0;
      });
      const { rows: refused } = await here.db.query("select refused from outbox");
      deepEqual(refused, []);
      const runs = await prefect.runsOf("prompt-optimizer");
      equal(runs.length, before + 1);
      const id = runs.find(({ parameters }) => parameters?.seed === 9)!.id!;
      deepEqual(await prefect.states(id), ["PENDING", "RUNNING", "COMPLETED"]);
      const tasks = await prefect.tasks(id);
      ok(tasks.length > 5);
      for (const { id } of tasks) deepEqual(await prefect.taskStates(id!), ["RUNNING", "COMPLETED"]);
      const logs = await prefect.logs(id);
      deepEqual(logs.length, new Set(logs).size);
      const keys = (await prefect.artifacts(id)).map(({ key }) => key);
      deepEqual(keys.sort(), ["progress", "prompt-diff", "report", "result", "trials"]);
    },
  );
});

/** Ends a worker and the process of a flow run at once, as a power cut does. */
async function killAll(flowRunId: string, worker: Standing): Promise<void> {
  const victims: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (environment.includes(`PREFECT__FLOW_RUN_ID=${flowRunId}`)) victims.push(Number(name));
  }
  ok(victims.length > 0, "its process is found");
  for (const { pid } of [JSON.parse(worker.line), ...victims.map((pid) => ({ pid }))]) {
    Deno.kill(pid, "SIGKILL");
  }
}

/** Prefect behind a door that can be shut, or through which answers get lost. */
function fickle(target: string) {
  let n = 0;
  const door = { mode: "open" as "open" | "down" | "forgetful" };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (door.mode === "down") return new Response("{}", { status: 503 });
    const { pathname, search } = new URL(request.url);
    const answer = await fetch(`${new URL(target).origin}${pathname}${search}`, {
      method: request.method,
      headers: { "content-type": "application/json" },
      ...request.body ? { body: await request.text() } : {},
    });
    const body = await answer.arrayBuffer();
    const forgets = door.mode === "forgetful" && request.method === "POST" && ++n % 5 === 0;
    if (forgets) return new Response("{}", { status: 500 });
    return new Response(answer.status === 204 ? null : body, { status: answer.status });
  });
  return Object.assign(door, {
    url: `http://127.0.0.1:${server.addr.port}/api`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  });
}
