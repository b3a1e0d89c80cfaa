/**
 * Sweeps: many experiments, taken by any number of workers on any number of machines.
 *
 * Who runs an experiment is said by its holder and its advisory lock (hold.ts), in a sweep as elsewhere. A worker that wants
 * work takes the first experiment that nobody was heard of for three heartbeats, by the database's clock, and then its lock:
 * one whose worker was killed is taken over and goes on, one whose worker is merely slow stays with it.
 *
 * @module
 */
import { byId } from "./by_id.ts";
import type { Queryable } from "./db.ts";
import { picodollars, usd } from "./dollars.ts";
import { BEAT, type Status } from "./experiments.ts";
import { type Allowance, type Amount, spentBySweep } from "./purse.ts";

/** An experiment as it is to be run. */
export interface SweepPlan {
  /** A fresh uuid. */
  readonly experimentId: string;
  /** As it was named. */
  readonly dataset: string;
  readonly datasetId: string;
  readonly seed: number;
  readonly config: Readonly<Record<string, unknown>>;
}

/** An experiment that was taken. */
export interface TakenExperiment extends SweepPlan {
  readonly position: number;
  /** Times it has failed before. */
  readonly failures: number;
}

/** A sweep. */
export interface Sweep {
  readonly id: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** How an experiment of a sweep stands: `running` and `interrupted` are those of `waiting` that began. */
export type SweepStatus = "waiting" | "finished" | "capped" | "failed";

/** One experiment of a sweep, and what came of it; null where it did not come so far. */
export interface SweepRow {
  readonly dataset: string;
  readonly seed: number;
  readonly experiment_id: string;
  readonly status: SweepStatus | Status;
  readonly stop_reason: string | null;
  readonly error: string | null;
  readonly exit_code: number | null;
  /** Scores on the locked test split, and on how many questions. */
  readonly baseline: number | null;
  readonly best: number | null;
  readonly n: number | null;
  readonly improvement: number | null;
  readonly ci_low: number | null;
  readonly ci_high: number | null;
  readonly p_value: number | null;
  readonly significant: boolean | null;
  readonly calls: number;
  readonly cached: number;
  readonly tokens: number;
  readonly cost_usd: number;
  readonly seconds: number;
}

/** A sweep with its experiments, in their order. */
export interface SweepRecord extends Sweep {
  readonly caps: Allowance;
  /** Lost calls count with all that was reserved for them. */
  readonly spent: Amount;
  readonly experiments: readonly SweepRow[];
}

/** Keeps a sweep that is to be run. */
export async function createSweep(
  db: Queryable,
  { id, config, caps, experiments }: Sweep & {
    readonly caps: Allowance;
    readonly experiments: readonly SweepPlan[];
  },
): Promise<void> {
  const rows = experiments.map((row, position) => ({
    position,
    experiment_id: row.experimentId,
    dataset: row.dataset,
    dataset_id: row.datasetId,
    seed: row.seed,
    config: row.config,
  }));
  await db.query(
    `with sweep as (
       insert into sweeps (id, config, max_calls, max_tokens, max_usd)
       values ($1, $2, $3, $4, $5)
       on conflict (id) do nothing
     )
     insert into sweep_experiments (sweep_id, position, experiment_id, dataset, dataset_id, seed, config)
     select $1, position, experiment_id, dataset, dataset_id, seed, config
       from jsonb_to_recordset($6) as row
            (position int, experiment_id uuid, dataset text, dataset_id uuid, seed bigint, config jsonb)
     on conflict do nothing`,
    [
      id,
      config,
      caps.calls,
      caps.tokens,
      caps.cost === undefined ? null : usd(caps.cost),
      JSON.stringify(rows),
    ],
  );
}

/** A sweep by its id, the beginning of its id (8 characters or more), or `latest`; a RangeError when there is none. */
export const findSweep = (db: Queryable, id: string): Promise<Sweep> =>
  byId<Sweep>(db, id, {
    what: "sweep",
    select: "select id, config from sweeps",
    latest: "true",
    order: "created_at desc",
    none: `Cannot find sweep ${JSON.stringify(id)}: \`deno task sweep\` begins one`,
  });

/** Seconds without a sign of its worker after which an experiment may be taken by another one, if that gets its lock. */
const SILENCE = 3 * BEAT;

/**
 * Takes an experiment that nobody runs, to be held next (`holdExperiment`): two who ask at once get two. Undefined when there
 * is none, for now or for good.
 */
export async function takeExperiment(db: Queryable, sweepId: string): Promise<TakenExperiment | undefined> {
  const { rows: [row] } = await db.query<TakenExperiment>(
    `update sweep_experiments
        set taken_at = clock_timestamp(), capped = false
      where sweep_id = $1
        and position = (
            select e.position
              from sweep_experiments e
             where e.sweep_id = $1 and e.status = 'waiting'
               and coalesce(e.taken_at < clock_timestamp() - $2 * interval '1 second', true)
               and not exists (
                   select
                     from experiments x
                    where x.id = e.experiment_id and x.status = 'running'
                      and x.heartbeat_at >= clock_timestamp() - $2 * interval '1 second')
             order by e.position
             limit 1
               for update skip locked)
      returning position, experiment_id as "experimentId", dataset, dataset_id as "datasetId", seed, config, failures`,
    [sweepId, SILENCE],
  );
  return row;
}

/** Whether no experiment of a sweep is to be run any more. */
export async function isSweepOver(db: Queryable, sweepId: string): Promise<boolean> {
  const { rows } = await db.query(
    "select from sweep_experiments where sweep_id = $1 and status = 'waiting' limit 1",
    [sweepId],
  );
  return rows.length === 0;
}

/** Whether an experiment is still to be run: who ran it may have ended it while its lock was waited for. */
export async function isWaiting(db: Queryable, experimentId: string): Promise<boolean> {
  const { rows } = await db.query(
    "select from sweep_experiments where experiment_id = $1 and status = 'waiting'",
    [experimentId],
  );
  return rows.length > 0;
}

/** Leaves an experiment to whoever wants work, at once. */
export async function releaseExperiment(db: Queryable, experimentId: string): Promise<void> {
  await db.query(
    "update sweep_experiments set taken_at = null where experiment_id = $1 and status = 'waiting'",
    [experimentId],
  );
}

/** An experiment has come to its end: as `capped` when a call of it was refused for want of the sweep's budget. */
export async function endSweepExperiment(db: Queryable, experimentId: string): Promise<void> {
  await db.query(
    `update sweep_experiments
        set status = case when capped then 'capped' else 'finished' end, ended_at = clock_timestamp()
      where experiment_id = $1 and status = 'waiting'`,
    [experimentId],
  );
}

/** Times an experiment is tried at most. */
const TRIES = 2;

/** An experiment has failed for the `failures`th time, which another try may mend, once. Gives whether it gets one. */
export async function failSweepExperiment(
  db: Queryable,
  experimentId: string,
  { failures, error, exitCode }: { failures: number; error: string; exitCode: number },
): Promise<boolean> {
  const again = failures < TRIES;
  await db.query(
    `update sweep_experiments
        set failures = $2, error = $3, exit_code = $4, taken_at = null,
            status = case when $5 then 'waiting' else 'failed' end,
            ended_at = case when $5 then null else clock_timestamp() end
      where experiment_id = $1 and status = 'waiting'`,
    [experimentId, failures, error, exitCode, again],
  );
  return again;
}

/**
 * Gives a sweep other caps, of those that are named, and its experiments what `each` of them changes in their configurations.
 * What had ended for want of either is run again, as a replay. What is running goes on as it is: who takes it over has the new
 * share, and if it ends for want of its old one, the same caps once more have it run again.
 */
export async function setSweepCaps(
  db: Queryable,
  sweepId: string,
  { calls, tokens, cost }: Allowance,
  each: Readonly<Record<string, number>> = {},
): Promise<void> {
  await db.query(
    `with changed as (
       update sweeps
          set max_calls = coalesce($2, max_calls), max_tokens = coalesce($3, max_tokens),
              max_usd = coalesce($4, max_usd)
        where id = $1
          and (max_calls, max_tokens, max_usd) is distinct from
              (coalesce($2, max_calls), coalesce($3, max_tokens), coalesce($4, max_usd))
       returning id
     )
     update sweep_experiments e
        set config = e.config || $5::jsonb, status = 'waiting', ended_at = null,
            taken_at = case when e.status = 'waiting' then e.taken_at end
       from (select count(*) > 0 as changed from changed) s -- first, as who pays locks the sweep before its experiment
      where e.sweep_id = $1 and e.status <> 'failed'
        and (e.status = 'waiting'
             or e.status = 'capped' and s.changed
             or exists (
                select
                  from experiments x
                 where x.id = e.experiment_id and x.stop_reason = 'budget' and not x.config @> $5::jsonb))`,
    [sweepId, calls, tokens, cost === undefined ? null : usd(cost), each],
  );
}

/** Reads a sweep; a RangeError when there is none with this id. */
export async function readSweep(db: Queryable, id: string): Promise<SweepRecord> {
  const { rows: [sweep] } = await db.query<
    Sweep & { max_calls: number | null; max_tokens: number | null; max_usd: string | null }
  >("select id, config, max_calls, max_tokens, max_usd from sweeps where id = $1", [id]);
  if (!sweep) throw new RangeError(`Cannot read sweep ${id} as there is none with this id`);
  const { rows: experiments } = await db.query<SweepRow>(
    `select e.dataset, e.seed, e.experiment_id,
            case when e.status = 'waiting' then coalesce(x.status, e.status) else e.status end as status,
            x.stop_reason, coalesce(e.error, x.error) as error, e.exit_code,
            before.value as baseline, after.value as best, after.n,
            x.improvement, x.ci_low, x.ci_high, x.p_value, x.significant,
            coalesce(x.calls, 0) as calls, coalesce(x.cached, 0) as cached,
            coalesce(b.tokens, 0)::bigint as tokens, coalesce(x.cost_usd, 0) as cost_usd, coalesce(x.seconds, 0) as seconds
       from sweep_experiments e
       left join experiment_overview x on x.id = e.experiment_id
       left join lateral (
            select sum(prompt_tokens + completion_tokens) as tokens from bill where experiment_id = e.experiment_id) as b
              on true
       left join lateral (
            select m.value
              from metrics_records m
              join prompts p on p.id = m.prompt_id
             where m.experiment_id = e.experiment_id and m.split = 'test' and p.version = x.before) as before on true
       left join lateral (
            select m.value, m.n
              from metrics_records m
              join prompts p on p.id = m.prompt_id
             where m.experiment_id = e.experiment_id and m.split = 'test' and p.version = x.after) as after on true
      where e.sweep_id = $1
      order by e.position`,
    [id],
  );
  return {
    id: sweep.id,
    config: sweep.config,
    caps: {
      calls: sweep.max_calls ?? undefined,
      tokens: sweep.max_tokens ?? undefined,
      cost: sweep.max_usd === null ? undefined : picodollars(sweep.max_usd),
    },
    spent: await spentBySweep(db, id),
    experiments,
  };
}
