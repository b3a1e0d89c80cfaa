/**
 * Quintet under Prefect, all parts real: a server, a worker, and what the server says of every run.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { prefectClient } from "../lib/prefect/mod.ts";
import { asking, fickle, killAll, pause, shape, standing, twice, until } from "./prefect_testing.ts";
import { essence, type ModelServer, modelServer, parity, place, printed, run } from "./testing.ts";

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
      ...["evaluate", "prompt-optimizer", "report", "train-meta-model", "train-policy"],
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
