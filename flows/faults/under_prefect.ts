/**
 * Runs that Prefect's worker started, killed at points of `lib/cut.ts`; and Prefect's server, killed under runs that tell it
 * what they do.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import { type Point, POINTS } from "../../lib/cut.ts";
import { type PrefectClient, prefectClient, PrefectError } from "../../lib/prefect/mod.ts";
import { random } from "../../lib/random.ts";
import { openDatabase } from "../../lib/store/mod.ts";
import { serverProcesses } from "../../lib/store/server.ts";
import { asking, standing, until } from "../prefect_testing.ts";
import { modelServer, printed, run } from "../testing.ts";
import type { Arena, Fault } from "./arena.ts";
import { type Outcome, sum, untouched } from "./line.ts";
import {
  answer,
  answeredIn,
  compared,
  type Cut,
  cutsOf,
  OPTIONS,
  PARAMETERS,
  resultIn,
  textOf,
} from "./small_run.ts";

/** Runs of the worker at once. */
const AT_ONCE = 3;
/** Seconds after which a standing process ends by itself, should nobody be left to end it. */
const LIFETIME = ["--seconds", "3600"];

/** Points in the small form: no schema yet, an answer that is not written, an answer read back, a claim, a report. */
const FEW: readonly Point[] = [
  "migration: before commit",
  "call: answered",
  "call: read back",
  "claim: kept",
  "report: drafted",
];

/** A run that a worker started from its deployment is killed, counts as crashed, is started again, and reads back. */
export const points: Fault = async (arena) => {
  const { folder, whole, quick } = arena;
  await arena.prefect();
  const env = { QUINTET_HOME: `${folder}/points`, DATABASE_URL: await arena.database("points") };
  await using server = await standing("prefect", [
    ...["--port", "0", "--json", ...LIFETIME],
    // SQLite would answer 503 at times, as many want to write at once
    ...["--prefect-database", asyncpg(await arena.database("prefect_points", { bare: true }))],
  ], env);
  const { url } = JSON.parse(server.line);
  const told = { ...env, PREFECT_API_URL: url };
  const { deployments } = printed(
    await run("deploy", ["--json", "--limit", "16", "--retrain-after", "9999", "--zombie-seconds", "600"], {
      env: told,
    }),
  );
  await using _worker = await standing("worker", ["--limit", `${AT_ONCE}`, "--json", ...LIFETIME], {
    ...told,
    PREFECT_WORKER_QUERY_SECONDS: "1", // how often it asks for runs; ten unless told
  });
  const client = prefectClient({ url, timeoutMs: 30_000 });

  // Each point once, at the end of the first kills that reach it.
  const embedded = POINTS.filter((point) => point.startsWith("server: ")).map((point): Cut[] => [[point]]);
  const last = (cuts: readonly Cut[]) => cuts.at(-1)![0];
  const cases = [...embedded, ...cutsOf(whole)].filter((cuts, i, all) =>
    all.findIndex((other) => last(other) === last(cuts)) === i && (!quick || FEW.includes(last(cuts)))
  );
  const limit = pLimit(AT_ONCE);
  let done = 0;
  const outcomes = await Promise.all(cases.map((cuts, i) =>
    limit(async () => {
      const outcome = await survive(cuts, i, { arena, client, deployment: deployments["prompt-optimizer"] });
      arena.log(`${++done} of ${cases.length} points`);
      return outcome;
    })
  ));
  return [
    sum(
      `kill -9 of a run of Prefect's worker at ${cases.length} points, each crashed and started again`,
      outcomes,
      { mayRepeat: outcomes.reduce((kills, { tried = 1 }) => kills + tried, 0) },
    ),
  ];
};

/** One run from its deployment to its end, through kills. */
async function survive(cuts: readonly Cut[], i: number, { arena, client, deployment }: {
  readonly arena: Arena;
  readonly client: PrefectClient;
  readonly deployment: string;
}): Promise<Outcome> {
  const what = `killed at ${cuts.map(([name, nth = 1]) => `"${name}" #${nth}`).join(", ")}`;
  const own: Record<string, string> & { DATABASE_URL: string } = cuts[0]![0].startsWith("server: ")
    ? { QUINTET_HOME: `${arena.folder}/point-${i}`, DATABASE_URL: "" }
    : { DATABASE_URL: await arena.database(`point_${i}`, { bare: cuts[0]![0].startsWith("migration") }) };
  const database = () =>
    openDatabase(own.DATABASE_URL === "" ? { home: own.QUINTET_HOME! } : { url: own.DATABASE_URL });
  let hanging: PromiseWithResolvers<void> | undefined;
  await using models = modelServer(async (request) => {
    await hanging?.promise;
    return answer(request);
  });
  const [, primary, , optimizer] = models.models;
  const flowRun = await flowRunOf(
    client,
    deployment,
    {
      ...{ ...PARAMETERS, dataset: arena.questions, primary, optimizer, surrogate: false, policy: false },
    },
    (cut?: Cut) => ({ ...own, ...cut ? { QUINTET_CUT: `${cut[0]}#${cut[1] ?? 1}` } : {} }),
    cuts[0]!,
  );
  let stored = new Set<string>(), before = 0, again = 0;
  for (const cut of [...cuts, undefined]) {
    if (cut?.[0].startsWith("heartbeat")) hanging = Promise.withResolvers();
    if (cut !== cuts[0]) await flowRun.startAgain(cut);
    const { type, history } = await flowRun.end(cut);
    hanging?.resolve();
    hanging = undefined;
    again += models.asked.slice(before).filter(({ request }) => stored.has(textOf(request))).length;
    const isTold = cut?.[0] === "server: before it is stopped"; // Prefect knows the end by then
    if (type !== (cut && !isTold ? "CRASHED" : "COMPLETED")) {
      return { ...untouched, tried: cuts.length, survived: false, why: `${what}: ${history}` };
    }
    if (isTold) { // the orphaned server shows that it was killed
      await until("kill", 30, async () => (await serverProcesses(own.QUINTET_HOME!)).length > 0);
      break;
    }
    before = models.asked.length;
    if (cut && POINTS.indexOf(cut[0]) >= POINTS.indexOf("experiment: begun")) {
      await using db = await database();
      stored = await answeredIn(db, flowRun.id);
    }
  }
  await using db = await database();
  const came = { result: await resultIn(db, flowRun.id), asked: models.asked, again };
  return { ...compared(came, arena.whole, what), tried: cuts.length };
}

/** A run of a deployment, whose process is told variables of its own each time it is started. */
async function flowRunOf<Told>(
  { api, call }: PrefectClient,
  deployment: string,
  parameters: Readonly<Record<string, unknown>>,
  variablesOf: (told?: Told) => Record<string, string>,
  first: Told,
) {
  const key = crypto.randomUUID();
  const { id } = await patiently(
    "run of the deployment",
    () =>
      call(api.POST("/deployments/{id}/create_flow_run", {
        params: { path: { id: deployment } },
        body: { idempotency_key: key, parameters, job_variables: { env: variablesOf(first) } },
      })),
  );
  const params = { path: { id } };
  const schedule = (when: Date) =>
    call(api.POST("/flow_runs/{id}/set_state", {
      params,
      body: {
        state: { type: "SCHEDULED", state_details: { scheduled_time: when.toISOString() } },
        force: true,
      },
    }));
  const startAgain = (told?: Told) =>
    until("second start", 120, async () => {
      await schedule(new Date(Date.now() + 3_600_000)); // only what is scheduled can be told other variables
      const body = { job_variables: { env: variablesOf(told) } };
      const isTold = await call(api.PATCH("/flow_runs/{id}", { params, body })).then(() => true, (error) => {
        if (error instanceof PrefectError && error.status === 400) return false; // crashed, once more
        throw error;
      });
      if (isTold) await schedule(new Date());
      return isTold;
    });
  /** The state in which it ended, and how it came to that. */
  const end = (told?: Told) =>
    until(`end of ${id}`, 240, async () => {
      const states = await call(api.GET("/flow_run_states/", { params: { query: { flow_run_id: id } } }));
      const { type } = states.at(-1)!;
      if (!["CRASHED", "COMPLETED", "FAILED", "CANCELLED"].includes(type)) return;
      const since = states.slice(states.findLastIndex(({ type }) => type === "SCHEDULED"));
      if (type !== "CRASHED" || since.some(({ type }) => type === "PENDING")) {
        return { type, history: states.map(({ name, message }) => `${name} ${message ?? ""}`).join("; ") };
      }
      await startAgain(told); // the worker tells of a death twice, the second time of a run that is to go on
    });
  return { id, startAgain, end };
}

/** A database on a Unix socket as Prefect's driver wants it. */
const asyncpg = (url: string): string =>
  url.replace(
    /^postgresql:(.*\?host=)(.*)$/,
    (_, head, host) => `postgresql+asyncpg:${head}${decodeURIComponent(host)}`,
  );

/** Asks again while Prefect is busy. */
const patiently = <T>(what: string, ask: () => Promise<T>): Promise<T> =>
  until(what, 120, async () => ({ answer: await ask() })).then(({ answer }) => answer);

/** What Prefect's server says of a run, each thing a line: what happened to it, to its tasks, what it logged and shows. */
async function story(prefect: ReturnType<typeof asking>, id: string): Promise<string[]> {
  const tasks = await prefect.tasks(id);
  const states = await Promise.all(tasks.map(async ({ id, name }) => {
    const states = await prefect.taskStates(id!);
    return states.map((state, n) => `task ${name}: ${n} ${state}`);
  }));
  return [
    ...(await prefect.states(id)).map((state, n) => `run: ${n} ${state}`),
    ...states.flat(),
    ...(await prefect.graph(id)).map(({ label }, n) => `graph: ${n} ${label}`),
    ...(await prefect.artifacts(id)).map(({ key }) => `artifact: ${key}`),
    ...(await prefect.logs(id)).map((message) => `log: ${message}`),
  ];
}

/** Prefect's server is killed again and again while runs tell it what they do; afterwards it knows everything, once. */
export const prefectServer: Fault = async (arena) => {
  const { folder, whole, quick, questions, log } = arena;
  const [runs, ms] = quick ? [2, 60] : [8, 150];
  await arena.prefect();
  const env = { QUINTET_HOME: `${folder}/prefect`, DATABASE_URL: await arena.database("prefect") };
  let server = await standing("prefect", ["--port", "0", "--json", ...LIFETIME], env);
  const { url } = JSON.parse(server.line);
  const { port } = new URL(url);
  const prefect = asking(prefectClient({ url, timeoutMs: 30_000 }));
  const told = { ...env, PREFECT_API_URL: url };
  const draw = random("prefect");

  const one = async () => {
    await using models = modelServer(async (request) => {
      await delay(ms);
      return answer(request);
    });
    const ended = await run("optimize", ["--dataset", questions, ...models.models, ...OPTIONS, "--json"], {
      env: told,
    });
    return { result: printed(ended), asked: models.asked, url: models.url };
  };
  const storyOf = async (models: string) => {
    const runs = await prefect.runsOf("prompt-optimizer");
    const run = runs.find(({ parameters }) => `${parameters?.primary}`.endsWith(models));
    return run ? await story(prefect, run.id!) : [];
  };
  try {
    const calm = await one();
    const calmStory = await until("its story", 60, async () => {
      const lines = await storyOf(calm.url);
      return lines.some((line) => /^run: \d COMPLETED$/.test(line)) && lines;
    });

    let kills = 0, over = false;
    const killing = (async () => {
      while (!over || kills === 0) {
        await delay(1000 + 2000 * draw());
        Deno.kill(JSON.parse(server.line).pid, "SIGKILL");
        log(`${++kills} kills`);
        await server[Symbol.asyncDispose]();
        await delay(1000 * draw());
        server = await standing("prefect", ["--port", port, "--json", ...LIFETIME], env);
      }
    })();
    const limit = pLimit(2);
    const ends = await Promise.all(Array.from({ length: runs }, () => limit(one)));
    over = true;
    await killing;

    await using db = await openDatabase({ url: env.DATABASE_URL });
    await until("delivery", 120, async () => { // the next command brings what is left
      await run("report", [calm.result.experiment_id, "--json"], { env: told });
      const { rows } = await db.query("select from outbox where refused is null");
      return rows.length === 0;
    });
    const outcomes: Outcome[] = [];
    for (const { result, asked, url } of ends) {
      const came = compared({ result, asked }, whole, "Prefect killed under a run");
      const lines = await storyOf(url);
      const [lost, more] = [missing(calmStory, lines), missing(lines, calmStory)];
      outcomes.push({
        ...came,
        survived: came.survived && lost.length + more.length === 0,
        lost: came.lost + lost.length,
        repeated: came.repeated + more.length,
        why: [
          came.why,
          ...lost.map((line) => `not arrived: ${line}`),
          ...more.map((line) => `twice: ${line}`),
        ]
          .filter(Boolean).join("\n"),
      });
    }
    return [
      sum(
        `runs while Prefect's server is killed -9 ${kills} times: all states told later, in order, once`,
        outcomes,
      ),
    ];
  } finally {
    await server[Symbol.asyncDispose]();
  }
};

/** Of the lines of one what the other does not have, as often as it does not. */
function missing(all: readonly string[], there: readonly string[]): string[] {
  const rest = there.map(anonymous);
  return all.filter((line) => {
    const at = rest.indexOf(anonymous(line));
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** Without names and times, which each run has of its own. */
const anonymous = (line: string): string =>
  line.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID").replace(/\b[0-9a-f]{8}\b/g, "ID")
    .replace(/\d+(\.\d+)? (ms|s|min)\b/g, "TIME");
