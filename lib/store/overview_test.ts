import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import type { Database, Queryable } from "./db.ts";
import { exported } from "./export.ts";
import { listExperiments, readExperiment } from "./overview.ts";
import { readSweep } from "./sweeps.ts";
import { testDatabase } from "./testing.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;
const SWEEP = "00000000-0000-4000-8000-000000000002";

/** Four hundred experiments with fifty calls and fifty scores each; a sweep of three of them. */
const MANY = `
  insert into datasets (id, name, sha256) values ('00000000-0000-4000-8000-000000000001', 'd', repeat('a', 64));
  insert into examples (dataset_id, split, position, key, question, reference_texts)
    select '00000000-0000-4000-8000-000000000001', 'test', n, 'k' || n, 'q', '{a}' from generate_series(1, 25) as n;
  insert into experiments (id, kind, dataset_id, seed, config, started_at)
    select md5('x' || n)::uuid, 'optimize', '00000000-0000-4000-8000-000000000001', n, '{}', now() - n * interval '1 minute'
      from generate_series(1, 400) as n;
  insert into prompts (id, experiment_id, version, parent_id, operator, system_prompt, output_prompt, demos)
    select md5('p' || n || '/' || v)::uuid, md5('x' || n)::uuid, v, case when v > 0 then md5('p' || n || '/0')::uuid end,
           'o', '', '', '[]'
      from generate_series(1, 400) as n, generate_series(0, 1) as v;
  insert into completions (key, model, identity, request, text, finish)
    values (repeat('b', 64), 'm', '{}', '{}', 't', 'stop');
  insert into scores (prompt_id, example_id, completion_key, value)
    select p.id, e.id, repeat('b', 64), 0.5 from prompts p, examples e;
  insert into metrics_records (experiment_id, prompt_id, split, metric, signature, value, n, ci_low, ci_high)
    select experiment_id, id, 'test', 'm', 'm', 0.5, 25, 0.375, 0.625 from prompts;
  insert into calls (id, experiment_id, role, model, key, attempt, reserved_tokens, reserved_usd)
    select gen_random_uuid(), md5('x' || n)::uuid, (array['primary', 'optimizer'])[c % 2 + 1], 'm', repeat('c', 64), 1, 10, 0.5
      from generate_series(1, 400) as n, generate_series(1, 50) as c;
  insert into sweeps (id, config) values ('${SWEEP}', '{}');
  insert into sweep_experiments (sweep_id, position, experiment_id, dataset, dataset_id, seed, config)
    select '${SWEEP}', n, md5('x' || n)::uuid, 'd', '00000000-0000-4000-8000-000000000001', n, '{}'
      from generate_series(1, 3) as n;
  analyze`;

/** The tables that `read` has walked through from one end to the other. */
async function walked(db: Database, read: (db: Queryable) => Promise<unknown>): Promise<string[]> {
  const tables = new Set<string>();
  await read({
    async query(sql, params) {
      const { rows } = await db.query<Record<string, string>>(`explain ${sql}`, params);
      for (const [, table] of JSON.stringify(rows).matchAll(/Seq Scan on (\w+)/g)) tables.add(table!);
      return await db.query(sql, params);
    },
  });
  return [...tables].sort();
}

Deno.test("readExperiment(), listExperiments(), readSweep() and exported() read the calls and scores of their own alone", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await db.query(MANY);
  const { rows: [newest] } = await db.query<{ id: string }>("select md5('x1')::uuid as id");
  const { id } = newest!;
  const reads: [what: string, read: (db: Queryable) => Promise<unknown>][] = [
    ["show ID", (db) => readExperiment(db, id)],
    ["show --limit 10", (db) => listExperiments(db, 10)],
    ["a look at a sweep", (db) => readSweep(db, SWEEP)],
    ["export --tables scores", (db) => Array.fromAsync(exported(db, id, ["scores"]))],
  ];
  for (const [what, read] of reads) {
    const tables = await walked(db, read);
    ok(!tables.includes("calls") && !tables.includes("scores"), `${what}: ${tables}`);
  }

  const { experiment, metrics } = await readExperiment(db, id);
  deepEqual([experiment.calls, experiment.cost_usd], [50, 25]);
  deepEqual(metrics.map(({ version, ci_low, ci_high }) => [version, ci_low, ci_high]), [
    [0, 0.375, 0.625],
    [1, 0.375, 0.625],
  ]);
  await db.query("delete from calls where experiment_id = $1", [id]);
  const { rows: [without] } = await db.query(
    "select calls, cost_usd from experiment_overview where id = $1",
    [
      id,
    ],
  );
  deepEqual(without, { calls: 0, cost_usd: 0 });
});
