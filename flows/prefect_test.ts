/**
 * Quintet under Prefect, all parts real: a server with a password on the embedded PostgreSQL, workers, and what the server says
 * of every run.
 */
import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  strictEqual as equal,
} from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { deploy as deployTo, openHeartbeats, prefectClient, PrefectError, TAG } from "../lib/prefect/mod.ts";
import { type ExperimentResult, resultOf } from "../lib/report/result.ts";
import { readExperiment } from "../lib/store/mod.ts";
import {
  asking,
  fickle,
  pause,
  processesOf,
  shape,
  signal,
  standing,
  twice,
  until,
} from "./prefect_testing.ts";
import { essence, filesWith, type ModelServer, modelServer, parity, place, printed, run } from "./testing.ts";

const PASSWORD = "quintet:open sesame/4711";
const LOOP =
  /^load_state (primary_inference baseline_evaluation optimizer_refine (race )?compare_and_log )+locked_test$/;
const WHOLE = ["progress", "prompt-diff", "report", "result", "trials"];

Deno.test("Prefect runs, cancels, limits, schedules and takes for dead what is deployed, and is told of all else later", async (t) => {
  await using here = await place();
  const step = async (...step: [string, () => Promise<void>]) => {
    if (!await t.step(...step)) throw new Error("Cannot go on as each step goes by those before it");
  };
  const held = Promise.withResolvers<void>();
  await using models: ModelServer = modelServer(async (request) => {
    if (request.messages[0]?.content.startsWith("Slowly")) await held.promise;
    return parity(request);
  });
  const askedOf = (systemPrompt: string) =>
    models.asked.filter(({ request }) => request.messages[0]?.content === systemPrompt).length;
  using _opened = { [Symbol.dispose]: held.resolve }; // or what waits would keep the server open
  const [, primary, , optimizer] = models.models as [string, string, string, string];
  await using server = await standing("prefect", ["--port", "0", "--json"], {
    ...here.env,
    PREFECT_API_AUTH_STRING: PASSWORD,
    PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS: "2",
  });
  const { url } = JSON.parse(server.line);
  const env = { ...here.env, PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: PASSWORD };
  const client = prefectClient({ url, auth: PASSWORD, timeoutMs: 30_000 });
  const { api, call } = client;
  const prefect = asking(client);
  const deploy = async (...args: string[]) =>
    printed(
      await run("deploy", [
        ...["--json", "--zombie-seconds", "30", "--retrain-after", "2", "--policy-after", "3"],
        ...args,
      ], { env }),
    );
  const parameters = {
    ...{ dataset: here.questions, primary, optimizer, max_calls: 300, threshold: 0.8 },
    ...{ surrogate: false, policy: false },
  };
  const worker = () =>
    standing("worker", ["--limit", "6", "--json"], {
      ...env,
      ...{ QUINTET_DATASET: here.questions, QUINTET_PRIMARY: primary, QUINTET_SPLIT: "validation" },
      QUINTET_MAX_CALLS: "1", // a run's parameters win over it
    });

  await step("what several deploy at once is there once", async () => {
    const flows = ["train-meta-model", "train-policy"].map((name) => ({
      ...{ name, description: "", command: "true", directory: "/", limit: 1 },
      parameters: { type: "object" },
    }));
    const rules = { retrainAfter: 2, policyAfter: 3, zombieSeconds: 30 };
    const once = () => deployTo(client, { pool: "quintet", flows, rules });
    await Promise.all([once(), once(), once()]);
    const there = await call(api.POST("/automations/filter", { body: { limit: 200 } }));
    deepEqual(there.map(({ id }) => id).sort(), Object.values((await once()).automations).sort());
  });
  let deployed!: { deployments: Record<string, string> };
  await step("what is deployed twice is there once", async () => {
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
  const createOf = async (deployment: string, parameters: Record<string, unknown>) =>
    (await call(api.POST("/deployments/{id}/create_flow_run", {
      params: { path: { id: deployed.deployments[deployment]! } },
      body: { parameters },
    }))).id;
  const create = (given: Record<string, unknown> = {}) =>
    createOf("prompt-optimizer", { ...parameters, ...given });
  await step("parameters are checked by the flow's schema", async () => {
    for (const wrong of [{ threshold: 2 }, { max_iteration: 3 }, { metric: "charm" }]) {
      equal(await create(wrong).catch(({ status }) => status), 409);
    }
  });
  await step("nobody gets in without the password", async () => {
    for (const auth of [undefined, "quintet:wrong"]) {
      await prefectClient({ url, ...auth ? { auth } : {} }).version().then(
        () => ok(false, `let in with ${auth}`),
        (error) => ok(error instanceof PrefectError && error.status === 401, `${error}`),
      );
    }
  });

  let killed!: string, stopped!: string, measured!: string, trained!: string, old!: number[];
  const prompt = `${here.folder}/slowly.json`, one = "Slowly, one by one.", edits = 10_000;
  await Deno.writeTextFile(prompt, JSON.stringify({ system_prompt: one }));
  {
    await using _first = await worker();
    const local = { primary: "local", optimizer: "local", concurrency: 4 };
    killed = await create({ system_prompt: "Slowly but surely.", seed: 3 });
    stopped = await create({ system_prompt: "Slowly and steadily.", seed: 4 });
    const whole = await create({ ...local, max_calls: 60, max_iterations: 1 });

    await step("a run on the embedded model shows the loop, its logs and what came of it", async () => {
      await prefect.reaches(whole, "COMPLETED", 180);
      const graph = await prefect.graph(whole);
      deepEqual([...new Set(graph.map(({ state_type }) => state_type))], ["COMPLETED"]);
      match(shape(graph.map(({ label }) => label)), LOOP);
      deepEqual((await prefect.states(whole)).slice(-2), ["RUNNING", "COMPLETED"]);
      ok((await prefect.logs(whole)).some((line) => line?.startsWith("iteration 1, keeping")));
      deepEqual(await prefect.artifactKeys(whole), WHOLE);
      equal((await prefect.artifacts(whole)).find(({ key }) => key === "progress")?.data, 100);
      const { rows } = await here.db.query("select status from experiments where id = $1", [whole]);
      deepEqual(rows, [{ status: "finished" }]);
      const spans = await prefect.spans(whole);
      const [first] = await prefect.beats(whole, new Date(spans[0]!.from - 60_000));
      ok(first! - spans[0]!.from < 1_000, "it was heard of within its first second");
    });

    await step(
      "a run on the embedded model that is cancelled ends within 30 s, its best prompt kept",
      async () => {
        const cancelled = await create({
          ...local,
          max_calls: 20_000,
          max_iterations: 500,
          patience: 500,
          threshold: 1,
        });
        await until(
          "kept trial",
          120,
          async () =>
            (await prefect.logs(cancelled)).some((line) => line?.startsWith("iteration 1, keeping")),
        );
        const began = performance.now();
        await prefect.set(cancelled, "CANCELLING");
        await prefect.reaches(cancelled, "CANCELLED", 40);
        ok(performance.now() - began < 30_000, `${performance.now() - began} ms`);
        await until("end of its process", 20, async () => (await processesOf(cancelled)).length === 0);
        const { experiment, trials, ...rest } = await readExperiment(here.db, cancelled);
        equal(experiment.status, "interrupted");
        const { best } = resultOf({ experiment, trials, ...rest });
        ok(best!.validation!.n > 0);
        ok(trials.length > 1);
        await until(
          "its artifacts",
          30,
          async () => JSON.stringify(await prefect.artifactKeys(cancelled)) === JSON.stringify(WHOLE),
        );
        equal((await prefect.states(cancelled)).at(-1), "CANCELLED");
      },
    );

    for (const [id, systemPrompt] of [[killed, "Slowly but surely."], [stopped, "Slowly and steadily."]]) {
      await prefect.reaches(id!, "RUNNING", 120);
      await until("question", 60, () => Promise.resolve(askedOf(systemPrompt!) > 0));
    }
    measured = await createOf("evaluate", { max_calls: 40, prompt });
    trained = await createOf("train-policy", { timesteps: edits, dataset: here.questions });
    await until("question of the evaluation", 60, () => Promise.resolve(askedOf(one) > 0));
    await until("start of the training", 60, async () => (await prefect.tasks(trained)).length > 0);
    old = await signal(trained, "SIGSTOP");
    await pause(1_000); // what is told of the loop so far arrives
    Deno.kill(JSON.parse(_first.line).pid, "SIGKILL"); // first, or it would tell of what is killed next
    await signal(killed, "SIGKILL");
    for (const id of [stopped, measured]) old.push(...await signal(id, "SIGSTOP"));
  }

  await step("who is not heard of has crashed, who computes without a pause has not", async () => {
    const busy = (await call(api.POST("/flow_runs/", {
      body: {
        flow_id: (await prefect.flowRun(killed)).flow_id,
        ...{ name: "busy", tags: [TAG], state: { type: "RUNNING" } },
      },
    }))).id;
    const heartbeats = openHeartbeats({ url, auth: PASSWORD, everyMs: 4_000 });
    heartbeats.beat(busy);
    await until(
      "beat",
      20,
      async () => (await prefect.beats(busy, new Date(Date.now() - 20_000))).length > 0,
    );
    const since = new Date();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40_000); // nothing else runs in this thread
    const end = Date.now();
    await until(
      "heartbeats of 40 s of work",
      30,
      async () => (await prefect.beats(busy, since)).filter((at) => at <= end).length >= 8,
    );
    for (const id of [killed, stopped, measured, trained]) {
      const { name, message } = await prefect.reaches(id, "CRASHED", 60);
      equal(name, "Crashed");
      match(message ?? "", /^Not heard of for 30 s/);
    }
    equal((await prefect.flowRun(busy)).state?.type, "RUNNING");
    heartbeats.close();
    await prefect.set(busy, "COMPLETED");
  });

  await using _second = await worker();
  await step(
    "a run that crashed and is started again goes on from where it was; what was taken for dead changes nothing",
    async () => {
      const all = [killed, stopped, measured, trained];
      const asked = () => ["Slowly but surely.", "Slowly and steadily.", one].map(askedOf);
      const before = asked();
      for (const id of all) await prefect.set(id, "SCHEDULED");
      for (const id of all) await prefect.reaches(id, "RUNNING", 60);
      await until(
        "questions of all",
        60,
        () => Promise.resolve(asked().every((n, i) => n > before[i]!)),
      );
      for (const pid of old) Deno.kill(pid, "SIGCONT"); // while another one runs its experiment
      await pause(5_000);
      held.resolve();
      for (const id of all) await prefect.reaches(id, "COMPLETED", 180);
      await until("end of the old processes", 90, async () => {
        const left = (await Promise.all(all.map(processesOf))).flat();
        return !left.some((pid) => old.includes(pid));
      });
      for (
        const [id, task, keys] of [
          [measured, "evaluation 1", ["progress", "result"]],
          [trained, "rl-agent-step 1", ["policy", "progress"]],
        ] as const
      ) {
        const states = await prefect.states(id);
        const since = states.slice(states.lastIndexOf("CRASHED"));
        deepEqual(since.filter((state, i) => !(state === "PENDING" && since[i - 1] === state)), [ // it has several names
          ...["CRASHED", "SCHEDULED", "PENDING", "RUNNING", "COMPLETED"],
        ]);
        deepEqual((await prefect.graph(id)).map(({ label }) => label), [task]);
        const [only] = await prefect.tasks(id);
        const [end, ...rest] = (await prefect.taskStates(only!.id!)).toReversed();
        deepEqual([end, [...new Set(rest)]], ["COMPLETED", ["RUNNING"]]);
        deepEqual(await prefect.artifactKeys(id), keys);
      }
      const { rows: policies } = await here.db.query(
        "select from rl_models where timesteps >= $1",
        [edits],
      );
      equal(policies.length, 1, "what was trained by who was taken for dead is not the newest policy");
      for (const id of [killed, stopped]) {
        const states = await prefect.states(id);
        deepEqual([...new Set(states.slice(states.lastIndexOf("CRASHED")))], [
          ...["CRASHED", "SCHEDULED", "PENDING", "RUNNING", "COMPLETED"],
        ]);
        equal(states.filter((state) => state === "COMPLETED").length, 1);
        const graph = await prefect.graph(id);
        match(shape(graph.map(({ label }) => label)), LOOP);
        deepEqual([...new Set(graph.map(({ state_type }) => state_type))], ["COMPLETED"]);
        const { rows } = await here.db.query("select status from experiments where id = $1", [id]);
        deepEqual(rows, [{ status: "finished" }]);
        deepEqual(await prefect.artifactKeys(id), WHOLE);
      }
      const loops = models.asked.filter(({ request }) => request.messages[0]?.content !== one);
      ok(
        twice(loops) <= 32,
        `${twice(loops)} requests twice, 8 were in flight at each of four ends`,
      );

      await using undisturbed = await place();
      const alone = printed(
        await run(
          "optimize",
          [
            ...["--dataset", here.questions, ...models.models, "--max-calls", "300", "--threshold", "0.8"],
            ...["--no-surrogate", "--no-policy", "--seed", "4", "--system-prompt", "Slowly and steadily."],
            "--json",
          ],
          { env: undisturbed.env },
        ),
      );
      const resumed = resultOf(await readExperiment(here.db, stopped));
      deepEqual(plain(resumed), plain(alone));
    },
  );

  await step("a schedule fires", async () => {
    const fired = await until(
      "scheduled run",
      120,
      async () =>
        (await prefect.runsOf("evaluate")).find(({ auto_scheduled, state_type }) =>
          auto_scheduled && state_type === "COMPLETED"
        ),
    );
    equal(fired.deployment_id, deployed.deployments.evaluate);
    deepEqual(await prefect.artifactKeys(fired.id!), ["progress", "result"]);
    await deploy("--flow", "evaluate", "--schedule", "none");
  });

  await step("after enough experiments the meta-model and the policy are trained", async () => {
    for (
      const [flow, graph] of [
        ["train-meta-model", ["extract-prompt-features 1", "train-meta-model 1"]],
        ["train-policy", ["rl-agent-step 1"]],
      ] as const
    ) {
      const trained = await until(
        "training",
        60,
        async () => (await prefect.runsOf(flow)).find(({ created_by }) => created_by?.type === "AUTOMATION"),
      );
      await prefect.reaches(trained.id!, "COMPLETED", 180);
      deepEqual((await prefect.graph(trained.id!)).map(({ label }) => label), graph);
    }
  });

  await step("a training is tried again when what it needs is locked, and one runs at a time", async () => {
    const { rows: [row] } = await here.db.query<{ name: string }>("select current_database() as name");
    const { name } = row!;
    await here.db.query(`alter database ${name} set lock_timeout = '500ms'`);
    let trainings!: string[], policy!: string;
    await here.db.transaction(async (tx) => {
      await tx.query("lock table meta_models, rl_models in exclusive mode"); // they can be read
      trainings = [await createOf("train-meta-model", {}), await createOf("train-meta-model", {})];
      policy = await createOf("train-policy", { timesteps: 64, dataset: here.questions });
      const waits = async (ids: string[], key: string) =>
        (await Promise.all(ids.map((id) => prefect.tasks(id)))).flat()
          .some(({ task_key, state_name }) => task_key === key && state_name === "AwaitingRetry");
      await Promise.all([
        until("retry of the meta-model", 60, () => waits(trainings, "train-meta-model")),
        until("retry of the policy", 60, () => waits([policy], "rl-agent-step")),
        until("wait for a slot", 60, async () =>
          (await Promise.all(trainings.map(prefect.flowRun)))
            .some(({ state_name }) => state_name === "AwaitingConcurrencySlot")),
      ]);
    });
    for (const id of [...trainings, policy]) await prefect.reaches(id, "COMPLETED", 120);
    const retried = (await Promise.all([...trainings, policy].map(prefect.tasks))).flat()
      .filter(({ run_count }) => run_count! > 1);
    deepEqual([...new Set(retried.map(({ task_key }) => task_key))].sort(), [
      "rl-agent-step",
      "train-meta-model",
    ]);
    for (const { id } of retried) {
      const states = await prefect.taskStates(id!);
      deepEqual(states.slice(0, 3), ["RUNNING", "SCHEDULED", "RUNNING"]);
      equal(states.at(-1), "COMPLETED");
    }
    const spans = (await Promise.all(trainings.map(prefect.spans))).flat();
    apart(spans);
    for (const id of trainings) deepEqual(await prefect.artifactKeys(id), ["meta-model", "progress"]);
    deepEqual(await prefect.artifactKeys(policy), ["policy", "progress"]);
    await here.db.query(`alter database ${name} reset lock_timeout`);
  });

  await step(
    "a pool with a limit of one runs one at a time; evaluate and report have their artifacts",
    async () => {
      await deploy("--pool-limit", "1");
      const runs = [
        await createOf("evaluate", { max_calls: 40 }),
        await createOf("report", { experiment: stopped }),
        await createOf("evaluate", { max_calls: 40, seed: 2 }),
      ];
      for (const id of runs) await prefect.reaches(id, "COMPLETED", 120);
      apart((await Promise.all(runs.map(prefect.spans))).flat());
      deepEqual(await Promise.all(runs.map(prefect.artifactKeys)), [["progress", "result"], ["report"], [
        "progress",
        "result",
      ]]);
      deepEqual((await prefect.graph(runs[1]!)).map(({ label }) => label), ["write_report 1"]);
    },
  );

  await step(
    "Prefect away, failing, slow, silent or locked changes no result; all arrives later: in order, and once",
    async () => {
      await using down = fickle(url, "down");
      await using failing = fickle(url, "failing");
      await using slow = fickle(url, "slow");
      await using hung = fickle(url, "hung");
      const args = [
        ...["--dataset", here.questions, ...models.models, "--max-calls", "200", "--seed", "9", "--json"],
        ...["--no-surrogate", "--no-policy"],
      ];
      const alone = await run("optimize", args, { env: here.env });
      const cases: [what: string, env: Record<string, string>, said: RegExp][] = [
        ["down", { PREFECT_API_URL: down.url }, /Prefect will be told later: .* answered 503/],
        ["failing", { PREFECT_API_URL: failing.url }, /^/],
        ["slow", { PREFECT_API_URL: slow.url }, /^/],
        ["hung", { PREFECT_API_URL: hung.url }, /^/],
        [
          "wrong",
          { PREFECT_API_AUTH_STRING: "quintet:wrong" },
          /told later: .* refuses PREFECT_API_AUTH_STRING/,
        ],
        ["none", { PREFECT_API_AUTH_STRING: "" }, /told later: .* wants a password/],
      ];
      const before = (await prefect.runsOf("prompt-optimizer")).length;
      for (const [what, given, said] of cases) {
        const told = await run("optimize", [...args, "--report", `${here.folder}/${what}.html`], {
          env: { ...env, ...given },
        });
        equal(told.code, alone.code, told.stderr);
        deepEqual(plain(printed(told)), plain(printed(alone)), what);
        match(told.stderr, said);
        ok(told.stderr.split("told later").length <= 2, told.stderr);
      }
      for (const door of [down, failing, slow, hung]) door.mode = "forgetful"; // does what it is asked, and often answers 500
      for (const { url: PREFECT_API_URL } of [down, failing, slow, hung]) {
        const given = { env: { ...env, PREFECT_API_URL } };
        await until("delivery", 90, async () => {
          const { code, stdout } = await run("prefect", ["--deliver", "--json"], given);
          return code === EXIT.done && JSON.parse(stdout).waiting === 0;
        });
      }
      await until("delivery by the worker", 90, async () => { // of what was refused for its password
        const { rows } = await here.db.query("select from outbox where refused is null");
        return rows.length === 0;
      });
      const { rows: refused } = await here.db.query("select refused from outbox");
      deepEqual(refused, []);
      const runs = (await prefect.runsOf("prompt-optimizer")).filter(({ parameters }) =>
        parameters?.seed === 9
      );
      equal(runs.length, cases.length);
      equal((await prefect.runsOf("prompt-optimizer")).length, before + cases.length);
      for (const { id } of runs) {
        // Of whom nothing is heard for 30 s counts as dead, until the rest arrives
        const states = (await prefect.states(id!)).filter((state) => state !== "CRASHED");
        deepEqual(states, ["PENDING", "RUNNING", "COMPLETED"]);
        const tasks = await prefect.tasks(id!);
        ok(tasks.length > 5);
        for (const { id } of tasks) deepEqual(await prefect.taskStates(id!), ["RUNNING", "COMPLETED"]);
        match(shape((await prefect.graph(id!)).map(({ label }) => label)), LOOP);
        const logs = await prefect.logs(id!);
        equal(logs.length, new Set(logs).size);
        deepEqual((await prefect.artifacts(id!)).map(({ key }) => key).sort(), WHOLE);
      }
    },
  );

  await step("the password is in no file", async () => {
    notEqual((await filesWith(here.home, url)).length, 0); // there is something to search
    deepEqual(await filesWith(here.home, PASSWORD), []);
    deepEqual(await filesWith(here.home, PASSWORD.split(":")[1]!), []);
  });
});

/** A result without what is another one each time, and without what was read back. */
const plain = (result: ExperimentResult) => ({ ...essence(result), calls: null, tokens: null });

/** No two overlap. */
function apart(spans: readonly { readonly from: number; readonly to: number }[]): void {
  const ordered = [...spans].sort((a, b) => a.from - b.from);
  ok(ordered.length > 1);
  ordered.slice(1).forEach(({ from }, i) => ok(from >= ordered[i]!.to, JSON.stringify(ordered)));
}
