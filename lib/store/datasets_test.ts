import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { readDataset } from "../dataset/mod.ts";
import { loadDataset, saveDataset } from "./datasets.ts";
import { testDatabase } from "./testing.ts";

const ROOT = `${import.meta.dirname}/../..`;

Deno.test("saveDataset() writes a dataset once, and loadDataset() gives it back as it was", async () => {
  await using db = await testDatabase({ folder: `${ROOT}/sql` });
  for (const name of ["capitals", "headlines"]) {
    const dataset = await readDataset(`${ROOT}/data/tasks/${name}.jsonl`, { seed: 1 });
    const id = await saveDataset(db, dataset);
    equal(await saveDataset(db, dataset), id);
    deepEqual(await loadDataset(db, id), dataset);
  }
  const { rows } = await db.query("select from datasets");
  equal(rows.length, 2);
});

Deno.test("saveDataset() by several at once makes one dataset", async () => {
  await using db = await testDatabase({ folder: `${ROOT}/sql` });
  const dataset = await readDataset(`${ROOT}/data/tasks/topics.jsonl`, { seed: 1 });
  const ids = await Promise.all(Array.from({ length: 5 }, () => saveDataset(db, dataset)));
  equal(new Set(ids).size, 1);
  deepEqual(await loadDataset(db, ids[0]!), dataset);
});

Deno.test("saveDataset() takes more examples than fit into one statement", async () => {
  await using db = await testDatabase({ folder: `${ROOT}/sql` });
  const examples = Array.from(
    { length: 12_001 },
    (_, i) => ({ id: `${i}`, question: `${i}?`, references: ["a", "b"] }),
  );
  const dataset = {
    name: "large",
    sha256: "a".repeat(64),
    card: {},
    train: examples.slice(0, 1),
    validation: examples.slice(1, 2),
    test: examples.slice(2),
  };
  deepEqual(await loadDataset(db, await saveDataset(db, dataset)), dataset);
});

Deno.test("loadDataset() says when there is none", async () => {
  await using db = await testDatabase({ folder: `${ROOT}/sql` });
  await rejects(loadDataset(db, crypto.randomUUID()), RangeError);
});
