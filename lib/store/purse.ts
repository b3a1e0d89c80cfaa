/**
 * The purse of a sweep: what all its experiments may spend together, on however many machines.
 *
 * A call is paid for before it is sent, with the worst it may cost, in the statement that writes its intent (calls.ts). The
 * sweep's row counts what was reserved, and never less than that; what a call did not use in the end is not given back there,
 * but seen when the purse seems empty: then the calls themselves are counted, while the row is locked and nobody else pays.
 * So nothing can be spent twice, whatever is killed, and a call that is settled waits for no other worker.
 *
 * @module
 */
import type { Intent } from "../llm/ledger.ts";
import type { Queryable } from "./db.ts";
import { picodollars, usd } from "./dollars.ts";

/** An amount of what a purse holds. */
export interface Amount {
  readonly calls: number;
  readonly tokens: number;
  /** Picodollars (1e-12 USD). */
  readonly cost: bigint;
}

/** What a purse had to hold in all, where that is limited. */
export type Allowance = { readonly [kind in keyof Amount]?: Amount[kind] | undefined };

/** The sweep that an experiment is of, if any. */
export async function sweepOf(db: Queryable, experimentId: string): Promise<string | undefined> {
  const { rows: [row] } = await db.query<{ sweep_id: string }>(
    "select sweep_id from sweep_experiments where experiment_id = $1",
    [experimentId],
  );
  return row?.sweep_id;
}

/** What so many intents may cost at most. */
export const worst = (intents: readonly Intent[]): Amount => ({
  calls: intents.length,
  tokens: intents.reduce((sum, { reserved }) => sum + reserved.tokens, 0),
  cost: intents.reduce((sum, { reserved }) => sum + reserved.cost, 0n),
});

/** What calls have reserved and spent; a lost one counts with all that was reserved for it. */
async function spentBy(db: Queryable, experiments: string, id: string): Promise<Amount> {
  const { rows: [spent] } = await db.query<{ calls: number; tokens: number; usd: string }>(
    `select count(*) as calls,
            coalesce(sum(case state when 'sent' then reserved_tokens else prompt_tokens + completion_tokens end), 0)::bigint
              as tokens,
            coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) as usd
       from calls
      where experiment_id ${experiments}`,
    [id],
  );
  return { calls: spent!.calls, tokens: spent!.tokens, cost: picodollars(spent!.usd) };
}

/** What an experiment has reserved and spent. */
export const spentByExperiment = (db: Queryable, id: string): Promise<Amount> => spentBy(db, "= $1", id);

/** The same of all experiments of a sweep. */
export const spentBySweep = (db: Queryable, id: string): Promise<Amount> =>
  spentBy(db, "in (select experiment_id from sweep_experiments where sweep_id = $1)", id);

/** A purse that is open: until the transaction ends nobody else pays. */
export interface OpenPurse {
  readonly allowed: Allowance;
  readonly spent: Amount;
  /** Whether calls are in flight, of which something may come back. */
  readonly underWay: boolean;
}

/** Counts what is in the purse, in a transaction `tx` that has it to itself from then on. */
export async function openPurse(tx: Queryable, sweepId: string): Promise<OpenPurse> {
  const { rows: [row] } = await tx.query<{ calls: number | null; tokens: number | null; usd: string | null }>(
    "select max_calls as calls, max_tokens as tokens, max_usd as usd from sweeps where id = $1 for update",
    [sweepId],
  );
  const spent = await spentBySweep(tx, sweepId); // another statement, so that it sees what was paid before the lock was ours
  const { rows: underWay } = await tx.query(
    `select
       from calls
      where experiment_id in (select experiment_id from sweep_experiments where sweep_id = $1)
        and state = 'sent' and claimed_until > clock_timestamp()
      limit 1`,
    [sweepId],
  );
  const { calls, tokens, usd } = row!;
  return {
    allowed: {
      calls: calls ?? undefined,
      tokens: tokens ?? undefined,
      cost: usd === null ? undefined : picodollars(usd),
    },
    spent,
    underWay: underWay.length > 0,
  };
}

/**
 * What is wanted of a purse that has not so much; undefined where it has.
 *
 * ```ts
 * import { lacking } from "./purse.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const purse = { allowed: { calls: 10, tokens: 500 }, spent: { calls: 9, tokens: 480, cost: 0n }, underWay: false };
 * equal(lacking(purse, { calls: 1, tokens: 20, cost: 7n }), undefined);
 * equal(lacking(purse, { calls: 1, tokens: 21, cost: 7n }), "tokens");
 * equal(lacking(purse, { calls: 2, tokens: 20, cost: 7n }), "calls");
 * ```
 */
export function lacking({ allowed, spent }: OpenPurse, wanted: Amount): keyof Amount | undefined {
  if (spent.calls + wanted.calls > (allowed.calls ?? Infinity)) return "calls";
  if (spent.tokens + wanted.tokens > (allowed.tokens ?? Infinity)) return "tokens";
  return allowed.cost !== undefined && spent.cost + wanted.cost > allowed.cost ? "cost" : undefined;
}

/** Closes an open purse: from now on it counts from `spent`. */
export async function closePurse(
  tx: Queryable,
  sweepId: string,
  { calls, tokens, cost }: Amount,
): Promise<void> {
  await tx.query("update sweeps set calls = $2, tokens = $3, usd = $4 where id = $1", [
    sweepId,
    calls,
    tokens,
    usd(cost),
  ]);
}

/** An experiment went without a call, as the purse had no more: it is one of those that end as capped. */
export async function markCapped(tx: Queryable, experimentId: string): Promise<void> {
  await tx.query("update sweep_experiments set capped = true where experiment_id = $1", [experimentId]);
}
