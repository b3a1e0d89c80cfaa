/**
 * `deno task prefect`: a Prefect server of one's own, on this machine alone, for those who have none.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { prefectClient, PrefectError } from "../lib/prefect/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { openGuest, waitingMessages } from "../lib/store/mod.ts";
import { configured, deliverWaiting } from "./registration.ts";
import {
  common,
  database,
  databaseOption,
  main,
  requireWritable,
  ROOT,
  type Setting,
  writeFile,
} from "./setting.ts";

export const schema = z.strictObject({
  port: z.int().min(0).max(65535).default(4200).describe("to listen on; 0 for any that is free"),
  prefect_database: z.string().default("embedded").describe(
    "for its own tables: embedded, one of its own on Quintet's server; sqlite, in QUINTET_HOME/prefect; or postgresql://…",
  ).meta({ metavar: "URL" }),
  seconds: z.number().gt(0).optional().describe("after which it ends by itself"),
  deliver: z.boolean().default(false).describe("send what waits to PREFECT_API_URL, and start nothing"),
  types: z.boolean().default(false).describe("write lib/prefect/api.d.ts anew, and start nothing"),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

async function run(options: Options, setting: Setting): Promise<number> {
  if (options.deliver) return await deliverAll(options, setting);
  const python = await prefectPython(setting);
  if (options.types) return await writeTypes(python, setting);
  const { stop, stage, print, tell, home } = setting;
  await requireWritable(`${home}/prefect`, "set QUINTET_HOME to a folder that is");
  const port = options.port || freePort();
  const url = `http://127.0.0.1:${port}/api`;
  if (await answers(url)) {
    throw new UsageError(`Cannot start a Prefect server as one answers at ${url}: name another --port`);
  }
  const log = `${home}/prefect/server.log`;
  await using guest = options.prefect_database === "embedded" && !configuredTables(setting)
    ? await stage("Database", (notice) => openGuest("prefect", { home, notice }))
    : undefined;
  await using server = await prefectProcess(["server", "start", "--host", "127.0.0.1", "--port", `${port}`], {
    ...{ python, setting, log },
    env: { ...tablesAt(guest?.url ?? options.prefect_database, setting), ...passwordOf(setting) },
  });
  await stage("Prefect", async (say) => {
    while (!await answers(url)) {
      if (stop.aborted) return;
      if (server.ended()) throw new Error(`Cannot start Prefect as its server ended: see ${log}`);
      say("starting");
      await sleep(200, stop);
    }
  });
  if (stop.aborted) return EXIT.interrupted;
  print(options.json ? JSON.stringify({ url, pid: server.pid, log }) : `PREFECT_API_URL=${url}`);
  tell(`Its pages: ${url.replace(/\/api$/, "")}; its log: ${log}. Ctrl-C ends it.`);
  const delivering = deliverAll(options, {
    ...setting,
    print() {},
    env: { ...setting.env, PREFECT_API_URL: url },
  })
    .catch(({ message }) => tell(message)); // a server is there all the same
  await Promise.race([
    server.status,
    sleep(options.seconds === undefined ? undefined : options.seconds * 1000, stop),
  ]);
  if (server.ended() && !stop.aborted) throw new Error(`Cannot go on as Prefect's server ended: see ${log}`);
  await delivering;
  return EXIT.done;
}

/** Variables by which Prefect itself is told where its tables are. */
const TABLES = ["PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"];

const configuredTables = ({ env, given }: Setting): boolean =>
  !given.has("prefect_database") && TABLES.some((name) => env[name]);

/** Where Prefect has its tables; its own SQLite when nothing is said. */
function tablesAt(url: string, setting: Setting): Record<string, string> {
  if (configuredTables(setting)) return {};
  if (url === "sqlite") return {};
  if (/^postgres(ql)?(\+asyncpg)?:\/\//.test(url)) {
    return { [TABLES[0]!]: url.replace(/^[^:]*/, "postgresql+asyncpg") };
  }
  throw new UsageError(
    "Cannot use --prefect-database as it must be embedded, sqlite or postgresql://…", // what it is may hold a password
  );
}

/** The password that clients will give is the one that the server wants; it answers 500 when that is not ASCII. */
function passwordOf({ env: { PREFECT_API_AUTH_STRING: password } }: Setting): Record<string, string> {
  if (!password) return {};
  if (!/^[ -~]+$/.test(password)) {
    throw new UsageError(
      "Cannot start Prefect with PREFECT_API_AUTH_STRING as it must be of ASCII characters",
    );
  }
  return { PREFECT_SERVER_API_AUTH_STRING: password };
}

/** Sends what waits in the outbox. */
async function deliverAll(options: Options, setting: Setting): Promise<number> {
  const client = configured(setting.env);
  await using db = await database(options, setting);
  await deliverWaiting(db, client, {
    onRefused: (why) => setting.tell(`Prefect refused something: ${why}`),
  });
  const left = await waitingMessages(db);
  const [here, elsewhere] = [true, false].map((wanted) =>
    left.filter(({ server }) => (server === client.url) === wanted).reduce(
      (sum, { messages }) => sum + messages,
      0,
    )
  );
  setting.print(
    options.json
      ? JSON.stringify({ waiting: here, elsewhere })
      : `${here} messages wait${elsewhere ? `, ${elsewhere} for another server` : ""}`,
  );
  return EXIT.done;
}

/** The interpreter that has Prefect. */
export const prefectPython = ({ stage }: Setting): Promise<string> =>
  stage("Python packages", (say) => ensurePython({ root: ROOT, group: "prefect", log: say }));

const freePort = (): number => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
};

/** Whether a Prefect server is there, which says so without a password. */
async function answers(url: string): Promise<boolean> {
  try {
    return await prefectClient({ url, timeoutMs: 2_000 }).healthy();
  } catch (error) {
    if (error instanceof PrefectError) return false;
    throw error;
  }
}

/** Resolves after `ms` milliseconds, never unless given, or when `stop` aborts. */
export const sleep = (ms: number | undefined, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const over = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", over);
      resolve();
    };
    const timer = ms === undefined ? undefined : setTimeout(over, ms);
    stop.addEventListener("abort", over);
  });

/** A process of Prefect's, ended when it is disposed of. */
export interface PrefectProcess extends AsyncDisposable {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
  readonly ended: () => boolean;
}

/** How long a process of Prefect's may take to end; its worker does not heed the first SIGTERM. */
const GRACE_MS = 8_000;

/** Starts `prefect ARGS`, with its home in QUINTET_HOME and without telemetry; what it says is in the file `log`. */
export async function prefectProcess(
  args: readonly string[],
  { python, setting, log, env = {} }: {
    readonly python: string;
    readonly setting: Setting;
    readonly log: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<PrefectProcess> {
  await requireWritable(`${setting.home}/prefect`, "set QUINTET_HOME to a folder that is");
  (await Deno.open(log, { create: true, write: true, append: true })).close();
  const child = new Deno.Command(python, {
    args: ["-I", "-m", "prefect", ...args],
    env: {
      PREFECT_SERVER_ANALYTICS_ENABLED: "false",
      DO_NOT_TRACK: "1",
      ...env,
      PREFECT_HOME: `${setting.home}/prefect`,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kept = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    using own = await Deno.open(log, { write: true, append: true });
    for await (const bytes of stream) await own.write(bytes);
  }));
  let ended = false;
  const status = child.status.then((status) => {
    ended = true;
    return status;
  });
  return {
    pid: child.pid,
    status,
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      for (const [signal, ms] of [["SIGTERM", GRACE_MS], ["SIGKILL", undefined]] as const) {
        if (ended) break;
        child.kill(signal);
        let timer;
        const late = new Promise((resolve) => timer = ms === undefined ? undefined : setTimeout(resolve, ms));
        await Promise.race([status, late]);
        clearTimeout(timer);
      }
      await kept;
    },
  };
}

/** Paths of Prefect's API that lib/prefect and its tests use: its whole API is ten times as large. */
const PATHS = [
  "/admin/version",
  "/artifacts/",
  "/artifacts/filter",
  "/artifacts/{id}",
  "/automations/",
  "/automations/filter",
  "/automations/{id}",
  "/collections/views/{view}",
  "/deployments/",
  "/deployments/name/{flow_name}/{deployment_name}",
  "/deployments/{id}",
  "/deployments/{id}/create_flow_run",
  "/deployments/{id}/schedules",
  "/events",
  "/events/filter",
  "/flow_run_states/",
  "/flow_runs/",
  "/flow_runs/filter",
  "/flow_runs/{id}",
  "/flow_runs/{id}/graph-v2",
  "/flow_runs/{id}/set_state",
  "/flows/",
  "/health",
  "/logs/",
  "/logs/filter",
  "/task_run_states/",
  "/task_runs/",
  "/task_runs/filter",
  "/task_runs/{id}/set_state",
  "/work_pools/",
  "/work_pools/{name}",
];

const OPENAPI =
  "import json; from prefect.server.api.server import create_app; print(json.dumps(create_app().openapi()))";

interface OpenApi {
  readonly info: { readonly version: string };
  readonly paths: Record<string, unknown>;
  readonly components: { readonly schemas: Record<string, unknown> };
}

/** Has openapi-typescript write the types of the paths above, as the pinned server describes them. */
async function writeTypes(python: string, { stage, print }: Setting): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "quintet-prefect-" });
  try {
    const whole: OpenApi = JSON.parse(
      await output(python, ["-c", OPENAPI], { PREFECT_HOME: folder, DO_NOT_TRACK: "1" }),
    );
    await Deno.writeTextFile(`${folder}/api.json`, JSON.stringify(pruned(whole)));
    await stage("Types", () =>
      output(Deno.execPath(), [
        ...["run", "--quiet", "-A", "--no-lock", "--no-config", "npm:openapi-typescript@7.13.0"],
        ...[`${folder}/api.json`, "--output", `${folder}/api.d.ts`, "--default-non-nullable=false"],
      ]));
    const path = `${ROOT}/lib/prefect/api.d.ts`;
    await writeFile(
      path,
      `// Prefect ${whole.info.version}, by openapi-typescript 7.13.0: \`deno task prefect --types\` writes it anew.\n` +
        await Deno.readTextFile(`${folder}/api.d.ts`),
    );
    print(path);
    return EXIT.done;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The API with nothing but PATHS and the schemas that they need. */
function pruned({ paths, components, ...api }: OpenApi): OpenApi {
  const kept = Object.fromEntries(PATHS.map((path) => {
    if (!(path in paths)) throw new Error(`Cannot write types of ${path} as Prefect has no such path`);
    return [path, paths[path]];
  }));
  const names = new Set<string>();
  const need = (value: unknown): void => {
    for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (names.has(name!)) continue;
      names.add(name!);
      need(components.schemas[name!]);
    }
  };
  need(kept);
  return {
    ...api,
    paths: kept,
    components: {
      schemas: Object.fromEntries([...names].sort().map((name) => [name, components.schemas[name]])),
    },
  };
}

async function output(command: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, env, stdin: "null" }).output();
  if (!success) throw new Error(`Cannot run ${command} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  await main({ name: "prefect", summary: "a Prefect server on this machine", schema, run });
}
