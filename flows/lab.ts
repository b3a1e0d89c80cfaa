/**
 * `deno task lab`: JupyterLab with the project's Deno kernel, on the same database as everything else.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { loopback } from "../lib/loopback.ts";
import { installKernel, jupyterEnv } from "../lib/notebook/mod.ts";
import { ensurePython, SetupError } from "../lib/python/mod.ts";
import { json } from "../lib/text.ts";
import { common, databaseOption, main, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  port: z.int().min(1024).max(65535).default(8888).describe(
    "to listen on, at 127.0.0.1; the next free one from there",
  ),
  check: z.boolean().default(false).describe("start it, ask it for its kernel, and end it"),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

const VENV = `${ROOT}/.venv`;
/** How long it may take to answer, and to end. */
const START_MS = 120_000, END_MS = 10_000;

async function run(options: Options, setting: Setting): Promise<number> {
  const { stage, print, tell, stop } = setting;
  const python = await stage(
    "Python packages",
    (say) => ensurePython({ root: ROOT, group: "notebooks", log: say }),
  );
  await installKernel(VENV, Deno.execPath());
  const token = crypto.getRandomValues(new Uint8Array(24)).toHex();
  const child = new Deno.Command(python, {
    args: [
      ...[
        "-I",
        "-m",
        "jupyterlab",
        "--no-browser",
        `--ServerApp.port=${options.port}`,
        "--ServerApp.ip=127.0.0.1",
      ],
      ...[`--ServerApp.root_dir=${ROOT}`, "--LabApp.default_url=/lab/tree/notebooks/01_explore_data.ipynb"],
      ...["--LabApp.extension_manager=readonly", "--ServerApp.answer_yes=True", "--ServerApp.log_level=WARN"],
      ...["--KernelSpecManager.ensure_native_kernel=False", "--ServerApp.allow_remote_access=False"],
      ...Deno.uid() === 0 ? ["--allow-root"] : [],
    ],
    cwd: ROOT,
    env: {
      ...jupyterEnv(VENV),
      JUPYTER_TOKEN: token, // where arguments could be seen by others
      QUINTET_HOME: setting.home,
      ...options.database ? { DATABASE_URL: options.database } : {},
      PYDEVD_DISABLE_FILE_VALIDATION: "1",
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = lastLines(child.stderr);
  const end = async () => {
    if (await ended(child, 0)) return;
    child.kill("SIGTERM"); // it ends its kernels
    if (!await ended(child, END_MS)) child.kill("SIGKILL");
    await child.status;
  };
  try {
    const url = await stage("JupyterLab", async (say) => {
      say("starting");
      const url = await answering(child, token, stop);
      if (url !== undefined) say(`on ${new URL(url).host}`);
      return url;
    });
    if (url === undefined) {
      if (stop.aborted) return EXIT.interrupted;
      await child.status;
      throw new SetupError(
        `Cannot start JupyterLab: ${(await said).trim().split("\n").at(-1) || "it ended"}`,
        `Remove ${VENV} and try again`,
      );
    }
    const { default: kernel, kernelspecs } = await ask(url, "api/kernelspecs", token);
    const kernels = Object.keys(kernelspecs);
    const address = `${url}lab/tree/notebooks/01_explore_data.ipynb?token=${token}`;
    if (options.json) print(json({ url: address, kernels }));
    else if (options.check) {
      print(`JupyterLab answers, with the kernel ${kernels.includes("deno") ? "deno" : kernel}`);
    } else print(address);
    if (options.check) return EXIT.done;
    tell("Ctrl-C ends it.");
    await Promise.race([child.status, aborted(stop)]);
    if (stop.aborted) return EXIT.done;
    throw new Error(`Cannot go on as JupyterLab has ended: ${(await said).trim().split("\n").at(-1)}`);
  } finally {
    await end();
  }
}

/** The address of the server that the child has become, as it says itself; undefined when it ended, or was to. */
async function answering(
  child: Deno.ChildProcess,
  token: string,
  stop: AbortSignal,
): Promise<string | undefined> {
  const file = `${VENV}/jupyter/runtime/jpserver-${child.pid}.json`;
  const until = performance.now() + START_MS;
  while (performance.now() < until && !stop.aborted && !await ended(child, 200)) {
    const server = await Deno.readTextFile(file).then(JSON.parse).catch(() => undefined);
    if (server === undefined) continue;
    const url = `http://127.0.0.1:${server.port}/`;
    if (await ask(url, "api/status", token).catch(() => undefined)) return url;
  }
}

async function ask(url: string, path: string, token: string) {
  const answer = await loopback(`${url}${path}`, { headers: { authorization: `token ${token}` } });
  if (!answer.ok) throw new Error(`Cannot ask JupyterLab for ${path}: it answered ${answer.status}`);
  return await answer.json();
}

const ended = (child: Deno.ChildProcess, ms: number): Promise<boolean> =>
  Promise.race([child.status.then(() => true), delay(ms, false)]);

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve()));

/** The end of what it says, which is read so that it can go on. */
async function lastLines(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (
    const part of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
  ) {
    text = (text + part).slice(-4000);
  }
  return text;
}

if (import.meta.main) {
  await main({ name: "lab", summary: "JupyterLab on the same database", schema, run });
}
