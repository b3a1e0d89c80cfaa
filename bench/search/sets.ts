/**
 * The question sets of `bench search`: which there are, and what parts those that may be tuned on from those that may not.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { UsageError } from "../../lib/command/mod.ts";
import { type Dataset, nameOf, readDataset } from "../../lib/dataset/mod.ts";

/** Nothing of Quintet was tuned on a bench set; its figures were chosen by tuning sets; your own it has never seen. */
export type Kind = "bench" | "tuning" | "own";

/** A question set by its name, and where its file is. */
export interface QuestionSet {
  readonly name: string;
  readonly path: string;
  readonly kind: Kind;
}

const shipped = (folder: string, kind: Kind, names: readonly string[]): QuestionSet[] =>
  names.map((name) => ({
    ...{ name, kind },
    path: fileURLToPath(new URL(`../../data/${folder}/${name}.jsonl`, import.meta.url)),
  }));

/** What is run unless other is asked for. */
export const BENCH = shipped("bench", "bench", [
  ...["requests", "animals", "reviews", "languages", "past_tense", "opposites"],
]);
/** What is run only when it is named. */
export const TUNING = shipped("tasks", "tuning", ["question_types", "topics", "extraction", "capitals"]);

/** Sets by their names; `.jsonl` and `.csv` files are sets of one's own. A UsageError where there is none, or two of a name. */
export function questionSets(asked: readonly string[]): QuestionSet[] {
  const known = [...BENCH, ...TUNING];
  const sets = asked.map((name) => {
    const set = /[^/\\]\.(?:jsonl|csv)$/i.test(name)
      ? { name: nameOf(name), path: name, kind: "own" as const }
      : known.find((set) => set.name === name);
    if (set) return set;
    const names = known.map((set) => set.name).join(", ");
    throw new UsageError(
      `Cannot run the question set ${
        JSON.stringify(name)
      }: there are ${names}, and files that end in .jsonl or .csv`,
    );
  });
  const again = sets.find(({ name }, i) => sets.findIndex((set) => set.name === name) < i);
  if (again) {
    throw new UsageError(`Cannot run two question sets named ${JSON.stringify(again.name)}: rename one`);
  }
  return sets;
}

/** Options of exact match that the peers' scorer knows, too. */
const OPTIONS = ["ignoreCase", "ignorePunctuation"];

/** Reads a set. A UsageError where its card asks for a score by which the peers cannot be told to search. */
export async function readSet({ path }: QuestionSet): Promise<Dataset> {
  const dataset = await readDataset(path, { seed: 1 });
  const { metric = "exact_match", metricOptions = {} } = dataset.card;
  const beyond = metric === "exact_match"
    ? Object.keys(metricOptions).find((name) => !OPTIONS.includes(name))
    : metric;
  if (beyond !== undefined) {
    throw new UsageError(
      `Cannot compare searches on ${path} as its card asks for ${beyond}: all are scored by exact_match with ${
        OPTIONS.join(" and ")
      } at most`,
    );
  }
  return dataset;
}
