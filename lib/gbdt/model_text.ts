/**
 * LightGBM's text of a model, checked before LightGBM reads it: it believes every count and index in there, and a text that
 * was cut off ends the process.
 *
 * A text that was saved here ends with the SHA-256 of all before that line; Python's lightgbm does not mind the line. One from
 * Python has none. Either must be whole: header, as many trees as announced, each of them one binary tree.
 *
 * ```ts
 * import { CorruptModelError, parseModel } from "./model_text.ts";
 * import { throws } from "node:assert/strict";
 *
 * throws(() => parseModel("tree\nversion=v4\nnum_cl"), CorruptModelError);
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A saved model is damaged or not one of ours, so it cannot be used; another one may be. */
export class CorruptModelError extends Error {
  override name = "CorruptModelError";
}

const corrupt = (why: string): CorruptModelError => new CorruptModelError(`Cannot load the model as ${why}`);

/** The text with its checksum as the last line. */
export const sealed = (text: string): string => `${text}\nsha256:${digest(text)}\n`;

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What of a sound text matters to us. */
export interface ModelText {
  /** For LightGBM: without our checksum. */
  readonly text: string;
  readonly features: readonly string[];
}

const HEADER = new RegExp(
  [
    "^tree",
    "version=v4",
    "num_class=1",
    "num_tree_per_iteration=1",
    "label_index=0",
    "max_feature_idx=(?<last>[0-9]{1,9})",
    "objective=regression",
    "(?:average_output\n)?feature_names=(?<names>.+)",
    "feature_infos=(?<infos>[^=\n]+)",
    "tree_sizes=(?<sizes>[0-9 ]*)\n\n",
  ].join("\n"),
);

/** After the trees: the last line is Python's. */
const END =
  /^end of trees\n\nfeature_importances:\n(?:[^\n]+=[0-9]+\n)*\nparameters:\n(?:\[[^\n]*\]\n)*\nend of parameters\n(?:\npandas_categorical:null\n)?$/;

/** Checks a text, whoever saved it. Throws CorruptModelError. */
export function parseModel(saved: string): ModelText {
  const text = unsealed(saved);
  if (/[\0\r]/.test(text)) throw corrupt("it is no plain text with line feeds");
  const found = HEADER.exec(text);
  if (!found) throw corrupt("it does not begin as LightGBM's text of a regression does");
  const header = found.groups!;
  const features = header.names!.split(" ");
  const wanted = Number(header.last) + 1;
  const infos = header.infos!.split(" ");
  if (features.length !== wanted || infos.length !== wanted || [...features, ...infos].includes("")) {
    throw corrupt(`there must be ${wanted} features: got ${features.length}`);
  }
  const sizes = header.sizes === "" ? [] : header.sizes!.split(" ").map(Number);
  if (sizes.length === 0) throw corrupt("it has no tree");
  let at = found[0].length;
  for (const [i, size] of sizes.entries()) {
    checkTree(text.slice(at, at + size), i, wanted);
    at += size;
  }
  if (!END.test(text.slice(at))) throw corrupt("it does not end as LightGBM's text does");
  return { text, features };
}

/** The text without its checksum, if it has one; that is checked. */
function unsealed(saved: string): string {
  const [line, sum] = /\nsha256:([0-9a-f]{64})\n$/.exec(saved) ?? [];
  if (line === undefined) return saved;
  const text = saved.slice(0, -line.length);
  if (digest(text) !== sum) throw corrupt("its checksum differs: it was changed after it was saved");
  return text;
}

const NUMBER = "-?(?:[0-9]+(?:\\.[0-9]+)?(?:e[+-][0-9]+)?|inf|nan)", WHOLE = "-?[0-9]{1,10}";

/** The lines of a tree in their order: how many numbers, and which. A tree of n leaves has n - 1 splits. */
const FIELDS = Object.entries(
  {
    num_leaves: ["one", "[1-9][0-9]{0,5}"],
    num_cat: ["one", "0"],
    split_feature: ["splits", WHOLE],
    split_gain: ["splits", NUMBER],
    threshold: ["splits", NUMBER],
    decision_type: ["splits", "[0-9]{1,2}"],
    left_child: ["splits", WHOLE],
    right_child: ["splits", WHOLE],
    leaf_value: ["leaves", NUMBER],
    leaf_weight: ["leaves", NUMBER],
    leaf_count: ["leaves", WHOLE],
    internal_value: ["splits", NUMBER],
    internal_weight: ["splits", NUMBER],
    internal_count: ["splits", WHOLE],
    is_linear: ["one", "0"],
    shrinkage: ["one", NUMBER],
  } as const,
).map(([name, [size, number]]) => ({ name, size, form: new RegExp(`^(?:${number}(?: (?!$)|$))*$`) }));

const TREE = new RegExp(
  `^Tree=(?<index>[0-9]+)\n${FIELDS.map(({ name }) => `${name}=(?<${name}>.*)\n`).join("")}\n\n$`,
);

/** Throws unless the text is one binary tree whose splits go by features that there are. */
function checkTree(text: string, index: number, features: number): void {
  const fail = (why: string) => corrupt(`its tree ${index} ${why}`);
  const found = TREE.exec(text)?.groups;
  if (!found || Number(found.index) !== index) throw fail("is not whole");
  const numbers = (name: string) => found[name] === "" ? [] : found[name]!.split(" ");
  const leaves = Number(found.num_leaves);
  const sizes = { one: 1, splits: leaves - 1, leaves };
  for (const { name, size, form } of FIELDS) {
    const absent = name === "leaf_weight" && leaves === 1 && found[name] === ""; // Python leaves it out
    if (!form.test(found[name]!) || numbers(name).length !== sizes[size] && !absent) {
      throw fail(`has a wrong ${name}`);
    }
  }
  if (numbers("split_feature").some((feature) => Number(feature) < 0 || Number(feature) >= features)) {
    throw fail("splits by a feature that is not there");
  }
  if (numbers("decision_type").some((type) => Number(type) % 2 === 1)) throw fail("splits by category");
  const reached = new Set<number>();
  for (const side of ["left_child", "right_child"]) {
    for (const [parent, child] of numbers(side).map(Number).entries()) {
      // A split comes after the one above it, so that there is no way back.
      if (child < -leaves || child >= leaves - 1 || child >= 0 && child <= parent) throw fail("is no tree");
      reached.add(child);
    }
  }
  if (reached.size !== 2 * (leaves - 1)) throw fail("is no tree");
}
