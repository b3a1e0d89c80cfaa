/**
 * What every flow finds when it begins: options, environment, a screen, the database, the models. The only file that asks
 * the runtime for them; a flow gets them as values.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import project from "../deno.json" with { type: "json" };
import { EXIT, helpOf, outcome, readOptions, type Stage, stages, UsageError } from "../lib/command/mod.ts";
import { cutAt, point, POINTS } from "../lib/cut.ts";
import { destination } from "../lib/destination.ts";
import { keysOf, type LanguageModel, openModel, parseModel, ProviderError } from "../lib/llm/mod.ts";
import { PrefectError } from "../lib/prefect/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { type Database, type Experiment, findExperiment, migrate, openDatabase } from "../lib/store/mod.ts";
import { attemptsOf, clientOf, openRun, type Run, untold } from "./registration.ts";

/** What a run is made by: kept with each experiment, so that its report can say so. */
export const VERSIONS = { quintet: project.version, deno: Deno.version.deno };

/** The project's folder, without a slash at its end. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");

/** What a flow is run in. */
export interface Setting {
  /** The options that somebody gave, each with its source as errors call it: a flag, a variable, a field of a file. */
  readonly given: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Database, models and logs; `QUINTET_HOME`. */
  readonly home: string;
  /** Shows progress on stderr. */
  readonly stage: Stage;
  /** A line on stdout: the result. Throws UsageError when there is no room for it. */
  print(text: string): void;
  /** A line on stderr: everything else. */
  tell(text: string): void;
  /**
   * Aborts when the user or the system wants the run to end (SIGINT, SIGTERM). Before a flow reads this, and when it is
   * asked twice, the process just ends.
   */
  readonly stop: AbortSignal;
  /** What Prefect is told of this flow, where it is configured. */
  readonly run: Run;
  /** Leaves closing the database to who ends the process. */
  keep(db: Database): void;
}

/** Options that every flow has. */
export const common = {
  json: z.boolean().default(false).describe("print one JSON document on stdout and nothing else there"),
  config: z.string().min(1).optional().describe("JSON file with any of these options").meta({
    metavar: "F.json",
  }),
};

/** The option of flows that use the database. */
export const databaseOption = {
  database: z.string().min(1).optional().describe("PostgreSQL to use; the embedded one unless given")
    .meta({ metavar: "URL", env: "DATABASE_URL" }),
};

/** What the help says of every flow. */
const HELP =
  `An option --some-name is also the variable QUINTET_SOME_NAME and "some_name" in the file of --config: a flag wins
over a variable, a variable over the file. QUINTET_HOME is the folder of database and reports.
Exit codes: 0 done, 1 a fault of Quintet, 2 usage or configuration, 3 a cap was met before the target, 4 provider,
5 database, 100 target not reached with --require-target, 130 interrupted.`;

/** Reads a flow's options, runs it, and ends the process with its exit code. */
export async function main<Schema extends z.ZodObject>(
  { name, flow, summary, schema, run, args = Deno.args }: {
    /** As in `deno task NAME`. */
    name: string;
    /** What Prefect calls it; it is not told of a flow without. */
    flow?: string;
    summary: string;
    schema: Schema;
    run: (options: z.output<Schema>, setting: Setting) => Promise<number>;
    args?: readonly string[];
  },
): Promise<void> {
  console.debug = () => {}; // what libraries say there, Google's SDK among them, would be in the result
  let told: Run = untold, last = "", opened: Database | undefined;
  const code = await outcome(async () => {
    if (args.includes("--help") || args.includes("-h")) {
      print(`deno task ${name}: ${summary}\n\n${helpOf(schema)}\n\n${HELP}`);
      return EXIT.done;
    }
    const env = Deno.env.toObject();
    cut(env);
    const registered = (parameters: Readonly<Record<string, unknown>>, attempt = 0) =>
      flow === undefined ? untold : openRun({
        ...{ flow, parameters, env, attempt, tell },
        now: () => new Date(),
        newId: () => crypto.randomUUID(),
      });
    const child = flow === undefined ? undefined : await flowRun(env);
    if (child) told = registered(child.parameters, child.attempt); // also of options that cannot be read
    const { options, given } = readOptions(schema, child ?? { args, env, ...await configFile(args, env) });
    if (!child) told = registered(kept(options));
    return await run(options, setting(env, given, told, (db) => opened = db));
  }, (text) => tell(last = text));
  const ending = await told.end(code, last);
  await opened?.close();
  Deno.exit(ending);
}

/** Options of one process: they are not kept with an experiment, also as a database's URL may hold a password. */
export const OWN: readonly string[] = ["database", "json", "config", "resume", "retry_errors"];

/** The options that are kept with an experiment, without `others`. */
export const kept = (options: object, others: readonly string[] = []): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(options).filter(([name]) => !OWN.includes(name) && !others.includes(name)),
  );

/**
 * Where the options of a flow run come from that Prefect's worker started this process for: its parameters, which win over
 * the worker's environment. Undefined when nobody did.
 */
async function flowRun(env: Setting["env"]) {
  const [client, id] = [clientOf(env), env.PREFECT__FLOW_RUN_ID];
  if (!client || !id) return undefined;
  const { api, call } = client;
  for (let tries = 0;; tries++) {
    try {
      const attempt = await attemptsOf(client, id);
      const { parameters = {} } = await call(api.GET("/flow_runs/{id}", { params: { path: { id } } }));
      const values = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null));
      const shadowed = Object.keys(values).map((name) => `QUINTET_${name.toUpperCase()}`);
      return {
        args: [],
        env: Object.fromEntries(Object.entries(env).filter(([name]) => !shadowed.includes(name))),
        file: { name: `the parameters of flow run ${id}`, values },
        ...{ parameters: values, attempt },
      };
    } catch (error) {
      if (tries === 30 || !(error instanceof PrefectError && error.retryable)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** For tests: `QUINTET_CUT="trial: committed#3"` ends the process by SIGKILL when it comes by that point for the third time. */
function cut({ QUINTET_CUT: where }: Setting["env"]): void {
  if (!where) return;
  const [wanted, nth = "1"] = where.split("#");
  const name = POINTS.find((point) => point === wanted);
  if (!name || !(Number(nth) >= 1)) {
    throw new UsageError(
      `Cannot cut at ${JSON.stringify(where)}: lib/cut.ts lists the points, "#3" means the third time`,
    );
  }
  cutAt(name, { nth: Number(nth), cut: () => Deno.kill(Deno.pid, "SIGKILL") });
}

/** Opens the database and brings its schema up to date. From then on the flow's run is told of by this process alone. */
export async function database(
  { database: url }: { database?: string | undefined },
  { home, stage, keep, run }: Setting,
  { takeOver = true }: {
    /** Not when the flow still has to see whether another process is at its work. @default {true} */
    readonly takeOver?: boolean;
  } = {},
): Promise<Database> {
  if (!url) {
    await requireWritable(home, "set QUINTET_HOME to a folder that is, or DATABASE_URL");
    await requireRoom(home);
  }
  return await stage("Database", async (say) => {
    const db = await openDatabase({ home, ...url ? { url } : {}, notice: say });
    try {
      await migrate(db, `${ROOT}/sql`, { notice: say });
    } catch (error) {
      await db.close();
      throw error;
    }
    point("schema: up to date");
    say(db.description);
    if (run === untold) return db;
    run.attach(db);
    if (takeOver) run.takeOver();
    keep(db);
    const open = () => Promise.resolve(); // until Prefect has been told of the end
    return { ...db, close: open, [Symbol.asyncDispose]: open };
  });
}

/** Makes a folder unless it is there, and tries whether files can be made in it. Throws UsageError. */
export async function requireWritable(folder: string, mend: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".writable-" }));
  } catch (error) {
    throw new UsageError(`Cannot use ${folder} as it must be writable: ${why(error)}: ${mend}`, {
      cause: error,
    });
  }
}

/** What a new embedded database takes, with its programs, in MiB. */
const DATABASE_MIB = 120;

/** Throws UsageError when there is no embedded database yet and no room for one. */
async function requireRoom(home: string): Promise<void> {
  const free = await freeMiB(home);
  if (free >= DATABASE_MIB || await Deno.stat(`${home}/postgres/data`).then(() => true, () => false)) return;
  throw new UsageError(
    `Cannot make a database in ${home} as it takes ${DATABASE_MIB} MiB: ${free} are free: ` +
      `free some, or set QUINTET_HOME to a folder on another disk, or DATABASE_URL`,
  );
}

/** Room on the disk of a folder, in MiB. */
export async function freeMiB(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor(bavail * bsize / 2 ** 20);
}

/** The models of an experiment, and what ends them. */
export interface Models extends AsyncDisposable {
  readonly primary: LanguageModel;
  /** The primary unless another one is named. */
  readonly optimizer: LanguageModel;
  /** What a model's provider last failed with, if it did. */
  readonly failure: () => ProviderError | undefined;
}

/** What models are called as options. */
export interface ModelNames {
  readonly primary: string;
  readonly optimizer?: string | undefined;
}

const specsOf = ({ primary, optimizer = primary }: ModelNames) =>
  [parseModel(primary), parseModel(optimizer)] as const;

/** Opens the models of an experiment. */
export async function models(names: ModelNames, { env, stage, tell }: Setting): Promise<Models> {
  const specs = specsOf(names);
  const open = async (spec: typeof specs[number]) =>
    await stage(`Model ${spec.name}`, async (say) =>
      await openModel(spec, {
        ...keysOf(env),
        python: () => ensurePython({ root: ROOT, group: "local", log: say }),
        notice: tell,
      }));
  const primary = await open(specs[0]);
  const optimizer = specs[0].name === specs[1].name ? primary : await open(specs[1]);
  let failure: ProviderError | undefined;
  const heard = (model: LanguageModel): LanguageModel => ({
    ...model,
    async complete(...request) {
      try {
        return await model.complete(...request);
      } catch (error) {
        if (error instanceof ProviderError) failure = error;
        throw error;
      }
    },
  });
  const first = heard(primary);
  return {
    primary: first,
    optimizer: optimizer === primary ? first : heard(optimizer),
    failure: () => failure,
    async [Symbol.asyncDispose]() {
      for (const model of new Set([primary, optimizer])) {
        await (model as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.();
      }
    },
  };
}

/** Those that are only a name and a key, which is told if it is wrong before anything is started. */
export async function remoteModels(names: ModelNames, { env }: Setting): Promise<LanguageModel[]> {
  const remote = specsOf(names).filter(({ provider }) => provider !== "local");
  return await Promise.all(
    remote.map((spec) =>
      openModel(spec, { ...keysOf(env), identify: false, python: () => Promise.reject() })
    ),
  );
}

/** What `find` finds by a name; its RangeError is the user's to mend. */
export async function named<Found>(find: () => Promise<Found>): Promise<Found> {
  try {
    return await find();
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** An experiment by what `findExperiment` takes. */
export const found = (db: Database, id: string): Promise<Experiment> => named(() => findExperiment(db, id));

/** Refuses a file that could not be written, and makes its folder unless it is there. Throws UsageError. */
export async function requireWritableFile(path: string, mend: string): Promise<void> {
  const to = await destination(path).catch(() => ({ path, replaceable: true }));
  if (to.replaceable) await requireWritable(dirname(to.path), mend);
}

/**
 * Writes a file whole or not at all, also when the power goes; a text in pieces as they come. What a link leads to is
 * replaced, and keeps its rights; a pipe or a device is written to.
 */
export async function writeFile(path: string, text: string | AsyncIterable<string>): Promise<void> {
  const pieces = typeof text === "string" ? [text] : text;
  let draft: string | undefined;
  try {
    const to = await destination(path);
    if (!to.replaceable) {
      using file = await Deno.open(path, { write: true });
      return await pour(pieces, file);
    }
    await Deno.mkdir(dirname(to.path), { recursive: true });
    point("report: before its draft");
    draft = `${to.path}.${crypto.randomUUID().slice(0, 8)}.draft`;
    {
      using file = await Deno.open(draft, { write: true, createNew: true });
      if (to.mode !== null) await Deno.chmod(draft, to.mode);
      await pour(pieces, file);
      await file.sync();
    }
    point("report: drafted");
    await Deno.rename(draft, to.path);
    if (Deno.build.os !== "windows") await sync(dirname(to.path)); // there a folder cannot be opened
    point("report: written");
  } catch (error) {
    if (draft !== undefined) await Deno.remove(draft).catch(() => {});
    throw new UsageError(`Cannot write ${path}: ${why(error)}`, { cause: error });
  }
}

/** Writes pieces of a text to stdout as they come. */
export const writeOut = (pieces: AsyncIterable<string>): Promise<void> =>
  pour(pieces, {
    write: (bytes) =>
      Deno.stdout.write(bytes).catch((error) => {
        throw error instanceof Deno.errors.BrokenPipe ? error : unprinted(error);
      }),
  });

/** Writes pieces of a text as they come, no faster than they are read; a reader who leaves early has enough. */
async function pour(
  pieces: Iterable<string> | AsyncIterable<string>,
  to: { write(bytes: Uint8Array): Promise<number> },
): Promise<void> {
  const encoder = new TextEncoder();
  for await (const piece of pieces) {
    for (let bytes = encoder.encode(piece); bytes.length > 0;) {
      const taken = await to.write(bytes).catch(gone);
      if (taken === undefined) return;
      bytes = bytes.subarray(taken);
    }
  }
}

/** Undefined when the reader has left; what else is wrong is thrown again. */
function gone(error: unknown): undefined {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}

async function sync(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}

/** What is in the JSON file `path`, of which `what` is wanted. Throws UsageError. */
export async function jsonFile(path: string, what: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new UsageError(`Cannot read ${path} as it must be a JSON file with ${what}: ${why(error)}`, {
      cause: error,
    });
  }
}

/** Why a file could not be read or written, without what the message around it says. */
const why = (error: unknown): string =>
  (error as Error).message.replace(/ \(os error[^]*$/, "").replace(/^./, (letter) => letter.toLowerCase());

function setting(env: Setting["env"], given: Setting["given"], run: Run, keep: Setting["keep"]): Setting {
  const live = Deno.stderr.isTerminal() && !env.CI && env.TERM !== "dumb";
  const stop = new AbortController();
  let heeded = false; // a flow that reads `stop` ends in good order
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as Deno.Signal[]) {
    Deno.addSignalListener(signal, () => {
      if (!heeded || stop.signal.aborted) Deno.exit(EXIT.interrupted);
      tell("\nEnding: calls in flight may finish, for 10 seconds at most. Once more ends at once.");
      stop.abort();
    });
  }
  return {
    given,
    env,
    home: env.QUINTET_HOME || `${ROOT}/.quintet`,
    stage: stages({
      live,
      write(text) {
        try {
          Deno.stderr.writeSync(new TextEncoder().encode(text));
        } catch { /* the reader has gone; the run has not */ }
      },
      columns: () => live && Deno.consoleSize().columns || 80, // some terminals say 0
      elapsed: () => performance.now(),
    }),
    print,
    tell(text) {
      tell(text);
      run.log(text);
    },
    run,
    keep,
    get stop() {
      heeded = true;
      return stop.signal;
    },
  };
}

async function configFile(args: readonly string[], env: Setting["env"]) {
  const at = args.findIndex((arg) => /^--config(=|$)/.test(arg));
  const path = at < 0 ? env.QUINTET_CONFIG : args[at]!.match(/=([^]*)/)?.[1] ?? args[at + 1];
  if (!path) return {};
  return { file: { name: path, values: await jsonFile(path, "options") } };
}

function print(text: string): void {
  try {
    console.log(text);
  } catch (error) {
    throw unprinted(error);
  }
}

const unprinted = (cause: unknown): UsageError =>
  new UsageError(`Cannot write to stdout: ${why(cause)}: make room there, or send it elsewhere`, { cause });

function tell(text: string): void {
  try {
    console.error(text);
  } catch { /* nobody can be told; the exit code says it */ }
}
