/**
 * The journal of the ledger: calls and completions, durable before anybody uses them.
 *
 * A commit waits for the disk, so rows are written in groups: what arrives while one group is being committed goes into
 * the next one. A lone caller waits for one commit, sixty-four callers share one.
 *
 * @module
 */
import type { Failure, History, Intended, Intent, Journal, Settlement, Tried } from "../llm/ledger.ts";
import type { Completion, Finish } from "../llm/model.ts";
import type { Database, Queryable } from "./db.ts";
import { usd } from "./dollars.ts";
import { HeldError } from "./hold.ts";
import {
  type Amount,
  closePurse,
  lacking,
  markCapped,
  openPurse,
  spentByExperiment,
  sweepOf,
  worst,
} from "./purse.ts";

/** How a journal claims completions. */
export interface JournalOptions {
  /** Milliseconds that a claim lasts unless it is renewed, which is done three times as often. @default {30_000} */
  readonly leaseMs?: number;
}

/**
 * The journal of one experiment. To intend a call throws HeldError when another holder than this one runs it now. What it
 * answered in earlier processes is read ahead with its history, as a replay asks for just that. Of all journals on a database
 * one at a time has a call for a completion in flight: it has claimed it. Disposed of, it renews no claim any more.
 */
export function journal(
  db: Database,
  experimentId: string,
  holder?: string,
  { leaseMs = 30_000 }: JournalOptions = {},
): Journal & Disposable {
  const ahead = new Map<string, Completion>();
  const look = grouped((keys: string[]) => find(db, keys));
  let sweepId: string | undefined; // of which the experiment is
  const claims = renewed((ids) => renew(db, ids, leaseMs), leaseMs / 3);
  return {
    async history() {
      sweepId = await sweepOf(db, experimentId);
      return await history(db, experimentId, ahead);
    },
    async find(key) {
      const completion = ahead.get(key);
      ahead.delete(key); // whoever asks again waits for the database, and nothing is held for him
      return completion ?? await look(key);
    },
    claimed: grouped((keys: string[]) => claimed(db, keys)),
    intend: grouped(async (intents: Intent[]) => {
      const claimer = { experimentId, holder, leaseMs };
      const intended = sweepId === undefined
        ? await intend(db, claimer, intents)
        : await intendOfSweep(db, { ...claimer, sweepId }, intents);
      claims.add(intents.filter((_, i) => intended[i]!.kind === "granted"));
      return intended;
    }),
    settle: grouped(async (settlements: Settlement[]) => {
      try {
        return await settle(db, settlements, sweepId);
      } finally {
        claims.delete(settlements);
      }
    }),
    [Symbol.dispose]: claims.stop,
  };
}

/** Has what an experiment gave up sent again when it goes on, as often as a fresh question. */
export async function forgive(db: Queryable, experimentId: string): Promise<void> {
  await db.query(
    `update calls
        set failure = 'forgiven'
      where experiment_id = $1 and failure is not null
        and key in (select key from calls where experiment_id = $1 and failure = 'final')`,
    [experimentId],
  );
}

/** Bytes of answers that are read ahead at most: the first ones of an experiment that has more. */
const AHEAD = 2 ** 24;

/**
 * What an experiment spent and tried in earlier processes; a lost call counts with all that was reserved for it. Its first
 * answers go into `ahead`.
 */
async function history(
  db: Queryable,
  experimentId: string,
  ahead: Map<string, Completion>,
): Promise<History> {
  const spent = await spentByExperiment(db, experimentId);
  // as JSON in batches: thousands of rows cost the driver five times as much
  const { rows: batches } = await db.query<{
    answers: [
      key: string,
      text: string | null,
      finish: Finish,
      prompt_tokens: number | null,
      completion_tokens: number | null,
      firsts: Completion["firsts"] | null,
    ][];
  }>(
    `select json_agg(json_build_array(key, case when bytes <= $2 then text end, finish, prompt_tokens, completion_tokens, firsts))
              as answers
       from (select c.key, c.text, c.finish, c.prompt_tokens, c.completion_tokens, c.firsts,
                    sum(octet_length(c.text)) over sending as bytes, row_number() over sending as n
               from calls sent
               join completions c on c.key = sent.completion_key
              where sent.experiment_id = $1 and sent.state = 'answered'
             window sending as (order by sent.sent_at, sent.id)) as answer
      group by n / 5000`,
    [experimentId, AHEAD],
  );
  const keys = new Set<string>();
  for (
    const [key, text, finish, prompt_tokens, completion_tokens, firsts] of batches.flatMap(({ answers }) =>
      answers
    )
  ) {
    keys.add(key);
    if (text !== null) {
      ahead.set(key, completionOf({ text, finish, prompt_tokens, completion_tokens, firsts }));
    }
  }
  const { rows: tried } = await db.query<Tried & { key: string }>(
    `select distinct on (key) key, error, status, retryable, failure = 'final' as final,
            count(*) over (partition by key)::int as attempts
       from calls
      where experiment_id = $1 and failure in ('passing', 'final')
      order by key, attempt desc`,
    [experimentId],
  );
  return {
    spent,
    keys,
    tried: new Map(tried.map(({ key, ...tried }) => [key, tried])),
  };
}

interface CompletionRow {
  key: string;
  text: string;
  finish: Finish;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  firsts: Completion["firsts"] | null;
}

async function find(db: Queryable, keys: readonly string[]): Promise<(Completion | null)[]> {
  const { rows } = await db.query<CompletionRow>(
    "select key, text, finish, prompt_tokens, completion_tokens, firsts from completions where key = any($1)",
    [keys],
  );
  const found = new Map(rows.map((row) => [row.key, completionOf(row)]));
  return keys.map((key) => found.get(key) ?? null);
}

function completionOf(
  { text, finish, prompt_tokens, completion_tokens, firsts }: Omit<CompletionRow, "key">,
): Completion {
  const counted = prompt_tokens !== null && completion_tokens !== null;
  return {
    text,
    finish,
    usage: counted ? { promptTokens: prompt_tokens, completionTokens: completion_tokens } : null,
    ...firsts ? { firsts } : {},
  };
}

/** For whom a call is intended, and for how long it is claimed. */
interface Claimer {
  readonly experimentId: string;
  readonly holder: string | undefined;
  readonly leaseMs: number;
}

/** Claims and intents in one: what another worker has claimed or answered is not intended, unless its claim has lapsed. */
async function intend(db: Queryable, claimer: Claimer, intents: readonly Intent[]): Promise<Intended[]> {
  if (await write(db, claimer, intents) === intents.length) return intents.map(() => GRANTED);
  const first = await outcomes(db, claimer, intents);
  const lapsed = intents.filter((_, i) => isLapsed(first[i]!));
  if (lapsed.length === 0) return first;
  await lapse(db, lapsed.map(({ key }) => key));
  await write(db, claimer, lapsed);
  return await outcomes(db, claimer, intents);
}

/** A claimer that pays from the purse of a sweep. */
interface SweepClaimer extends Claimer {
  readonly sweepId: string;
}

/**
 * The same where all is paid from the purse of a sweep. Mostly there is enough for the whole group, and it is written at once;
 * else as many are written as there is enough for, and the others are refused.
 */
async function intendOfSweep(
  db: Database,
  claimer: SweepClaimer,
  intents: readonly Intent[],
): Promise<Intended[]> {
  const { sweepId, experimentId } = claimer;
  if (await write(db, claimer, intents, sweepId) === intents.length) return intents.map(() => GRANTED);
  const first = await outcomes(db, claimer, intents);
  if (!first.some(isLapsed)) return first;
  return await db.transaction(async (tx) => {
    const purse = await openPurse(tx, sweepId);
    const now = await outcomes(tx, claimer, intents);
    const paid: Intent[] = [];
    const short = new Map<Intent, keyof Amount>();
    for (const intent of intents.filter((_, i) => isLapsed(now[i]!))) {
      const cap = lacking(purse, worst([...paid, intent]));
      if (cap === undefined) paid.push(intent);
      else short.set(intent, cap);
    }
    await lapse(tx, paid.map(({ key }) => key));
    await write(tx, claimer, paid);
    const then = await outcomes(tx, claimer, intents);
    const granted = paid.filter((intent) => then[intents.indexOf(intent)]!.kind === "granted");
    const spent = plus(purse.spent, worst(granted));
    await closePurse(tx, sweepId, spent);
    const decided = intents.map((intent, i): Intended => {
      const cap = short.get(intent);
      if (cap === undefined) return then[i]!;
      const passing = granted.length < paid.length ||
        (cap !== "calls" && (purse.underWay || paid.length > 0));
      return { kind: "refused", cap, allowed: purse.allowed[cap]!, spent: spent[cap], passing };
    });
    if (decided.some((one) => one.kind === "refused" && !one.passing)) await markCapped(tx, experimentId);
    return decided;
  });
}

const plus = (a: Amount, b: Amount): Amount => ({
  calls: a.calls + b.calls,
  tokens: a.tokens + b.tokens,
  cost: a.cost + b.cost,
});

const GRANTED: Intended = { kind: "granted" };

const isLapsed = (intended: Intended) => intended.kind === "claimed" && intended.ms <= 0;

/**
 * Writes the intents that nothing stands in the way of, and gives their number. The experiment's row is locked, so that its
 * next holder, who reads what was spent, misses no intent. Who claims the same keys as another at the same moment waits for
 * that one's commit, by the index of claims; all go by the keys' order, so that nobody waits in a circle. The index also
 * has what was answered while this statement was under way, and completions have what a call without a claim brought. With
 * `sweepId` none is written unless the sweep's purse has enough for all, which takes it.
 */
async function write(
  db: Queryable,
  { experimentId, holder, leaseMs }: Claimer,
  intents: readonly Intent[],
  sweepId?: string,
): Promise<number> {
  const { calls, tokens, cost } = worst(intents);
  const rows = intents.map(({ id, role, model, key, attempt, reserved }) => ({
    id,
    role,
    model,
    key,
    attempt,
    reserved_tokens: reserved.tokens,
    reserved_usd: usd(reserved.cost),
  })).sort((a, b) => a.key < b.key ? -1 : 1);
  // a subquery for each key: for a join a planner without statistics would read the whole table
  const { rowCount } = await db.query(
    `with experiment as (
       select holder is distinct from $3 as lost from experiments where id = $1 for share
     )${sweepId === undefined ? "" : PAID}
     insert into calls (id, experiment_id, role, model, key, attempt, reserved_tokens, reserved_usd, claimed_until)
     select id, $1, role, model, key, attempt, reserved_tokens, reserved_usd,
            clock_timestamp() + $4::float8 * interval '1 millisecond'
       from jsonb_to_recordset($2) as row
            (id uuid, role text, model text, key text, attempt int, reserved_tokens bigint, reserved_usd numeric)
      where not exists (select from experiment where lost)${
      sweepId === undefined ? "" : " and exists (select from paid)"
    }
        and (select key from completions where completions.key = row.key) is null
     on conflict do nothing`,
    [
      ...[experimentId, JSON.stringify(rows), holder, leaseMs],
      ...sweepId === undefined ? [] : [sweepId, calls, tokens, usd(cost)],
    ],
  );
  return rowCount;
}

/** The whole group from the purse, or nothing. What is not written after all is found again when the purse seems empty. */
const PAID = `, paid as (
       update sweeps
          set calls = calls + $6::bigint, tokens = tokens + $7::bigint, usd = usd + $8::numeric
        where id = $5
          and (max_calls is null or calls + $6::bigint <= max_calls)
          and (max_tokens is null or tokens + $7::bigint <= max_tokens)
          and (max_usd is null or usd + $8::numeric <= max_usd)
       returning id
     )`;

/** What became of intents, some of which were not written, or not by this statement alone: its connection may have been lost. */
async function outcomes(
  db: Queryable,
  { experimentId, holder }: Claimer,
  intents: readonly Intent[],
): Promise<Intended[]> {
  const { rows } = await db.query<{ lost: boolean; granted: boolean; answered: boolean; ms: number }>(
    `select (select holder is distinct from $2 from experiments where id = $1) as lost,
            exists (select from calls where calls.id = intent.id) as granted,
            claim.state is not distinct from 'answered'
              or exists (select from completions where completions.key = intent.key) as answered,
            coalesce(extract(epoch from claimed_until - clock_timestamp()) * 1000, 0)::float8 as ms
       from unnest($3::uuid[], $4::text[]) with ordinality as intent (id, key, n)
       left join calls claim on claim.key = intent.key and claim.claimed_until is not null
      order by n`,
    [experimentId, holder, intents.map(({ id }) => id), intents.map(({ key }) => key)],
  );
  if (rows.some(({ lost, granted }) => lost && !granted)) throw new HeldError(experimentId);
  return rows.map(({ granted, answered, ms }) =>
    granted ? { kind: "granted" } : answered ? { kind: "answered" } : { kind: "claimed", ms }
  );
}

/** Ends claims that were not renewed in time. What somebody has at hand is passed over, so nobody waits for this. */
async function lapse(db: Queryable, keys: readonly string[]): Promise<void> {
  await db.query(
    `update calls
        set claimed_until = null
      where id = any (array(
            select id
              from calls
             where key = any ($1) and claimed_until is not null
               and state = 'sent' and claimed_until <= clock_timestamp()
               for update skip locked))`,
    [keys],
  );
}

/** A claim that lapsed and that nobody took is renewed, too. */
async function renew(db: Queryable, ids: readonly string[], leaseMs: number): Promise<void> {
  await db.query(
    `update calls
        set claimed_until = clock_timestamp() + $2::float8 * interval '1 millisecond'
      where id = any (array(
            select id
              from calls
             where id = any ($1) and state = 'sent' and claimed_until is not null
               for update skip locked))`,
    [ids, leaseMs],
  );
}

/** Milliseconds for which each key is claimed. */
async function claimed(db: Queryable, keys: readonly string[]): Promise<number[]> {
  const { rows } = await db.query<{ key: string; ms: number }>(
    `select key, (extract(epoch from claimed_until - clock_timestamp()) * 1000)::float8 as ms
       from calls
      where key = any ($1) and claimed_until is not null and state = 'sent'`,
    [keys],
  );
  const left = new Map(rows.map(({ key, ms }) => [key, Math.max(0, ms)]));
  return keys.map((key) => left.get(key) ?? 0);
}

/** What is in flight, and has `renew` called for it each `ms` milliseconds; while nothing is, there is no timer. */
function renewed(renew: (ids: string[]) => Promise<void>, ms: number) {
  const inFlight = new Set<string>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let renewing = false, stopped = false;
  const beat = async () => {
    if (renewing) return;
    renewing = true;
    await renew([...inFlight]).catch(() => {}); // the next beat is soon enough; who lost a claim is not harmed
    renewing = false;
  };
  const halt = () => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    add(calls: readonly { readonly id: string }[]) {
      for (const { id } of calls) inFlight.add(id);
      if (inFlight.size > 0 && !stopped) timer ??= setInterval(beat, ms);
    },
    delete(calls: readonly { readonly id: string }[]) {
      for (const { id } of calls) inFlight.delete(id);
      if (inFlight.size === 0) halt();
    },
    stop() {
      stopped = true;
      halt();
    },
  };
}

/**
 * Answer and bill in one statement: there is never one without the other. What failed is free for others; an answer whose
 * claim was lost is kept all the same, as it was paid for. What a provider counted above the reservation is taken from the
 * purse of the sweep `sweepId`.
 */
async function settle(
  db: Queryable,
  settlements: readonly Settlement[],
  sweepId: string | undefined,
): Promise<void[]> {
  const rows = settlements.map(({ id, usage, cost, ms, outcome }) => ({
    id,
    state: outcome.kind,
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    cost_usd: usd(cost),
    ms: Math.max(0, ms),
    ...outcome.kind === "answered"
      ? { completion_key: outcome.completion.key }
      : { error: outcome.error, ...failureRow(outcome.failure) },
  }));
  const completions = settlements.flatMap(({ outcome }) => {
    if (outcome.kind === "failed") return [];
    const { key, model, identity, request, text, finish, usage, firsts = null } = outcome.completion;
    return [{
      key,
      model,
      identity,
      request,
      text,
      finish,
      prompt_tokens: usage?.promptTokens ?? null,
      completion_tokens: usage?.completionTokens ?? null,
      firsts,
    }];
  });
  await db.query(
    `with stored as (
       insert into completions (key, model, identity, request, text, finish, prompt_tokens, completion_tokens,
                                firsts)
       select distinct on (key) key, model, identity, request, text, finish, prompt_tokens, completion_tokens, firsts
         from jsonb_to_recordset($2) as row
              (key text, model text, identity jsonb, request jsonb, text text, finish text, prompt_tokens int,
               completion_tokens int, firsts jsonb)
       on conflict (key) do nothing
     )${sweepId === undefined ? "" : ", settled as ("}
     update calls
        set state = row.state, prompt_tokens = row.prompt_tokens, completion_tokens = row.completion_tokens,
            cost_usd = row.cost_usd, ms = row.ms, error = row.error, failure = row.failure, status = row.status,
            retryable = row.retryable, completion_key = row.completion_key, ended_at = now(),
            claimed_until = case row.state when 'answered' then claimed_until end
       from jsonb_to_recordset($1) as row
            (id uuid, state text, prompt_tokens bigint, completion_tokens bigint, cost_usd numeric, ms float8, error text,
             failure text, status int, retryable boolean, completion_key text)
      where calls.id = row.id${sweepId === undefined ? "" : EXCESS}`,
    [JSON.stringify(rows), JSON.stringify(completions), ...sweepId === undefined ? [] : [sweepId]],
  );
  return settlements.map(() => undefined);
}

/** The row of the sweep is waited for only where there is any. */
const EXCESS = `
     returning greatest(0, calls.prompt_tokens + calls.completion_tokens - reserved_tokens) as tokens,
               greatest(0, calls.cost_usd - reserved_usd) as usd)
     update sweeps
        set tokens = sweeps.tokens + excess.tokens, usd = sweeps.usd + excess.usd
       from (select sum(tokens) as tokens, sum(usd) as usd from settled) as excess
      where id = $3 and (excess.tokens > 0 or excess.usd > 0)`;

const failureRow = (failure: Failure | null) =>
  failure && {
    failure: failure.final ? "final" : "passing",
    status: failure.status,
    retryable: failure.retryable,
  };

/** Items of one statement at most. */
const GROUP = 500;

/** Group commit: `work` gets all that arrived while its last group was under way. */
export function grouped<Item, Result>(
  work: (items: Item[]) => Promise<Result[]>,
): (item: Item) => Promise<Result> {
  let waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  let working = false;
  const run = async () => {
    working = true;
    await Promise.resolve(); // lets all that is asked in the same turn join
    while (waiting.length > 0) {
      const group = waiting.slice(0, GROUP);
      waiting = waiting.slice(GROUP);
      try {
        const results = await work(group.map(({ item }) => item));
        group.forEach(({ resolve }, i) => resolve(results[i]!));
      } catch (error) {
        group.forEach(({ reject }) => reject(error));
      }
    }
    working = false;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!working) void run();
    });
}
