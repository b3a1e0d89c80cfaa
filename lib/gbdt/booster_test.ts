import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findLibrary } from "../native/mod.ts";
import { ensurePython } from "../python/mod.ts";
import { loadModel, predict, saveModel } from "./booster.ts";
import { golden, near, openLightgbm, probes, tableOf } from "./golden.ts";
import { train } from "./train.ts";

const { saved } = golden();

Deno.test("loadModel() reads what Python's lightgbm saved, and saveModel() writes the like", async () => {
  using lightgbm = await openLightgbm();
  for (const [params, spec, text, predictions] of saved) {
    const table = tableOf(spec);
    using booster = loadModel(text, lightgbm);
    deepEqual(booster.features, table.features);
    near(predict(booster, probes(table.features.length)), predictions, spec);
    using own = train(table, params, { lightgbm });
    deepEqual(rounded(saveModel(own)), [...rounded(text).slice(0, -2), "sha", ""]);
    using again = loadModel(saveModel(own), lightgbm);
    equal(again.rounds, own.rounds);
    equal(saveModel(again), saveModel(own));
    deepEqual(predict(again, table.rows), predict(own, table.rows));
  }
});

/** Lines with numbers to 9 digits, as the last ones are a matter of the processor; so are sizes in bytes. */
const rounded = (text: string): string[] =>
  text.split("\n").map((line) =>
    line.replace(/^sha256:.*/, "sha")
      .replace(/^(?:tree_sizes|leaf_weight)=.*/, "") // Python leaves out the weight of a single leaf
      .replace(/-?\d+\.\d+(?:e[+-]\d+)?/g, (number) => Number(number).toPrecision(9))
  );

Deno.test("loadModel() refuses what is damaged, wherever it was cut", async () => {
  using lightgbm = await openLightgbm();
  const [params, spec, text] = saved[0]!;
  using booster = train(tableOf(spec), params, { lightgbm });
  const sealed = saveModel(booster), other = { name: "CorruptModelError" };
  const refused = (damaged: string, message: RegExp, what: string) =>
    throws(() => loadModel(damaged, lightgbm), { ...other, message }, what);
  for (let at = 0; at < sealed.length - 75; at += 7) {
    refused(sealed.slice(0, at), /Cannot load/, `cut at ${at}`);
  }
  for (let at = 0; at < text.length - 30; at += 7) refused(text.slice(0, at), /Cannot load/, `cut at ${at}`);
  for (let at = 0; at < sealed.length - 74; at += 13) {
    refused(sealed.slice(0, at) + "#" + sealed.slice(at + 1), /checksum differs/, `changed at ${at}`);
  }
  const changes: [string | RegExp, string, RegExp][] = [
    ["objective=regression", "objective=binary sigmoid:1", /does not begin as/],
    ["num_class=1", "num_class=3", /does not begin as/],
    ["version=v4", "version=v5", /does not begin as/],
    ["max_feature_idx=11", "max_feature_idx=12", /there must be 13 features: got 12/],
    ["Column_3 ", "", /12 features: got 11/],
    ["Column_3", "a\0b", /no plain text/],
    [/\n/g, "\r\n", /no plain text/],
    [/tree_sizes=.*/, "tree_sizes=", /no tree/],
    [/tree_sizes=\d+/, "tree_sizes=1", /its tree 0 is not whole/],
    [/num_leaves=(\d)/, "num_leaves=2$1", /its tree 0 /],
    [/(split_feature=.*) 10 /, "$1 12 ", /tree 1 splits by a feature that is not there/],
    [/(left_child=)\d/, "$1" + "0", /tree 0 is no tree/],
    [/(left_child=)\d/, "$1" + "5", /tree 0 is no tree/],
    [/(decision_type=)\d/, "$11", /tree 0 splits by category/],
    [/(threshold=)\d/, "$1x", /tree 0 has a wrong threshold/],
    [/(leaf_count=)\d\d /, "$11  ", /tree 0 has a wrong leaf_count/],
    ["num_cat=0", "num_cat=1", /tree 0 has a wrong num_cat/],
    ["is_linear=0", "is_linear=1", /tree 0 has a wrong is_linear/],
    ["end of trees", "Tree=2", /does not end as/],
    [/end of parameters[^]*/, "", /does not end as/],
    [/$/, "sha256:", /does not end as/],
  ];
  for (const [from, to, message] of changes) {
    const changed = text.replace(from, to);
    equal(changed === text, false, String(from));
    refused(changed, message, String(from));
  }
});

Deno.test("predict() refuses rows of another length", async () => {
  using lightgbm = await openLightgbm();
  using booster = train(tableOf(["plain", 1, 60, 5]), { rounds: 3 }, { lightgbm });
  equal(predict(booster, []).length, 0);
  throws(() => predict(booster, [[1, 2, 3, 4]]), {
    name: "RangeError",
    message: /row 0 as it must have 5 numbers, one for each feature: got 4/,
  });
});

Deno.test("nothing ends the process: damaged models, odd numbers, few rows, freed handles; and nothing leaks", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--v8-flags=--expose-gc,--max-semi-space-size=2"],
      fileURLToPath(new URL("hard_child.ts", import.meta.url)),
      await findLibrary("lightgbm", await ensurePython({ root, group: "learn" })),
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  equal(code, 0, text(stderr));
  const { growth, models, trainings, handles } = JSON.parse(text(stdout));
  deepEqual(Object.keys(models).sort(), ["CorruptModelError", "none"]);
  deepEqual(Object.keys(trainings).sort(), ["RangeError", "none"]);
  deepEqual(handles, { BadResource: 10 });
  equal(growth < 6 * 2 ** 20, true, `memory grew by ${growth} bytes`);
});
