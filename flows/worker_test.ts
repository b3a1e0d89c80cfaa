/**
 * A worker that is told to end, as the container of one is: what becomes of its run. All parts are real.
 */
import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { prefectClient } from "../lib/prefect/mod.ts";
import { asking, pause, standing, until } from "./prefect_testing.ts";
import { modelServer, parity, place, printed, run } from "./testing.ts";

Deno.test("a worker that is terminated lets its run end in good order, and Prefect hear of it", {
  ignore: Deno.build.os !== "linux", // elsewhere runs are not found
}, async () => {
  await using own = await place();
  await using server = modelServer(async (request) => {
    await pause(250);
    return parity(request);
  });
  await using prefect = await standing("prefect", ["--port", "0", "--json"], own.env);
  const { url } = JSON.parse(prefect.line);
  const env = { ...own.env, PREFECT_API_URL: url, OPENAI_API_KEY: "" };
  const client = prefectClient({ url });
  const { api, call } = client;
  equal((await run("deploy", [], { env })).code, EXIT.done);
  await using worker = await standing("worker", ["--json"], env);

  const name = "prompt-optimizer";
  const { id } = await until("deployment", 60, () =>
    call(
      api.GET("/deployments/name/{flow_name}/{deployment_name}", {
        params: { path: { flow_name: name, deployment_name: name } },
      }),
    ));
  const [, primary, , optimizer] = server.models;
  const parameters = { dataset: own.questions, primary, optimizer, concurrency: 4 };
  const asked = await call(
    api.POST("/deployments/{id}/create_flow_run", {
      params: { path: { id: id! } },
      body: { parameters } as never,
    }),
  );
  await until("question", 120, () => Promise.resolve(server.asked.length > 20));

  worker.kill("SIGTERM");
  equal(await worker.ended, EXIT.done);
  const { state } = await asking(client).flowRun(asked.id!);
  equal(state?.type, "CRASHED");
  match(state!.message!, /^Ended by a signal; started again, it goes on from here/);

  const [experiment] = printed(await run("show", ["--json"], own));
  deepEqual([experiment.status, experiment.id], ["interrupted", asked.id]);
  const calls = server.asked.length;
  const resumed = printed(await run("optimize", ["--resume", "latest", "--json"], own));
  equal(resumed.status, "finished");
  equal(resumed.calls.lost, 0, "no call was in doubt");
  equal(resumed.calls.total, server.asked.length, `${calls} of them before`);
});
