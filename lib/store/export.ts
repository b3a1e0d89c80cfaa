/**
 * Everything that is known of an experiment, row by row, for other programs: no more than a few hundred rows are held at a
 * time, however many there are.
 *
 * ```ts ignore
 * for await (const { table, row } of exported(db, id, ["trials", "answers"])) console.log(table, row);
 * ```
 *
 * @module
 */
import type { Queryable } from "./db.ts";

/** What can be exported, in the order in which it is. */
export const TABLES = ["experiment", "trials", "scores", "answers", "calls"] as const;
export type Table = typeof TABLES[number];

/** A value of a cell: times are Dates, lists and objects as JSON knows them. */
export type Row = Readonly<Record<string, unknown>>;

/** Columns of each table, in their order. */
export const COLUMNS: Readonly<Record<Table, readonly string[]>> = {
  experiment: [
    ...[
      "id",
      "kind",
      "status",
      "stop_reason",
      "error",
      "dataset",
      "dataset_sha256",
      "seed",
      "config",
      "started_at",
    ],
    ...[
      "ended_at",
      "seconds",
      "cached",
      "trials",
      "before",
      "after",
      "improvement",
      "ci_low",
      "ci_high",
      "p_value",
    ],
    ...["significant", "test", "test_n", "calls", "cost_usd"],
  ],
  trials: [
    ...[
      "index",
      "iteration",
      "operator",
      "parent",
      "prompt_id",
      "system_prompt",
      "output_prompt",
      "demos",
      "bias",
      "metadata",
    ],
    ...["validation", "validation_low", "validation_high", "questions_seen", "gain", "gain_n", "predicted"],
    ...["accepted", "reason", "calls"],
  ],
  scores: ["version", "prompt_id", "split", "metric", "signature", "value", "n", "ci_low", "ci_high"],
  answers: ["version", "prompt_id", "split", "example", "question", "reference_texts", "answer", "score"],
  calls: [
    ...[
      "id",
      "role",
      "model",
      "key",
      "attempt",
      "state",
      "prompt_tokens",
      "completion_tokens",
      "cost_usd",
      "ms",
    ],
    ...["finish", "text", "error", "failure", "status", "retryable", "sent_at", "ended_at"],
  ],
};

/** Rows of one statement: each may be a megabyte. */
const PAGE = 200;

/** The rows of `tables`; of the experiment itself there is one. What is written meanwhile may be in it, or not. */
export async function* exported(
  db: Queryable,
  id: string,
  tables: readonly Table[] = TABLES,
): AsyncGenerator<{ readonly table: Table; readonly row: Row }> {
  for (const table of TABLES.filter((table) => tables.includes(table))) {
    for await (const row of READERS[table](db, id)) yield { table, row };
  }
}

const READERS: Readonly<Record<Table, (db: Queryable, id: string) => AsyncIterable<Row>>> = {
  async *experiment(db, id) {
    const { rows } = await db.query<Row>(
      `select ${columns("experiment")} from experiment_overview where id = $1`,
      [id],
    );
    yield* rows;
  },
  trials: (db, id) =>
    pages<{ index: number }, number>(-1, ({ index }) => index, (after) =>
      db.query(
        `select ${columns("trials")}
           from trial_overview
          where experiment_id = $1 and index > $2
          order by index
          limit ${PAGE}`,
        [id, after],
      )),
  async *scores(db, id) {
    const { rows } = await db.query<Row>(
      `select p.version, m.prompt_id, m.split, m.metric, m.signature, m.value, m.n, m.ci_low, m.ci_high
         from metrics_records m
         join prompts p on p.id = m.prompt_id
        where m.experiment_id = $1
        order by p.version, m.split, m.metric`,
      [id],
    );
    yield* rows;
  },
  // One prompt after the other, as their answers are found by it
  async *answers(db, id) {
    const { rows: prompts } = await db.query<{ id: string }>(
      "select id from prompts where experiment_id = $1 order by version",
      [id],
    );
    for (const prompt of prompts) {
      yield* pages<{ example: string }, string>("", ({ example }) => example, (after) =>
        db.query(
          `select ${columns("answers")}
             from answers
            where prompt_id = $1 and example > $2
            order by example
            limit ${PAGE}`,
          [prompt.id, after],
        ));
    }
  },
  async *calls(db, id) {
    const rows = pages<{ place: string; id: string }, readonly [string, string]>(
      ["-infinity", "00000000-0000-0000-0000-000000000000"],
      ({ place, id }) => [place, id],
      ([sentAt, after]) =>
        db.query(
          `select a.id, a.role, a.model, a.key, a.attempt, a.state, a.prompt_tokens, a.completion_tokens,
                  a.cost_usd::float8 as cost_usd, a.ms, c.finish, c.text, a.error, a.failure, a.status, a.retryable,
                  a.sent_at, a.ended_at, a.sent_at::text as place
             from calls a
             left join completions c on c.key = a.completion_key
            where a.experiment_id = $1 and (a.sent_at, a.id) > ($2::timestamptz, $3::uuid)
            order by a.sent_at, a.id
            limit ${PAGE}`,
          [id, sentAt, after],
        ),
    );
    for await (const { place: _, ...row } of rows) yield row;
  },
};

const columns = (table: Table): string => COLUMNS[table].map((name) => `"${name}"`).join(", ");

/** Reads on after the last row of a page until there is none. */
async function* pages<Page extends object, Place>(
  first: Place,
  placeOf: (row: Page) => Place,
  read: (after: Place) => Promise<{ rows: object[] }>,
): AsyncGenerator<Page & Row> {
  for (let after = first;;) {
    const { rows } = await read(after) as { rows: (Page & Row)[] };
    yield* rows;
    if (rows.length < PAGE) return;
    after = placeOf(rows.at(-1)!);
  }
}
