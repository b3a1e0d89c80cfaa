import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { importance, predict } from "./booster.ts";
import { golden, near, openLightgbm, probes, tableOf } from "./golden.ts";
import type { Params } from "./params.ts";
import type { Table } from "./table.ts";
import { train } from "./train.ts";

const { trainings } = golden();

Deno.test("train() gives the models of Python's lightgbm", async () => {
  using lightgbm = await openLightgbm();
  for (const [params, spec, validation, rounds, losses, predictions, gain, split] of trainings) {
    const what = { params, spec, validation };
    const table = tableOf(spec);
    using booster = train(table, params, {
      lightgbm,
      validation: validation ? tableOf(validation) : undefined,
    });
    equal(booster.rounds, rounds, JSON.stringify(what));
    near(booster.losses, losses, what);
    near(predict(booster, probes(table.features.length)), predictions, what);
    const gains = new Map(importance(booster).map(({ feature, value }) => [feature, value]));
    near(table.features.map((feature) => gains.get(feature)!), gain, what);
    near(booster.model.importance("split"), split, what);
  }
});

Deno.test("train() tells each round, and ends where its caller throws", async () => {
  using lightgbm = await openLightgbm();
  const table = tableOf(["plain", 1, 60, 5]);
  const told: [round: number, loss?: number][] = [];
  using booster = train(table, { rounds: 4 }, {
    ...{ lightgbm, validation: table, onRound: (...round) => told.push(round) },
  });
  deepEqual(told, booster.losses.map((loss, i) => [i + 1, loss]));
  using _without = train(table, { rounds: 2 }, { lightgbm, onRound: (...round) => told.push(round) });
  deepEqual(told.slice(4), [[1, undefined], [2, undefined]]);
  const onRound = (round: number) => {
    if (round === 3) throw new Error("enough");
    told.push([round, 0]);
  };
  throws(() => train(table, {}, { lightgbm, onRound }), { message: "enough" });
  equal(told.length, 8);
});

Deno.test("train() refuses what LightGBM could not take, or would take wrongly", async () => {
  using lightgbm = await openLightgbm();
  const table = tableOf(["plain", 1, 40, 3]), { rows, labels, features } = table;
  const label = (value: number) => ({ ...table, labels: [...Array.from(labels).slice(1), value] });
  const row = (value: unknown) => ({ ...table, rows: [...rows.slice(1), value as number[]] });
  const named = (...names: string[]) => ({ ...table, features: names });
  const cases: [string, RegExp, Table, Params?, Table?][] = [
    ["RangeError", /there must be rows: got none/, { ...table, rows: [], labels: [] }],
    ["RangeError", /must be features: got none/, named()],
    ["RangeError", /40 rows must have as many labels: got 39/, { ...table, labels: Array(39).fill(1) }],
    ["RangeError", /label 39 must be a finite number.*got NaN/, label(NaN)],
    ["RangeError", /label 39 .*got Infinity/, label(Infinity)],
    ["RangeError", /label 39 .*got 1e\+39/, label(1e39)],
    ["RangeError", /label 39 .*got undefined/, label(undefined as unknown as number)],
    ["RangeError", /row 39 as it must have 3 numbers.*got 2/, row([1, 2])],
    ["RangeError", /row 39 as it must have 3 numbers.*got 4/, row([1, 2, 3, 4])],
    ["TypeError", /row 39 as it must hold numbers.*got null/, row([1, 2, null])],
    ["TypeError", /row 39 as it must hold numbers.*got 3/, row([1, 2, "3"])],
    ["RangeError", /row 0 .*must have 4 numbers/, named(...features, "more")],
    ["TypeError", /white space .*got "a b"/, named("a b", "c", "d")],
    ["TypeError", /got ""/, named("", "c", "d")],
    ["TypeError", /got "a:b"/, named("a:b", "c", "d")],
    ["TypeError", /got "\\ud800"/, named("\ud800", "c", "d")],
    ["TypeError", /no parameter "toString"/, table, { toString: 3 } as unknown as Params],
    ["TypeError", /got c twice/, named("c", "b", "c")],
    ["RangeError", /rounds must be a whole number in \[1, /, table, { rounds: 0 }],
    ["RangeError", /rounds .*got 1\.5/, table, { rounds: 1.5 }],
    ["RangeError", /numLeaves .*got 1/, table, { numLeaves: 1 }],
    ["RangeError", /learningRate must be in \(0, 1\]: got 0/, table, { learningRate: 0 }],
    ["RangeError", /baggingFraction .*got 1\.1/, table, { baggingFraction: 1.1 }],
    ["RangeError", /featureFraction .*got NaN/, table, { featureFraction: NaN }],
    ["RangeError", /threads .*got 0/, table, { threads: 0 }],
    ["RangeError", /seed .*got -1/, table, { seed: -1 }],
    ["RangeError", /a tree must see a row/, table, { baggingFraction: 0.01 }],
    [
      "TypeError",
      /no parameter "num_leaves": there are boosting, learningRate/,
      table,
      { num_leaves: 3 } as Params,
    ],
    ["TypeError", /boosting must be gbdt or random_forest: got dart/, table, { boosting: "dart" as "gbdt" }],
    ["RangeError", /trees would all be the same/, table, {
      ...{ boosting: "random_forest", baggingFraction: 1, featureFraction: 1 },
    }],
    // Python predicts 0 here, without a word
    ["RangeError", /found no split/, tableOf(["constant", 1, 100, 5]), { boosting: "random_forest" }],
    ["RangeError", /found no split/, tableOf(["plain", 1, 45, 5]), { boosting: "random_forest" }],
    ["TypeError", /same features in the same order/, table, {}, named("b", "a", "c")],
    ["RangeError", /there must be rows: got none/, table, {}, { ...table, rows: [], labels: [] }],
  ];
  for (const [name, message, training, params = {}, validation] of cases) {
    throws(() => train(training, params, { lightgbm, validation }), { name, message }, String(message));
  }
});
