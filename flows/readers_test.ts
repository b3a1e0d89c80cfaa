/**
 * One database, many readers: two kernels of notebooks, a flow and a report on the same embedded PostgreSQL, each a process of
 * its own.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { EXIT } from "../lib/command/mod.ts";
import { installKernel, jupyterEnv } from "../lib/notebook/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { ROOT } from "./setting.ts";
import { modelServer, parity, parityQuestions, printed, run } from "./testing.ts";

const VENV = `${ROOT}/.venv`;

/** A kernel in a process of its own. */
interface Kernel extends AsyncDisposable {
  /** Runs code; gives what it printed. Throws when it threw. */
  execute(code: string): Promise<string>;
  /** Sets code running. */
  begin(code: string): Promise<void>;
  restart(): Promise<void>;
  /** By SIGKILL. */
  kill(): Promise<void>;
}

async function openKernel(env: Readonly<Record<string, string>>): Promise<Kernel> {
  const python = await ensurePython({ root: ROOT, group: "notebooks" });
  await installKernel(VENV, Deno.execPath());
  const child = new Deno.Command(python, {
    args: ["-I", `${ROOT}/flows/kernel.py`],
    cwd: `${ROOT}/notebooks`,
    env: { ...jupyterEnv(VENV), ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const input = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  let text = "";
  async function answer() {
    while (!text.includes("\n")) {
      const { done, value } = await lines.read();
      ok(!done, "the kernel's driver has ended");
      text += value;
    }
    const [line] = text.split("\n", 1);
    text = text.slice(line!.length + 1);
    return JSON.parse(line!);
  }
  const tell = async (command: Readonly<Record<string, unknown>>) => {
    await input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
    return await answer();
  };
  deepEqual(await answer(), { ready: true });
  return {
    async execute(code) {
      const { text, error } = await tell({ execute: code });
      equal(error, null, text);
      return text;
    },
    begin: (code) => tell({ begin: code }),
    restart: () => tell({ restart: true }),
    kill: () => tell({ kill: true }),
    async [Symbol.asyncDispose]() {
      await input.close();
      for (;;) if ((await lines.read()).done) break;
      await child.status;
    },
  };
}

const OPEN = `
import { openWorkbench } from "../lib/notebook/mod.ts";
import { listExperiments } from "../lib/store/mod.ts";
const bench = await openWorkbench();
console.log((await listExperiments(bench.db)).length, "experiments");
`;
/** The cell ends; its transaction, which has read and written, does not. */
const IDLE = `
const begun = Promise.withResolvers();
const over = Promise.withResolvers();
const idle = bench.db.transaction(async (tx) => {
  await tx.query("select count(*) from experiment_overview");
  await tx.query("insert into datasets (id, name, sha256) values (gen_random_uuid(), 'idle', repeat('0', 64))");
  begun.resolve(null);
  await over.promise;
});
await begun.promise;
console.log("idle");
`;

Deno.test("notebooks, a flow and a report share the embedded database, and nobody is held up", async () => {
  const folder = await Deno.makeTempDir({ prefix: "quintet-readers-" });
  const home = `${folder}/home`, env = { QUINTET_HOME: home };
  const postmaster = async () => {
    const text = await Deno.readTextFile(`${home}/postgres/data/postmaster.pid`).catch(() => undefined);
    return text?.split("\n")[0];
  };
  try {
    await Deno.writeTextFile(`${folder}/parity.jsonl`, parityQuestions());
    await using server = modelServer(parity);
    {
      await using idling = await openKernel(env);
      await using computing = await openKernel(env);
      equal(await idling.execute(OPEN), "0 experiments");
      const first = await postmaster();
      ok(first !== undefined);
      equal(await idling.execute(IDLE), "idle");
      await computing.execute(OPEN);
      await computing.begin("const until = Date.now() + 600_000; while (Date.now() < until);");

      const search = printed(
        await run("optimize", [
          ...["--dataset", `${folder}/parity.jsonl`, ...server.models, "--max-calls", "150", "--json"],
        ], { env }),
      );
      ok(search.trials.length > 1);
      equal((await run("migrate", [], { env })).code, EXIT.done);
      const report = await run("report", ["--output", `${folder}/report.html`], { env });
      equal(report.code, EXIT.done, report.stderr);
      match(await Deno.readTextFile(`${folder}/report.html`), /^<!doctype html>/i);
      equal(await postmaster(), first);

      equal(await idling.execute("over.resolve(null); await idle; console.log('written')"), "written");
      equal(await idling.execute("console.log((await listExperiments(bench.db)).length)"), "1");

      await idling.restart(); // what it held is gone with it; the other one, which computes, keeps the server
      equal(await idling.execute(OPEN), "1 experiments");
      equal(await postmaster(), first);

      await idling.kill();
      await computing.kill();
      equal(await postmaster(), first); // nobody has stopped it
      const { code, stdout } = await run("show", ["--json"], { env });
      equal(code, EXIT.done);
      equal(JSON.parse(stdout).length, 1);
    }
    for (let tries = 0; tries < 100 && await postmaster() !== undefined; tries++) await delay(50);
    equal(await postmaster(), undefined); // the command that came next has used it, and was the last to do so
    const log = await Deno.readTextFile(`${home}/postgres/server.log`);
    equal(log.match(/ready to accept connections/g)?.length, 1); // one server, started once
    match(log, /database system is shut down/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
