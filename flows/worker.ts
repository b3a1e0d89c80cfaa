/**
 * `deno task worker`: runs what Prefect schedules, on this machine.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { poolOption } from "./deploy.ts";
import { type PrefectProcess, prefectProcess, prefectPython, sleep } from "./prefect.ts";
import { configured, deliverWaiting } from "./registration.ts";
import { common, database, databaseOption, main, type Setting } from "./setting.ts";

const schema = z.strictObject({
  ...poolOption,
  limit: z.int().min(1).default(2).describe("runs at once at most, on this machine"),
  name: z.string().optional().describe("of the worker, as Prefect's pages show it"),
  seconds: z.number().gt(0).optional().describe("after which it ends by itself"),
  ...databaseOption,
  ...common,
});

/** Milliseconds between two looks at the outbox, and seconds that a message waits there before it is a worker's affair. */
const LOOK_MS = 5_000, WAITED_S = 20;

async function run(
  { pool, limit, name, seconds, json, ...options }: z.output<typeof schema>,
  setting: Setting,
): Promise<number> {
  const { env, home, print, tell, stop } = setting;
  const client = configured(env);
  await client.version(); // a worker would wait for a server for ever, and say so in its log alone
  const python = await prefectPython(setting);
  const log = `${home}/prefect/worker.log`;
  await using db = await database(options, setting); // what it runs would have to start it each time
  await using worker = await prefectProcess([
    ...["worker", "start", "--pool", pool, "--type", "process", "--limit", `${limit}`],
    ...name === undefined ? [] : ["--name", name],
  ], { python, setting, log, env: { PREFECT_API_URL: client.url } });
  await using _ = endingRuns(worker);
  print(json ? JSON.stringify({ pool, pid: worker.pid, log }) : `Worker of pool ${pool}`);
  tell(`Its log: ${log}. Ctrl-C ends it; what it runs may end by itself.`);
  const over = new AbortController();
  const looking = (async () => {
    while (!over.signal.aborted) {
      await deliverWaiting(db, client, {
        onRefused: (why) => tell(`Prefect refused something: ${why}`),
        seconds: WAITED_S,
      }).catch(() => {}); // Prefect or the database is away: later
      await sleep(LOOK_MS, over.signal);
    }
  })();
  await Promise.race([worker.status, sleep(seconds === undefined ? undefined : seconds * 1000, stop)]);
  over.abort();
  await looking;
  if (worker.ended() && !stop.aborted) throw new Error(`Cannot go on as Prefect's worker ended: see ${log}`);
  return EXIT.done;
}

/** How long runs may take to end: 10 s for calls in flight, and some to tell Prefect. A container is given 30 s. */
const RUNS_MS = 20_000;

/**
 * Ends what a worker runs before the worker, which would end it by force. SIGTERM comes to this process alone, and with it
 * goes its container: so its runs are told, and waited for, that each keeps its best prompt and Prefect hears of its end.
 * Ctrl-C comes to all that the terminal runs.
 */
function endingRuns(worker: PrefectProcess): AsyncDisposable {
  let terminated = false;
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => terminated = true);
  return {
    async [Symbol.asyncDispose]() {
      const told = new Set<number>(), late = performance.now() + RUNS_MS;
      while (terminated && !worker.ended() && performance.now() < late) {
        const runs = childrenOf(worker.pid);
        if (runs.length === 0) break;
        for (const run of runs) if (!told.has(run)) terminate(run); // told twice it ends at once
        for (const run of runs) told.add(run);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
}

function terminate(pid: number): void {
  try {
    Deno.kill(pid, "SIGTERM");
  } catch { /* it has ended */ }
}

/** Processes that `parent` started, as /proc has them: none where there is no /proc. */
function childrenOf(parent: number): number[] {
  if (Deno.build.os !== "linux") return [];
  const pids = Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name));
  return pids.filter((pid) => pid > 0 && parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`); // 4711 (its name) S 42 …
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

if (import.meta.main) await main({ name: "worker", summary: "run what Prefect schedules", schema, run });
