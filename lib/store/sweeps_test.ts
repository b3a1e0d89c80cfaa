import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { saveDataset } from "./datasets.ts";
import type { Database } from "./db.ts";
import { beginExperiment, endExperiment, resumeExperiment } from "./experiments.ts";
import {
  createSweep,
  endSweepExperiment,
  failSweepExperiment,
  findSweep,
  isSweepOver,
  readSweep,
  releaseExperiment,
  setSweepCaps,
  takeExperiment,
} from "./sweeps.ts";
import { testDatabase } from "./testing.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

async function sweep(db: Database, n: number) {
  const example = (id: string) => ({ id, question: `${id}?`, references: ["yes"] });
  const splits = { train: [example("a")], validation: [example("b")], test: [example("c")] };
  const datasetId = await saveDataset(db, { name: "tiny", sha256: "0".repeat(64), card: {}, ...splits });
  const id = crypto.randomUUID();
  const experiments = Array.from({ length: n }, (_, seed) => ({
    ...{
      experimentId: crypto.randomUUID(),
      dataset: "tiny.jsonl",
      datasetId,
      seed,
      config: { max_calls: 10 },
    },
  }));
  const kept = { id, config: { primary: "local" }, caps: { calls: 100 }, experiments };
  await createSweep(db, kept);
  await createSweep(db, kept); // as after a lost connection
  return { id, experiments };
}

/** What an experiment fails with. */
const BUSY = { error: "busy", exitCode: 4 };

/** As if nobody had been heard of for a while. */
const silence = async (db: Database) => {
  await db.query("update sweep_experiments set taken_at = taken_at - interval '7 seconds'");
  await db.query("update experiments set heartbeat_at = heartbeat_at - interval '7 seconds'");
};

Deno.test("takeExperiment() gives each experiment to one worker, and again when that is silent or leaves it", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { id, experiments } = await sweep(db, 8);
  const taken = await Promise.all(Array.from({ length: 8 }, () => takeExperiment(db, id)));
  // who met another's lock went on to the next, and may have met the last one's: that is none for now
  const rest = await takeExperiment(db, id);
  const seeds = [...taken, rest].flatMap((one) => one ? [one.seed] : []);
  equal(new Set(seeds).size, seeds.length, "one was taken twice");
  while (await takeExperiment(db, id));
  equal(await takeExperiment(db, id), undefined);

  await releaseExperiment(db, experiments[5]!.experimentId);
  equal((await takeExperiment(db, id))?.seed, 5);
  const { experimentId, ...plan } = experiments[0]!;
  await beginExperiment(db, { ...plan, id: experimentId, kind: "optimize" });
  await silence(db);
  await db.query("update experiments set heartbeat_at = now()"); // its heart beats
  equal((await takeExperiment(db, id))?.seed, 1);
  await silence(db);
  deepEqual(await takeExperiment(db, id), { ...experiments[0], position: 0, failures: 0 });
});

Deno.test("a sweep is over when each experiment has ended, or has failed twice", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { id, experiments: [ends, fails] } = await sweep(db, 2);
  await takeExperiment(db, id);
  await endSweepExperiment(db, ends!.experimentId);
  const fail = (failures: number) => failSweepExperiment(db, fails!.experimentId, { failures, ...BUSY });
  equal((await takeExperiment(db, id))?.seed, 1);
  equal(await fail(1), true);
  equal(await isSweepOver(db, id), false);
  equal((await takeExperiment(db, id))?.failures, 1);
  equal(await fail(2), false);
  equal(await isSweepOver(db, id), true);
  const { experiments } = await readSweep(db, id);
  deepEqual(experiments.map(({ status, error, exit_code }) => [status, error, exit_code]), [
    ["finished", null, null],
    ["failed", "busy", 4],
  ]);
});

/** How the experiments of a sweep stand, and their own caps. */
const standing = async (db: Database) => {
  const { rows } = await db.query<{ status: string; most: number }>(
    "select status, (config ->> 'max_calls')::int as most from sweep_experiments order by position",
  );
  return rows.map(({ status, most }) => [status, most]);
};

Deno.test("setSweepCaps() sets waiting again what had ended for want of budget, and nothing else", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { id, experiments } = await sweep(db, 5);
  for (const [i, { experimentId, ...plan }] of experiments.entries()) {
    await takeExperiment(db, id);
    if (i === 4) break; // it is running
    await beginExperiment(db, { ...plan, id: experimentId, kind: "optimize" });
    const stopReason = i === 2 ? "target" : "budget";
    await endExperiment(db, experimentId, { status: "finished", stopReason, seconds: 1, cached: 0 });
    if (i === 0) await db.query("update sweep_experiments set capped = true where position = 0");
    if (i !== 3) await endSweepExperiment(db, experimentId);
    else for (const failures of [1, 2]) await failSweepExperiment(db, experimentId, { failures, ...BUSY });
  }
  const check = async (...expected: Awaited<ReturnType<typeof standing>>) =>
    deepEqual(await standing(db), expected);
  const [target, failed] = [["finished", 10], ["failed", 10]];
  await setSweepCaps(db, id, { calls: 100 }); // as it has
  await check(["capped", 10], ["finished", 10], target, failed, ["waiting", 10]);
  await setSweepCaps(db, id, { calls: 200 });
  await check(["waiting", 10], ["finished", 10], target, failed, ["waiting", 10]);
  await setSweepCaps(db, id, { tokens: 5 }, { max_calls: 20 });
  await check(["waiting", 20], ["waiting", 20], target, failed, ["waiting", 20]);
  equal((await takeExperiment(db, id))?.seed, 0);
  equal((await takeExperiment(db, id))?.seed, 1);
  equal(await takeExperiment(db, id), undefined); // what is running is left to its worker
  deepEqual((await readSweep(db, id)).caps, { calls: 200, tokens: 5, cost: undefined });
});

Deno.test("setSweepCaps() reaches what was taken: at once when its worker is dead, when it has ended else", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { id, experiments: [killed, lives] } = await sweep(db, 2);
  for (const { experimentId, ...plan } of [killed!, lives!]) {
    await takeExperiment(db, id);
    await beginExperiment(db, { ...plan, id: experimentId, kind: "optimize" });
    await db.query("update sweep_experiments set capped = true where experiment_id = $1", [experimentId]);
  }
  const end = async (experimentId: string, stopReason: "budget" | "target") => {
    await endExperiment(db, experimentId, { status: "finished", stopReason, seconds: 1, cached: 0 });
    await endSweepExperiment(db, experimentId);
  };
  const larger = () => setSweepCaps(db, id, { calls: 200 }, { max_calls: 20 });
  await larger();
  await end(lives!.experimentId, "budget");
  deepEqual(await standing(db), [["waiting", 20], ["capped", 20]]);
  await silence(db);
  deepEqual((await takeExperiment(db, id))?.config, { max_calls: 20 });
  await end(killed!.experimentId, "target");
  for (let times = 0; times < 2; times++) {
    await larger();
    deepEqual(await standing(db), [["finished", 20], ["waiting", 20]]);
  }
  const { experimentId } = (await takeExperiment(db, id))!;
  await resumeExperiment(db, experimentId, { max_calls: 20 });
  await end(experimentId, "budget");
  await larger();
  deepEqual(await standing(db), [["finished", 20], ["finished", 20]]);
});

Deno.test("findSweep() finds by id, its beginning, or latest", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await rejects(findSweep(db, "latest"), /^RangeError: Cannot find sweep "latest"/);
  const { id } = await sweep(db, 1);
  for (const name of [id, id.slice(0, 8).toUpperCase(), "latest"]) equal((await findSweep(db, name)).id, id);
  await rejects(findSweep(db, id.slice(0, 7)), RangeError);
});
