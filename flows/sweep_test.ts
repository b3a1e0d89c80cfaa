/**
 * `deno task sweep` with real processes on one database, against one model server that counts what it is asked.
 *
 * @module
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { EXIT } from "../lib/command/mod.ts";
import type { ExperimentResult } from "../lib/report/result.ts";
import type { SweepResult } from "../lib/report/sweep.ts";
import { endSweepExperiment, holdExperiment } from "../lib/store/mod.ts";
import { testDatabase } from "../lib/store/testing.ts";
import {
  each,
  essence,
  modelServer,
  parity,
  parityQuestions,
  place,
  printed,
  run,
  start,
} from "./testing.ts";
import { ROOT } from "./setting.ts";

/** Three question sets that have most of their questions in common: what one experiment paid for is there for the others. */
const SETS = {
  small: parityQuestions({ train: 8, validation: 10, test: 6 }),
  middle: parityQuestions({ train: 8, validation: 12, test: 8 }),
  large: parityQuestions({ train: 10, validation: 14, test: 10 }),
};
const SEEDS = [1, 2, 3, 4];
const SEARCH = ["--threshold", "1", "--max-iterations", "2", "--concurrency", "4"];

/** A folder with the question sets, and a model that takes its time, so that workers meet. */
async function workplace() {
  const own = await place();
  for (const [name, text] of Object.entries(SETS)) {
    await Deno.writeTextFile(`${own.folder}/${name}.jsonl`, text);
  }
  const files = Object.keys(SETS).map((name) => `${own.folder}/${name}.jsonl`);
  const server = modelServer(async (request) => {
    await delay(10);
    return parity(request);
  });
  const args = ["--datasets", files.join(","), "--seeds", SEEDS.join(","), ...server.models, ...SEARCH];
  return {
    ...{ own, files, server, args },
    /** How often each request came. */
    times() {
      const seen = new Map<string, number>();
      for (const { request } of server.asked) {
        const key = JSON.stringify(request);
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      return [...seen.values()];
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await own[Symbol.asyncDispose]();
    },
  };
}

/** What an experiment found, whoever paid for it: names, clock, and who paid apart. */
const found = ({ calls, ...result }: ExperimentResult) => ({
  ...essence({ ...result, calls }),
  ...{ calls: calls.total - calls.lost, tokens: null, cost_usd: null },
});

/** What each experiment of a sweep found, as `show --json` prints it. */
async function foundBy({ experiments }: SweepResult, env: Record<string, string>) {
  const results: unknown[] = [];
  for (const { experiment_id } of experiments) {
    results.push(found(printed(await run("show", [experiment_id, "--json"], { env }))));
  }
  return results;
}

let alone: unknown[];

Deno.test("sweep: four workers find what each experiment finds by itself, and pay for no answer twice", async () => {
  await using at = await workplace();
  const one = async ([file, seed]: readonly [string, number]) => {
    await using db = await testDatabase({ folder: `${ROOT}/sql` });
    await using server = modelServer(parity);
    const ended = await run("optimize", [
      ...["--dataset", file, "--seed", String(seed), ...server.models, ...SEARCH, "--json"],
    ], { env: { ...at.own.env, DATABASE_URL: db.url } });
    return found(printed(ended));
  };
  const pairs = at.files.flatMap((file) => SEEDS.map((seed) => [file, seed] as const));
  const results = new Map<string, unknown>();
  await each(pairs, async (pair) => void results.set(pair.join(), await one(pair)));
  alone = pairs.map((pair) => results.get(pair.join()));

  const ended = await run("sweep", [...at.args, "--workers", "4", "--json"], { env: at.own.env });
  equal(ended.code, EXIT.done, ended.stderr);
  const sweep: SweepResult = printed(ended);
  deepEqual(await foundBy(sweep, at.own.env), alone);
  equal(Math.max(...at.times()), 1, "a request came twice");
  equal(sweep.budget.calls.used, at.server.asked.length);
  ok(sweep.totals.cached > 100, `only ${sweep.totals.cached} answers were shared`);
});

Deno.test("sweep: a cap of the whole is met to the call, and a larger one lets it go on", async () => {
  await using at = await workplace();
  const CAP = 333;
  const caps = ["--max-calls", "800", "--sweep-max-calls"];
  const capped = await run("sweep", [...at.args, "--workers", "4", "--json", ...caps, `${CAP}`], {
    env: at.own.env,
  });
  equal(capped.code, EXIT.budget, capped.stderr);
  const first: SweepResult = printed(capped);
  deepEqual(first.budget.calls, { used: CAP, cap: CAP });
  equal(at.server.asked.length, CAP);
  ok(first.totals.statuses.capped! > 0);
  const joined = await run("sweep", [
    "--join",
    "latest",
    "--sweep-max-calls",
    "9999",
    "--workers",
    "2",
    "--json",
  ], {
    env: at.own.env,
  });
  equal(joined.code, EXIT.done, joined.stderr);
  deepEqual(await foundBy(printed(joined), at.own.env), alone);
  equal(Math.max(...at.times()), 1, "a request came twice");
  const { rows } = await at.own.db.query<{ n: number; chosen: number }>(
    "select count(*)::int as n, count(config -> 'meta_model')::int as chosen from experiments",
  );
  deepEqual(
    rows.map(({ n, chosen }) => n === chosen && chosen > 0),
    [true],
    "what was chosen to begin with is kept",
  );
});

Deno.test("sweep: the same caps once more reach what went on with less", async () => {
  await using at = await workplace();
  const { db, env } = at.own;
  const [small] = at.files;
  const args = ["--datasets", small!, "--seeds", "1", ...at.server.models, ...SEARCH, "--json"];
  const first = await run("sweep", [...args, "--sweep-max-calls", "40"], { env });
  equal(first.code, EXIT.budget, first.stderr);
  const other = await run("sweep", ["--join", "latest"], { env: { ...env, QUINTET_PATIENCE: "9" } });
  equal(other.code, EXIT.usage);
  match(other.stderr, /^Cannot join latest with another QUINTET_PATIENCE: it began with 3, got 9: /m);
  await db.query("update sweeps set max_calls = 9999"); // as if it had been running when that was given
  const again = await run("sweep", ["--join", "latest", "--sweep-max-calls", "9999", "--json"], { env });
  equal(again.code, EXIT.done, again.stderr);
  equal((printed(again) as SweepResult).experiments[0]!.stop_reason, "iterations");
});

Deno.test("sweep: the experiment of a worker that is killed goes on with another one", async () => {
  await using at = await workplace();
  const { db, env } = at.own;
  const first = start("sweep", [...at.args, "--workers", "2", "--json"], { env });
  while ((await db.query("select from sweeps")).rowCount === 0) await delay(20);
  const [second, third] = [0, 1].map(() => start("sweep", ["--join", "latest", "--json"], { env }));
  const running = async (n: number) => {
    for (;; await delay(5)) {
      const { rows } = await db.query<{ id: string; holder: string }>(
        "select id, holder from experiments where status = 'running'",
      );
      if (rows.length === n) return rows;
    }
  };
  await running(4);
  third!.kill("SIGTERM");
  const interrupted = await third!.ended;
  equal(interrupted.code, EXIT.interrupted, interrupted.stderr);
  const before = await running(3);
  second!.kill("SIGKILL");
  await second!.ended;
  const ended = await first.ended;
  equal(ended.code, EXIT.done, ended.stderr);
  const sweep: SweepResult = printed(ended);
  deepEqual(await foundBy(sweep, env), alone);
  const { rows: after } = await db.query<{ id: string; holder: string }>(
    "select id, holder from experiments",
  );
  equal(after.length, 12);
  const moved = before.filter(({ id, holder }) =>
    after.some((one) => one.id === id && one.holder !== holder)
  );
  equal(moved.length, 1, "the experiment of the killed worker did not change hands");
  const { rowCount: lost } = await db.query("select from calls where state = 'sent'");
  ok(lost <= 4);
  const again = at.server.asked.length - at.times().length;
  ok(again <= lost, `${again} requests came twice, ${lost} were in flight at the kill`);
});

Deno.test("sweep: an experiment that ends while its lock is waited for is not run once more", async () => {
  await using at = await workplace();
  const { db, env } = at.own;
  const swept = await run("sweep", [
    ...["--datasets", at.files[0]!, "--seeds", "1", ...at.server.models, ...SEARCH, "--json"],
  ], { env });
  equal(swept.code, EXIT.done, swept.stderr);
  const state = async () =>
    (await db.query<{ id: string }>("select id, holder, seconds from experiments")).rows;
  const before = await state(), { id } = before[0]!;
  const hold = await holdExperiment(db, id); // as its worker does until its place in the sweep has ended, too
  await db.query("update sweep_experiments set status = 'waiting', taken_at = null, ended_at = null");
  const joined = start("sweep", ["--join", "latest", "--json"], { env });
  while ((await db.query("select from sweep_experiments where taken_at is not null")).rowCount === 0) {
    await delay(5);
  }
  await endSweepExperiment(db, id);
  await hold[Symbol.asyncDispose]();
  equal((await joined.ended).code, EXIT.done);
  deepEqual(await state(), before);
});

Deno.test("sweep: what fails is tried once more; where a key is wrong the worker ends, and leaves all to others", async () => {
  const CASES = [
    { status: 400, left: ["failed", "failed"], tries: 2, said: /and is tried once more[^]*failed: / },
    { status: 401, left: ["failed", "waiting"], tries: 0, said: /as it wants a valid key/ },
  ];
  await each(CASES, async ({ status, left, tries, said }) => {
    await using at = await place();
    await using server = modelServer(() => new Response("no", { status }));
    const ended = await run("sweep", [
      ...["--datasets", at.questions, "--seeds", "1,2", "--max-retries", "0", ...server.models],
    ], { env: at.env });
    equal(ended.code, EXIT.provider, ended.stderr);
    match(ended.stderr, said);
    const { experiments }: SweepResult = printed(
      await run("sweep", ["--status", "latest", "--json"], { env: at.env }),
    );
    deepEqual(experiments.map(({ status }) => status), left);
    const { rows } = await at.db.query<{ failures: number }>("select failures from sweep_experiments");
    deepEqual(rows, left.map(() => ({ failures: tries })));
  });
});
