/**
 * A sweep: what `sweep --json` prints, and the table for a terminal.
 *
 * @module
 */
import type { SweepRecord, SweepRow } from "../store/sweeps.ts";
import { aligned, count, dollars, duration, percent, plural, points, term, visible } from "./text.ts";

/** The document. Scores are those of the locked test split, null where the claim was not made. */
export interface SweepResult {
  readonly sweep_id: string;
  /** What was spent of what was allowed, null without a cap. */
  readonly budget: Readonly<
    Record<"calls" | "tokens" | "usd", { readonly used: number; readonly cap: number | null }>
  >;
  readonly totals: {
    readonly experiments: number;
    /** Experiments by status: only those that there are. */
    readonly statuses: Readonly<Record<string, number>>;
    readonly improved: number;
    readonly calls: number;
    readonly cached: number;
    readonly tokens: number;
    readonly cost_usd: number;
    readonly seconds: number;
  };
  readonly experiments: readonly {
    readonly dataset: string;
    readonly seed: number;
    readonly experiment_id: string;
    readonly status: SweepRow["status"];
    readonly stop_reason: string | null;
    readonly error: string | null;
    readonly baseline: number | null;
    readonly best: number | null;
    readonly n: number | null;
    readonly improvement: {
      readonly mean: number;
      readonly ci95: readonly [number, number];
      readonly p_value: number;
      readonly significant: boolean;
    } | null;
    readonly calls: number;
    readonly cached: number;
    readonly tokens: number;
    readonly cost_usd: number;
    readonly seconds: number;
  }[];
}

/** The document of a sweep. */
export function sweepOf({ id, caps, spent, experiments }: SweepRecord): SweepResult {
  const total = (of: (row: SweepRow) => number) => experiments.reduce((sum, row) => sum + of(row), 0);
  const statuses: Record<string, number> = {};
  for (const { status } of experiments) statuses[status] = (statuses[status] ?? 0) + 1;
  const usd = (cost: bigint) => Number(cost) / 1e12;
  return {
    sweep_id: id,
    budget: {
      calls: { used: spent.calls, cap: caps.calls ?? null },
      tokens: { used: spent.tokens, cap: caps.tokens ?? null },
      usd: { used: usd(spent.cost), cap: caps.cost === undefined ? null : usd(caps.cost) },
    },
    totals: {
      experiments: experiments.length,
      statuses,
      improved: experiments.filter(({ improvement, significant }) => significant && improvement! > 0).length,
      calls: total(({ calls }) => calls),
      cached: total(({ cached }) => cached),
      tokens: total(({ tokens }) => tokens),
      cost_usd: total(({ cost_usd }) => cost_usd),
      seconds: total(({ seconds }) => seconds),
    },
    experiments: experiments.map(
      ({ improvement: mean, ci_low, ci_high, p_value, significant, exit_code: _, ...row }) => ({
        ...row,
        improvement: mean === null
          ? null
          : { mean, ci95: [ci_low!, ci_high!], p_value: p_value!, significant: significant! },
      }),
    ),
  };
}

/** The table: a line an experiment, then totals and what was spent. */
export function sweepText(record: SweepRecord): string {
  const { budget, totals, experiments } = sweepOf(record);
  const score = (value: number | null) => value === null ? "" : percent(value);
  const rows = [
    ["dataset", "seed", "baseline", "best", "improvement", "95 % interval", "calls", "cached", "status"],
    ...experiments.map((
      { dataset, seed, baseline, best, improvement, calls, cached, status, stop_reason },
    ) => [
      ending(dataset),
      String(seed),
      score(baseline),
      score(best),
      improvement === null ? "" : `${points(improvement.mean)}${improvement.significant ? "" : " (n.s.)"}`,
      improvement === null ? "" : improvement.ci95.map(points).join(" to "),
      count(calls),
      count(cached),
      status === "finished" ? stop_reason ?? status : status,
    ]),
  ];
  const table = aligned(rows, (column) => NUMBERS.includes(column));
  const of = (used: string, cap: string | null) => cap === null ? used : `${used} of ${cap}`;
  const { calls, tokens, usd } = budget;
  return [
    ...table,
    "",
    `${plural(totals.experiments, "experiment")}, ${totals.improved} significantly better: ` +
    Object.entries(totals.statuses).map(([status, n]) => `${n} ${status}`).join(", "),
    `${of(count(calls.used), calls.cap === null ? null : count(calls.cap))} calls, ${
      count(totals.cached)
    } read back, ` +
    `${of(count(tokens.used), tokens.cap === null ? null : count(tokens.cap))} tokens, ` +
    `${of(dollars(usd.used), usd.cap === null ? null : dollars(usd.cap))}, ${
      duration(totals.seconds)
    } of running`,
    ...experiments.filter(({ status }) => status === "failed").map(({ dataset, seed, error }) =>
      `${ending(dataset)}, seed ${seed}: ${term(error ?? "", 500)}`
    ),
  ].join("\n");
}

/** A path by its end, which tells it from others. */
function ending(path: string): string {
  const shown = visible(path);
  return shown.length > 40 ? `…${shown.slice(-39)}` : shown;
}

/** Columns that are aligned at their right. */
const NUMBERS = [1, 2, 3, 4, 6, 7];
