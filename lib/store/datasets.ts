/**
 * Datasets with their examples: known by the hash of their content, written once.
 *
 * @module
 */
import { point } from "../cut.ts";
import type { Card, Dataset, Example, SplitName } from "../dataset/example.ts";
import type { Database, Queryable } from "./db.ts";

/** Rows of one statement: large enough to be fast, small enough to stay far from the protocol's limits. */
const BATCH = 5_000;

/** Keeps a dataset; gives its id. One that is known already is not written again. */
export async function saveDataset(db: Database, dataset: Dataset): Promise<string> {
  const known = await idOf(db, dataset.sha256);
  if (known !== undefined) return known;
  await db.transaction(async (tx) => {
    await tx.query(
      `insert into datasets (name, sha256, card)
       values ($1, $2, $3)
       on conflict (sha256) do nothing`,
      [dataset.name, dataset.sha256, dataset.card],
    );
    const id = await idOf(tx, dataset.sha256);
    for (const split of ["train", "validation", "test"] as const) {
      for (let from = 0; from < dataset[split].length; from += BATCH) {
        const rows = dataset[split].slice(from, from + BATCH).map((example, i) => ({
          ...example,
          position: from + i,
        }));
        await tx.query(
          `insert into examples (dataset_id, split, position, key, question, reference_texts)
           select $1, $2, position, id, question, array(select jsonb_array_elements_text("references"))
             from jsonb_to_recordset($3) as row (position int, id text, question text, "references" jsonb)
           on conflict (dataset_id, key) do nothing`,
          [id, split, JSON.stringify(rows)],
        );
      }
    }
    point("dataset: before commit");
  });
  point("dataset: committed");
  return (await idOf(db, dataset.sha256))!;
}

/** Reads a dataset back as it was; throws a RangeError when there is none with this id. */
export async function loadDataset(db: Queryable, id: string): Promise<Dataset> {
  const { rows: [dataset] } = await db.query<{ name: string; sha256: string; card: Card }>(
    "select name, sha256, card from datasets where id = $1",
    [id],
  );
  if (!dataset) throw new RangeError(`Cannot load dataset ${id} as there is none with this id`);
  // as JSON in batches: thousands of rows cost the driver five times as much
  const { rows: batches } = await db.query<{ split: SplitName; examples: [string, string, string[]][] }>(
    `select split, json_agg(json_build_array(key, question, reference_texts) order by position) as examples
       from examples
      where dataset_id = $1
      group by split, position / $2
      order by split, position / $2`,
    [id, BATCH],
  );
  const split = (name: SplitName): Example[] =>
    batches.filter((batch) => batch.split === name).flatMap(({ examples }) =>
      examples.map(([id, question, references]) => ({ id, question, references }))
    );
  return { ...dataset, train: split("train"), validation: split("validation"), test: split("test") };
}

async function idOf(db: Queryable, sha256: string): Promise<string | undefined> {
  const { rows: [row] } = await db.query<{ id: string }>("select id from datasets where sha256 = $1", [
    sha256,
  ]);
  return row?.id;
}
