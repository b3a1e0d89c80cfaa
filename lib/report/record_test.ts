import { deepEqual, equal, ok } from "node:assert/strict";
import { wilson } from "../statistics/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { htmlReport } from "./page.ts";
import { measuredRecord, MIGRATIONS } from "./testing.ts";

const near = (a: number | null, b: number) => ok(a !== null && Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

Deno.test("a record of the real loop holds its answers' scores, intervals and gains, and makes a report", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const record = await measuredRecord(db);
  const { experiment, trials, metrics, answers } = record;

  const { rows } = await db.query<{ version: number; example: string; score: number }>(
    "select version, example, score from answers where experiment_id = $1 and split = 'validation'",
    [experiment.id],
  );
  const scores = Map.groupBy(rows, ({ version }) => version);
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
