/**
 * Times our side and a Python peer in turns, round by round, so that both meet the same machine.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Row, Tools } from "./row.ts";

/** One figure to compare: how much work a round is, and our way of doing it. The peer knows it by its name. */
export interface Contest {
  readonly name: string;
  readonly items: number;
  /** Does the work once; the sum of its scores proves that both sides did the same. */
  work(): number | Promise<number>;
}

const WARM_UP = 2, ROUNDS = 11;
const SHORTEST = 0.05; // seconds that a round lasts at least, on either side
const SMALL = 2; // contests, and rounds of each, in the small form

/**
 * Runs the contests against `bench/SCRIPT` in Python. The script reads the path of the texts from its arguments; for
 * each line with a contest's name it does that work, as often as fills SHORTEST, and answers with the seconds that
 * doing it once took and the sum of its scores. Reading, starting and importing are not timed.
 */
export async function beside(
  tools: Tools,
  { group = "bench", script, texts, peer, unit, contests, atLeast = 10, clock = wall }: {
    /** Which `requirements/GROUP.txt` the script needs. @default {"bench"} */
    group?: string;
    script: string;
    texts: unknown;
    peer: string;
    unit: string;
    contests: readonly Contest[];
    /** The ratio that must hold. @default {10} */
    atLeast?: number;
    /** Seconds, as the script counts its own. @default {those of the wall} */
    clock?: (() => number) | undefined;
  },
): Promise<Row[]> {
  const file = `${tools.folder}/texts.json`;
  await Deno.writeTextFile(file, JSON.stringify(texts));
  const process = new Deno.Command(await tools.python(group), {
    args: [fileURLToPath(new URL(script, import.meta.url)), file],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).values();
  let buffer = "";
  const ask = async (name: string): Promise<{ seconds: number; sum: number }> => {
    await writer.write(new TextEncoder().encode(`${name}\n`));
    while (!buffer.includes("\n")) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`Cannot time ${peer} as ${script} ended: see its message above`);
      buffer += value;
    }
    const [line = "", ...rest] = buffer.split("\n");
    buffer = rest.join("\n");
    const [seconds, sum] = line.split(" ").map(Number);
    return { seconds: seconds!, sum: sum! };
  };
  try {
    const rows: Row[] = [];
    for (const contest of tools.quick ? contests.slice(0, SMALL) : contests) {
      const rounds = tools.quick ? SMALL : ROUNDS;
      rows.push(await compare(contest, { ask, peer, unit, rounds, atLeast, clock }));
      tools.log(`${contest.name}: ${rows.at(-1)!.ratio!.toPrecision(3)} times ${peer}`);
    }
    return rows;
  } finally {
    await writer.close().catch(() => {}); // its end of input; it may have ended before
    await process.status;
  }
}

async function compare(
  { name, items, work }: Contest,
  { ask, peer, unit, rounds, atLeast, clock }: {
    ask(name: string): Promise<{ seconds: number; sum: number }>;
    peer: string;
    unit: string;
    rounds: number;
    atLeast: number;
    clock: () => number;
  },
): Promise<Row> {
  const ours: number[] = [], theirs: number[] = [];
  for (let round = -WARM_UP; round < rounds; round++) {
    const own = await timed(work, clock), other = await ask(name);
    if (Math.abs(own.sum - other.sum) > 1e-6) {
      throw new Error(
        `Cannot compare ${name} as both must score alike: got ${own.sum}, ${peer} ${other.sum}`,
      );
    }
    if (round < 0) continue;
    ours.push(items / own.seconds);
    theirs.push(items / other.seconds);
  }
  const value = median(ours), peer_value = median(theirs), ratio = value / peer_value;
  return { name, value, unit, peer, peer_value, ratio, bar: `ratio >= ${atLeast}`, holds: ratio >= atLeast };
}

const wall = (): number => performance.now() / 1000;

/** Seconds that one `work` takes, over as many as fill SHORTEST. */
async function timed(work: Contest["work"], clock: () => number): Promise<{ seconds: number; sum: number }> {
  const start = clock();
  for (let times = 1;; times++) {
    const done = work(), sum = typeof done === "number" ? done : await done, seconds = clock() - start;
    if (seconds >= SHORTEST) return { seconds: seconds / times, sum };
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
