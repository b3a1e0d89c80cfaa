/**
 * What the tests of flows share: a flow as the process that users start, a model server that counts what it is asked, and
 * a question set whose answers truly depend on the prompt.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import pLimit from "p-limit";
import type { ExperimentResult } from "../lib/report/result.ts";
import { type TestDatabase, testDatabase } from "../lib/store/testing.ts";
import { ROOT } from "./setting.ts";

/** How a process ended, and what it had printed. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A flow that runs. */
export interface Flow {
  readonly ended: Promise<Ended>;
  kill(signal: Deno.Signal): void;
}

/** What a flow is started with beside its arguments. */
export interface StartOptions {
  /** Variables beside those of this process, of which none that Quintet reads is passed on. @default {{}} */
  readonly env?: Readonly<Record<string, string>>;
  /** The project to run. @default {ROOT} */
  readonly root?: string;
  /** A command that runs it, as `["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]`. @default {[]} */
  readonly within?: readonly string[];
  /** A module that is loaded before it. */
  readonly preload?: string;
}

/** Starts `deno task NAME ARGS`, without the task runner in between: a signal reaches the flow itself. */
export function start(
  name: string,
  args: readonly string[] = [],
  { env = {}, root = ROOT, within = [], preload }: StartOptions = {},
): Flow {
  const [program = "", ...before] = [...within, Deno.execPath()];
  const child = new Deno.Command(program, {
    args: [
      ...[...before, "run", "--quiet", "-A", ...preload === undefined ? [] : ["--preload", preload]],
      ...[`flows/${name}.ts`, ...args],
    ],
    cwd: root,
    clearEnv: true,
    env: { ...clean(Deno.env.toObject()), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    ended: child.output().then(({ code, stdout, stderr }) => ({
      code,
      stdout: text(stdout),
      stderr: text(stderr),
    })),
    kill: (signal) => child.kill(signal),
  };
}

/** Runs a flow to its end. */
export const run = (...flow: Parameters<typeof start>): Promise<Ended> => start(...flow).ended;

/** Variables without those that Quintet reads. */
export const clean = (env: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      !/^(QUINTET_|PREFECT_|OPENAI_|GOOGLE_|DATABASE_URL$|PG|CI$)/.test(name)
    ),
  );

/** The one JSON document that a process printed; a SyntaxError when stdout holds anything else. */
export function printed({ stdout, stderr }: Ended) {
  if (!/^[[{].*[\]}]\n$/.test(stdout)) { // `.` is no line end
    throw new SyntaxError(`Cannot read stdout as it must be one line of JSON: got ${stdout}\n${stderr}`);
  }
  return JSON.parse(stdout);
}

/** The document of `optimize --json` without the names that every experiment has of its own. */
export const unnamed = ({ best, trials, ...result }: ExperimentResult) => ({
  ...result,
  experiment_id: null,
  best: best && { ...best, prompt_id: null },
  trials: trials.map((trial) => ({ ...trial, prompt_id: null })),
});

/** Of the document of `optimize --json` what depends on nothing but the run: no names, no clock, not what was lost. */
export function essence(result: ExperimentResult) {
  const { calls, tokens, ...rest } = unnamed(result);
  return {
    ...rest,
    seconds: null,
    calls: { ...calls, lost: null, total: calls.total - calls.lost },
    tokens: { prompt: tokens.prompt },
  };
}

/** The files below a folder that hold a text. */
export async function filesWith(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await filesWith(path, text));
    else if (isFile && Buffer.from(await Deno.readFile(path)).includes(text)) found.push(path);
  }
  return found;
}

/** What a process said on stderr but for progress, of which there is more on a slow machine. */
export const said = ({ stderr }: Ended): string => stderr.replace(/^[·✓✗] .*\n/gm, "");

/** Runs `cases` side by side, as many as there are cores: each is a process or two. */
export async function each<Case>(cases: readonly Case[], check: (one: Case) => Promise<void>): Promise<void> {
  const limit = pLimit(navigator.hardwareConcurrency);
  const outcomes = await Promise.allSettled(cases.map((one) => limit(check, one)));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/** What a case leaves its files in: they go when it is over. */
export interface Place extends AsyncDisposable {
  readonly folder: string;
  /** QUINTET_HOME, with an embedded database of its own where `env` is not used. */
  readonly home: string;
  /** The questions of `parity`. */
  readonly questions: string;
  /** A fresh database on the server that all tests share. */
  readonly db: TestDatabase;
  /** QUINTET_HOME and DATABASE_URL. */
  readonly env: { readonly QUINTET_HOME: string; readonly DATABASE_URL: string };
}

export async function place(): Promise<Place> {
  const db = await testDatabase({ folder: `${ROOT}/sql`, applicationName: "test" });
  const folder = await Deno.makeTempDir({ prefix: "quintet-flow-" });
  const home = `${folder}/home`;
  const questions = `${folder}/parity.jsonl`;
  await Deno.writeTextFile(questions, parityQuestions());
  return {
    folder,
    home,
    questions,
    db,
    env: { QUINTET_HOME: home, DATABASE_URL: db.url },
    async [Symbol.asyncDispose]() {
      await db.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A copy of all that flows need, without `.venv`, as in a fresh clone. */
export async function freshClone(folder: string): Promise<string> {
  const root = `${folder}/clone`;
  const parts = [
    "deno.json",
    "deno.lock",
    "data/prices.json",
    "data/tasks",
    "flows",
    "lib",
    "requirements",
    "sql",
  ];
  for (const part of parts) await copy(`${ROOT}/${part}`, `${root}/${part}`);
  return root;
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) {
    await Deno.mkdir(dirname(to), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}

/** What an OpenAI-compatible client sends, as far as tests look at it. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: "system" | "user" | "assistant"; readonly content: string }[];
  readonly max_tokens: number;
  readonly logit_bias?: Readonly<Record<string, number>>;
}

/** One request that arrived. */
export interface Asked {
  readonly request: ChatRequest;
  /** The header as it came. */
  readonly authorization: string | null;
}

/** A server of models. */
export interface ModelServer extends AsyncDisposable {
  /** As a base URL. */
  readonly url: string;
  /** Arguments that name it: `parity` as the primary model, `writer` as the optimizer. */
  readonly models: readonly string[];
  /** Every request in the order of arrival, also those whose answer nobody waited for. */
  readonly asked: readonly Asked[];
  /** Tokens of all answers that were written. */
  readonly tokens: { readonly prompt: number; readonly completion: number };
  /** Requests for the model of this name. */
  count(model: string): number;
}

/**
 * Serves whatever `answer` makes of a request, the nth to arrive counted from 1: a text with usage, or a response as it is. Of
 * the texts that are `tokens`, it tells the token, their place there; without them it knows of none, and takes no bias so. At
 * /v1/models it has what `list` gives at that time, if anything.
 */
export function modelServer(
  answer: (request: ChatRequest, n: number) => string | Response | Promise<string | Response>,
  { tokens: known = [], list = () => undefined }: {
    readonly tokens?: readonly string[];
    readonly list?: () => unknown;
  } = {},
): ModelServer {
  const asked: Asked[] = [];
  const tokens = { prompt: 0, completion: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (http) => {
    const { pathname } = new URL(http.url);
    if (pathname === "/tokenize" && known.length > 0) {
      return Response.json({ tokens: [known.indexOf((await http.json()).content)] });
    }
    const listed = pathname === "/v1/models" ? list() : undefined;
    if (listed !== undefined) return Response.json(listed);
    if (http.method !== "POST" || pathname !== "/v1/chat/completions") {
      return new Response("there is no such page", { status: 404 });
    }
    const request: ChatRequest | undefined = await http.json().catch(() => undefined);
    if (!request) return new Response("the question was cut off", { status: 400 }); // by who asked: nobody is there to read this
    asked.push({ request, authorization: http.headers.get("authorization") });
    const content = await answer(request, asked.length);
    if (typeof content !== "string") return content;
    const words = (text: string) => text.split(/\s+/).length;
    const prompt_tokens = request.messages.reduce((sum, { content }) => sum + words(content), 0);
    const completion_tokens = words(content);
    tokens.prompt += prompt_tokens;
    tokens.completion += completion_tokens;
    return Response.json({
      choices: [{ message: { role: "assistant", content }, finish_reason: "stop" }],
      usage: { prompt_tokens, completion_tokens },
    });
  });
  const url = `http://127.0.0.1:${server.addr.port}/v1`;
  return {
    url,
    models: ["--primary", `openai:parity@${url}`, "--optimizer", `openai:writer@${url}`],
    asked,
    tokens,
    count: (model) => asked.filter(({ request }) => request.model === model).length,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The response of a model that thought until its tokens were spent. */
export const spent = ({ max_tokens }: ChatRequest): Response =>
  Response.json({
    choices: [{ message: { role: "assistant", content: "" }, finish_reason: "length" }],
    usage: { prompt_tokens: 40, completion_tokens: max_tokens },
  });

/** Questions for `parity`, a line each: `{"question": "Is 1007 even or odd?", "answer": "odd", …}`. */
export const parityQuestions = (splits = { train: 24, validation: 30, test: 40 }): string =>
  Object.entries(splits).flatMap(([split, n], s) =>
    Array.from({ length: n }, (_, i) => {
      const number = 1000 * (s + 1) + 7 * i;
      const [question, answer] = [`Is ${number} even or odd?`, PARITIES[number % 2]];
      return JSON.stringify({ id: `${split}-${i}`, split, question, answer });
    })
  ).join("\n");

const PARITIES = ["even", "odd"] as const;

/**
 * A model that says even or odd: not at all without a worked example, and the more rightly the more of them it is shown,
 * up to 19 times in 20. As `writer` it writes a prompt. A function of the request alone.
 */
export function parity({ model, messages }: ChatRequest): string {
  if (model === "writer") {
    return "<system_prompt>\nYou tell even numbers from odd ones.\n</system_prompt>\n<output_prompt>\n</output_prompt>";
  }
  const demos = messages.filter(({ role }) => role === "assistant").length;
  if (demos === 0) return "That depends on how you look at it.";
  const number = Number(messages.at(-1)!.content.match(/\d+/)?.[0]);
  const knows = number * 37 % 100 < Math.min(95, 50 + 4 * demos);
  return PARITIES[(number + (knows ? 0 : 1)) % 2]!;
}
