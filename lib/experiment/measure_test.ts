import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { ProviderError } from "../llm/mod.ts";
import { type Database, readExperiment } from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { type MeasurementSetup, runMeasurement, type Surroundings, type Unreadable } from "./mod.ts";
import { apprentice, begun, type Fate, judge, MIGRATIONS, simulated, thoughtful } from "./testing.ts";

/** Begins and runs a measurement of a prompt with demos on the 40 validation questions. */
async function run(
  db: Database,
  { onProgress = () => {}, onUnreadable = () => {}, onSilent = () => {}, around = {}, ...changes }:
    & Partial<MeasurementSetup>
    & {
      around?: Partial<Surroundings>;
      onProgress?: (answered: number) => void;
      onUnreadable?: (grades: Unreadable) => void;
      onSilent?: (line: string) => void;
    } = {},
) {
  const [{ seedPrompt, dataset, ...setup }, surroundings] = await begun(db, { around, kind: "evaluate" });
  const demos = dataset.train.slice(0, 12).map(({ question, references: [answer] }) => ({
    question,
    answer: answer!,
  }));
  const prompt = { ...seedPrompt, demos };
  const measurement = await runMeasurement(
    { ...setup, dataset, split: "validation", prompt, ...changes },
    { ...surroundings, onProgress, onUnreadable, onSilent },
  ).catch((error) => error as Error);
  return { measurement, id: setup.id, record: await readExperiment(db, setup.id) };
}

/** Answers of a measurement, with what they were worth. */
const scores = async (db: Database, id: string) =>
  (await db.query<{ example: string; answer: string; score: number }>(
    "select example, rtrim(answer, chr(10)) as answer, score from answers where experiment_id = $1 order by example",
    [id],
  )).rows;

Deno.test("runMeasurement() keeps a prompt, its answers, its score and its bill", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const primary = simulated(apprentice);
  const told: number[] = [];
  const { measurement, id, record } = await run(db, {
    primary,
    onProgress: (answered) => told.push(answered),
  });
  ok(measurement !== null && !(measurement instanceof Error));
  deepEqual([measurement.n, measurement.split, measurement.metric], [40, "validation", "exact_match"]);
  ok(measurement.value > 0.3 && measurement.value < 1);
  const { value, n, ci95: [ci_low, ci_high], metric, signature } = measurement;
  deepEqual(record.metrics, [{
    ...{ version: 0, split: "validation", metric, signature, value, n, ci_low, ci_high },
  }]);
  const { experiment, trials, bill } = record;
  deepEqual(
    [experiment.kind, experiment.status, experiment.stop_reason, experiment.improvement, trials],
    ["evaluate", "finished", null, null, []],
  );
  deepEqual([bill.length, bill[0]!.calls, primary.asked.length], [1, 40, 40]);
  equal(bill[0]!.prompt_tokens + bill[0]!.completion_tokens, primary.served.tokens);
  deepEqual(
    await scores(db, id),
    measurement.results.map(({ example, answer, score }) => ({ example: example.id, answer, score }))
      .sort((a, b) => a.example < b.example ? -1 : 1),
  );
  deepEqual(told, Array.from({ length: 40 }, (_, i) => i + 1));
  const { rows: [prompt] } = await db.query("select version, operator, demos from prompts");
  deepEqual([prompt!.version, prompt!.operator, (prompt!.demos as unknown[]).length], [0, "seed", 12]);
});

Deno.test("runMeasurement() counts what was answered, whatever ended the rest", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const stop = new AbortController();
  const refuse: Fate = (_, n) => {
    if (n % 4 === 0) throw new ProviderError("filtered", { status: 400 });
  };
  const deny: Fate = (_, n) => {
    if (n === 7) throw new ProviderError("Cannot ask as the key is wrong", { status: 401 });
  };
  const halt: Fate = (_, n) => {
    if (n === 7) stop.abort();
  };
  const rows: [
    ...[string, Parameters<typeof run>[1], number | null],
    ...[status: string, reason: string | null, error: string | null],
  ][] = [
    ["a cap", { caps: { calls: 25 } }, 25, "finished", "budget", null],
    ["a cap that is not met", { caps: { calls: 40 } }, 40, "finished", null, null],
    ["no calls at all", { caps: { calls: 0 } }, 0, "finished", "budget", null],
    ["refusals", { primary: simulated(apprentice, { fate: refuse }) }, 30, "finished", null, null],
    [
      "a wrong key",
      { primary: simulated(apprentice, { fate: deny }) },
      null,
      "failed",
      null,
      "Cannot ask as the key is wrong",
    ],
    [
      "the stop signal",
      { primary: simulated(apprentice, { fate: halt }), around: { stop: stop.signal } },
      null,
      "interrupted",
      "interrupted",
      null,
    ],
  ];
  for (const [name, options, n, status, reason, error] of rows) {
    const { measurement, record: { experiment, metrics, bill }, id } = await run(db, options);
    deepEqual([experiment.status, experiment.stop_reason, experiment.error], [status, reason, error], name);
    deepEqual(metrics.map((row) => row.n), n ? [n] : [], name);
    equal((await scores(db, id)).length, n ?? 0, name);
    equal(bill.reduce((sum, { lost }) => sum + lost, 0), 0, name);
    if (error !== null) await rejects(Promise.reject(measurement), { name: "ProviderError", message: error });
    else equal((measurement as { n: number } | null)?.n ?? null, n, name);
    if (n === null) ok(bill[0]!.calls < 40, name);
  }
});

Deno.test("runMeasurement() asks a judge, and counts for nobody what it cannot tell", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  let graded = 0;
  const grader = simulated((messages) => ++graded % 5 === 0 ? "Ten out of ten!" : judge(messages));
  const told: Unreadable[] = [];
  const { measurement, id, record } = await run(db, {
    metric: { judge: grader },
    onUnreadable: (grades) => told.push(grades),
  });
  ok(measurement !== null && !(measurement instanceof Error));
  deepEqual(record.bill.map(({ role, calls }) => [role, calls]), [["grader", 40], ["primary", 40]]);
  deepEqual([grader.asked.length, measurement.n, (await scores(db, id)).length], [40, 32, 32]);
  deepEqual([record.metrics[0]!.metric, record.metrics[0]!.n], ["judge", 32]);
  const text =
    'local gave 8 of 40 answers no grade that can be read: each must be {"score": N}, got "Ten out of ten!"';
  deepEqual(told, [{ count: 8, text }]);
});

Deno.test("runMeasurement() fails when not one grade of a judge can be read, and shows one", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const rambler = () => simulated(() => " Well\u001b[2J, ten!\n");
  const rows: [calls: number, grades: number][] = [[80, 40], [44, 4], [41, 1]]; // all are answered before any is graded
  for (const [calls, grades] of rows) {
    const { measurement, record: { experiment, metrics } } = await run(db, {
      metric: { judge: rambler() },
      primary: simulated(apprentice),
      caps: { calls },
      onUnreadable: () => ok(false),
    });
    const message = new RegExp(
      `^Cannot score by the grades of local as none of ${grades} could be read: each must be {"score": N}, ` +
        'got "Well.u001b.2J, ten!": begin anew with another model that grades .--optimizer., or with a metric',
    );
    await rejects(Promise.reject(measurement), { name: "ProviderError", retryable: false, message });
    deepEqual([experiment.status, experiment.stop_reason, metrics], ["failed", "unreadable", []]);
    match(experiment.error!, message);
  }
  const { measurement, record: { experiment } } = await run(db, {
    metric: { judge: rambler() },
    primary: simulated(apprentice),
    caps: { calls: 40 }, // nothing is left to grade with
  });
  deepEqual([(measurement as { n: number }).n, experiment.status], [0, "finished"]);
});

Deno.test("runMeasurement() asks no more of a model that says nothing, and tells of one that does at times", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const told: string[] = [];
  const around = { concurrency: 4 }, onSilent = (line: string) => told.push(line);
  const mute = thoughtful(simulated(apprentice), () => "");
  const { measurement, record: { experiment, metrics } } = await run(db, { primary: mute, around, onSilent });
  const message =
    /^Cannot score anything as local said nothing in any of \d+ answers: its 16 tokens .* --answer-tokens 2048$/;
  await rejects(Promise.reject(measurement), {
    name: "ProviderError",
    retryable: false,
    fatal: false,
    message,
  });
  match(experiment.error!, message);
  deepEqual([experiment.status, metrics, told], ["failed", [], []]);
  ok(mute.asked.length >= 10 && mute.asked.length <= 20, `${mute.asked.length} were asked`);

  const [few, half] = [{ calls: 3 }, { calls: 40 }];
  const short = await run(db, { primary: thoughtful(simulated(apprentice), () => ""), caps: few, onSilent });
  match(short.record.experiment.error!, /in any of 3 answers/);
  let n = 0;
  const slow = thoughtful(simulated(apprentice), () => ++n % 2 === 0 ? "" : undefined);
  const { measurement: whole } = await run(db, { primary: slow, caps: half, onSilent });
  equal((whole as { n: number }).n, 40); // an answer without a word is a wrong one
  deepEqual(told, [
    "local said nothing in 20 of 40 answers: its 16 tokens ran out first (thinking takes them, too): " +
    "begin anew with --answer-tokens 2048",
  ]);
});

Deno.test("runMeasurement() asks with the prompt's bias, or asks nothing", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const prompt = {
    ...{ systemPrompt: "", outputPrompt: "", demos: [] },
    bias: { abbreviation: 1, entity: -2 },
  };
  const able = simulated(apprentice), unable = simulated(apprentice);
  const primary = { ...able, tokensOf: (text: string) => Promise.resolve([`${text.length}`]) };
  await run(db, { prompt, primary });
  equal(able.asked.length, 40);
  for (const { bias, firsts, choices } of able.asked) {
    deepEqual([bias, firsts, choices], [{ 6: -2, 12: 1 }, undefined, ["abbreviation", "entity"]]);
  }
  const { measurement, record: { experiment, bill } } = await run(db, { prompt, primary: unable });
  await rejects(Promise.reject(measurement), { name: "ProviderError", fatal: true });
  deepEqual([experiment.status, bill, unable.asked], ["failed", [], []]);
});
