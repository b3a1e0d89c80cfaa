import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  strictEqual as equal,
} from "node:assert/strict";
import { runExperiment } from "../experiment/mod.ts";
import { begun } from "../experiment/testing.ts";
import { wilson } from "../statistics/mod.ts";
import { COLUMNS, exported, type Table } from "../store/export.ts";
import { readExperiment, resumeExperiment } from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { htmlReport } from "./page.ts";
import { resultOf } from "./result.ts";
import { experimentLine, resultText } from "./terminal.ts";
import { measuredRecord, MIGRATIONS } from "./testing.ts";

const near = (a: number | null, b: number) => ok(a !== null && Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

Deno.test("a record of the real loop holds its answers' scores, intervals and gains, and makes a report", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const record = await measuredRecord(db);
  const { experiment, trials, metrics, answers } = record;

  const { rows: scored } = await db.query<{ version: number; example: string; score: number }>(
    "select version, example, score from answers where experiment_id = $1 and split = 'validation'",
    [experiment.id],
  );
  const scores = Map.groupBy(scored, ({ version }) => version);
  ok(trials.length > 10);
  for (const trial of trials) {
    const own = scores.get(trial.index) ?? [];
    equal(trial.questions_seen, own.length);
    if (own.length === 0) {
      deepEqual([trial.validation, trial.validation_low, trial.validation_high, trial.gain], [
        null,
        null,
        null,
        null,
      ]);
      continue;
    }
    const right = own.reduce((sum, { score }) => sum + score, 0);
    const [low, high] = wilson(right, own.length);
    near(trial.validation, right / own.length);
    near(trial.validation_low, low);
    near(trial.validation_high, high);
    const parents = new Map(scores.get(trial.parent ?? -1)?.map(({ example, score }) => [example, score]));
    const common = own.filter(({ example }) => parents.has(example));
    equal(trial.gain_n, common.length);
    const gains = common.map(({ example, score }) => score - parents.get(example)!);
    if (gains.length === 0) equal(trial.gain, null);
    else near(trial.gain, gains.reduce((sum, gain) => sum + gain, 0) / gains.length);
  }

  equal(experiment.before, 0);
  equal(experiment.after, trials.findLast(({ accepted }) => accepted)!.index);
  equal(experiment.test, "mcnemar");
  equal(experiment.dataset_sha256.length, 64);
  equal(answers.length, 2 * experiment.splits.test!);
  near(experiment.improvement, metrics[1]!.value - metrics[0]!.value);
  near(metrics[1]!.ci_low, wilson(Math.round(metrics[1]!.value * metrics[1]!.n), metrics[1]!.n)[0]);

  const rows = Map.groupBy(await Array.fromAsync(exported(db, experiment.id)), ({ table }) => table);
  const of = (table: Table) => rows.get(table)!.map(({ row }) => row);
  for (const [table, columns] of Object.entries(COLUMNS) as [Table, string[]][]) {
    for (const row of of(table)) deepEqual(Object.keys(row), columns);
  }
  deepEqual(of("trials"), trials.map((trial) => ({ ...trial })));
  deepEqual(of("scores").map(({ prompt_id: _, ...row }) => row), metrics.map((row) => ({ ...row })));
  const { rows: [counted] } = await db.query<{ answers: number; calls: number; ids: number }>(
    `select (select count(*) from answers where experiment_id = $1)::int as answers,
            count(*)::int as calls, count(distinct id)::int as ids
       from calls
      where experiment_id = $1`,
    [experiment.id],
  );
  equal(of("answers").length, counted!.answers);
  equal(new Set(of("answers").map(({ version, example }) => `${version} ${example}`)).size, counted!.answers);
  equal(new Set(of("calls").map(({ id }) => id)).size, counted!.calls);
  ok(counted!.calls > 200 && counted!.answers > 200, "more than a page");
  deepEqual([...new Set(record.models.map(({ model }) => model))], ["local"]);

  const page = htmlReport(record);
  equal(page, htmlReport(record));
  ok(!page.includes("canary"));
});

Deno.test("a record without a claim makes a report", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const record = await measuredRecord(db, { stopAt: 2 });
  equal(record.experiment.improvement, null);
  equal(record.experiment.after, null);
  ok(htmlReport(record).includes("Interrupted before the claim"));
});

Deno.test("a finished run that goes on claims nothing of a prompt that was not tested, until it is finished again", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const [setup, surroundings] = await begun(db, {
    caps: { calls: 280 },
    search: { target: 1, maxIterations: 4, patience: 6 },
  });
  const search = async (calls: number, around: Partial<Parameters<typeof runExperiment>[1]> = {}) => {
    await resumeExperiment(db, setup.id, {});
    await runExperiment({ ...setup, caps: { calls } }, { ...surroundings, ...around });
    return await readExperiment(db, setup.id);
  };
  const short = await search(280);
  const tested = resultOf(short).best!.prompt_id;
  ok(short.experiment.significant);

  const stop = new AbortController();
  const cut = await search(900, {
    stop: stop.signal,
    onProgress: ({ phase }) => phase === "test" && stop.abort(),
  });
  const { status, best, improvement } = resultOf(cut);
  notEqual(best!.prompt_id, tested);
  deepEqual([status, best!.test, improvement], ["interrupted", null, null]);
  const text = resultText(cut);
  match(text, /^Interrupted before the claim\n/);
  match(text, /^ {2}test {8}not measured$/m);
  ok(!experimentLine(cut.experiment).includes("points"));
  const page = htmlReport(cut);
  ok(page.includes("Interrupted before the claim") && !page.includes("is better"));

  const again = await search(280);
  deepEqual([resultOf(again).best!.prompt_id, resultOf(again).improvement], [
    tested,
    resultOf(short).improvement,
  ]);
  equal(again.experiment.calls, cut.experiment.calls); // nothing is asked for it
});
