/**
 * What PostgreSQL does to runs: it restarts under many at once, is away, ends connections; and eight processes want to migrate
 * it at the same time.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import { random } from "../../lib/random.ts";
import { migrateAtOnce } from "../../lib/store/chaos.ts";
import { type Database, openDatabase, openServer } from "../../lib/store/mod.ts";
import { serverProcesses } from "../../lib/store/server.ts";
import { modelServer, run, start as startFlow } from "../testing.ts";
import { ROOT } from "../setting.ts";
import { end } from "./embedded.ts";
import type { Fault } from "./arena.ts";
import { type Line, type Outcome, sum } from "./line.ts";
import { answer, cameTo, OPTIONS } from "./small_run.ts";

/** Experiments at once. */
const AT_ONCE = 5;

/** PostgreSQL is stopped, or killed, and started again every five to ten seconds under experiments that share it. */
export const restarts: Fault = async ({ folder, whole, quick, questions, log }) => {
  const experiments = quick ? 5 : 50, home = `${folder}/restarts`;
  const draws = random("restarts");
  let server = await openServer({ home });
  const { host, user } = server.connection();
  const url = `postgresql://${user}@/postgres?host=${encodeURIComponent(host)}`;
  const env = { QUINTET_HOME: `${folder}/restarts-home`, DATABASE_URL: url };
  let over = false, times = 0, ended = 0;
  const timer = new AbortController();
  const restarting = (async () => {
    for (; !over; times++) {
      await delay(quick ? 3000 : 5000 + 5000 * draws(), undefined, { signal: timer.signal }).catch(() => {});
      if (over) break;
      if (times % 2 === 1) { for (const pid of await serverProcesses(home)) end(pid); }
      await server.close();
      await delay(500 * draws());
      server = await openServer({ home });
      log(`${times + 1} restarts, ${ended} of ${experiments} experiments ended`);
    }
  })();
  const one = async (): Promise<Outcome> => {
    await using models = modelServer(async (request) => {
      await delay(quick ? 60 : 100);
      return answer(request);
    });
    const came = await run("optimize", ["--dataset", questions, ...models.models, ...OPTIONS, "--json"], {
      env,
    });
    ended++;
    return cameTo(came, models.asked, whole, "PostgreSQL restarted under an experiment");
  };
  const limit = pLimit(AT_ONCE);
  const outcomes = await Promise.all(Array.from({ length: experiments }, () => limit(one)));
  over = true;
  timer.abort();
  await restarting;
  await server.close();
  return [
    sum(
      `experiments, ${AT_ONCE} at once, while PostgreSQL restarts ${times} times, every second time killed`,
      outcomes,
    ),
  ];
};

/** Processes that migrate at once. */
const PROCESSES = 8;

/** Eight processes migrate a new database at the same moment, round by round. */
export const migrations: Fault = async (arena) => {
  const rounds = arena.quick ? 1 : 20;
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round++) {
    const url = await arena.database(`round_${round}`, { bare: true });
    const { passed, applied, complaints } = await migrateAtOnce({ url }, {
      folder: `${ROOT}/sql`,
      processes: PROCESSES,
    });
    await using db = await openDatabase({ url });
    const { rows: [there] } = await db.query<{ n: number }>(
      "select count(*)::int as n from quintet_migrations",
    );
    let files = 0;
    for await (const { name } of Deno.readDir(`${ROOT}/sql`)) if (name.endsWith(".sql")) files++;
    const [failed, missing] = [PROCESSES - passed, files - there!.n];
    if (passed > 0) {
      outcomes.push({
        tried: passed,
        survived: true,
        lost: missing,
        repeated: applied.length - new Set(applied).size,
        doubt: null,
      });
    }
    if (failed > 0) {
      outcomes.push({ tried: failed, survived: false, lost: 0, repeated: 0, doubt: null, why: complaints });
    }
    arena.log(`${round + 1} of ${rounds} rounds`);
  }
  return [sum(`processes migrating a new database, ${PROCESSES} at once`, outcomes)];
};

/** What happens to the database of a run once it has asked thirty questions. */
interface Outage {
  readonly fault: string;
  /** Gives how often it struck; `over` aborts when the run has ended. */
  readonly strike: (place: {
    readonly admin: Database;
    /** How often the models were asked so far. */
    asked(): number;
    stop(): Promise<void>;
    begin(): Promise<void>;
  }, over: AbortSignal) => Promise<number>;
}

const outagesOf = (seconds: number): Outage[] => [
  {
    fault: "PostgreSQL ends all connections of a run every 50 ms",
    async strike({ admin, asked }, over) {
      let times = 0;
      for (; !over.aborted; times++) {
        const before = asked();
        await admin.query(
          `select pg_terminate_backend(pid)
             from pg_stat_activity
            where datname = current_database() and application_name = 'quintet'`,
        );
        do {
          await delay(50);
        } while (asked() === before && !over.aborted); // on a slow machine nothing would ever be done within 50 ms
      }
      return times;
    },
  },
  {
    fault: `PostgreSQL is away for ${seconds} s in the middle of a run`,
    async strike({ stop, begin }) {
      await stop();
      await delay(1000 * seconds);
      await begin();
      return 1;
    },
  },
];

/** The database goes away under a run, in more ways than by a restart. */
export const outages: Fault = async ({ folder, whole, quick, questions, log }) => {
  const home = `${folder}/home`;
  let server = await openServer({ home });
  const { host, user } = server.connection();
  const url = `postgresql://${user}@/postgres?host=${encodeURIComponent(host)}`;
  const lines: Line[] = [];
  for (const { fault, strike } of outagesOf(quick ? 3 : 60)) {
    await using admin = await openDatabase({ url, applicationName: "admin" });
    const middle = Promise.withResolvers<void>(), over = new AbortController();
    await using models = modelServer(async (request, n) => {
      if (n === 30) middle.resolve();
      await delay(20);
      return answer(request);
    });
    const flow = startFlow("optimize", ["--dataset", questions, ...models.models, ...OPTIONS, "--json"], {
      env: { QUINTET_HOME: home, DATABASE_URL: url },
    });
    await Promise.race([middle.promise, flow.ended]);
    const striking = strike({
      admin,
      asked: () => models.asked.length,
      stop: () => server.close(),
      begin: async () => void (server = await openServer({ home })),
    }, over.signal);
    const ended = await flow.ended;
    over.abort();
    const tried = await striking;
    log(fault);
    lines.push(sum(fault, [{ ...cameTo(ended, models.asked, whole, fault), tried }]));
  }
  await server.close();
  return lines;
};
