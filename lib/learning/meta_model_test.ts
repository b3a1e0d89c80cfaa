import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { COLUMNS } from "../features/mod.ts";
import type { Params } from "../gbdt/mod.ts";
import { findLibrary, Lightgbm } from "../native/mod.ts";
import { ensurePython } from "../python/mod.ts";
import { normal, type Random, random } from "../random.ts";
import type { MetaModelRow, Queryable } from "../store/mod.ts";
import { beatsTheMean, chooseMetaModel, doubt, openSurrogate, trainMetaModel } from "./mod.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const library = await findLibrary("lightgbm", await ensurePython({ root, group: "learn" }));
const embed = () => Promise.reject(new Error("features are there"));

/** What a search of this name comes to. */
interface World {
  readonly search: string;
  readonly context?: string;
  readonly dataset?: string;
  readonly families?: number;
  /** Prompts of a family, which are nearly the same. */
  readonly alike?: number;
  /** What a feature that all searches have in common is worth, and what a family has that no feature tells. */
  readonly common?: number;
  readonly own?: number;
  readonly mean?: number;
}

/** Scored prompts of a search as the database gives them. */
function scored(chance: Random, world: World) {
  const { search, context = "c", dataset = "d", families = 8, alike = 3 } = world;
  const { common = 0, own = 0.1, mean = 0.5 } = world;
  return Array.from({ length: families }, (_, family) => {
    const text = COLUMNS.map(() => normal(chance)), luck = own * normal(chance);
    return Array.from({ length: alike }, (_, i) => {
      const features = text.map((value) => value + 0.1 * normal(chance));
      const score = mean + luck + common * features[3]! + 0.04 * normal(chance);
      return {
        ...{
          promptId: `${search} ${family} ${i}`,
          experimentId: search,
          context,
          dataset,
          score,
          features,
          n: 30,
        },
        ...{ createdAt: new Date(0), system_prompt: "", output_prompt: "", demos: [], bias: null },
      };
    });
  }).flat();
}

async function trained(
  lightgbm: Lightgbm,
  rows: readonly ReturnType<typeof scored>[number][],
  params: Params = {},
): Promise<MetaModelRow> {
  const db = { query: () => Promise.resolve({ rows }) } as unknown as Queryable;
  const keep = () => Promise.resolve();
  return (await trainMetaModel({ db, embed, lightgbm, keep, params, newId: () => "1", elapsed: () => 0 }))
    .trained!;
}

/** So many searches of a world, one after another. */
const searches = (n: number, chance: Random, world: Omit<World, "search"> = {}) =>
  Array.from({ length: n }, (_, i) => scored(chance, { ...world, search: `${world.context} ${i}` })).flat();

Deno.test("trainMetaModel() does not take it for foresight that prompts of one search are alike", async () => {
  using lightgbm = new Lightgbm(library);
  const seeds = [1, 2, 3, 4, 5, 6], found = [];
  for (const seed of seeds) found.push(await trained(lightgbm, searches(6, random(seed), { alike: 4 })));
  const mean = found.reduce((sum, row) => sum + row.crossValidation.rankCorrelation, 0) / seeds.length;
  ok(Math.abs(mean) < 0.2, String(mean)); // prompt by prompt it is 0.7
  deepEqual(found.map(beatsTheMean), seeds.map(() => false));
  equal(found.some(({ contexts: [own] }) => own!.rankCorrelation > 0.4), false);
});

Deno.test("trainMetaModel() sees what all searches have in common, from six of them on", async () => {
  using lightgbm = new Lightgbm(library);
  const rows = searches(6, random(1), { common: 0.2 });
  const six = await trained(lightgbm, rows);
  equal(doubt(six), null);
  deepEqual(six.contexts.map(({ searches, prompts }) => [searches, prompts]), [[6, 144]]);
  deepEqual([six.crossValidation.foresight!.searches, six.crossValidation.foresight!.pValue], [5, 1 / 32]);

  const five = await trained(lightgbm, rows.filter(({ experimentId }) => !experimentId.endsWith("5")));
  match(
    doubt(five)!,
    /too few searches .*\(5, it takes 6\): search with other seeds \(`--seed`\) or questions$/,
  );
  const one = await trained(lightgbm, rows.filter(({ experimentId }) => experimentId.endsWith("0")));
  match(doubt(one)!, /too few searches .*\(1, it takes 6\)|does not beat/);
  deepEqual([one.crossValidation.rankCorrelation, one.contexts[0]!.rankCorrelation], [0, 0]);
});

Deno.test("trainMetaModel() takes measured prompts and small searches along", async () => {
  using lightgbm = new Lightgbm(library);
  const chance = random(1);
  const measured = (search: string, families = 1) => scored(chance, { search, families, alike: 1 });
  const one = await trained(lightgbm, [...searches(1, chance), ...measured("evaluate")]);
  deepEqual([one.crossValidation.foresight, one.contexts[0]!.searches], [null, 1]);
  const forest = { boosting: "random_forest", baggingFraction: 0.3 } as const;
  const many = await trained(
    lightgbm,
    [
      ...measured("evaluate"),
      ...measured("tiny", 5),
      ...searches(7, chance, { common: 0.2 }),
      ...measured("b", 4),
    ],
    forest,
  );
  deepEqual([many.prompts, many.contexts[0]!.searches], [7 * 24 + 10, 8]);
  ok(many.crossValidation.foresight!.searches < 7, JSON.stringify(many.crossValidation)); // nothing grows of five prompts
});

Deno.test("trainMetaModel() counts question sets by their names, whatever splits and models they had", async () => {
  using lightgbm = new Lightgbm(library);
  const chance = random(1);
  const of = (dataset: (i: number) => string) =>
    trained(
      lightgbm,
      Array.from({ length: 6 }, (_, i) =>
        searches(2, chance, { context: `${i}`, dataset: dataset(i), common: 0.2 }))
        .flat(),
    );
  equal((await of(() => "one")).transfer, null);
  equal((await of((i) => `${i % 5}`)).transfer, null);
  const { transfer } = await of((i) => `${i}`);
  deepEqual([transfer!.sets, transfer!.pValue], [5, 1 / 32]);
});

Deno.test("trainMetaModel() judges searches of one question set together, though each split it anew", async () => {
  using lightgbm = new Lightgbm(library);
  const chance = random(1), context = (i: number) => JSON.stringify([`${i}`, "exact_match", {}, "m"]);
  const rows = Array.from({ length: 7 }, (_, i) => searches(1, chance, { context: context(i), common: 0.2 }));
  const row = await trained(lightgbm, rows.flat());
  ok(row.contexts.every(({ searches, rankCorrelation }) => searches === 1 && rankCorrelation > 0));
  const db = { query: () => Promise.resolve({ rows: [row] }) } as unknown as Queryable;
  const chosen = async (dataset: string) =>
    await chooseMetaModel(db, { context: context(9), dataset, seed: () => Promise.resolve([]) });
  match((await chosen("d")).because, /better than the mean on 168 prompts of 7 searches/);
  match((await chosen("e")).because, /too few question sets/);

  using known = openSurrogate(row, { context: context(9), dataset: "d", embed, lightgbm });
  using own = openSurrogate(row, { embed, lightgbm });
  const at = COLUMNS.map(() => 0);
  ok(Math.abs(known.expect(at) - own.expect(at)) < 1e-9); // all are of these questions
});

Deno.test("openSurrogate() keeps an order among prompts of which more than everything is expected", async () => {
  using lightgbm = new Lightgbm(library);
  const chance = random(1);
  const row = await trained(lightgbm, searches(6, chance, { common: 0.2, mean: 0.9 }));
  using opened = openSurrogate(row, { context: "c", embed, lightgbm });
  const best = [1.2, 2.4].map((value) => opened.expect(COLUMNS.map((_, i) => i === 3 ? value : 0)));
  ok(best[0]! > 1 && best[1]! >= best[0]!, String(best));
});
