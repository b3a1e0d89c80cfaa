/**
 * Reads a dataset: a file of questions, checked, split and signed.
 *
 * @module
 */
import { createHash, hash } from "node:crypto";
import { readCard } from "./card.ts";
import { DatasetError, visible } from "./dataset_error.ts";
import type { Dataset, Example, SplitName } from "./example.ts";
import { type CheckedRow, checkRow, SPLITS } from "./row.ts";
import { readCsv, readJsonl, type Row } from "./rows.ts";
import { FRACTIONS, type Fractions, normalize, splitBySeed } from "./split.ts";

/** How far the reading is, told about four times a megabyte. */
export interface ReadProgress {
  readonly bytes: number;
  readonly totalBytes: number;
  readonly rows: number;
  /** Rows left out because an earlier one asks and answers the same. */
  readonly repeated: number;
}

/** How to read a dataset. */
export interface ReadOptions {
  /** Splits the rows of a file that does not do it itself; otherwise without effect. */
  seed: number | string;
  /** The share of each split, for a file without `split`. @default {{ train: 0.25, validation: 0.25, test: 0.5 }} */
  fractions?: Fractions;
  onProgress?: (progress: ReadProgress) => void;
}

/**
 * The dataset in the JSONL or CSV file at `path`, with the card beside it.
 *
 * A row is `question`, `answer` (several count as right when it is a list; in CSV in further columns `answer_2`,
 * `answer_3` …) and, if wanted, `split` and `id`; other fields are let pass and left out. Texts are kept as they
 * are. Either every row has a `split` or none has; then the seed splits them, see {@link splitBySeed}. A question
 * belongs to one split and has one set of answers, where white space and case do not make another question; asked
 * and answered twice in a split, it counts once.
 *
 * The file is read in pieces; besides the examples only a digest of each question is held. Throws a DatasetError
 * that names file, line and field.
 */
export async function readDataset(
  path: string,
  { seed, fractions = FRACTIONS, onProgress = () => {} }: ReadOptions,
): Promise<Dataset> {
  const read = reader(path);
  const rows = collect(path);
  await read(path, rows.add, (bytes, totalBytes) => onProgress({ bytes, totalBytes, ...rows.counts() }));
  const card = await readCard(path);
  const { examples, splits } = rows.all();
  const parts = bySplit(path, examples, splits ?? splitBySeed(examples, seed, fractions));
  return { name: nameOf(path), sha256: sign(parts), card, ...parts };
}

function reader(path: string): typeof readJsonl {
  if (/\.jsonl$/i.test(path)) return readJsonl;
  if (/\.csv$/i.test(path)) return readCsv;
  throw new DatasetError("its name must end in .jsonl or .csv", path);
}

/** The name of a dataset: that of its file, without folder and ending. */
export const nameOf = (path: string): string => path.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, "");

/** Takes rows in the order of the file and refuses the first that does not go with those before it. */
function collect(path: string) {
  const examples: Example[] = [];
  const splits: SplitName[] = []; // empty when the file does not split
  const lines: number[] = [];
  const byId = new Map<string, number>();
  const byQuestion = new Map<string, number>(); // a digest, so that no second copy of the text is held
  let ordinal = 0, repeated = 0;

  const refuse = (line: number, problem: string): never => {
    throw new DatasetError(problem, path, line);
  };

  const add = (row: Row): void => {
    const { line, example, split } = checkRow(row, path, ++ordinal);
    const hasSplit = split !== undefined, firstHasSplit = splits.length > 0;
    if (examples.length > 0 && hasSplit !== firstHasSplit) {
      const [wanted, first] = firstHasSplit ? ["a", "with"] : ["no", "without"];
      refuse(
        line,
        `must have ${wanted} "split", line ${lines[0]} being ${first} one: got ${visible(row.text)}`,
      );
    }
    const sameId = byId.get(example.id);
    if (sameId !== undefined) {
      refuse(line, `must have an "id" of its own: got "${visible(example.id)}", which is on line ${sameId}`);
    }
    byId.set(example.id, line);
    const digest = hash("sha256", normalize(example.question), "base64");
    const same = byQuestion.get(digest);
    if (same !== undefined) return repeat({ line, example, split }, same);
    byQuestion.set(digest, examples.length);
    examples.push(example);
    lines.push(line);
    if (split) splits.push(split);
  };

  const repeat = ({ line, example, split }: CheckedRow, same: number): void => {
    const asked = `line ${lines[same]} asks`;
    const { question, references } = example;
    if (split !== splits[same]) {
      refuse(line, `must not ask in ${split} what ${asked} in ${splits[same]}: got ${visible(question)}`);
    }
    if (!sameTexts(references, examples[same]!.references)) {
      const got = `got ${visible(references.join(", "))}, write all right answers into one row`;
      refuse(line, `must have the answers of what ${asked} too: ${got}`);
    }
    repeated++;
  };

  return {
    add,
    counts: () => ({ rows: ordinal, repeated }),
    all: () => ({ examples, splits: splits.length > 0 ? splits : undefined }),
  };
}

const sameTexts = (a: readonly string[], b: readonly string[]): boolean =>
  JSON.stringify([...new Set(a)].sort()) === JSON.stringify([...new Set(b)].sort());

function bySplit(path: string, examples: readonly Example[], splits: readonly SplitName[]) {
  if (examples.length === 0) throw new DatasetError("it must have at least 3 questions: got none", path);
  const parts: Record<SplitName, Example[]> = { train: [], validation: [], test: [] };
  examples.forEach((example, i) => parts[splits[i]!].push(example));
  const empty = SPLITS.find((split) => parts[split].length === 0);
  if (empty !== undefined) {
    throw new DatasetError(
      `it must have at least 3 questions, one for each split: got ${examples.length} and none for ${empty}`,
      path,
    );
  }
  return parts;
}

/**
 * SHA-256 over the JSON array `[split, id, question, ...references]` of each example and a newline, split after
 * split, in the order of the file. Layout, order of keys and line ends of the file do not enter.
 */
function sign(splits: Readonly<Record<SplitName, readonly Example[]>>): string {
  const digest = createHash("sha256");
  for (const split of SPLITS) {
    for (const { id, question, references } of splits[split]) {
      digest.update(JSON.stringify([split, id, question, ...references]) + "\n");
    }
  }
  return digest.digest("hex");
}
