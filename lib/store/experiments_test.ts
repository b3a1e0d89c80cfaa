import { rejects, strictEqual as equal } from "node:assert/strict";
import { beginExperiment, findExperiment } from "./experiments.ts";
import { testDatabase } from "./testing.ts";

Deno.test("findExperiment() finds by id, its beginning, or the latest search, and says why there is none", async () => {
  await using db = await testDatabase({ folder: `${import.meta.dirname}/../../sql` });
  const { rows: [dataset] } = await db.query<{ id: string }>(
    "insert into datasets (name, sha256) values ('d', repeat('0', 64)) returning id",
  );
  const begin = async (kind: "evaluate" | "optimize") => {
    const id = crypto.randomUUID();
    await beginExperiment(db, { id, kind, datasetId: dataset!.id, seed: 1, config: {} });
    return id;
  };
  const fails = (name: string, message: string) =>
    rejects(findExperiment(db, name), { name: "RangeError", message: `Cannot find experiment ${message}` });

  const measured = await begin("evaluate");
  for (const name of [measured, measured.slice(0, 8).toUpperCase()]) {
    equal((await findExperiment(db, name)).id, measured);
  }
  await fails(
    "latest",
    '"latest" as there is no search yet: evaluations are named by their ids, which `deno task show` lists',
  );
  await fails("0123456789", '"0123456789": `deno task show` lists what there is');

  const searched = await begin("optimize");
  await begin("evaluate");
  equal((await findExperiment(db, "latest")).id, searched);
});
