import { deepEqual, equal } from "node:assert/strict";
import type { Bias, Prompt } from "../optimize/candidate.ts";
import { candidate } from "../optimize/search.ts";
import { saveDataset } from "./datasets.ts";
import { beginExperiment } from "./experiments.ts";
import { exported } from "./export.ts";
import { readExperiment } from "./overview.ts";
import { testDatabase } from "./testing.ts";
import { findPrompt, promptId, readKept, saveTrial } from "./trials.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

Deno.test("saveTrial() keeps a prompt with its bias, and forgets the scores of one that differs in it alone", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const example = { id: "a", question: "?", references: ["yes"] };
  const splits = { train: [], validation: [example], test: [] };
  const datasetId = await saveDataset(db, { name: "tiny", sha256: "0".repeat(64), card: {}, ...splits });
  await db.query(
    `insert into completions (key, model, identity, request, text, finish)
     values (repeat('a', 64), 'm', '{}', '{}', 'yes', 'stop')`,
  );
  const id = crypto.randomUUID();
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: 1, config: {} });

  const scores = async () => {
    const { rows: [{ n } = { n: 0 }] } = await db.query<{ n: number }>(
      "select count(*)::int as n from scores",
    );
    return n;
  };
  /** Each is kept in the place of the one before, which had a score: whether that is left. */
  const rows: [bias: Bias | undefined, left: number][] = [
    [undefined, 0],
    [undefined, 1],
    [{ no: 1e-7, 'it\'s "yes"': -2.1, abbreviation: -100 }, 0],
    [{ abbreviation: -100, 'it\'s "yes"': -2.1, no: 1e-7 }, 1], // in another order
    [{ abbreviation: -100, 'it\'s "yes"': -2.1, no: 2e-7 }, 0],
    [undefined, 0],
  ];
  for (const [bias, left] of rows) {
    const prompt: Prompt = {
      systemPrompt: "Be brief.",
      outputPrompt: "",
      demos: [],
      ...bias ? { bias } : {},
    };
    const made = candidate(0, { prompt, operator: "seed", parents: [], note: "" });
    const trial = {
      ...{ candidate: made, iteration: 0, predicted: null },
      ...{ accepted: true, reason: "a test", calls: 0 },
    };
    await saveTrial(db, id, trial, 0);
    equal(await scores(), left);

    deepEqual(await findPrompt(db, `${id}:0`), { id: promptId(id, 0), prompt });
    deepEqual((await readExperiment(db, id)).trials.map((row) => row.bias), [bias ?? null]);
    const [row] = await Array.fromAsync(exported(db, id, ["trials"]));
    deepEqual(row!.row.bias, bias ?? null);
    const kept = await readKept(db, id);
    await db.query("update trials set reason = 'untouched'");
    await saveTrial(db, id, trial, 0, kept); // is kept as it is, in whichever order
    deepEqual((await db.query("select reason from trials")).rows, [{ reason: "untouched" }]);

    await db.query(
      `insert into scores (prompt_id, example_id, completion_key, value)
       select $1, id, repeat('a', 64), 1 from examples on conflict do nothing`,
      [promptId(id, 0)],
    );
  }
});
