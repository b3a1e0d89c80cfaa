/**
 * What could end a process, done in one of its own: `deno run -A hard_child.ts LIBRARY` says on its last line what came of it.
 *
 * @module
 */
import { Lightgbm } from "../native/mod.ts";
import { integer, pick, random } from "../random.ts";
import { importance, loadModel, predict, saveModel } from "./booster.ts";
import { crossValidate } from "./cross_validate.ts";
import { golden, probes, tableOf } from "./golden.ts";
import { CorruptModelError } from "./model_text.ts";
import type { Params } from "./params.ts";
import { train } from "./train.ts";

const path = Deno.args[0]!;

/** The error's name where `work` throws, else `none`. */
const outcome = (work: () => unknown): string => {
  try {
    work();
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
};

/** Tells how often each outcome was met. */
const count = (outcomes: Iterable<string>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of outcomes) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

/** Texts of models, harmed by chance, as one without a checksum may be. */
function* harmed(): Generator<string> {
  const chance = random("harm"), texts = golden().saved.map(([, , text]) => text);
  const digits = [..."0123456789-. \n=e"];
  const words = ["99999999", "-7", "1", "2", "-1", "0", "nan", "1e308", "15", "x", ""];
  const change = (items: string[], separator: string) => {
    const a = integer(items.length, chance), b = integer(items.length, chance);
    const change = integer(4, chance);
    if (change === 0) items.splice(a, 1);
    else if (change === 1) items.splice(a, 0, items[b]!);
    else if (change === 2) [items[a], items[b]] = [items[b]!, items[a]!];
    else items[a] = pick(separator === "" ? digits : words, chance);
    return items.join(separator);
  };
  for (let i = 0; i < 2000; i++) {
    let text = pick(texts, chance);
    for (let harm = integer(3, chance); harm >= 0; harm--) {
      const separator = pick(["", "\n", " ", "="], chance);
      text = change(text.split(separator), separator);
    }
    yield chance() < 0.1 ? text.slice(0, integer(text.length, chance)) : text;
  }
}

function* models(lightgbm: Lightgbm): Generator<string> {
  for (const text of harmed()) {
    yield outcome(() => {
      using booster = loadModel(text, lightgbm);
      predict(booster, probes(booster.features.length));
      importance(booster);
    });
  }
}

/** Few rows and huge numbers under every kind of parameters. */
function* trainings(lightgbm: Lightgbm): Generator<string> {
  const variants: Params[] = [
    {},
    { minDataInLeaf: 0 },
    { minDataInLeaf: 1, baggingFraction: 1, featureFraction: 1, baggingFreq: 0 },
    { boosting: "random_forest", minDataInLeaf: 1 },
    { numLeaves: 2, baggingFraction: 1e-9, featureFraction: 1e-9 },
    { seed: 2 ** 31 - 1, numLeaves: 1024, learningRate: 1e-300, threads: 2 },
  ];
  const odd = [NaN, Infinity, -Infinity, 1e308, -1e308, 5e-324, -0, 1e-38];
  for (const params of variants) {
    for (let n = 1; n <= 12; n++) {
      const table = tableOf(["gaps", n, n, 6]);
      const rows = table.rows.map((row, i) =>
        Array.from(row, (x, j) => (i + j) % 3 ? x : odd[(i + 2 * j) % odd.length]!)
      );
      const labels = Array.from(table.labels, (label, i) => n % 2 ? label : label * (i % 2 ? 3e38 : -3e38));
      const strange = { ...table, rows, labels };
      yield outcome(() => {
        using booster = train(strange, { rounds: 12, ...params }, {
          lightgbm,
          validation: n > 6 ? strange : undefined,
        });
        predict(booster, rows);
        using _again = loadModel(saveModel(booster), lightgbm);
      });
      yield outcome(() => crossValidate(strange, { rounds: 12, ...params }, { lightgbm, folds: 3 }));
    }
  }
}

/** Memory is used in an order that is not the right one. */
function* handles(): Generator<string> {
  const lightgbm = new Lightgbm(path);
  const table = tableOf(["plain", 1, 100, 5]), params = { num_threads: 2, verbosity: -1 };
  const matrix = {
    values: new Float64Array(table.rows.flatMap((row) => [...Array.from(row)])),
    rows: 100,
    columns: 5,
  };
  const described = { labels: table.labels, names: table.features, params };
  const dataset = lightgbm.dataset(matrix, described);
  const held = lightgbm.dataset(matrix, { ...described, reference: dataset });
  const training = lightgbm.training(dataset, params);
  training.validate(held);
  dataset[Symbol.dispose]();
  dataset[Symbol.dispose]();
  held[Symbol.dispose]();
  yield outcome(() => dataset.subset(new Int32Array([1]), params));
  yield outcome(() => lightgbm.training(dataset, params));
  yield outcome(() => training.validate(held));
  training.update();
  training.loss();
  using booster = train(table, {}, { lightgbm });
  lightgbm[Symbol.dispose]();
  lightgbm[Symbol.dispose]();
  training.update();
  const text = training.text();
  training[Symbol.dispose]();
  training[Symbol.dispose]();
  yield outcome(() => training.update());
  yield outcome(() => training.loss());
  yield outcome(() => training.text());
  yield outcome(() => lightgbm.model(text));
  yield outcome(() => train(table, {}, { lightgbm }));
  predict(booster, table.rows); // it keeps the library
  booster[Symbol.dispose]();
  booster[Symbol.dispose]();
  yield outcome(() => predict(booster, table.rows));
  yield outcome(() => importance(booster));
}

/** Bytes that the process grew by: none of what is made here may stay. */
function growth(lightgbm: Lightgbm): number {
  const small = tableOf(["plain", 1, 500, 20]), big = tableOf(["plain", 1, 3000, 40]);
  const values = new Float64Array(big.rows.flatMap((row) => Array.from(row)));
  const params = { num_threads: 1, verbosity: -1 };
  using whole = train(small, { minDataInLeaf: 1 }, { lightgbm });
  const saved = saveModel(whole);
  const make = (times: number) => {
    for (let i = 0; i < times; i++) {
      using dataset = lightgbm.dataset(
        { values, rows: 3000, columns: 40 },
        { labels: big.labels, names: big.features, params },
      );
      using _half = dataset.subset(Int32Array.from({ length: 1500 }, (_, i) => i * 2), params);
      using loaded = loadModel(saved, lightgbm);
      predict(loaded, small.rows);
      if (i % 4 > 0) continue;
      using _booster = train(small, { rounds: 5, seed: i }, { lightgbm, validation: small });
      crossValidate(small, { rounds: 2 }, { lightgbm, folds: 3 });
      outcome(() => train(small, {}, { lightgbm, onRound: fail }));
    }
    (globalThis as unknown as { gc(): void }).gc();
    return Deno.memoryUsage().rss;
  };
  const before = make(12);
  return make(40) - before;
}

const fail = () => {
  throw new Error("stop");
};

const lightgbm = new Lightgbm(path);
const found = {
  growth: growth(lightgbm), // first: what others leave free would hide it
  models: count(models(lightgbm)),
  trainings: count(trainings(lightgbm)),
  handles: count(handles()),
};
lightgbm[Symbol.dispose]();
console.log(JSON.stringify({ ...found, corrupt: CorruptModelError.name }));
