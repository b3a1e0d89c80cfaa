/**
 * The embedded model: SmolLM2-135M-Instruct on the CPU, in llama.cpp's own server, in a Python child process.
 *
 * One slot answers one request at a time, ordered by common prefix (prefix_scheduler.ts): on a CPU a call costs the
 * prompt tokens it cannot share, and several slots would each read the same demos again. A model of this size gains
 * little from batching short answers, and one slot makes an answer independent of what else is asked.
 *
 * Temperature 0 gives the same text for the same request, whatever was asked before or beside it, in every process on
 * the same kind of machine; above 0 a request and its `sample` seed the draw.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import {
  type Completion,
  type LanguageModel,
  LIKELIEST,
  type Message,
  type ModelRequest,
  ProviderError,
} from "./model.ts";
import { loopback } from "../loopback.ts";
import { onceEach } from "../once.ts";
import { SetupError } from "../python/mod.ts";
import { unlessAborted } from "./exchange.ts";
import { prefixScheduler } from "./prefix_scheduler.ts";
import { toStorable } from "../text.ts";
import { firstsOf, grammarOf, utf8Length, visible } from "./text.ts";

/** The embedded model while its process runs; disposing ends the process. */
export interface LocalModel extends LanguageModel, AsyncDisposable {
  /** Of the child process now running. */
  readonly pid: number;
  /** Where it listens, and the key it wants: for benchmarks that ask it bare. */
  readonly server: { readonly url: string; readonly key: string };
}

/** How to run it. */
export interface LocalOptions {
  /** Interpreter of an environment with requirements/local.txt in it. */
  readonly python: string;
  /** Threads that compute. @default {the cores, at most 8} */
  readonly threads?: number;
  /** Prompts answered at the same time; more than one for benchmarks only. @default {1} */
  readonly slots?: number;
  /** Tokens of prompt and answer together. @default {8192, what the model was trained for} */
  readonly context?: number;
  /** Told when the process had to be started again. */
  readonly notice?: (line: string) => void;
}

/** Memory for prompts the slot held before, in MiB: ten prompts of 500 tokens. */
const CACHE_MIB = 128;

/** Starts the process and resolves when it answers. Throws ProviderError when it does not start. */
export async function openLocal(
  {
    python,
    threads = Math.min(navigator.hardwareConcurrency, 8),
    slots = 1,
    context = 8192,
    notice = () => {},
  }: LocalOptions,
): Promise<LocalModel> {
  const begin = () => start(python, { threads, slots, context, cacheMiB: CACHE_MIB });
  let child = await begin();
  let restarts = 0; // since the last answer
  let closed = false;

  /** The running child; one that died is started again, once until it gives an answer. */
  async function alive(): Promise<Child> {
    if (closed) {
      throw new ProviderError("Cannot ask the embedded model as it was closed", {
        retryable: false,
        fatal: true,
      });
    }
    const ended = child.ended();
    if (ended === undefined) return child;
    if (restarts++ > 0) {
      throw new ProviderError(
        `Cannot ask the embedded model as its process ended twice, at last with ${ended}`,
        {
          retryable: false,
          fatal: true,
        },
      );
    }
    notice(`The process of the embedded model ended with ${ended}; it is started again`);
    return child = await begin();
  }

  const ask = prefixScheduler<Job, Completion>({
    prefixOf: ({ prompt }) => prompt,
    async serve(job, { last, signal }) {
      signal?.throwIfAborted();
      const running = await alive();
      // An equal prompt would leave the slot one token to read, and one token alone is computed by another kernel with
      // other roundings: a neighbour in between leaves it several, as any other question does.
      if (last === job.prompt) {
        const end = job.prompt.lastIndexOf(END);
        await post(running, { prompt: `${job.prompt.slice(0, end)}!`, n_predict: 0 }, signal);
      }
      const completion = await post(running, bodyOf(job), signal);
      restarts = 0;
      return completion;
    },
  });

  const tokenized = onceEach(async (text: string): Promise<string[] | null> => {
    // Marks stay text, as in a prompt; the template ends in a line of its own, so nothing is joined to the first token.
    const { tokens } = await send(await alive(), "tokenize", {
      ...{ content: text, add_special: false, parse_special: false },
    });
    return tokens.length === 0 ? null : tokens.map(String);
  });

  return {
    name: "local",
    identity: {
      provider: "local",
      model: "SmolLM2-135M-Instruct.Q4_1",
      weights: child.weights,
      runtime: child.runtime,
    },
    get pid() {
      return child.pid;
    },
    get server() {
      return { url: child.url, key: child.key };
    },
    promptTokensAtMost: ({ messages }) => utf8Length(chatml(messages)),
    complete: (request, { signal } = {}) => ask({ request, prompt: chatml(request.messages) }, signal),
    tokensOf: (text, { signal } = {}) => unlessAborted(tokenized(text), signal),
    async [Symbol.asyncDispose]() {
      closed = true;
      await child.close();
    },
  };
}

interface Job {
  readonly request: ModelRequest;
  readonly prompt: string;
}

const END = "<|im_end|>\n";

/**
 * The model's own chat template, from its file: the server's `/apply-template` gives the same. The marks of turns that
 * stand in a text are parted by a blank: it cannot close its turn and speak as another.
 */
export function chatml(messages: readonly Message[]): string {
  const turn = ({ role, content }: Message) => `<|im_start|>${role}\n${content.replace(MARKS, "< $1")}${END}`;
  const preset: Message[] = messages[0] && messages[0].role !== "system"
    ? [{ role: "system", content: PRESET }]
    : [];
  return [...preset, ...messages].map(turn).join("") + "<|im_start|>assistant\n";
}

const MARKS = /<(\|(?:im_start|im_end|endoftext)\|>)/g;

const PRESET = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/** The request as llama.cpp's `/completion` takes it; its sampling defaults are spelled out, so that they stay. */
function bodyOf(
  { request: { temperature, maxTokens, sample = 0, firsts = false, bias, choices }, prompt }: Job,
): Record<string, unknown> {
  return {
    prompt,
    n_predict: maxTokens,
    cache_prompt: true,
    response_fields: [
      ...["content", "stop_type", "tokens_evaluated", "tokens_predicted"],
      ...firsts ? ["completion_probabilities"] : [],
    ],
    ...firsts ? { n_probs: LIKELIEST } : {},
    ...bias ? { logit_bias: Object.entries(bias).map(([id, nats]) => [Number(id), nats]) } : {},
    ...choices ? { grammar: grammarOf(choices) } : {},
    temperature,
    ...temperature > 0
      ? { seed: seedOf(prompt, temperature, sample), top_k: 40, top_p: 0.95, min_p: 0.05 }
      : {},
  };
}

/** 31 bits: the server takes the largest 32-bit number for "any". */
const seedOf = (prompt: string, temperature: number, sample: number): number =>
  createHash("sha256").update(JSON.stringify([prompt, temperature, sample])).digest().readUInt32BE() >>> 1;

async function post(child: Child, body: Record<string, unknown>, signal?: AbortSignal): Promise<Completion> {
  const answer = await send(child, "completion", body, signal);
  return {
    text: toStorable(answer.content),
    finish: answer.stop_type === "limit" ? "length" : answer.stop_type === "none" ? "other" : "stop",
    usage: { promptTokens: answer.tokens_evaluated, completionTokens: answer.tokens_predicted },
    ...firstsOf(answer.completion_probabilities),
  };
}

// deno-lint-ignore no-explicit-any -- what the server of this very version answers
async function send(child: Child, path: string, body: unknown, signal?: AbortSignal): Promise<any> {
  try {
    const response = await loopback(`${child.url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${child.key}` },
      body: JSON.stringify(body),
      ...signal ? { signal } : {},
    });
    const answer = await response.json();
    if (!response.ok) throw refusal(response.status, answer?.error);
    return answer;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ProviderError) throw error;
    const ended = await child.endsWithin(100);
    throw new ProviderError(
      `Cannot ask the embedded model as ${
        ended ? `its process ended with ${ended}` : `the connection failed: ${error}`
      }`,
      { cause: error },
    );
  }
}

function refusal(
  status: number,
  error: { message?: string; type?: string; n_ctx?: number } | undefined,
): ProviderError {
  const tooLong = error?.type === "exceed_context_size_error";
  const size = error?.n_ctx ? ` of ${error.n_ctx} tokens` : "";
  return new ProviderError(
    tooLong
      ? `Cannot ask the embedded model as the prompt is longer than its context${size}: use a shorter prompt or fewer demos`
      : `Cannot ask the embedded model as it answered ${status}: ${visible(error?.message ?? "nothing")}`,
    { status, ...tooLong ? { retryable: false } : {} },
  );
}

/** A running server. */
interface Child {
  readonly pid: number;
  readonly url: string;
  readonly key: string;
  readonly weights: string;
  readonly runtime: string;
  /** How it ended, undefined while it runs. */
  ended(): string | undefined;
  /** The same for one that may just be dying. */
  endsWithin(ms: number): Promise<string | undefined>;
  close(): Promise<void>;
}

async function start(python: string, config: Record<string, number>): Promise<Child> {
  const key = crypto.randomUUID();
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command(python, {
      args: ["-I", "-u", fileURLToPath(new URL("./local_server.py", import.meta.url))],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    throw new ProviderError(
      `Cannot start the embedded model as ${python} does not run: ${(error as Error).message}`,
      {
        retryable: false,
        fatal: true,
        cause: error,
      },
    );
  }
  let end: string | undefined;
  const status = process.status.then(({ code, signal }) =>
    end = signal ? `signal ${signal}` : `exit code ${code}`
  );
  const stderr = new Response(process.stderr).text();
  const stdin = process.stdin.getWriter();
  const endsWithin = async (ms: number) => {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([status, late]);
    clearTimeout(timer);
    return end;
  };
  const close = async () => {
    process.ref();
    await stdin.close().catch(() => {}); // the child reads this end as the order to end
    if (await endsWithin(2000) === undefined) process.kill("SIGKILL");
    await status;
  };
  let line = "";
  try {
    // the key goes through the pipe, as arguments are seen by everybody
    await stdin.write(new TextEncoder().encode(JSON.stringify({ ...config, key }) + "\n"));
    const stdout = process.stdout.pipeThrough(new TextDecoderStream());
    for await (const text of stdout) line += text; // ends with the ready line: the child closes the stream after it
    const { url, weights, xllamacpp } = JSON.parse(line);
    const base = url.startsWith("http") ? url : `http://${url}`;
    await healthy(base, () => end);
    process.unref(); // a model that nobody closes does not keep the process alive
    return {
      pid: process.pid,
      url: base,
      key,
      weights,
      runtime: `xllamacpp ${xllamacpp}`,
      ended: () => end,
      endsWithin,
      close,
    };
  } catch (error) {
    await close();
    const said = (await stderr).trim().split("\n").at(-1) ?? "";
    const missing = /(lib[\w+-]+)\.so[.\d]*: cannot open shared object file/.exec(said)?.[1];
    if (missing) {
      throw new SetupError(
        `Cannot start the embedded model as the system has no ${missing}`,
        missing === "libgomp"
          ? "sudo apt install libgomp1 (Debian, Ubuntu), sudo dnf install libgomp (Fedora), or use openai:NAME"
          : `Install the package of your system that has ${missing}, or use openai:NAME`,
        { cause: error },
      );
    }
    throw new ProviderError(`Cannot start the embedded model: ${visible(said || String(error))}`, {
      retryable: false,
      fatal: true,
      cause: error,
    });
  }
}

async function healthy(url: string, ended: () => string | undefined): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (ended()) throw new Error(`the process ended with ${ended()}`);
    const response = await loopback(`${url}/health`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it was not ready after 10 s");
}
