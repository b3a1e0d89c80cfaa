/**
 * Experiments: begun, kept alive, ended, read back.
 *
 * @module
 */
import { point } from "../cut.ts";
import type { StopReason } from "../optimize/search.ts";
import { byId } from "./by_id.ts";
import type { Queryable } from "./db.ts";

/** How an experiment stands. */
export type Status = "running" | "finished" | "interrupted" | "failed";

/** What an experiment is begun with: all it depends on beside the completions. */
export interface Plan {
  /** A fresh uuid. */
  readonly id: string;
  readonly kind: "optimize" | "evaluate";
  readonly datasetId: string;
  readonly seed: number;
  readonly config: Readonly<Record<string, unknown>>;
  /** Who runs it (hold.ts). */
  readonly holder?: string | undefined;
}

/** An experiment as it is kept. */
export interface Experiment extends Omit<Plan, "holder"> {
  readonly status: Status;
  /** Seconds of running, over all resumptions. */
  readonly seconds: number;
}

/** Begins an experiment. */
export async function beginExperiment(
  db: Queryable,
  { id, kind, datasetId, seed, config, holder }: Plan,
): Promise<void> {
  point("experiment: before it is begun");
  await db.query(
    `insert into experiments (id, kind, dataset_id, seed, config, holder)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (id) do nothing`,
    [id, kind, datasetId, seed, config, holder],
  );
  point("experiment: begun");
}

/** Whether the search of an experiment calibrates prompts, as was said when it began; null before that. */
export async function readCalibrated(db: Queryable, id: string): Promise<boolean | null> {
  const { rows } = await db.query<{ calibrated: boolean | null }>(
    "select calibrated from experiments where id = $1",
    [id],
  );
  return rows[0]?.calibrated ?? null;
}

/** Says it, once: what was said before stays. */
export async function saveCalibrated(db: Queryable, id: string, calibrated: boolean): Promise<void> {
  await db.query("update experiments set calibrated = $2 where id = $1 and calibrated is null", [
    id,
    calibrated,
  ]);
}

/** Seconds between two heartbeats of an experiment. */
export const BEAT = 2;

/**
 * Sets an experiment running again; its configuration may be changed where the replay allows it (caps). Gives the seconds it
 * has run for. What a process that was killed ran for after its last heartbeat nobody knows: it counts as a whole beat, so that
 * a cap on seconds stays hard.
 */
export async function resumeExperiment(
  db: Queryable,
  id: string,
  config: Readonly<Record<string, unknown>>,
  holder?: string,
): Promise<number> {
  point("experiment: before it is resumed");
  const { rows: [row] } = await db.query<{ seconds: number }>(
    `with released as (
       update calls
          set claimed_until = null
        where id = any (array(
              select id
                from calls
               where experiment_id = $1 and state = 'sent' and claimed_until is not null
                 for update skip locked))
     )
     update experiments
        set status = 'running', stop_reason = null, error = null, ended_at = null, heartbeat_at = now(), config = $2,
            holder = $3,
            seconds = seconds + case when status = 'running' and holder is distinct from $3 then $4::float8 else 0 end
      where id = $1
      returning seconds`,
    [id, config, holder, BEAT],
  );
  point("experiment: resumed");
  return row?.seconds ?? 0;
}

/** An experiment by its id, the beginning of its id (8 characters or more), or `latest`, a search; a RangeError when there is none. */
export const findExperiment = (db: Queryable, id: string): Promise<Experiment> =>
  byId<Experiment>(db, id, {
    what: "experiment",
    select: 'select id, kind, dataset_id as "datasetId", seed, config, status, seconds from experiments',
    latest: "kind = 'optimize'",
    order: "started_at desc",
    none: id === "latest"
      ? 'Cannot find experiment "latest" as there is no search yet: evaluations are named by their ids, which ' +
        "`deno task show` lists"
      : `Cannot find experiment ${JSON.stringify(id)}: \`deno task show\` lists what there is`,
  });

/**
 * Says that the experiment is still running, for how long in all, and what it read back from others; nothing, when another
 * holder than this one runs it now.
 */
export async function heartbeat(
  db: Queryable,
  id: string,
  { seconds, cached, holder }: { seconds: number; cached: number; holder?: string | undefined },
): Promise<void> {
  point("heartbeat: before it is kept");
  await db.query(
    `update experiments
        set heartbeat_at = now(), seconds = $2, cached = $3
      where id = $1 and holder is not distinct from $4`,
    [id, seconds, cached, holder],
  );
  point("heartbeat: kept");
}

/** Ends an experiment, unless another holder than this one runs it now. */
export async function endExperiment(
  db: Queryable,
  id: string,
  { status, stopReason = null, error = null, seconds, cached, holder }: {
    status: Exclude<Status, "running">;
    stopReason?: StopReason | null;
    error?: string | null;
    seconds: number;
    cached: number;
    holder?: string | undefined;
  },
): Promise<void> {
  point("experiment: before it is ended");
  await db.query(
    `update experiments
        set status = $2, stop_reason = $3, error = $4, seconds = $5, cached = $6, ended_at = now()
      where id = $1 and holder is not distinct from $7`,
    [id, status, stopReason, error, seconds, cached, holder],
  );
  point("experiment: ended");
}
