/**
 * `deno task deploy`: makes Prefect know our flows, when they run, and what follows on what. Running it again changes what
 * differs.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, jsonSchemaOf, UsageError } from "../lib/command/mod.ts";
import { deploy, type Deployed } from "../lib/prefect/mod.ts";
import { schema as evaluate } from "./evaluate.ts";
import { schema as optimize } from "./optimize.ts";
import { configured, patiently } from "./registration.ts";
import { schema as report } from "./report.ts";
import { common, main, OWN, ROOT, type Setting } from "./setting.ts";
import { schema as sweep } from "./sweep.ts";
import { schema as trainMetaModel } from "./train_meta_model.ts";
import { schema as trainPolicy } from "./train_policy.ts";

/** What can be deployed: the file in flows/, its schema, and how many of it run at once. */
const FLOWS = {
  "prompt-optimizer": {
    file: "optimize",
    schema: optimize,
    description: "Search for a better prompt",
    limit: Infinity,
  },
  "sweep": { file: "sweep", schema: sweep, description: "Many experiments on one budget", limit: Infinity },
  "evaluate": { file: "evaluate", schema: evaluate, description: "Score a prompt", limit: Infinity },
  "report": { file: "report", schema: report, description: "An experiment as an HTML page", limit: Infinity },
  "train-meta-model": {
    ...{ file: "train_meta_model", schema: trainMetaModel, limit: 1 },
    description: "Learn to predict the score of a prompt",
  },
  "train-policy": {
    file: "train_policy",
    schema: trainPolicy,
    description: "Learn to edit prompts",
    limit: 1,
  },
};
type Name = keyof typeof FLOWS;
const NAMES = Object.keys(FLOWS) as [Name, ...Name[]];

export const poolOption = {
  pool: z.string().min(1).default("quintet").describe("Prefect's work pool"),
};

const schema = z.strictObject({
  ...poolOption,
  pool_limit: z.int().min(1).optional().describe("runs of the pool at once at most, on all machines"),
  limit: z.int().min(1).default(4).describe("runs of one deployment at once at most; a training runs alone"),
  schedule: z.string().optional().describe(
    "when --flow is run, as cron has it, or none; unless given as before",
  )
    .meta({ metavar: "CRON" }),
  timezone: z.string().default("UTC").describe("of the schedule"),
  flow: z.enum(NAMES).default("prompt-optimizer").describe("that the schedule is for"),
  retrain_after: z.int().min(1).default(10).describe(
    "finished experiments after which the meta-model is trained",
  ),
  policy_after: z.int().min(1).default(30).describe("finished experiments after which the policy is trained"),
  zombie_seconds: z.int().min(30).max(3600).default(60).describe(
    "without a heartbeat, after which a run has crashed",
  ),
  deno: z.string().default(Deno.execPath()).describe("the program, on the machines of the workers")
    .meta({ metavar: "PATH" }),
  directory: z.string().default(ROOT).describe("the project, on the machines of the workers")
    .meta({ metavar: "PATH" }),
  ...common,
});
type Options = z.output<typeof schema>;

async function run(options: Options, { env, given, print }: Setting): Promise<number> {
  const { pool, pool_limit: poolLimit, retrain_after, policy_after, zombie_seconds } = options;
  const stray = ["flow", "timezone"].map((name) => given.get(name)).find((from) => from?.startsWith("--"));
  if (stray && options.schedule === undefined) {
    throw new UsageError(`Cannot use ${stray} without --schedule, which it is for: give both, or neither`);
  }
  const client = configured(env);
  await client.version(); // a wrong address or password is told at once
  const made = await patiently(() =>
    deploy(client, {
      ...{ pool, poolLimit, flows: NAMES.map((name) => deployed(name, options)) },
      rules: { retrainAfter: retrain_after, policyAfter: policy_after, zombieSeconds: zombie_seconds },
    })
  );
  print(
    options.json
      ? JSON.stringify(made)
      : Object.keys(made.deployments).map((name) => `${name}/${name}`).join("\n"),
  );
  return EXIT.done;
}

function deployed(name: Name, { deno, directory, limit, schedule, timezone, flow }: Options): Deployed {
  const { file, schema, description, limit: own } = FLOWS[name];
  return {
    ...{ name, description, directory },
    // The binary itself: what ends a run by force would end a task runner, and leave the run.
    command: `${quoted(deno)} run -A flows/${file}.ts`,
    parameters: parametersOf(schema),
    limit: Math.min(limit, own),
    ...schedule !== undefined && flow === name
      ? { schedules: schedule === "none" ? [] : [{ cron: schedule, timezone }] }
      : {},
  };
}

/** As a POSIX shell, and Python's shlex, read one word. */
const quoted = (path: string): string =>
  /[^\w./:\\-]/.test(path) ? `'${path.replaceAll("'", `'"'"'`)}'` : path;

/** Not given by who runs a deployment: where a machine has things is its own affair. */
const MACHINE = [...OWN, "report", "output", "status"];

/** A flow's schema as that of its parameters. */
function parametersOf(schema: z.ZodObject): Record<string, unknown> {
  const whole = jsonSchemaOf(schema) as { properties: Record<string, Record<string, unknown>> };
  const properties = Object.entries(whole.properties).filter(([name]) => !MACHINE.includes(name))
    .map(([name, { positional: _positional, metavar: _metavar, env: _env, ...property }], position) =>
      [name, { title: name, position, ...property }] as const
    );
  return { type: "object", additionalProperties: false, properties: Object.fromEntries(properties) };
}

if (import.meta.main) {
  await main({ name: "deploy", summary: "make Prefect know the flows, and when they run", schema, run });
}
