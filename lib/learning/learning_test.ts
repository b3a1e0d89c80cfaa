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
import {
  type Database,
  findMetaModel,
  type MetaModelRow,
  saveMetaModel,
  scoredPrompts,
} from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { chooseMetaModel, observations, openSurrogate, trainMetaModel, UnusableModelError } from "./mod.ts";

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
  equal(trained.crossValidation.foresight, null); // three are too few to know whether it holds for the next
  ok(trained.importance.some(({ feature, sign }) => feature.startsWith("demo_") && sign > 0));
  deepEqual(trained.contexts.map(({ dataset, prompts, searches }) => [dataset, prompts, searches]), [
    ["part 0", prompts, 3],
  ]);
  equal(trained.transfer, null);

  const before = asked.texts;
  const [seen] = await Promise.all([observations(db, embed)]);
  equal(asked.texts, before); // features are made once
  deepEqual(seen[0]!.features, [...await features(seen[0]!.prompt, embed)]);
  equal(seen[0]!.features.length, COLUMNS.length);
  await db.query("update prompt_features set version = version + 1"); // of another version they are made anew
  deepEqual(await observations(db, embed), seen);

  const { context } = (await scoredPrompts(db, 1))[0]!;
  const model = await findMetaModel(db, trained.id);
  using opened = openSurrogate(model, { context, embed, lightgbm });
  const predicted = await opened.surrogate(seen.map(({ prompt }) => prompt));
  ok(predicted.every(Number.isFinite));
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

Deno.test("trainMetaModel() foresees every one of many question sets, some of them together", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await filled(db, { contexts: 23, prompts: 20, questions: 10 });
  using lightgbm = new Lightgbm(library);
  const embed: Embed = (texts) => Promise.resolve(texts.map(() => new Float32Array(384)));
  const { trained, prompts } = await trainMetaModel(training(db, embed, lightgbm));
  equal(prompts, 23 * 20);
  const { transfer, crossValidation: { foresight } } = trained!;
  deepEqual([transfer!.sets, foresight!.searches], [22, 22]); // all but the first
  ok(transfer!.rankCorrelation > 0.9, JSON.stringify(transfer));
  equal(transfer!.pValue, 2 ** -22);
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

/** Contexts as the database names them: two splits of a question set, one of another set, one of another model. */
const context = (id: number, primary = "m"): string =>
  JSON.stringify([`${id}`.padStart(8, "0"), "exact_match", {}, primary]);
const OWN = context(1), SPLIT_ANEW = context(2), OTHER = context(3), OTHER_MODEL = context(4, "n");

Deno.test("chooseMetaModel() takes the newest where it holds, and says why it takes none", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const good: MetaModelRow = {
    ...{ id: crypto.randomUUID(), featureVersion: FEATURE_VERSION, featureNames: COLUMNS, parameters: {} },
    ...{ trainedFrom: new Date(0), trainedTo: new Date(1), prompts: 50, seconds: 1 },
    ...{ rmse: 0.1, meanRmse: 0.2, r2: 0.7, rankCorrelation: 0.7, bestIteration: 3 },
    importance: [{ feature: "demo_count", value: 1, sign: 1, low: 0, high: 8 }],
    crossValidation: {
      ...{ folds: 5, prompts: 50, rmse: 0.1, meanRmse: 0.2, r2: 0.7, rankCorrelation: 0.7 },
      foresight: { searches: 5, rankCorrelation: 0.6, pValue: 0.03125 },
    },
    contexts: [{
      ...{ context: OWN, dataset: "d", mean: 0.4, prompts: 50, searches: 6 },
      ...{ rmse: 0.1, meanRmse: 0.2, rankCorrelation: 0.6 },
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
    const { model, because } = await chooseMetaModel(db, {
      ...{ context, dataset: context === OTHER ? "e" : "d" },
      seed: demos(count),
    });
    equal(model?.id ?? null, taken, because);
    ok(why.test(because), because);
  };
  await check(OWN, 0, null, /no meta-model was trained yet/);
  const validated = (change: Partial<MetaModelRow["crossValidation"]>) => ({
    crossValidation: { ...good.crossValidation, ...change },
  });
  const foresight = { searches: 5, rankCorrelation: 0.5, pValue: 0.0625 };
  const { foresight: _, ...before } = good.crossValidation;
  const [own] = good.contexts;
  const parts = [
    { ...own!, prompts: 20, searches: 1, rankCorrelation: 0.8 },
    { ...own!, context: context(5), prompts: 40, searches: 1, rankCorrelation: 0.5 },
    { ...own!, context: OTHER_MODEL, prompts: 40, searches: 1, rankCorrelation: -1 },
  ];
  const cases: [
    change: Partial<MetaModelRow>,
    context: string,
    demos: number,
    taken: boolean,
    why: RegExp,
  ][] = [
    [{}, OWN, 0, true, /better than the mean on 50 prompts of 6 searches/],
    [{ rmse: 0.21 }, OWN, 0, false, /newest meta-model does not beat predicting the mean$/], // though an older one does
    [{ importance: [] }, OWN, 0, false, /does not beat predicting the mean$/],
    [validated({ rmse: 0.3 }), OWN, 0, false, /does not beat predicting the mean$/],
    [{ crossValidation: before }, OWN, 0, false, /train it anew \(`deno task train-meta-model`\)$/],
    [validated({ foresight: null }), OWN, 0, false, /too few searches .*\(6, it takes 6\)/],
    [validated({ foresight }), OWN, 0, false, /no better than luck \(.* 0\.50, p = 0\.063 on 5\)/],
    [{ contexts: [{ ...own!, rmse: 0.3 }] }, OWN, 0, false, /no better than the mean/],
    [{ contexts: [{ ...own!, searches: 1 }] }, OWN, 0, false, /too few question sets/],
    [{}, OTHER, 0, false, /too few question sets/],
    [{}, SPLIT_ANEW, 0, true, /better than the mean on 50 prompts of 6 searches/],
    [{ contexts: parts }, SPLIT_ANEW, 0, true, /on 60 prompts of 2 searches .*\(rank correlation 0\.60\)/],
    [{ contexts: parts.slice(1) }, SPLIT_ANEW, 0, false, /too few question sets/], // one search, one of another model
    [{ contexts: parts.map((part) => ({ ...part, rmse: 0.3 })) }, OWN, 0, false, /no better than the mean/],
    [
      { transfer: { sets: 5, rankCorrelation: 0.4, pValue: 0.031 } },
      OTHER,
      4,
      true,
      /holds for .* not seen/,
    ],
    [{ transfer: { sets: 5, rankCorrelation: 0.4, pValue: 0.031 } }, OTHER, 9, false, /unlike those/],
    [{ transfer: { sets: 5, rankCorrelation: 0.1, pValue: 0.2 } }, OTHER, 4, false, /does not hold for/],
  ];
  for (const [change, context, demos, taken, why] of cases) {
    const newest = row(change);
    await saveMetaModel(db, newest);
    await check(context, demos, taken ? newest.id : null, why);
  }
});
