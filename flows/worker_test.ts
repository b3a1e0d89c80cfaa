/**
 * A worker that is told to end, as the container of one is: what becomes of its run. All parts are real.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { prefectClient, PrefectError } from "../lib/prefect/mod.ts";
import { ROOT } from "./setting.ts";
import { modelServer, parity, place, printed, run } from "./testing.ts";

/** A command that does not end by itself, with the first line that it prints. */
async function standing(name: string, args: readonly string[], env: Record<string, string>) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", `flows/${name}.ts`, "--json", ...args],
    ...{ cwd: ROOT, env, stdin: "null", stdout: "piped", stderr: "null" },
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.includes("\n")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`Cannot start ${name}: it ended with ${(await child.status).code}`);
    line += value;
  }
  return {
    said: JSON.parse(line),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGTERM");
      } catch { /* it has ended */ }
      await child.status;
      await lines.cancel();
    },
    async end(signal: Deno.Signal): Promise<number> {
      child.kill(signal);
      return (await child.status).code;
    },
  };
}

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
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

Deno.test("a worker that is terminated lets its run end in good order, and Prefect hear of it", {
  ignore: Deno.build.os !== "linux", // elsewhere runs are not found
}, async () => {
  await using own = await place();
  await using server = modelServer(async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    return parity(request);
  });
  await using prefect = await standing("prefect", ["--port", "0"], own.env);
  const env = { ...own.env, PREFECT_API_URL: prefect.said.url, OPENAI_API_KEY: "" };
  const { api, call } = prefectClient({ url: prefect.said.url });
  equal((await run("deploy", [], { env })).code, EXIT.done);
  await using worker = await standing("worker", [], env);

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

  equal(await worker.end("SIGTERM"), EXIT.done);
  const { state } = await call(api.GET("/flow_runs/{id}", { params: { path: { id: asked.id! } } }));
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
