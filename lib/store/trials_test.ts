import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import type { Bias, Prompt } from "../optimize/candidate.ts";
import { candidate } from "../optimize/search.ts";
import { saveDataset } from "./datasets.ts";
import { beginExperiment } from "./experiments.ts";
import { exported } from "./export.ts";
import { readExperiment } from "./overview.ts";
import { testDatabase } from "./testing.ts";
import { findPrompt, promptId, readKept, savePrompt, saveScores, saveTrials } from "./trials.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

Deno.test("saveTrials() keeps a prompt with its bias, and forgets the scores of one that differs in it alone", async () => {
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
      ...{ accepted: true, reason: "a test", calls: 0, incumbent: 0 },
    };
    await saveTrials(db, id, [trial]);
    equal(await scores(), left);

    deepEqual(await findPrompt(db, `${id}:0`), { id: promptId(id, 0), prompt });
    deepEqual((await readExperiment(db, id)).trials.map((row) => row.bias), [bias ?? null]);
    const [row] = await Array.fromAsync(exported(db, id, ["trials"]));
    deepEqual(row!.row.bias, bias ?? null);
    const kept = await readKept(db, id);
    await db.query("update trials set reason = 'untouched'");
    await saveTrials(db, id, [trial], kept); // is kept as it is, in whichever order
    deepEqual((await db.query("select reason from trials")).rows, [{ reason: "untouched" }]);

    await db.query(
      `insert into scores (prompt_id, example_id, completion_key, value)
       select $1, id, repeat('a', 64), 1 from examples on conflict do nothing`,
      [promptId(id, 0)],
    );
  }
});

Deno.test("saveScores() reads each example once, also where the planner knows other datasets only", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const many = 1500;
  const saved = async (name: string) => {
    const validation = Array.from({ length: many }, (_, i) => ({
      ...{ id: `${name} ${i}`, question: `${name} ${i}?` },
      references: ["yes"],
    }));
    const sha256 = name.padEnd(64, "0");
    return {
      validation,
      datasetId: await saveDataset(db, { name, sha256, card: {}, train: [], validation, test: [] }),
    };
  };
  await saved("a");
  await db.query("analyze");
  const { validation, datasetId } = await saved("b");
  await db.query(
    `insert into completions (key, model, identity, request, text, finish)
     values (repeat('a', 64), 'm', '{}', '{}', 'yes', 'stop')`,
  );
  const experimentId = crypto.randomUUID();
  await beginExperiment(db, { id: experimentId, kind: "optimize", datasetId, seed: 1, config: {} });
  const prompt: Prompt = { systemPrompt: "", outputPrompt: "", demos: [] };
  await savePrompt(db, experimentId, { version: 0, prompt, operator: "seed", parents: [], note: "" });
  const results = [...validation, { ...validation[0]!, id: "unknown" }].map((example) => ({
    ...{ example, version: 0, answer: "yes", score: 1, completion: "a".repeat(64) },
  }));

  const read = await db.session(async (own) => {
    const count = async () => {
      await own.query("select pg_stat_force_next_flush()");
      const { rows: [row] } = await own.query<{ n: number }>(
        "select seq_tup_read + idx_tup_fetch as n from pg_stat_user_tables where relname = 'examples'",
      );
      return row!.n;
    };
    await count();
    const before = await count();
    await saveScores(own, { experimentId, datasetId, results });
    await count();
    return await count() - before;
  });
  ok(read <= 10 * many, `${read} rows of examples were read for ${many} scores`);
  const { rows: [row] } = await db.query<{ n: number }>("select count(*)::int as n from scores");
  equal(row!.n, many);
});

Deno.test("forgetOthers() and saveTrials() find what goes with a prompt by an index", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { rows } = await db.query<{ column: string }>(
    `select f.conrelid::regclass || '.' || a.attname as column
       from pg_constraint f
       join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
      where f.contype = 'f' and f.confrelid in ('prompts'::regclass, 'iterations'::regclass)
        and not exists (select from pg_index i where i.indrelid = f.conrelid and i.indkey[0] = f.conkey[1])
      order by 1`,
  );
  deepEqual(rows, [], "PostgreSQL looks for what refers to each row that is deleted");
});
