/**
 * `deno task bench search`: Quintet against DSPy's and GEPA's optimizers, and against random search, at equal calls.
 *
 * The same tasks, splits, seed prompt and server for everybody; the embedded model answers and, where a system asks one,
 * rewrites. Calls and tokens are counted by the one server that all of them ask. Each cell, a system on a task with one
 * seed, is kept as it is finished and skipped when it is there, so the table is built over hours and resumed.
 *
 * The bench sets (data/bench) are locked: nothing of Quintet was tuned on them. The tuning sets (data/tasks) are what its
 * figures were chosen by, and are run only when they are named. A file of questions is run where its path is given.
 *
 * @module
 */
import { UsageError } from "../lib/command/mod.ts";
import type { Dataset } from "../lib/dataset/mod.ts";
import { openLocal } from "../lib/llm/mod.ts";
import { metric } from "../lib/metrics/mod.ts";
import { random } from "../lib/random.ts";
import { type Comparison, paired } from "../lib/statistics/mod.ts";
import {
  type Cell,
  NAMES,
  overhead,
  PEERS,
  runCell,
  type System,
  SYSTEMS,
  versionOf,
} from "./search/cell.ts";
import { page } from "./search/page.ts";
import { BENCH, type QuestionSet, questionSets, readSet, TUNING } from "./search/sets.ts";
import { type Contest, contest, type Overheads, POINTS, reachedAt, scoreAt, told } from "./search/table.ts";
import type { Bench, Row, Tools } from "./row.ts";

export const needs = "DSPy and GEPA, 0.5 GB";

/** Calls of a model that takes no time. */
const INSTANT_CALLS = 1000;
/** Seconds a system may take for a cell. */
const SECONDS = 1800;
/** The small form: how many calls, test questions, and seconds of a system. */
const QUICK = { calls: 300, test: 100, seconds: 120 };

/** What is run unless other is asked for; systems end at the largest of the budgets `calls`. */
const DEFAULTS = {
  tasks: BENCH.map(({ name }) => name),
  systems: [...SYSTEMS] as string[],
  seeds: 3,
  calls: [500, 1000, 2000],
  at_once: 1,
};

export const bench: Bench = async (tools) => {
  const { quick, log } = tools;
  const asked = { ...DEFAULTS, ...tools.options };
  const sets = quick ? BENCH.slice(0, 2) : questionSets(asked.tasks);
  const systems = known(asked.systems);
  const seeds = quick ? 1 : asked.seeds;
  const budgets = quick ? [QUICK.calls] : asked.calls.toSorted((a, b) => a - b);
  const cells = await run(
    { sets, systems, seeds, budgets, atOnce: quick ? 1 : asked.at_once },
    tools,
  );

  const contests = sets.map((set) => contest(set, cells, budgets));
  const overheads = await measuredOverheads(systems, tools);
  await Deno.writeTextFile(`${tools.kept}/search.json`, JSON.stringify(contests));
  await Deno.writeTextFile(
    `${tools.kept}/search.html`,
    page({ contests, cells, budgets, overheads }),
  );
  await Deno.writeTextFile(`${tools.kept}/search.txt`, told(contests, overheads));
  log(`Table: ${tools.kept}/search.txt, as JSON search.json, with curves search.html; cells beside them`);
  if (!systems.includes("quintet")) return []; // cells for a table to come: there is nobody to hold against them
  return contests.flatMap((contest) => rows(contest, budgets)).concat(
    summary(contests, budgets),
    overheadRow(overheads),
  );
};

/** The systems that were asked for. */
function known(asked: readonly string[]): System[] {
  const unknown = asked.find((name) => !(SYSTEMS as readonly string[]).includes(name));
  if (unknown === undefined) return asked as System[];
  throw new UsageError(`Cannot run the system ${JSON.stringify(unknown)}: there are ${SYSTEMS.join(", ")}`);
}

/** Runs the cells that are not there yet, seed by seed, so that a table that is not finished has something of every task. */
async function run(
  { sets, systems, seeds, budgets, atOnce }: {
    sets: readonly QuestionSet[];
    systems: System[];
    seeds: number;
    budgets: number[];
    atOnce: number;
  },
  { kept, folder, python, log, quick }: Tools,
): Promise<Cell[]> {
  const most = Math.max(...budgets);
  await Deno.mkdir(kept, { recursive: true });
  const datasets = new Map<string, Dataset>();
  for (const set of sets) {
    const dataset = await readSet(set);
    datasets.set(set.name, quick ? { ...dataset, test: dataset.test.slice(0, QUICK.test) } : dataset);
  }
  const versions = new Map<System, string>();
  for (const system of systems) versions.set(system, await versionOf(system));
  const wanted = Array.from({ length: seeds }, (_, i) => i + 1).flatMap((seed) =>
    sets.flatMap(({ name }) => systems.map((system) => ({ task: name, system, seed })))
  );
  const cells: Cell[] = [];
  const open: (typeof wanted[number] & { path: string })[] = [];
  for (const { task, system, seed } of wanted) {
    const path = `${kept}/${task}.${system}.${seed}.${most}${quick ? ".quick" : ""}.json`;
    const known: Cell | null = await Deno.readTextFile(path).then(JSON.parse, () => null);
    if (known?.questions === datasets.get(task)!.sha256 && known.version === versions.get(system)) {
      cells.push(known);
    } else open.push({ task, system, seed, path });
  }

  const workers = Math.min(atOnce, open.length);
  const threads = Math.max(1, Math.floor(navigator.hardwareConcurrency / workers));
  const interpreter = open.length > 0 ? await python("local") : "";
  const work = async () => {
    await using model = await openLocal({ python: interpreter, threads });
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      const { task, system, seed, path } = next, dataset = datasets.get(task)!;
      const place = `${folder}/${task}.${system}.${seed}`;
      await Deno.mkdir(place);
      const cell = await runCell({ system, seed }, {
        ...{ dataset, model, most, folder: place },
        metric: metric("exact_match", dataset.card.metricOptions),
        budgets: curve(budgets),
        seconds: quick ? QUICK.seconds : SECONDS,
        python: () => python("search", ".venv-search"),
      });
      await Deno.writeTextFile(`${path}.draft`, JSON.stringify(cell));
      await Deno.rename(`${path}.draft`, path);
      cells.push(cell);
      log(said(cell));
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return cells;
}

function said(cell: Cell): string {
  const { task, system, seed, most, count: { calls }, seconds, failure } = cell;
  const score = scoreAt([cell], most);
  return `${task}, ${NAMES[system]}, seed ${seed}: ${
    score === null ? "no prompt" : (100 * score).toFixed(1)
  } after ${calls} calls, ${seconds.toFixed(0)} s${failure ? `; failed: ${failure}` : ""}`;
}

/** What each system takes for a call beside the model, in one run of each where that takes no time. */
async function measuredOverheads(
  systems: readonly System[],
  { folder, python, log }: Tools,
): Promise<Map<System, number>> {
  const dataset = await readSet(TUNING[0]!);
  const overheads = new Map<System, number>();
  for (const system of systems) {
    const place = `${folder}/${system}`;
    await Deno.mkdir(place);
    try {
      overheads.set(
        system,
        await overhead(system, {
          ...{ dataset, most: INSTANT_CALLS, folder: place, seconds: SECONDS },
          python: () => python("search", ".venv-search"),
        }),
      );
    } catch (error) {
      log((error as Error).message);
    }
  }
  return overheads;
}

/** Quintet's overhead beside DSPy's, where both were measured. */
function overheadRow(overheads: Overheads): Row[] {
  const own = overheads.get("quintet"), peer = overheads.get("bootstrap");
  if (own === undefined || peer === undefined) return [];
  return [figure("engine overhead", own, "ms a call", "ratio <= 0.1", own / peer <= 0.1, ["DSPy", peer])];
}

/** The budgets and some between: what a curve is drawn through. */
const curve = (budgets: readonly number[]): number[] =>
  [...new Set([...budgets, ...POINTS.filter((calls) => calls < Math.max(...budgets))])]
    .sort((a, b) => a - b);

/** One row a task and budget: Quintet's score beside that of the best of the others. */
const rows = (contest: Contest, budgets: readonly number[]): Row[] =>
  budgets.map((budget) => {
    const [own, others] = parted(reachedAt(contest, budget));
    const best = others.toSorted((a, b) => b.score - a.score)[0];
    return figure(
      `${contest.task}, ${budget} calls`,
      100 * (own?.score ?? 0),
      `points of 100 on test (${contest.kind} set)`,
      "no other significantly better",
      own !== undefined && !others.some(({ against }) => against!.significant && against!.mean < 0),
      best && [NAMES[best.system], 100 * best.score],
    );
  });

/** Quintet, and all others. */
const parted = <T extends { readonly system: System }>(all: readonly T[]): [T | undefined, T[]] => [
  all.find(({ system }) => system === "quintet"),
  all.filter(({ system }) => system !== "quintet"),
];

/** Quintet against another by what their searches ended with, each task and seed a pair; null where one has none to pair. */
function searchBySearch(all: readonly ReturnType<typeof reachedAt>[], other: System): Comparison | null {
  const pairs = all.flatMap((reached) => {
    const [own, theirs] = ["quintet", other].map((name) => reached.find(({ system }) => system === name));
    return own?.searches.flatMap((score, i) => {
      const other = theirs?.searches[i];
      return other === undefined ? [] : [[other, score] as const];
    }) ?? [];
  });
  if (pairs.length === 0) return null;
  return paired(pairs.map(([theirs]) => theirs), pairs.map(([, own]) => own), { random: random(other) });
}

/** What holds over all tasks. */
function summary(contests: readonly Contest[], budgets: readonly number[]): Row[] {
  const budget = budgets.includes(1000) ? 1000 : Math.max(...budgets);
  const all = contests.map((contest) => reachedAt(contest, budget));
  const wins = all.filter((reached) => {
    const against = reached.flatMap((at) => PEERS.includes(at.system) && at.against ? [at.against] : []);
    return against.length > 0 && against.every(({ mean, significant }) => mean > 0 && significant);
  }).length;
  const bySearch = PEERS.flatMap((peer) => searchBySearch(all, peer) ?? []).sort((a, b) => a.mean - b.mean);
  const means = SYSTEMS.flatMap((system) => {
    const scores = all.flatMap((reached) => reached.filter((at) => at.system === system));
    if (scores.length < all.length) return [];
    return [{ system, mean: scores.reduce((sum, { score }) => sum + score, 0) / scores.length }];
  });
  const [own, others] = parted(means);
  const best = others.toSorted((a, b) => b.mean - a.mean)[0];
  const shares = contests.flatMap(({ shareOfCalls }) => shareOfCalls ?? []).sort((a, b) => a - b);
  const share = shares[shares.length >> 1] ?? Infinity;
  return [
    figure(
      `mean of ${contests.length} tasks, ${budget} calls`,
      100 * (own?.mean ?? 0),
      "points of 100 on test",
      "above every peer",
      best !== undefined && (own?.mean ?? 0) > best.mean,
      best && [NAMES[best.system], 100 * best.mean],
    ),
    figure(
      `tasks won, ${budget} calls`,
      wins,
      `of ${contests.length}, significantly against each of DSPy and GEPA`,
      ">= 3",
      wins >= 3,
    ),
    figure(
      `search by search, ${budget} calls`,
      100 * (bySearch[0]?.mean ?? 0),
      `points of 100 above the nearest of DSPy and GEPA, ${bySearch[0]?.n ?? 0} pairs`,
      "significant",
      bySearch.length > 0 && bySearch.every(({ mean, significant }) => mean > 0 && significant),
    ),
    figure(
      "calls to the best peer's final score",
      share,
      "of all that peer's calls, median over tasks",
      "<= 0.5",
      share <= 0.5,
    ),
  ];
}

/** A row, and whom it is held against. */
const figure = (
  name: string,
  value: number,
  unit: string,
  bar: string,
  holds: boolean,
  peer?: [string, number],
): Row => ({
  name: `search, ${name}`,
  ...{ value, unit, bar, holds },
  peer: peer?.[0] ?? null,
  peer_value: peer?.[1] ?? null,
  ratio: peer?.[1] ? value / peer[1] : null,
});
