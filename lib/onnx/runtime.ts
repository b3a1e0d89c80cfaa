/**
 * The process that runs a model with onnxruntime. session.ts starts it, with the packages of onnxruntime.lock.json and no
 * others; it answers what comes by standard input, one request after another, and ends when that does.
 *
 * A process, not a worker: a run blocks the thread it is made on, the fault of a native library ends the process it is
 * loaded into, and packages that a worker loads would be written into the project's deno.lock, whose packages everybody
 * downloads at the first command (this one has 288 MB).
 *
 * @module
 */
import { decode, encode, type Reply, type Request, type Tensors } from "./messages.ts";
import { type Tensor, type TensorData, typeOf } from "./tensor.ts";

/** What is used of onnxruntime. */
interface Onnxruntime {
  readonly InferenceSession: {
    create(model: string | Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OrtSession>;
  };
  readonly Tensor: new (type: string, data: TensorData, dims: readonly number[]) => Tensor;
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Tensors, fetches: readonly string[]): Promise<Tensors>;
}

// Not written where it is imported: `deno check` would add what it can read in the source to deno.lock.
const PACKAGE = "npm:onnxruntime-node@1.30.0";

let runtime: Onnxruntime | undefined, session: OrtSession | undefined;

async function answer(request: Request, feeds: Tensors): Promise<[Reply, Tensors?]> {
  let part: "runtime" | "model" | "feeds" = "runtime";
  try {
    runtime ??= (await import(PACKAGE)).default as Onnxruntime;
    if (request.kind === "load") {
      part = "model";
      session = await runtime.InferenceSession.create(request.path ?? feeds.model!.data as Uint8Array, {
        intraOpNumThreads: request.threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: "all",
        // threads that wait for work sleep: others need the cores
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      });
      return [{ kind: "loaded", inputs: session.inputNames, outputs: session.outputNames }];
    }
    part = "feeds";
    const made = Object.entries(feeds).map(([name, { data, dims }]) =>
      [name, new runtime!.Tensor(typeOf(data), data, dims)] as const
    );
    const results = await session!.run(Object.fromEntries(made), request.fetches);
    return [{ kind: "done" }, results];
  } catch (error) {
    return [{ kind: "failed", part, message: (error as Error).message }];
  }
}

if (import.meta.main) {
  const stdout = Deno.stdout.writable.getWriter();
  for await (const { head, tensors } of decode<Request>(Deno.stdin.readable)) {
    await stdout.write(encode(...await answer(head, tensors)));
  }
}
