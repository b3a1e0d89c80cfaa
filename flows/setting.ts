/**
 * What every flow finds when it begins: options, environment, a screen, the database, the models. The only file that asks
 * the runtime for them; a flow gets them as values.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { EXIT, helpOf, outcome, readOptions, type Stage, stages, UsageError } from "../lib/command/mod.ts";
import { type LanguageModel, openModel, parseModel } from "../lib/llm/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { type Database, type Experiment, findExperiment, migrate, openDatabase } from "../lib/store/mod.ts";

/** The project's folder, without a slash at its end. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");

/** What a flow is run in. */
export interface Setting {
  /** Names of the options that somebody gave, by flag, environment or file. */
  readonly given: ReadonlySet<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Database, models and logs; `QUINTET_HOME`. */
  readonly home: string;
  /** Shows progress on stderr. */
  readonly stage: Stage;
  /** A line on stdout: the result. */
  print(text: string): void;
  /** A line on stderr: everything else. */
  tell(text: string): void;
  /** Aborts when the user or the system wants the run to end (SIGINT, SIGTERM). */
  readonly stop: AbortSignal;
}

/** Options that every flow has. */
export const common = {
  json: z.boolean().default(false).describe("print one JSON document on stdout and nothing else there"),
  config: z.string().optional().describe("JSON file with any of these options").meta({
    placeholder: "F.json",
  }),
};

/** The option of flows that use the database. */
export const databaseOption = {
  database: z.string().optional().describe("PostgreSQL to use; the embedded one unless given")
    .meta({ placeholder: "URL", env: "DATABASE_URL" }),
};

/** Reads a flow's options, runs it, and ends the process with its exit code. */
export async function main<Schema extends z.ZodObject>(
  { name, summary, schema, run, args = Deno.args }: {
    /** As in `deno task NAME`. */
    name: string;
    summary: string;
    schema: Schema;
    run: (options: z.output<Schema>, setting: Setting) => Promise<number>;
    args?: readonly string[];
  },
): Promise<void> {
  const code = await outcome(async () => {
    if (args.includes("--help") || args.includes("-h")) {
      print(`deno task ${name}: ${summary}\n\n${helpOf(schema)}`);
      return EXIT.done;
    }
    const env = Deno.env.toObject();
    const { options, given } = readOptions(schema, { args, env, ...await configFile(args, env) });
    return await run(options, { ...setting(env), given });
  }, tell);
  Deno.exit(code);
}

/** Opens the database and brings its schema up to date. */
export async function database(
  { database: url }: { database?: string | undefined },
  { home, stage }: Setting,
): Promise<Database> {
  return await stage("Database", async (say) => {
    const db = await openDatabase({ home, ...url ? { url } : {}, notice: say });
    try {
      await migrate(db, `${ROOT}/sql`, { notice: say });
    } catch (error) {
      await db.close();
      throw error;
    }
    say(db.description);
    return db;
  });
}

/** The models of an experiment, and what ends them. One model serves all roles that name it. */
export async function models(
  names: { primary: string; optimizer?: string | undefined },
  { env, stage, tell }: Setting,
): Promise<{ primary: LanguageModel; optimizer: LanguageModel } & AsyncDisposable> {
  const specs = [parseModel(names.primary), parseModel(names.optimizer ?? names.primary)] as const;
  const open = async (spec: typeof specs[number]) =>
    await stage(`Model ${spec.name}`, async (say) =>
      await openModel(spec, {
        apiKey: env.OPENAI_API_KEY,
        python: () => ensurePython({ root: ROOT, group: "local", log: say }),
        notice: tell,
      }));
  const primary = await open(specs[0]);
  const optimizer = specs[0].name === specs[1].name ? primary : await open(specs[1]);
  return {
    primary,
    optimizer,
    async [Symbol.asyncDispose]() {
      for (const model of new Set([primary, optimizer])) {
        await (model as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.();
      }
    },
  };
}

/** `findExperiment`, whose RangeError is the user's to mend. */
export async function found(db: Database, id: string): Promise<Experiment> {
  try {
    return await findExperiment(db, id);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

/** Writes a file whole or not at all. */
export async function writeFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${crypto.randomUUID().slice(0, 8)}.draft`;
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(draft, text);
    await Deno.rename(draft, path);
  } catch (error) {
    await Deno.remove(draft).catch(() => {});
    throw new UsageError(`Cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function setting(env: Setting["env"]): Omit<Setting, "given"> {
  const live = Deno.stderr.isTerminal() && !env.CI && env.TERM !== "dumb";
  const stop = new AbortController();
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as Deno.Signal[]) {
    Deno.addSignalListener(signal, () => {
      if (stop.signal.aborted) Deno.exit(130); // asked twice
      tell("\nEnding: calls in flight may finish, for 10 seconds at most. Once more ends at once.");
      stop.abort();
    });
  }
  return {
    env,
    home: env.QUINTET_HOME || `${ROOT}/.quintet`,
    stage: stages({
      live,
      write: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
      columns: () => live ? Deno.consoleSize().columns : 80,
      elapsed: () => performance.now(),
    }),
    print,
    tell,
    stop: stop.signal,
  };
}

async function configFile(args: readonly string[], env: Setting["env"]) {
  const at = args.findIndex((arg) => /^--config(=|$)/.test(arg));
  const path = at < 0 ? env.QUINTET_CONFIG : args[at]!.split("=", 2)[1] ?? args[at + 1];
  if (!path) return {};
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError(
      `Cannot read ${path} as it must be a JSON file of options: ${(error as Error).message}`,
    );
  }
  try {
    return { file: { name: path, values: JSON.parse(text) } };
  } catch (error) {
    throw new UsageError(`Cannot read ${path} as it must hold one JSON object: ${(error as Error).message}`);
  }
}

const print = (text: string): void => console.log(text);
const tell = (text: string): void => console.error(text);
