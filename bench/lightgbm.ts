/**
 * Our training, cross-validation and prediction against Python's lightgbm, with the same library, parameters, rows and one
 * thread: `deno task bench lightgbm`.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { fileURLToPath } from "node:url";
import { crossValidate, predict, saveModel, train } from "../lib/gbdt/mod.ts";
import { nativeParams } from "../lib/gbdt/params.ts";
import { findLibrary, Lightgbm } from "../lib/native/mod.ts";
import { beside } from "./beside.ts";
import { table } from "./lightgbm_table.ts";
import type { Bench, Row, Tools } from "./row.ts";

const PEER = "lightgbm 4.7.0";
const AT_LEAST = 0.953; // at most 1.05 times the time of the peer
const MIB = 2 ** 20;

/** The sizes are those of prompts that were scored: hundreds to thousands of rows with some 60 features. */
export const bench: Bench = async (tools) => {
  const path = await findLibrary("lightgbm", await tools.python("learn"));
  using lightgbm = new Lightgbm(path);
  const tables = {
    small: table(300, 60, "small"),
    large: table(2000, 60, "large"),
    validation: table(400, 60, "validation"),
    many: table(20_000, 60, "many"),
  };
  const { small, large, validation, many } = tables;
  using booster = train(large, {}, { lightgbm });
  const folds = Array.from({ length: 5 }, (_, k) => Array.from({ length: 60 }, (_, i) => 5 * i + k));
  const all = nativeParams({}), whole = nativeParams({ earlyStopping: 0 });
  const theirs = {
    "lightgbm, train on 300 rows": { work: "train", table: "small", params: whole },
    "lightgbm, train on 2,000 rows, validate on 400": {
      ...{ work: "train", table: "large", validation: "validation", params: all },
    },
    "lightgbm, cross-validate 300 rows": { work: "crossValidate", table: "small", folds, params: all },
    "lightgbm, predict 20,000 rows": { work: "predict", model: "large", table: "many", params: whole },
  };
  const ours: Record<keyof typeof theirs, () => Float64Array> = {
    "lightgbm, train on 300 rows": () => {
      using made = train(small, {}, { lightgbm });
      return predict(made, small.rows);
    },
    "lightgbm, train on 2,000 rows, validate on 400": () => {
      using made = train(large, {}, { lightgbm, validation });
      return predict(made, large.rows);
    },
    "lightgbm, cross-validate 300 rows": () => crossValidate(small, {}, { lightgbm, folds }).predictions,
    "lightgbm, predict 20,000 rows": () => predict(booster, many.rows),
  };
  const rows = await beside(tools, {
    ...{
      script: "lightgbm_peer.py",
      texts: { tables, contests: theirs },
      peer: PEER,
      unit: "times/s of processor",
    },
    ...{ atLeast: AT_LEAST, clock: processor },
    contests: Object.entries(ours).map(([name, work]) => ({
      name,
      items: 1,
      work: () => work().reduce((sum, prediction) => sum + prediction, 0),
    })),
  });
  const difference = await readByPython(tools, {
    text: saveModel(booster),
    rows: validation.rows,
    predictions: [...predict(booster, validation.rows)],
  });
  return [
    ...rows,
    alone("lightgbm, our model read by Python", difference, "largest difference", 1e-9),
    await memory(tools, path),
  ];
};

/**
 * Seconds of all processors that this process used. With one thread on either side that is the time it takes where nobody else
 * computes; that of the wall says on a shared machine who was let in.
 */
const processor = (): number => {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
};

const alone = (name: string, value: number, unit: string, most: number): Row => ({
  ...{
    name,
    value,
    unit,
    peer: null,
    peer_value: null,
    ratio: null,
    bar: `<= ${most}`,
    holds: value <= most,
  },
});

/** By how much Python's predictions with our model differ from ours. */
async function readByPython({ python, folder }: Tools, saved: unknown): Promise<number> {
  const file = `${folder}/saved.json`;
  await Deno.writeTextFile(file, JSON.stringify(saved));
  const script = fileURLToPath(new URL("lightgbm_peer.py", import.meta.url));
  return await printed(await python("bench"), [script, "read", file]);
}

/** MiB that a process grew by, over many trainings after the first hundred. */
async function memory({ quick, log }: Tools, path: string): Promise<Row> {
  const times = quick ? 50 : 1000;
  log(`training ${times} models`);
  const script = fileURLToPath(new URL("lightgbm_memory.ts", import.meta.url));
  const flags = ["run", "-A", "--v8-flags=--expose-gc,--max-semi-space-size=2"];
  const grown = await printed(Deno.execPath(), [...flags, script, path, String(times)]) / MIB;
  return alone("lightgbm, growth of memory", grown, `MiB over ${times} trainings`, 8);
}

/** The number that a command prints. */
async function printed(command: string, args: string[]): Promise<number> {
  const { success, stdout } = await new Deno.Command(command, { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`Cannot measure as ${args.join(" ")} failed: see its message above`);
  return Number(new TextDecoder().decode(stdout));
}
