import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal, throws } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { runExperiment, type Setup } from "../experiment/mod.ts";
import { apprentice, begun, MIGRATIONS, questionTypes, simulated } from "../experiment/testing.ts";
import {
  COLUMNS,
  type Embed,
  FEATURE_VERSION,
  features,
  layOutModel,
  openEmbedder,
} from "../features/mod.ts";
import { findLibrary, Lightgbm } from "../native/mod.ts";
import { ensurePython } from "../python/mod.ts";
import { type Database, type MetaModelRow, saveMetaModel, scoredPrompts } from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import {
  beatsTheMean,
  chooseMetaModel,
  observations,
  openSurrogate,
  trainMetaModel,
  UnusableModelError,
} from "./mod.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const python = await ensurePython({ root: ROOT, group: "learn" });
const folder = await layOutModel(python, `${ROOT}/.quintet/models`);
const library = await findLibrary("lightgbm", python);

/** An embedder, and how many texts it was given. */
async function embedder() {
  const opened = await openEmbedder(folder);
  const asked = { texts: 0 };
  const embed: Embed = (texts) => {
    asked.texts += texts.length;
    return opened.embed(texts);
  };
  return { embed, asked, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

/** What the search does with the apprentice, a model that demos help, on the questions from `from` on. */
async function searched(db: Database, changes: { seed: number; part?: number; search?: Setup["search"] }) {
  const { seed, part = 0, search = {} } = changes;
  const whole = await questionTypes();
  const take = <T>(items: readonly T[], n: number) => items.slice(part * n, (part + 1) * n);
  const dataset = {
    ...whole,
    name: `part ${part}`,
    sha256: createHash("sha256").update(`${whole.sha256}${part}`).digest("hex"),
    train: take(whole.train, 40),
    validation: take(whole.validation, 40),
    test: take(whole.test, 16),
  };
  const [setup, around] = await begun(db, {
    ...{ seed, dataset, caps: { calls: 900 } },
    primary: simulated(apprentice, { version: "1" }),
    config: { metric: "exact_match", metric_options: {}, primary: "apprentice" },
    search: { target: 1, maxIterations: 5, patience: 5, ...search },
    around: { concurrency: 64 },
  });
  await runExperiment(setup, around);
  return setup;
}

const training = (db: Database, embed: Embed, lightgbm: Lightgbm) => ({
  ...{ db, embed, lightgbm, newId: () => crypto.randomUUID(), elapsed: () => performance.now() },
  params: { minDataInLeaf: 3 },
});

Deno.test("trainMetaModel() learns from what searches have seen, and a loop is given what it learned", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await using sentences = await embedder();
  const { embed, asked } = sentences;
  using lightgbm = new Lightgbm(library);

  deepEqual(await trainMetaModel(training(db, embed, lightgbm)), { trained: null, prompts: 0 });
  for (const seed of [1, 2, 3]) await searched(db, { seed });
  const rounds: number[] = [];
  const { trained, prompts } = await trainMetaModel({
    ...training(db, embed, lightgbm),
    onRound: (round) => rounds.push(round),
  });
  ok(trained !== null && prompts > 30 && trained.prompts === prompts);
  ok(rounds.length >= trained.bestIteration && rounds[0] === 1);
  ok(beatsTheMean(trained), JSON.stringify(trained.crossValidation)); // demos help the apprentice
  ok(trained.importance.some(({ feature, sign }) => feature.startsWith("demo_") && sign > 0));
  deepEqual(trained.contexts.map(({ dataset, prompts }) => [dataset, prompts]), [["part 0", prompts]]);
  equal(trained.transfer, null);

  const before = asked.texts;
  const [seen] = await Promise.all([observations(db, embed)]);
  equal(asked.texts, before); // features are made once
  deepEqual(seen[0]!.features, [...await features(seen[0]!.prompt, embed)]);
  equal(seen[0]!.features.length, COLUMNS.length);
  await db.query("update prompt_features set version = version + 1"); // of another version they are made anew
  deepEqual(await observations(db, embed), seen);

  const { context } = (await scoredPrompts(db, 1))[0]!;
  const seed = () => features(seen[0]!.prompt, embed);
  const { model } = await chooseMetaModel(db, { context, seed });
  equal(model?.id, trained.id);
  using opened = openSurrogate(model!, { context, embed, lightgbm });
  const predicted = await opened.surrogate(seen.map(({ prompt }) => prompt));
  ok(predicted.every((score) => score >= 0 && score <= 1));
  const setup = await searched(db, {
    seed: 9,
    search: { surrogate: opened.surrogate, advice: opened.advice },
  });
  const { rows: [trials] } = await db.query<{ predicted: number; passed: number }>(
    `select count(predicted)::int as predicted, (count(*) filter (where reason like 'not raced%'))::int as passed
       from trials where experiment_id = $1`,
    [setup.id],
  );
  ok(trials!.predicted > 0 && trials!.passed > 0);
});

Deno.test("trainMetaModel() says whether it holds where it was not trained", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await using sentences = await embedder();
  using lightgbm = new Lightgbm(library);
  for (const part of [0, 1]) for (const seed of [1, 2]) await searched(db, { seed, part });
  const { trained } = await trainMetaModel(training(db, sentences.embed, lightgbm));
  equal(trained!.contexts.length, 2);
  equal(trained!.transfer!.contexts, 2);
  ok(trained!.transfer!.rankCorrelation > 0 && trained!.transfer!.pValue < 0.05); // demos help everywhere
});

/** Contexts with prompts each, scored on their questions: the more demos, the better. */
async function filled(db: Database, { contexts, prompts, questions }: Record<string, number>): Promise<void> {
  await db.query(
    `insert into datasets (name, sha256) select 'set ' || i, lpad(i::text, 64, '0') from generate_series(1, $1::int) i`,
    [contexts],
  );
  await db.query(
    `insert into examples (dataset_id, split, position, key, question, reference_texts)
     select id, 'validation', q, q::text, 'question ' || q, array['a'] from datasets, generate_series(1, $1::int) q`,
    [questions],
  );
  await db.query(
    "insert into experiments (kind, dataset_id, seed, config) select 'optimize', id, 1, '{}' from datasets",
  );
  await db.query(
    `insert into completions (key, model, identity, request, text, finish)
     values (repeat('a', 64), 'm', '{}', '{}', 'a', 'stop')`,
  );
  await db.query(
    `insert into prompts (id, experiment_id, version, parent_id, operator, system_prompt, output_prompt, demos)
     select case v when 0 then x.id else gen_random_uuid() end, x.id, v, case when v > 0 then x.id end, 'demonstrate', 'Prompt ' || v, '',
            (select coalesce(jsonb_agg(jsonb_build_object('question', k::text, 'answer', 'a')), '[]')
               from generate_series(1, v % 9) k)
       from experiments x, generate_series(0, $1::int - 1) v`,
    [prompts],
  );
  await db.query(
    `insert into scores (prompt_id, example_id, completion_key, value)
     select p.id, e.id, repeat('a', 64), ((e.position * 7 + p.version * 5) % 10 < 1 + p.version % 9)::int
       from prompts p
       join experiments x on x.id = p.experiment_id
       join examples e on e.dataset_id = x.dataset_id`,
  );
}

Deno.test("trainMetaModel() leaves out every one of many contexts, some of them together", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await filled(db, { contexts: 23, prompts: 20, questions: 10 });
  using lightgbm = new Lightgbm(library);
  const embed: Embed = (texts) => Promise.resolve(texts.map(() => new Float32Array(384)));
  const { trained, prompts } = await trainMetaModel(training(db, embed, lightgbm));
  equal(prompts, 23 * 20);
  equal(trained!.transfer!.contexts, 23);
  ok(trained!.transfer!.rankCorrelation > 0.9, JSON.stringify(trained!.transfer));
  equal(trained!.transfer!.pValue, 0.001);
});

Deno.test("what was learned is refused where it is not what was kept", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await filled(db, { contexts: 1, prompts: 40, questions: 10 });
  using lightgbm = new Lightgbm(library);
  const embed: Embed = (texts) => Promise.resolve(texts.map(() => new Float32Array(384)));
  const { trained } = await trainMetaModel(training(db, embed, lightgbm));
  const sealed = (model: string) => ({
    model,
    modelSha256: createHash("sha256").update(model).digest("hex"),
  });
  const cases: [Partial<MetaModelRow>, RegExp][] = [
    [{ model: `${trained!.model} ` }, /is not what was kept: its checksum differs/],
    [{ model: "" }, /is not what was kept: its checksum differs/],
    [{ featureVersion: 1 }, /it goes by features of version 1: these are of 2$/],
    [sealed(""), /it does not begin as LightGBM's text/],
    [
      sealed(trained!.model.replace("Tree=0", "Tree=9")),
      /its checksum differs: it was changed after it was saved/,
    ],
    [
      sealed(trained!.model.replace(/^feature_names=.*/m, "feature_names=a").replace(/\nsha256:.*\n$/, "")),
      /features: got 1/,
    ],
  ];
  for (const [change, message] of cases) {
    throws(
      () => openSurrogate({ ...trained!, ...change }, { embed, lightgbm }),
      (error: UnusableModelError) => {
        ok(error instanceof UnusableModelError, String(error));
        match(error.message, message);
        match(error.fix, /train-meta-model.*--no-surrogate/);
        return true;
      },
    );
  }
  openSurrogate(trained!, { embed, lightgbm })[Symbol.dispose]();
});

Deno.test("chooseMetaModel() takes the newest that holds, and says why it takes none", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const good: MetaModelRow = {
    ...{ id: crypto.randomUUID(), featureVersion: FEATURE_VERSION, featureNames: COLUMNS, parameters: {} },
    ...{ trainedFrom: new Date(0), trainedTo: new Date(1), prompts: 50, seconds: 1 },
    ...{ rmse: 0.1, meanRmse: 0.2, r2: 0.7, rankCorrelation: 0.7, bestIteration: 3 },
    importance: [{ feature: "demo_count", value: 1, sign: 1, low: 0, high: 8 }],
    crossValidation: { folds: 5, prompts: 50, rmse: 0.1, meanRmse: 0.2, r2: 0.7, rankCorrelation: 0.7 },
    contexts: [{
      ...{
        context: "own",
        dataset: "d",
        mean: 0.4,
        prompts: 50,
        rmse: 0.1,
        meanRmse: 0.2,
        rankCorrelation: 0.6,
      },
    }],
    ...{ transfer: null, model: "", modelSha256: "0".repeat(64) },
  };
  const row = (change: Partial<MetaModelRow>): MetaModelRow => ({
    ...good,
    id: crypto.randomUUID(),
    ...change,
  });
  const demos = (count: number) => () =>
    Promise.resolve(COLUMNS.map((name) => name === "demo_count" ? count : 0));
  const check = async (context: string, count: number, taken: string | null, why: RegExp) => {
    const { model, because } = await chooseMetaModel(db, { context, seed: demos(count) });
    equal(model?.id ?? null, taken, because);
    ok(why.test(because), because);
  };
  await check("own", 0, null, /no meta-model was trained yet/);
  for (const change of [{ rmse: 0.21 }, { importance: [] }]) await saveMetaModel(db, row(change));
  await check("own", 0, null, /none of 2 meta-models beats/);
  await saveMetaModel(db, good);
  await check("own", 0, good.id, /better than the mean on 50 prompts/);
  await check("other", 0, null, /too few question sets/);
  await saveMetaModel(db, row({ crossValidation: { ...good.crossValidation, rmse: 0.3 } }));
  await check("own", 0, good.id, /better than the mean/);

  const transfers = row({ transfer: { contexts: 3, rankCorrelation: 0.4, pValue: 0.01 } });
  await saveMetaModel(db, transfers);
  await check("other", 4, transfers.id, /holds for question sets that it has not seen/);
  await check("other", 9, null, /unlike those/);
  await saveMetaModel(db, row({ transfer: { contexts: 3, rankCorrelation: 0.1, pValue: 0.2 } }));
  await check("other", 4, null, /does not hold for question sets/);
  await saveMetaModel(db, row({ contexts: [{ ...good.contexts[0]!, rmse: 0.3 }] }));
  await check("own", 0, null, /no better than the mean/);
});
