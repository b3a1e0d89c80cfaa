import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { SetupError } from "../python/mod.ts";
import { graph } from "./graph.ts";
import { decode, encode, type Reply } from "./messages.ts";
import { openSession, runtimeProblem } from "./session.ts";
import { tensor } from "./tensor.ts";

const doubling = graph("double");
const x = doubling.input("x", "float32", ["n"]);
doubling.output("y", doubling.op("Add", [x, x]), "float32", ["n"]);
const MODEL = doubling.bytes();

const numbers = (...values: number[]) => tensor(Float32Array.from(values), [values.length]);

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

Deno.test("a session runs what is asked at once one after another", async () => {
  await using session = await openSession(MODEL);
  const results = await Promise.all(Array.from({ length: 20 }, (_, i) => session.run({ x: numbers(i) })));
  deepEqual(results.map(({ y }) => [...y!.data]), Array.from({ length: 20 }, (_, i) => [2 * i]));
});

Deno.test("a session says what does not fit, and goes on", async () => {
  await using session = await openSession(MODEL);
  await rejects(session.run({}), { name: "TypeError", message: /Cannot run the model: .*x/ });
  await rejects(session.run({ x: tensor(Uint8Array.of(1), [1]) }), { name: "TypeError", message: /uint8/ });
  await rejects(session.run({ x: numbers(1) }, ["z"]), { name: "TypeError", message: /z/ });
  deepEqual((await session.run({ x: numbers(4) })).y, numbers(8));
});

Deno.test("a session whose process was killed starts it again", async () => {
  await using session = await openSession(MODEL);
  const first = session.pid;
  const large = session.run({ x: tensor(new Float32Array(2 ** 22), [2 ** 22]) });
  Deno.kill(first, "SIGKILL");
  await rejects(large, {
    message: "Cannot run the model as the process of onnxruntime ended with signal SIGKILL",
  });
  const both = await Promise.all([session.run({ x: numbers(1) }), session.run({ x: numbers(2) })]);
  deepEqual(both.map(({ y }) => [...y!.data]), [[2], [4]]);
  notEqual(session.pid, first);
});

Deno.test("a closed session is of no more use, and its process is gone", async () => {
  const session = await openSession(MODEL);
  await session[Symbol.asyncDispose]();
  await rejects(session.run({ x: numbers(1) }), { message: "Cannot run a model whose session was closed" });
  ok(!await alive(session.pid));
});

Deno.test("openSession() refuses what is no model", async () => {
  for (const model of [new Uint8Array(0), MODEL.slice(0, -9), here("./session.ts"), "/no/such/model.onnx"]) {
    await rejects(openSession(model), { name: "TypeError", message: /^Cannot load the model: ./ });
  }
});

/** Runs this as a program of its own; gives its output, line by line. */
function program(code: string, env: Record<string, string> = {}) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-lock",
      `import { openSession } from ${JSON.stringify(import.meta.resolve("./session.ts"))};${code}`,
    ],
    env,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return { child, lines: child.stdout.pipeThrough(new TextDecoderStream()).values() };
}

/** Whether there is such a process; waits for one that is just ending. */
async function alive(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      Deno.kill(pid, "SIGCONT");
    } catch {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}

const OPEN = `const session = await openSession(new Uint8Array([${MODEL}])); console.log(session.pid);`;

Deno.test("the process ends with its owner, whatever ends that", async () => {
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    const { child, lines } = program(`${OPEN} await new Promise((resolve) => setTimeout(resolve, 60_000));`);
    const pid = Number((await lines.next()).value);
    ok(pid > 0);
    child.kill(signal);
    await child.status;
    await lines.return?.();
    ok(!await alive(pid));
  }
});

Deno.test("a session that nobody closes keeps nobody from ending", async () => {
  const { child, lines } = program(OPEN);
  const pid = Number((await lines.next()).value);
  equal((await child.status).code, 0);
  await lines.return?.();
  ok(!await alive(pid));
});

Deno.test("openSession() says how to get onnxruntime where the network is not reached", async () => {
  const cache = await Deno.makeTempDir({ prefix: "quintet-no-network-" });
  try {
    const { child, lines } = program(
      `await openSession(new Uint8Array()).catch(({ name, message, fix }) => console.log(JSON.stringify([name, message, fix])));`,
      { DENO_DIR: cache, NPM_CONFIG_REGISTRY: "http://127.0.0.1:9" },
    );
    const [name, message, fix] = JSON.parse((await lines.next()).value!);
    await child.status;
    await lines.return?.();
    equal(name, "SetupError");
    match(
      message,
      /^Cannot fetch onnxruntime: Failed caching npm package 'onnxruntime-node@.*127\.0\.0\.1:9/,
    );
    match(fix, /NPM_CONFIG_REGISTRY/);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("openSession() says where onnxruntime runs on a machine it has no binary for", async () => {
  const other = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    other,
    `import process from "node:process"; Object.defineProperty(process, "arch", { value: "s390x" });`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-config", `--lock=${here("./onnxruntime.lock.json")}`, "--frozen", "-A"],
      ...["--preload", other, here("./runtime.ts")],
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(encode({ kind: "load", path: "model.onnx", threads: 1 }));
  const { value } = await decode<Reply>(child.stdout).next();
  await stdin.close();
  await child.status;
  await Deno.remove(other);
  const { head } = value!;
  ok(head.kind === "failed" && head.part === "runtime", JSON.stringify(head));
  const error = runtimeProblem(head.message);
  ok(error instanceof SetupError);
  match(
    error.message,
    /^Cannot run onnxruntime on \w+ \w+: Cannot find module '.*s390x\/onnxruntime_binding\.node'/,
  );
  match(error.fix, /^It runs on Linux \(glibc\) on x64 and arm64, macOS on arm64, Windows/);
});

Deno.test("runtimeProblem() tells a package that was changed, and a library that does not open", () => {
  match(
    runtimeProblem(
      "Failed caching npm package 'onnxruntime-node@1.30.0'\n    0: Tarball checksum did not match what was provided by npm registry",
    ).message,
    /not the one that was pinned/,
  );
  match(
    runtimeProblem("libonnxruntime.so.1: cannot open shared object file: No such file or directory").fix,
    /^It runs on/,
  );
});

Deno.test("runtimeProblem() tells a cache that cannot be written", () => {
  const failed = "Failed caching npm package 'onnxruntime-node@1.30.0'\n    0: failed to";
  const file =
    "/home/one/.cache/deno/npm/registry.npmjs.org/onnxruntime-node/1.30.95.tmp/bin/onnxruntime_binding.node";
  const full = runtimeProblem(`${failed} write '${file}': No space left on device (os error 28)`);
  equal(full.message, "Cannot fill /home/one/.cache/deno as the disk is full");
  const closed = runtimeProblem(`${failed} create directory '${file}': Read-only file system (os error 30)`);
  equal(closed.message, "Cannot write /home/one/.cache/deno");
  match(closed.fix, /chown -R \$\(id -u\) \/home\/one\/\.cache\/deno$/);
});

Deno.test("decode() reads messages whatever pieces they come in", async () => {
  const messages = [
    encode({ n: 1 }, { a: tensor(Float32Array.of(1.5, 2.5), [2]), b: tensor(Uint8Array.of(7), [1, 1]) }),
    encode({ n: 2 }),
    encode({ n: "ü" }, { c: tensor(BigInt64Array.of(-1n), []) }),
  ];
  const bytes = messages.flatMap((message) => [...message]);
  for (const size of [1, 3, 8, 64, bytes.length]) {
    const pieces = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield Uint8Array.from(bytes.slice(at, at + size));
    };
    deepEqual(await Array.fromAsync(decode(pieces())), [
      {
        head: { n: 1 },
        tensors: { a: tensor(Float32Array.of(1.5, 2.5), [2]), b: tensor(Uint8Array.of(7), [1, 1]) },
      },
      { head: { n: 2 }, tensors: {} },
      { head: { n: "ü" }, tensors: { c: tensor(BigInt64Array.of(-1n), []) } },
    ]);
  }
});
