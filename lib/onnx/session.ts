/**
 * Runs an ONNX model with onnxruntime, in a process of its own: the event loop stays free meanwhile, and a fault in native
 * code ends that process alone.
 *
 * onnxruntime-node is fetched when a session is opened first (130 MB, once), and not before. The process ends with its session
 * and, whatever kills it, with its owner.
 *
 * ```ts ignore
 * await using session = await openSession("model.onnx");
 * const { logits } = await session.run({ observation: tensor(new Float32Array(100), [1, 100]) });
 * ```
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { diskProblem, SetupError } from "../python/mod.ts";
import { tensor } from "./tensor.ts";
import { decode, encode, type Message, type Reply, type Request, type Tensors } from "./messages.ts";

/** A model that can be run; disposing ends its process. */
export interface Session extends AsyncDisposable {
  /** Names of what a run is fed. */
  readonly inputs: readonly string[];
  /** Names of what a run can give. */
  readonly outputs: readonly string[];
  /** Of the process now running. */
  readonly pid: number;
  /**
   * What the model makes of `feeds`: the outputs named by `fetches`, all of them unless given. Runs that are asked for at
   * once are made one after another. A process that died is started again by the next run. Throws a TypeError when the
   * feeds do not fit the model, an Error when the process died meanwhile.
   */
  run(feeds: Tensors, fetches?: readonly string[]): Promise<Tensors>;
}

/** How to run it. */
export interface SessionOptions {
  /** Threads that compute. @default {1} */
  readonly threads?: number;
}

/**
 * Opens the model in the file at `model`, or of these bytes. Throws SetupError when onnxruntime does not run on this machine
 * or cannot be fetched, a TypeError when it does not take the model.
 */
export async function openSession(
  model: string | Uint8Array<ArrayBuffer>,
  { threads = 1 }: SessionOptions = {},
): Promise<Session> {
  const begin = async () => {
    const child = start();
    try {
      const [path, sent] = typeof model === "string"
        ? [model, {}]
        : [undefined, { model: tensor(model, [model.length]) }];
      const { head } = await child.ask({ kind: "load", path, threads }, sent);
      if (head.kind !== "loaded") throw problem(head, "load");
      return { ...child, ...head };
    } catch (error) {
      await child.close();
      throw error;
    }
  };
  let current = begin();
  let { inputs, outputs, pid } = await current;
  let closed = false;

  /** The running process; one that died is started again, once for all who notice. */
  async function alive() {
    if (closed) throw new TypeError("Cannot run a model whose session was closed");
    const last = current;
    const child = await last.catch(() => undefined);
    if (child && child.ended() === undefined) return child;
    if (current === last) current = begin();
    const next = await current;
    pid = next.pid;
    return next;
  }

  return {
    inputs,
    outputs,
    get pid() {
      return pid;
    },
    async run(feeds, fetches = outputs) {
      const { ask } = await alive();
      const { head, tensors } = await ask({ kind: "run", fetches }, feeds);
      if (head.kind !== "done") throw problem(head, "run");
      return tensors;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await current.then(({ close }) => close(), () => {});
    },
  };
}

/** A running process. */
interface Child {
  readonly pid: number;
  /** Sends a request; answers come in the order of requests. */
  ask(request: Request, tensors?: Tensors): Promise<Message<Reply>>;
  /** How it ended, undefined while it runs. */
  ended(): string | undefined;
  close(): Promise<void>;
}

/** Milliseconds that a run may still take when its session is closed. */
const PATIENCE = 2000;

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

function start(): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-config",
      "--node-modules-dir=none",
      `--lock=${here("./onnxruntime.lock.json")}`,
      "--frozen",
      "--allow-read",
      "--allow-ffi",
      here("./runtime.ts"),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  process.unref(); // a session that nobody closes does not keep the owner alive
  let end: string | undefined;
  let said = ""; // the end of what it wrote to stderr
  const status = process.status.then(({ code, signal }) =>
    end = signal ? `signal ${signal}` : `exit code ${code}`
  );
  const stderr = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      said = (said + text).slice(-2000);
    }
  })();
  const stdin = process.stdin.getWriter();
  const waiting: PromiseWithResolvers<Message<Reply>>[] = [];
  // While someone waits, the owner must not end: a process that has just died keeps nobody, though its answer is still to come.
  let kept: ReturnType<typeof setInterval> | undefined;
  const keep = () => {
    process.ref();
    kept ??= setInterval(() => {}, 2 ** 30);
  };
  const release = () => {
    process.unref();
    clearInterval(kept);
    kept = undefined;
  };
  const answers = (async () => {
    for await (const message of decode<Reply>(process.stdout)) {
      waiting.shift()!.resolve(message);
      if (waiting.length === 0) release();
    }
    await Promise.all([status, stderr]);
    const why = said.trim().split("\n").at(-1);
    const message = `the process of onnxruntime ended with ${end}${why ? `: ${why}` : ""}`;
    for (const { resolve } of waiting.splice(0)) {
      resolve({ head: { kind: "failed", part: "process", message }, tensors: {} });
    }
    release();
  })();
  return {
    pid: process.pid,
    ended: () => end,
    ask(request, tensors) {
      const answer = Promise.withResolvers<Message<Reply>>();
      waiting.push(answer);
      keep();
      stdin.write(encode(request, tensors)).catch(() => {}); // it has died: `answers` says so
      return answer.promise;
    },
    async close() {
      keep();
      await stdin.close().catch(() => {}); // it reads this end as the order to end
      const late = setTimeout(() => process.kill("SIGKILL"), PATIENCE);
      await answers;
      clearTimeout(late);
    },
  };
}

const PLATFORMS = "Linux (glibc) on x64 and arm64, macOS on arm64, Windows on x64 and arm64";

/** What went wrong, as the error for whoever can mend it. */
function problem(reply: Reply, doing: "load" | "run"): Error {
  if (reply.kind !== "failed") return new Error(`Cannot ${doing} the model as it was answered ${reply.kind}`);
  const { part, message } = reply;
  if (part === "runtime") return runtimeProblem(message);
  if (part !== "process") return new TypeError(`Cannot ${doing} the model: ${message}`);
  if (doing === "run") return new Error(`Cannot run the model as ${message}`);
  return new SetupError(
    `Cannot load the model as ${message}`,
    "Try again; if it persists, have its files fetched anew: deno clean",
  );
}

/** Why onnxruntime could not be loaded, with what mends it; `message` is what Deno said. */
export function runtimeProblem(message: string): SetupError {
  const first = message.split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(0, 2).join(
    " ",
  );
  const [, cache] = /failed to (?:write|create)[^']*'([^']*?)[\\/]npm[\\/]/i.exec(message) ?? [];
  const disk = cache === undefined ? undefined : diskProblem(message, cache);
  if (disk) return disk;
  if (/checksum did not match|lockfile/i.test(message)) {
    return new SetupError(
      `Cannot use onnxruntime as its package is not the one that was pinned: ${first}`,
      "Try again; if it persists, ask whoever runs your npm registry",
    );
  }
  if (/onnxruntime_binding|dlopen|shared object|\.node\b/i.test(message)) {
    return new SetupError(
      `Cannot run onnxruntime on ${Deno.build.os} ${Deno.build.arch}: ${first}`,
      `It runs on ${PLATFORMS}: use one of these, or go without what learns (--no-surrogate --no-policy)`,
    );
  }
  return new SetupError(
    `Cannot fetch onnxruntime: ${first}`,
    "Check network and proxy (HTTPS_PROXY), or point npm at a registry you can reach (NPM_CONFIG_REGISTRY), and try again",
  );
}
