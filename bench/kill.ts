/**
 * What is lost when processes are killed, migrate at once, or lose their database: real processes, counted from outside.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  essence,
  type ModelServer,
  modelServer,
  parity,
  parityQuestions,
  printed,
  run,
  start as startFlow,
} from "../flows/testing.ts";
import { random } from "../lib/random.ts";
import {
  killRounds,
  makeTable,
  migrateAtOnce,
  proxy,
  socketOf,
  start,
  throughProxy,
} from "../lib/store/chaos.ts";
import { type Database, migrate, openDatabase, openServer, type Server } from "../lib/store/mod.ts";
import { serverProcesses } from "../lib/store/server.ts";
import type { Bench, Row, Tools } from "./row.ts";

const SQL = fileURLToPath(new URL("../sql", import.meta.url));

/** Each part prints rows of its own; `quick` makes them short. */
export const bench: Bench = async (tools) => {
  const rows: Row[] = [];
  for (const part of [writers, commands, migrations, races, runs, outages]) rows.push(...await part(tools));
  return rows;
};

function row(name: string, value: number, unit: string, bar: string, holds: boolean): Row {
  return { name: `kill, ${name}`, value, unit, peer: null, peer_value: null, ratio: null, bar, holds };
}

/** Nothing of this may happen. */
const none = (name: string, value: number, unit: string): Row => row(name, value, unit, "0", value === 0);

/** This must succeed each time. */
const all = (name: string, value: number, of: number): Row =>
  row(name, value, `of ${of}`, String(of), value === of);

// ---- the embedded server ----

/** Three processes write; a client, the server's first process, or all are killed. */
async function writers({ folder, quick, log }: Tools): Promise<Row[]> {
  const rounds = quick ? 3 : 24;
  const { acknowledged, lost, wrong, left } = await killRounds({
    ...{ home: `${folder}/writers`, rounds, random: random("writers") },
  });
  log(`${acknowledged} rows acknowledged in ${rounds} rounds`);
  return [
    none("acknowledged rows lost", lost, `of ${acknowledged}, ${rounds} rounds`),
    none("rows with other content", wrong, `of ${acknowledged}`),
    none("processes left by the last writer", left, "processes"),
  ];
}

/** After each kill a user types the next command. */
async function commands({ folder, quick, log }: Tools): Promise<Row[]> {
  const home = `${folder}/commands`, rounds = quick ? 3 : 20;
  {
    await using db = await openDatabase({ home });
    await makeTable(db);
  }
  const seconds: number[] = [];
  let worked = 0;
  for (let round = 0; round < rounds; round++) {
    await using writer = start({ act: "write", home, writer: String(round) });
    await writer.says(5);
    const victims = (["writer", "server", "all"] as const)[round % 3];
    const server = await serverProcesses(home);
    const pids = { writer: [], server: server.slice(0, 1), all: server }[victims!];
    for (const pid of pids) end(pid);
    if (victims !== "server") await writer.kill();
    const begun = performance.now();
    const { code, stderr } = await run("show", ["--json"], { env: { QUINTET_HOME: home } });
    seconds.push((performance.now() - begun) / 1000);
    if (code === 0) worked++;
    else log(stderr);
    await writer.finish();
  }
  const left = (await serverProcesses(home)).length;
  const slowest = Math.max(...seconds);
  return [
    all("the next command works", worked, rounds),
    row("the next command, slowest", slowest, "s, a whole process", "< 5", slowest < 5),
    none("processes left by the next command", left, "processes"),
  ];
}

function end(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch { /* it ended with its parent */ }
}

async function migrations({ folder, quick, log }: Tools): Promise<Row[]> {
  const rounds = quick ? 1 : 20, processes = 8;
  await using server = await openServer({ home: `${folder}/migrations` });
  await using admin = await openDatabase({ url: urlOf(server, "postgres") });
  let [passed, twice] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    await admin.query(`create database round_${round} template template0`);
    const url = urlOf(server, `round_${round}`);
    const { applied, complaints, ...done } = await migrateAtOnce({ url }, { folder: SQL, processes });
    passed += done.passed;
    twice += applied.length - new Set(applied).size;
    if (complaints) log(complaints);
  }
  return [
    all(`${processes} processes migrating at once`, passed, rounds * processes),
    none("migrations applied twice", twice, `in ${rounds} rounds`),
  ];
}

const urlOf = (server: Server, database: string): string => {
  const { host, user } = server.connection();
  return `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}`;
};

async function races({ folder, quick }: Tools): Promise<Row[]> {
  const rounds = quick ? 1 : 5, processes = 5;
  let [opened, made, left] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const home = `${folder}/race-${round}`;
    const children = Array.from({ length: processes }, () => start({ act: "hold", home }));
    await Promise.all(children.map((child) => child.says(1).catch(() => {})));
    const codes = await Promise.all(children.map((child) => child.finish()));
    opened += codes.filter((code) => code === 0).length;
    made += children.filter((child) => child.complaints().includes("Making the database")).length;
    left += (await serverProcesses(home)).length;
  }
  return [
    all(`${processes} processes racing on a fresh directory`, opened, rounds * processes),
    row("databases made by them", made, `in ${rounds} rounds`, String(rounds), made === rounds),
    none("processes left by them", left, "processes"),
  ];
}

// ---- runs ----

const OPTIONS = ["--threshold", "1", "--max-iterations", "4", "--max-calls", "700", "--json"];

/** A model that takes a while, so that there is a time at which to kill, and when it was asked first. */
function slowly(ms: number): ModelServer & { readonly first: { at: number | undefined } } {
  const first: { at: number | undefined } = { at: undefined };
  const server = modelServer(async (request) => {
    first.at ??= performance.now();
    await delay(ms);
    return parity(request);
  });
  return { ...server, first };
}

async function questionsIn(folder: string): Promise<string> {
  const path = `${folder}/parity.jsonl`;
  await Deno.writeTextFile(path, parityQuestions());
  return path;
}

/** What an undisturbed run gives, how many calls it makes, and after how many milliseconds it makes the first one. */
async function undisturbed(args: readonly string[], env: Record<string, string>) {
  const begun = performance.now();
  let start: number | undefined;
  await using server = modelServer((request) => {
    start ??= performance.now() - begun;
    return parity(request);
  });
  const ended = await run("optimize", [...args, ...server.models, "--concurrency", "8"], { env });
  return { result: JSON.stringify(essence(printed(ended))), asked: server.asked.length, start: start! };
}

/** Runs that are killed at a time, each on its own, on one server. */
const AT_ONCE = 2;

/**
 * Runs are killed at random times and resumed until there were enough kills. Each has one call in flight, so that what a kill
 * costs is known to the call.
 */
async function runs({ folder, quick, log }: Tools): Promise<Row[]> {
  const wanted = quick ? 6 : 200;
  const home = `${folder}/runs`, env = { QUINTET_HOME: home };
  const args = ["--dataset", await questionsIn(folder), ...OPTIONS];
  const whole = await undisturbed(args, env);
  log(`${whole.asked} calls in a run, the first after ${Math.round(whole.start)} ms`);
  await using db = await openDatabase({ home });
  const draws = random("runs");
  let [planned, kills, ended, same, lost, again, repeated] = [0, 0, 0, 0, 0, 0, 0];
  let { start } = whole; // follows the machine, which may become busier: else no run would come further than its start
  const fate: Fate = {
    lifetime() {
      if (planned === wanted) return undefined;
      planned++;
      return 4 * start * draws();
    },
    ended({ isKilled, wasToBe, ms, firstRequestMs }) {
      if (isKilled) log(`${++kills} of ${wanted} kills, ${ended} runs came to their end, ${lost} calls lost`);
      else if (wasToBe) planned--;
      const atLeast = firstRequestMs ?? ms;
      if (firstRequestMs !== undefined || ms > start) start += 0.1 * (atLeast - start);
    },
  };
  const oneByOne = async () => {
    while (kills < wanted && planned < wanted) {
      await using server = slowly(5);
      const came = await throughKills(db, [...args, ...server.models, "--concurrency", "1"], {
        ...{ env, server, fate },
      });
      ended++;
      lost += came.lost;
      again += came.again;
      repeated += server.asked.length - new Set(server.asked.map(textOf)).size;
      if (JSON.stringify(essence(came.result)) === whole.result) same++;
    }
  };
  while (kills < wanted) await Promise.all(Array.from({ length: AT_ONCE }, oneByOne));
  return [
    all(`runs with the same result after ${kills} kills at random times`, same, ended),
    none("stored calls made again", again, "calls"),
    row("calls repeated", repeated, `calls, ${kills} kills`, "<= kills", repeated <= kills),
    row(
      "calls in doubt, all counted",
      lost,
      `calls, ${kills} kills`,
      "repeated <= it <= kills",
      repeated <= lost && lost <= kills,
    ),
  ];
}

/** Who decides when processes are killed. */
interface Fate {
  /** Of the next process, in milliseconds; undefined lets it live. */
  lifetime(): number | undefined;
  /** Told of each process that is over, and after how long; it may have come to its end before it was to be killed. */
  ended(
    process: { isKilled: boolean; wasToBe: boolean; ms: number; firstRequestMs: number | undefined },
  ): void;
}

/** One run to its end, killed at random times on the way. */
async function throughKills(db: Database, args: readonly string[], { env, server, fate }: {
  env: Record<string, string>;
  server: ReturnType<typeof slowly>;
  fate: Fate;
}) {
  let again = 0;
  let id: string | undefined;
  for (;;) {
    const stored = new Set(id === undefined ? [] : await answeredIn(db, id));
    const before = server.asked.length;
    const begun = performance.now();
    server.first.at = undefined;
    const flow = startFlow("optimize", id === undefined ? args : ["--resume", id, "--json"], { env });
    const time = new AbortController();
    const ms = fate.lifetime();
    const killed = ms === undefined
      ? undefined
      : delay(ms, "killed" as const, { signal: time.signal }).catch(() => undefined);
    if (await Promise.race([flow.ended, ...killed ? [killed] : []]) === "killed") {
      try {
        flow.kill("SIGKILL");
      } catch { /* it has just come to its end */ }
    }
    time.abort();
    const ended = await flow.ended;
    const { at } = server.first;
    fate.ended({
      isKilled: ended.code === KILLED,
      wasToBe: ms !== undefined,
      ms: performance.now() - begun,
      firstRequestMs: at === undefined ? undefined : at - begun,
    });
    again += server.asked.slice(before).filter((asked) => stored.has(textOf(asked))).length;
    if (ended.stdout !== "" && ended.code !== KILLED) {
      const result = printed(ended);
      return { again, result, lost: result.calls.lost };
    }
    if (ended.code !== KILLED) throw new Error(`Cannot go on with a run: ${ended.stderr}`);
    id ??= (await db.query<{ id: string }>("select id from experiments where config ->> 'primary' like $1", [
      `%@${server.url}`,
    ])).rows[0]?.id;
  }
}

const KILLED = 137;

const textOf = ({ request: { messages } }: ModelServer["asked"][number]): string =>
  JSON.stringify(messages.map(({ role, content }) => [role, content]));

/** What an experiment asked and has the answers of. */
async function answeredIn(db: Database, id: string): Promise<string[]> {
  const { rows } = await db.query<{ text: string }>(
    `select (select jsonb_agg(jsonb_build_array(m ->> 'role', m ->> 'content') order by n)
               from jsonb_array_elements(c.request -> 'messages') with ordinality as t (m, n)) as text
       from calls
       join completions c on c.key = calls.completion_key
      where experiment_id = $1`,
    [id],
  );
  return rows.map(({ text }) => JSON.stringify(text));
}

// ---- PostgreSQL goes away ----

/** What happens to the database of a run once it has asked a hundred questions. */
interface Outage {
  readonly name: string;
  /** For how long nothing may be asked. */
  readonly seconds: number;
  /** What happens; `over` aborts when the run has ended. */
  readonly strike: (place: Struck, over: AbortSignal) => Promise<void>;
}

interface Struck {
  readonly admin: Database;
  /** How often the models were asked so far. */
  asked(): number;
  stop(): Promise<void>;
  begin(): Promise<void>;
  fallSilent(): void;
}

const outagesOf = (seconds: number): Outage[] => [
  {
    name: "a run whose connections are ended every 50 ms",
    seconds: 5,
    async strike({ admin, asked }, over) {
      while (!over.aborted) {
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
    },
  },
  {
    name: "a run while PostgreSQL restarts three times",
    seconds: 5,
    async strike({ stop, begin }) {
      for (let round = 0; round < 3; round++) {
        await stop();
        await begin();
        await delay(300);
      }
    },
  },
  {
    name: `a run while PostgreSQL is away for ${seconds} s`,
    seconds: seconds + 5,
    async strike({ stop, begin }) {
      await stop();
      await delay(1000 * seconds);
      await begin();
    },
  },
  {
    name: "a run whose sockets are half open",
    seconds: 15,
    strike({ fallSilent }) {
      fallSilent();
      return Promise.resolve();
    },
  },
];

async function outages({ folder, quick, log }: Tools): Promise<Row[]> {
  const home = `${folder}/outages`;
  const args = ["--dataset", await questionsIn(folder), ...OPTIONS];
  const whole = await undisturbed(args, { QUINTET_HOME: `${folder}/runs` });
  let server = await openServer({ home });
  await using admin = await openDatabase({ url: urlOf(server, "postgres"), applicationName: "admin" });
  await migrate(admin, SQL);
  const rows: Row[] = [];
  for (const { name, seconds, strike } of outagesOf(quick ? 3 : 60)) {
    const url = urlOf(server, "postgres");
    await using through = proxy(socketOf(url));
    const middle = Promise.withResolvers<void>(), over = new AbortController();
    let [asked, silence] = [performance.now(), 0];
    await using models = modelServer(async (request, n) => {
      if (n === 100) middle.resolve();
      if (n > 100) silence = Math.max(silence, performance.now() - asked);
      asked = performance.now();
      await delay(10);
      return parity(request);
    });
    const flow = startFlow("optimize", [...args, ...models.models, "--concurrency", "8"], {
      env: { QUINTET_HOME: home, DATABASE_URL: throughProxy(url, through.port) },
    });
    await Promise.race([middle.promise, flow.ended]);
    const striking = strike({
      admin,
      asked: () => models.asked.length,
      fallSilent: through.fallSilent,
      stop: () => server.close(),
      begin: async () => void (server = await openServer({ home })),
    }, over.signal);
    const ended = await flow.ended;
    over.abort();
    await striking;
    const result = printed(ended);
    const kept = JSON.stringify(essence(result)) === whole.result;
    const lost = result.calls.lost + models.asked.length - whole.asked;
    log(`${name}: ${result.seconds.toFixed(1)} s, nothing asked for ${(silence / 1000).toFixed(1)} s`);
    rows.push(
      row(
        `${name}: calls lost or repeated`,
        lost,
        `calls of ${whole.asked}`,
        "0, and the same result",
        lost === 0 && kept,
      ),
      row(`${name}: longest silence`, silence / 1000, "s", `< ${seconds}`, silence < 1000 * seconds),
    );
  }
  await server.close();
  return rows;
}
