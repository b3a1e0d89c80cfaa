/**
 * What lies between a run and PostgreSQL, or a run and its model: a network that is slow, resets connections at any byte, or
 * lets them stand open with nothing coming through.
 *
 * @module
 */
import { random } from "../../lib/random.ts";
import { proxy, socketOf, throughProxy, type Weather } from "../../lib/store/chaos.ts";
import { each, modelServer, run } from "../testing.ts";
import type { Arena, Fault } from "./arena.ts";
import { type Line, type Outcome, sum } from "./line.ts";
import { answer, cameTo, OPTIONS } from "./small_run.ts";

/** A kind of weather, and in how many runs. */
interface Kind {
  readonly fault: string;
  readonly weather: (draw: () => number) => Weather;
  readonly runs: number;
}

const latency = (ms: number) => (draw: () => number): Weather => ({ latencyMs: () => ms * draw() });

/** Breaks each connection after a number of bytes that is drawn anew, `mean` on the average. */
const breaking = (how: "reset" | "silent", mean: number) => (draw: () => number): Weather => ({
  breaks: () => ({
    ...{ how, of: draw() < 0.5 ? "sent" as const : "received" as const },
    after: Math.ceil(-mean * Math.log(1 - draw())),
  }),
});

/** Breaks so many connections, every other one of the first, within so many bytes of what is received after the `spared` pieces. */
const few =
  (how: "silent", times: number, from: number, to: number, spared = 0) => (draw: () => number): Weather => {
    let left = times, n = 0;
    return {
      breaks() {
        if (left === 0 || n++ % 2 === 1) return undefined;
        left--;
        return { how, of: "received", spared, after: Math.ceil(from + (to - from) * draw()) };
      },
    };
  };

/** Answers on a model's first connection before it gives completions: it is asked for its weights, and a token in each of two forms. */
const FIRST = 3;

/** Runs of each kind of weather, each through a proxy of its own; a line a kind, and a try a connection that broke. */
async function weathered(
  arena: Arena,
  kinds: readonly Kind[],
  { repeats, through }: {
    /** Whether a connection that breaks may cost a call. */
    repeats: boolean;
    /** Runs on `weather`; gives what came of it and how many connections broke. */
    through: (weather: Weather, what: string) => Promise<{ outcome: Outcome; broken: number }>;
  },
): Promise<Line[]> {
  const cases = kinds.flatMap((kind) => Array.from({ length: kind.runs }, (_, n) => ({ kind, n })));
  const outcomes = new Map(kinds.map((kind) => [kind, [] as Outcome[]]));
  await each(cases, async ({ kind, n }) => {
    const { fault, weather } = kind;
    const { breaks } = weather(() => 0);
    const { outcome, broken } = await through(weather(random(`${fault} ${n}`)), fault);
    outcomes.get(kind)!.push(breaks ? { ...outcome, tried: broken } : outcome);
    arena.log(`${fault}: ${breaks ? `${broken} connections` : "a run"}`);
  });
  return kinds.map((kind) => {
    const line = sum(`${kind.fault}, ${kind.runs} ${kind.runs === 1 ? "run" : "runs"}`, outcomes.get(kind)!);
    return { ...line, mayRepeat: repeats ? line.tried : 0 };
  });
}

export const postgresNetwork: Fault = async (arena) => {
  const { whole, quick, questions, folder } = arena;
  const url = await arena.database("postgres_network");
  const name = (fault: string) => `network to PostgreSQL: ${fault}`;
  return await weathered(arena, [
    { fault: name("up to 20 ms later each way"), weather: latency(20), runs: quick ? 1 : 5 },
    {
      fault: name("connections reset at a random byte"),
      weather: breaking("reset", 4_000),
      runs: quick ? 1 : 10,
    },
    {
      fault: name("connections open, nothing comes through"),
      weather: few("silent", quick ? 1 : 3, 500, 4_000),
      runs: quick ? 1 : 8,
    },
  ], {
    repeats: false,
    async through(weather, what) {
      await using door = await proxy(socketOf(url), weather);
      await using models = modelServer(answer);
      const env = { QUINTET_HOME: folder, DATABASE_URL: throughProxy(url, door.port) };
      const ended = await run("optimize", [
        ...["--dataset", questions, ...models.models, ...OPTIONS, "--json"],
      ], { env });
      return { outcome: cameTo(ended, models.asked, whole, what), broken: door.state.broken };
    },
  });
};

export const modelNetwork: Fault = async (arena) => {
  const { whole, quick, questions, folder } = arena;
  const url = await arena.database("model_network");
  const name = (fault: string) => `network to the model: ${fault}`;
  return await weathered(arena, [
    { fault: name("up to 200 ms later each way"), weather: latency(200), runs: quick ? 1 : 5 },
    {
      fault: name("connections reset at a random byte"),
      weather: breaking("reset", 6_000),
      runs: quick ? 1 : 20,
    },
    {
      fault: name("silence in the middle of an answer, 30 s"),
      weather: few("silent", 1, 200, 240, FIRST),
      runs: quick ? 1 : 5,
    },
    ...quick ? [] : [{
      fault: name("silence instead of an answer, 300 s"),
      weather: few("silent", 1, 0, 1, FIRST),
      runs: 1,
    }],
  ], {
    repeats: true,
    async through(weather, what) {
      await using models = modelServer(answer);
      await using door = await proxy({ port: Number(new URL(models.url).port) }, weather);
      const names = models.models.map((word) => word.replace(models.url, `http://127.0.0.1:${door.port}/v1`));
      const env = { QUINTET_HOME: folder, DATABASE_URL: url };
      const ended = await run("optimize", [
        ...["--dataset", questions, ...names, ...OPTIONS, "--max-retries", "20", "--json"],
      ], { env });
      return { outcome: cameTo(ended, models.asked, whole, what), broken: door.state.broken };
    },
  });
};
