/**
 * Prompts, trials and scores. Ids are made from experiment and version, so that a replay writes the same rows again
 * and changes nothing.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { point } from "../cut.ts";
import type { Bias, Demo, Prompt, Result } from "../optimize/candidate.ts";
import type { Trial } from "../optimize/search.ts";
import type { Comparison } from "../statistics/mod.ts";
import type { Database, Queryable } from "./db.ts";

/** The id of a version of an experiment's prompt: the same whenever it is asked for. */
export const promptId = (experimentId: string, version: number): string =>
  uuid(`${experimentId}/prompt/${version}`);

/** The parts of a prompt as they are kept. */
export interface PromptRow {
  readonly system_prompt: string;
  readonly output_prompt: string;
  readonly demos: readonly Demo[];
  /** Null where nothing is added. */
  readonly bias: Bias | null;
}

/** A prompt of its parts. */
export const promptOf = ({ system_prompt, output_prompt, demos, bias }: PromptRow): Prompt => ({
  ...{ systemPrompt: system_prompt, outputPrompt: output_prompt, demos },
  ...bias ? { bias } : {},
});

/** A result with the version of the prompt it belongs to. */
export type VersionResult = Result & { readonly version: number };

/**
 * Forgets what is left of an earlier run of the same experiment that had other caps and came to other trials: everything
 * that is not of this run, which made `versions` prompts.
 */
export async function forgetOthers(
  db: Database,
  experimentId: string,
  { iterations, versions, results, measured, compared }: {
    iterations: readonly number[];
    versions: number;
    results: readonly VersionResult[];
    /** Versions with a measurement. */
    measured: readonly number[];
    /** Whether there is a claim. */
    compared: boolean;
  },
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query("delete from comparisons where experiment_id = $1 and not $2", [experimentId, compared]);
    await tx.query("delete from iterations where experiment_id = $1 and index <> all($2)", [
      experimentId,
      iterations,
    ]);
    await tx.query("delete from prompts where experiment_id = $1 and version >= $2", [
      experimentId,
      versions,
    ]);
    await tx.query(
      `delete from metrics_records m
        using prompts p
        where p.id = m.prompt_id and p.experiment_id = $1 and p.version <> all($2)`,
      [experimentId, measured],
    );
    await tx.query(
      `with own as materialized (
         select s.prompt_id, s.example_id, p.version
           from prompts p
           join scores s on s.prompt_id = p.id
          where p.experiment_id = $1
       )
       delete from scores s
        using own, examples e
        where e.id = own.example_id and own.version || '/' || e.key <> all($2)
          and s.prompt_id = own.prompt_id and s.example_id = own.example_id`,
      [experimentId, results.map(({ version, example }) => `${version}/${example.id}`)],
    );
    point("others: before commit");
  });
  point("others: forgotten");
}

/**
 * What an earlier run of an experiment has kept, so that its replay, which comes to the same, need not write it again. Told
 * of everything that is written meanwhile.
 */
export interface Kept {
  /** By version, all that is kept of a trial and its prompt. */
  readonly trials: Map<number, string>;
  /** By iteration, the version that was the best once it had ended. */
  readonly incumbents: Map<number, number>;
  /** By version and example, completion and score. */
  readonly scores: Map<number, Map<string, string>>;
  /** By example, the id of its row, as far as it was looked up. */
  readonly examples: Map<string, string>;
}

/** Reads what is kept of an experiment. */
export async function readKept(db: Queryable, experimentId: string): Promise<Kept> {
  const { rows: trials } = await db.query<
    PromptRow & {
      index: number;
      iteration: number;
      incumbent: number;
      operator: string;
      metadata: { parents: number[]; note: string };
      predicted: number | null;
      accepted: boolean;
      reason: string;
      calls: number;
    }
  >(
    `select t.index, i.index as iteration, best.version as incumbent, p.operator, p.metadata, p.system_prompt,
            p.output_prompt, p.demos, p.bias, t.predicted, t.accepted, t.reason, t.calls
       from trials t
       join iterations i on i.id = t.iteration_id
       join prompts best on best.id = i.incumbent_id
       join prompts p on p.id = t.prompt_id
      where t.experiment_id = $1`,
    [experimentId],
  );
  const { rows: scores } = await db.query<{ version: number; scores: Record<string, [string, number]> }>(
    `select p.version,
            json_object_agg((select e.key from examples e where e.id = s.example_id),
                            json_build_array(s.completion_key, s.value)) as scores
       from prompts p
       join scores s on s.prompt_id = p.id
      where p.experiment_id = $1
      group by p.version`,
    [experimentId],
  );
  const marks = (scores: Record<string, [string, number]>) =>
    new Map(
      Object.entries(scores).map(([example, [completion, score]]) => [example, mark(completion, score)]),
    );
  return {
    trials: new Map(trials.map(({ index, metadata, ...trial }) => [
      index,
      print({ ...trial, candidate: { ...trial, ...metadata, prompt: promptOf(trial) } }),
    ])),
    incumbents: new Map(trials.map(({ iteration, incumbent }) => [iteration, incumbent])),
    scores: new Map(scores.map(({ version, scores }) => [version, marks(scores)])),
    examples: new Map(),
  };
}

const nothingKept = (): Kept => ({
  trials: new Map(),
  incumbents: new Map(),
  scores: new Map(),
  examples: new Map(),
});

/** All of a trial that is kept, but for its scores and its iteration's incumbent. */
const print = (
  { candidate: { prompt, operator, parents, note }, iteration, predicted, accepted, reason, calls }:
    & Omit<Trial, "candidate">
    & { candidate: Pick<Trial["candidate"], "prompt" | "operator" | "parents" | "note"> },
): string =>
  JSON.stringify([
    ...[iteration, operator, parents, note, prompt.systemPrompt, prompt.outputPrompt],
    prompt.demos.map(({ question, answer }) => [question, answer]),
    Object.entries(prompt.bias ?? {}).sort(), // jsonb keeps no order
    ...[predicted, accepted, reason, calls],
  ]);

const mark = (completion: string, score: number): string => `${score} ${completion}`;

/** A trial, and the best version once its iteration had ended, as far as that is known. */
export type Decided = Trial & { readonly incumbent: number };

/** Keeps decided trials with their prompts, all or none; those that are `kept` as they are need not be. */
export async function saveTrials(
  db: Database,
  experimentId: string,
  decided: readonly Decided[],
  kept = nothingKept(),
): Promise<void> {
  const trials = decided.filter((trial) => kept.trials.get(trial.candidate.index) !== print(trial));
  if (trials.length === 0) return;
  await db.transaction(async (tx) => {
    for (const trial of trials) await saveTrial(tx, experimentId, trial);
    point("trial: before commit");
  });
  point("trial: committed");
  for (const trial of trials) {
    const { candidate: { index }, iteration, incumbent } = trial;
    kept.trials.set(index, print(trial));
    kept.incumbents.set(iteration, incumbent);
    kept.scores.delete(index); // those of another prompt are forgotten by now
  }
}

async function saveTrial(
  db: Queryable,
  experimentId: string,
  { candidate, iteration, incumbent, predicted, accepted, reason, calls }: Decided,
): Promise<void> {
  const { index, prompt, operator, parents, note, edits = [] } = candidate;
  await savePrompt(db, experimentId, { version: index, prompt, operator, parents, note });
  await db.query(
    `insert into iterations (id, experiment_id, index, incumbent_id)
     values ($1, $2, $3, $4)
     on conflict (id) do update set incumbent_id = excluded.incumbent_id`,
    [
      uuid(`${experimentId}/iteration/${iteration}`),
      experimentId,
      iteration,
      promptId(experimentId, incumbent),
    ],
  );
  await db.query(
    `insert into trials (id, experiment_id, iteration_id, index, prompt_id, predicted, accepted, reason, calls)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (id) do update
        set predicted = excluded.predicted, accepted = excluded.accepted, reason = excluded.reason,
            calls = excluded.calls`,
    [
      uuid(`${experimentId}/trial/${index}`),
      experimentId,
      uuid(`${experimentId}/iteration/${iteration}`),
      index,
      promptId(experimentId, index),
      predicted,
      accepted,
      reason,
      calls,
    ],
  );
  await saveEdits(db, experimentId, { version: index, parents, edits });
}

/** Keeps which version was the best when an iteration had ended, unless that is `kept`. */
export async function saveIncumbent(
  db: Queryable,
  experimentId: string,
  { iteration, incumbent }: { iteration: number; incumbent: number },
  kept: Kept,
): Promise<void> {
  if (kept.incumbents.get(iteration) === incumbent) return;
  await db.query("update iterations set incumbent_id = $2 where id = $1", [
    uuid(`${experimentId}/iteration/${iteration}`),
    promptId(experimentId, incumbent),
  ]);
  kept.incumbents.set(iteration, incumbent);
}

/** Keeps the edits by which the experiment's policy made a version; what was kept for another prompt there is forgotten. */
async function saveEdits(
  db: Queryable,
  experimentId: string,
  { version, parents: [edited = 0], edits }: {
    version: number;
    parents: readonly number[];
    edits: NonNullable<Trial["candidate"]["edits"]>;
  },
): Promise<void> {
  const result = promptId(experimentId, version);
  await db.query("delete from rl_actions where result_id = $1", [result]);
  if (edits.length === 0) return;
  await db.query(
    `insert into rl_actions (id, rl_model_id, prompt_id, result_id, step, action, predicted_reward)
     select made.id, (x.config ->> 'policy_model')::uuid, $2, $3, made.step, made.action, made.predicted
       from experiments x,
            unnest($4::uuid[], $5::int[], $6::text[], $7::float8[]) as made (id, step, action, predicted)
      where x.id = $1 and x.config ->> 'policy_model' is not null`,
    [
      experimentId,
      promptId(experimentId, edited),
      result,
      edits.map((_, step) => uuid(`${experimentId}/edit/${version}/${step}`)),
      edits.map((_, step) => step),
      edits.map(({ action }) => action),
      edits.map(({ predicted }) => predicted),
    ],
  );
}

/**
 * Keeps a prompt of an experiment under its version. Scores and features of another prompt that was there before are
 * forgotten.
 */
export async function savePrompt(
  db: Queryable,
  experimentId: string,
  { version, prompt, operator, parents, note }: {
    version: number;
    prompt: Prompt;
    operator: string;
    parents: readonly number[];
    note: string;
  },
): Promise<string> {
  const id = promptId(experimentId, version);
  await db.query(
    `with others as (
       select id
         from prompts
        where id = $1 and (system_prompt, output_prompt, demos, bias) is distinct from ($6, $7, $8::jsonb, $10::jsonb)
     ), their_scores as (
       delete from scores where prompt_id in (select id from others)
     ), their_measurements as (
       delete from metrics_records where prompt_id in (select id from others)
     ), their_features as (
       delete from prompt_features where prompt_id in (select id from others)
     )
     insert into prompts (id, experiment_id, version, parent_id, operator, system_prompt, output_prompt, demos, metadata,
                          bias)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (id) do update
        set parent_id = excluded.parent_id, operator = excluded.operator, system_prompt = excluded.system_prompt,
            output_prompt = excluded.output_prompt, demos = excluded.demos, metadata = excluded.metadata,
            bias = excluded.bias`,
    [
      id,
      experimentId,
      version,
      parents[0] === undefined ? null : promptId(experimentId, parents[0]),
      operator,
      prompt.systemPrompt,
      prompt.outputPrompt,
      JSON.stringify(prompt.demos),
      { parents, note },
      prompt.bias ?? null,
    ],
  );
  return id;
}

/** Keeps what answers were worth, unless it is `kept` as it is. The prompts and examples must have been kept before. */
export async function saveScores(
  db: Queryable,
  { experimentId, datasetId, results: all }: {
    experimentId: string;
    datasetId: string;
    results: readonly VersionResult[];
  },
  kept = nothingKept(),
): Promise<void> {
  const results = all.filter(({ version, example, completion, score }) =>
    kept.scores.get(version)?.get(example.id) !== mark(completion, score)
  );
  if (results.length === 0) return;
  await lookUp(db, datasetId, new Set(results.map(({ example }) => example.id)), kept.examples);
  const versions = new Set(results.map(({ version }) => version));
  const ids = new Map(Array.from(versions, (version) => [version, promptId(experimentId, version)]));
  const rows = results.map(({ version, example, completion, score }) => ({
    prompt_id: ids.get(version),
    example_id: kept.examples.get(example.id),
    completion,
    value: score,
  })).filter(({ example_id }) => example_id !== undefined);
  point("scores: before they are kept");
  await db.query(
    `insert into scores (prompt_id, example_id, completion_key, value)
     select prompt_id, example_id, completion, value
       from jsonb_to_recordset($1) as row (prompt_id uuid, example_id uuid, completion text, value float8)
     on conflict (prompt_id, example_id) do update
        set completion_key = excluded.completion_key, value = excluded.value`,
    [JSON.stringify(rows)],
  );
  point("scores: kept");
  for (const { version, example, completion, score } of results) {
    const marks = kept.scores.get(version) ?? new Map<string, string>();
    kept.scores.set(version, marks.set(example.id, mark(completion, score)));
  }
}

/**
 * Looks up the ids of examples by their keys, those that are not `known` yet, all at once: looked up row by row, by a planner
 * that knows other datasets and not this one, each took a walk through the whole dataset, and joined freely it has taken
 * seconds where the planner knew none.
 */
async function lookUp(
  db: Queryable,
  datasetId: string,
  keys: ReadonlySet<string>,
  known: Map<string, string>,
): Promise<void> {
  const open = Array.from(keys).filter((key) => !known.has(key));
  if (open.length === 0) return;
  const { rows } = await db.query<{ key: string; id: string }>(
    "select key, id from examples where dataset_id = $1 and key = any($2)",
    [datasetId, open],
  );
  for (const { key, id } of rows) known.set(key, id);
}

/** Keeps what a prompt scored on a split. */
export async function saveMeasurement(
  db: Queryable,
  { experimentId, version, split, metric, signature, value, n, ci95: [low, high] }: {
    experimentId: string;
    version: number;
    split: string;
    metric: string;
    signature: string;
    value: number;
    n: number;
    ci95: readonly [number, number];
  },
): Promise<void> {
  point("measurement: before it is kept");
  await db.query(
    `insert into metrics_records (experiment_id, prompt_id, split, metric, signature, value, n, ci_low, ci_high)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (experiment_id, prompt_id, split, metric) do update
        set signature = excluded.signature, value = excluded.value, n = excluded.n, ci_low = excluded.ci_low,
            ci_high = excluded.ci_high`,
    [experimentId, promptId(experimentId, version), split, metric, signature, value, n, low, high],
  );
  point("measurement: kept");
}

/** Keeps the claim of an experiment: version `after` against version `before` on the test split. */
export async function saveComparison(
  db: Queryable,
  { experimentId, before, after, comparison }: {
    experimentId: string;
    before: number;
    after: number;
    comparison: Comparison;
  },
): Promise<void> {
  const { mean, ci95: [low, high], pValue, significant, test, n } = comparison;
  point("claim: before it is kept");
  await db.query(
    `insert into comparisons (experiment_id, before_id, after_id, mean, ci_low, ci_high, p_value, significant, test, n)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (experiment_id) do update
        set before_id = excluded.before_id, after_id = excluded.after_id, mean = excluded.mean, ci_low = excluded.ci_low,
            ci_high = excluded.ci_high, p_value = excluded.p_value, significant = excluded.significant,
            test = excluded.test, n = excluded.n`,
    [
      experimentId,
      promptId(experimentId, before),
      promptId(experimentId, after),
      mean,
      low,
      high,
      pValue,
      significant,
      test,
      n,
    ],
  );
  point("claim: kept");
}

/**
 * A kept prompt by its id; or by its experiment's id (or `latest`), the best one, or with `:VERSION` behind the id any
 * version, 0 being the prompt to begin with. The beginning of an id is enough, 8 characters or more. A RangeError when
 * there is none.
 */
export async function findPrompt(
  db: Queryable,
  name: string,
): Promise<{ readonly id: string; readonly prompt: Prompt }> {
  const [, id = name, version = null] = /^(.+):(\d{1,9})$/s.exec(name) ?? [];
  const { rows: [row] } = await db.query<PromptRow & { id: string }>(
    `select p.id, p.system_prompt, p.output_prompt, p.demos, p.bias
       from prompts p
       join experiments x on x.id = p.experiment_id
       left join trials t on t.prompt_id = p.id
      where case
              when $2::int is null then
                   (length($1) >= 8 and starts_with(p.id::text, lower($1)))
                or (length($1) >= 8 and starts_with(x.id::text, lower($1)) and (t.accepted or x.kind = 'evaluate'))
                or ($1 = 'latest' and x.kind = 'optimize' and t.accepted)
              else
                p.version = $2 and (
                   (length($1) >= 8 and starts_with(x.id::text, lower($1)))
                or ($1 = 'latest' and x.id = (
                      select id from experiments where kind = 'optimize' order by started_at desc limit 1)))
            end
      order by starts_with(p.id::text, lower($1)) desc, x.started_at desc, p.version desc
      limit 1`,
    [id, version],
  );
  if (!row) {
    throw new RangeError(`Cannot find the prompt ${JSON.stringify(name)}: \`deno task show ID\` has them`);
  }
  return { id: row.id, prompt: promptOf(row) };
}

/** A uuid (version 8, RFC 9562) made from a name. */
function uuid(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  const variant = (parseInt(hex[16]!, 16) & 3 | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${
    hex.slice(20, 32)
  }`;
}
