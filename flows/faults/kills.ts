/**
 * Runs that are killed at random times, and runs that are told to end while a call is under way.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { EXIT } from "../../lib/command/mod.ts";
import { random } from "../../lib/random.ts";
import { type Database, openDatabase } from "../../lib/store/mod.ts";
import {
  type Asked,
  each,
  essence,
  type ModelServer,
  modelServer,
  parity,
  parityQuestions,
  printed,
  run,
  start as startFlow,
} from "../testing.ts";
import type { Fault } from "./arena.ts";
import { type Outcome, sum } from "./line.ts";
import { answer, answeredIn, compared, OPTIONS, resultIn, textOf } from "./small_run.ts";

// ---- at random times ----

/** A larger run: four iterations over 94 questions, with calls to spare, as those that kills cost count for the cap. */
export const LARGE = ["--threshold", "1", "--max-iterations", "4", "--max-calls", "1000", "--json"];

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

/** The questions of the larger run, as a file. */
export async function questionsIn(folder: string): Promise<string> {
  const path = `${folder}/parity.jsonl`;
  await Deno.writeTextFile(path, parityQuestions());
  return path;
}

/** What an undisturbed larger run gives, how many calls it makes, and after how many milliseconds it makes the first one. */
export async function undisturbedLarge(args: readonly string[], env: Record<string, string>) {
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

/** What came of kills at random times. */
export interface RandomKills {
  readonly kills: number;
  /** Runs that came to their end, and those with the result of an undisturbed one. */
  readonly ended: number;
  readonly same: number;
  /** Calls in doubt, stored answers asked for again, calls that the provider answered twice. */
  readonly lost: number;
  readonly again: number;
  readonly repeated: number;
}

/**
 * Runs are killed at random times and resumed until there were enough kills. Each has one call in flight, so that what a kill
 * costs is known to the call.
 */
export async function randomKills(
  { folder, kills: wanted, log }: { folder: string; kills: number; log: (line: string) => void },
): Promise<RandomKills> {
  const home = `${folder}/runs`, env = { QUINTET_HOME: home };
  const args = ["--dataset", await questionsIn(folder), ...LARGE];
  const whole = await undisturbedLarge(args, env);
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
      repeated += server.asked.length - new Set(server.asked.map(({ request }) => textOf(request))).size;
      if (JSON.stringify(essence(came.result)) === whole.result) same++;
    }
  };
  while (kills < wanted) await Promise.all(Array.from({ length: AT_ONCE }, oneByOne));
  return { kills, ended, same, lost, again, repeated };
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
    const stored = id === undefined ? new Set<string>() : await answeredIn(db, id);
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
    again += server.asked.slice(before).filter(({ request }) => stored.has(textOf(request))).length;
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

export const kills: Fault = async ({ folder, quick, log }) => {
  const came = await randomKills({ folder, kills: quick ? 4 : 200, log });
  const { kills, ended, same, lost, again, repeated } = came;
  const runs = { survived: same === ended, lost: again, repeated, doubt: lost, tried: kills };
  const why = same === ended ? {} : { why: `${ended - same} of ${ended} runs had another result` };
  return [sum(`kill -9 of ${ended} runs at random times`, [{ ...runs, ...why }], { mayRepeat: kills })];
};

// ---- SIGTERM ----

/** Seconds that a run may take to end. */
const DRAIN = 10;
/** What a loaded machine adds: to notice, to print, to stop. */
const SLACK = 4;

/** Told to end while a call is under way: an answer that comes within ten seconds is stored, one that does not is in doubt. */
export const sigterm: Fault = async (arena) => {
  const { folder, whole, quick, questions, log } = arena;
  const url = await arena.database("sigterm");
  const env = { QUINTET_HOME: `${folder}/sigterm`, DATABASE_URL: url };
  const draws = random("sigterm");
  const nth = () => 1 + Math.floor((whole.asked.length - 1) * draws()); // after the last one it is over
  const drained = Array.from(
    { length: quick ? 2 : 20 },
    () => ({ at: nth(), seconds: quick ? 2 : 8 * draws() }),
  );
  const hung = Array.from({ length: quick ? 1 : 5 }, () => ({ at: nth(), seconds: Infinity }));
  await using db = await openDatabase({ url });
  const outcomes: { drains: boolean; outcome: Outcome }[] = [];

  await each([...drained, ...hung], async ({ at, seconds }) => {
    const drains = seconds < Infinity;
    const what = `SIGTERM during call ${at}, answered ${drains ? `after ${seconds.toFixed(1)} s` : "never"}`;
    const under = Promise.withResolvers<void>(), over = Promise.withResolvers<void>();
    let told = false;
    await using models = modelServer(async (request, n) => {
      if (n === at) {
        under.resolve();
        await (drains ? delay(1000 * seconds) : over.promise);
      }
      return answer(request);
    });
    const flow = startFlow("optimize", ["--dataset", questions, ...models.models, ...OPTIONS, "--json"], {
      env,
    });
    await Promise.race([under.promise, flow.ended]);
    const since = performance.now();
    flow.kill("SIGTERM");
    told = true;
    const ended = await flow.ended;
    const took = (performance.now() - since) / 1000;
    over.resolve();
    const wrong = [
      ...ended.code === EXIT.interrupted ? [] : [`exit code ${ended.code}: ${ended.stderr}`],
      ...took <= DRAIN + SLACK ? [] : [`it took ${took.toFixed(1)} s to end`],
    ];
    const { experiment_id: id } = printed(ended);
    const stored = await answeredIn(db, id), before: number = models.asked.length;
    const lastAsked = textOf(models.asked.at(-1)!.request);
    if (drains && !stored.has(lastAsked)) wrong.push("the answer in flight was not stored");
    const resumed = await run("optimize", ["--resume", id, "--json"], { env });
    if (resumed.code !== EXIT.done) wrong.push(`resumed with exit code ${resumed.code}: ${resumed.stderr}`);
    const again = models.asked.slice(before).filter(({ request }: Asked) =>
      stored.has(textOf(request))
    ).length;
    const came = compared({ result: await resultIn(db, id), asked: models.asked, again }, whole, what);
    log(`${what}: ${took.toFixed(1)} s to end`);
    const why = [came.why, ...wrong.map((each) => `${what}: ${each}`)].filter(Boolean).join("\n");
    outcomes.push({
      drains,
      outcome: {
        ...came,
        survived: told && came.survived && wrong.length === 0,
        ...why === "" ? {} : { why },
      },
    });
  });
  const of = (wanted: boolean) =>
    outcomes.filter(({ drains }) => drains === wanted).map(({ outcome }) => outcome);
  return [
    sum("SIGTERM during a call that is answered within 10 s, then --resume", of(true)),
    sum("SIGTERM during a call that is never answered, then --resume", of(false), {
      mayRepeat: of(false).length,
    }),
  ];
};
