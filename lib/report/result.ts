/**
 * What `optimize --json` prints: a function of the experiment's rows.
 *
 * @module
 */
import type { ExperimentRecord, ExperimentRow, MetricRow, TrialRow } from "../store/overview.ts";
import { best as bestOf } from "./rows.ts";
import { discreet } from "./text.ts";

/** A mean score and the questions it was measured on. */
export interface Scored {
  readonly score: number;
  readonly n: number;
}

/** The document. Scores are null where nothing was measured: an interrupted run has no test scores. */
export interface ExperimentResult {
  readonly experiment_id: string;
  readonly status: ExperimentRow["status"];
  readonly stop_reason: ExperimentRow["stop_reason"];
  /** What ended it, without what gives access; null unless it failed. */
  readonly error: string | null;
  readonly baseline: { readonly validation: Scored | null; readonly test: Scored | null };
  /** Null before the first trial was kept. */
  readonly best: {
    /** What `evaluate --prompt` takes. */
    readonly prompt_id: string;
    readonly prompt: {
      readonly system_prompt: string;
      readonly output_prompt: string;
      readonly demos: TrialRow["demos"];
      /** By answer, nats added to its log-probability; absent where nothing is added. */
      readonly bias?: NonNullable<TrialRow["bias"]>;
    };
    readonly operator: string;
    readonly validation: Scored | null;
    readonly test: Scored | null;
  } | null;
  /** Of best over baseline on the test split; null before the claim was made. */
  readonly improvement: {
    readonly mean: number;
    readonly ci95: readonly [number, number];
    readonly p_value: number;
    readonly significant: boolean;
  } | null;
  /** Requests sent by role, failed ones included and lost ones apart, and answers read back from other experiments. */
  readonly calls: {
    readonly primary: number;
    readonly optimizer: number;
    /** 0 where no model grades. */
    readonly grader: number;
    readonly cached: number;
    readonly failed: number;
    readonly lost: number;
    readonly total: number;
  };
  readonly tokens: { readonly prompt: number; readonly completion: number };
  readonly cost_usd: number;
  readonly seconds: number;
  readonly trials: readonly {
    readonly index: number;
    readonly prompt_id: string;
    readonly operator: string;
    readonly parent: number | null;
    readonly validation: Scored | null;
    readonly questions_seen: number;
    readonly accepted: boolean;
    readonly reason: string;
  }[];
}

/** The document of an experiment. */
export function resultOf({ experiment, trials, bill, metrics }: ExperimentRecord): ExperimentResult {
  const [seed] = trials;
  const best = bestOf(trials) ?? seed;
  const validation = (trial: TrialRow | undefined): Scored | null =>
    trial === undefined || trial.validation === null
      ? null
      : { score: trial.validation, n: trial.questions_seen };
  const test = (trial: TrialRow | undefined): Scored | null => {
    const row = metrics.find(({ version, split }) => version === trial?.index && split === "test");
    return row ? { score: row.value, n: row.n } : null;
  };
  const sent = (role: string) =>
    sum(bill.filter((row) => row.role === role).map(({ calls, lost }) => calls - lost));
  const { improvement: mean, ci_low, ci_high, p_value, significant } = experiment;
  return {
    experiment_id: experiment.id,
    status: experiment.status,
    stop_reason: experiment.stop_reason,
    error: experiment.error === null ? null : discreet(experiment.error),
    baseline: { validation: validation(seed), test: test(seed) },
    best: best === undefined ? null : {
      prompt_id: best.prompt_id,
      prompt: {
        ...{ system_prompt: best.system_prompt, output_prompt: best.output_prompt, demos: best.demos },
        ...best.bias ? { bias: best.bias } : {},
      },
      operator: best.operator,
      validation: validation(best),
      test: test(best),
    },
    improvement: mean === null
      ? null
      : { mean, ci95: [ci_low!, ci_high!], p_value: p_value!, significant: significant! },
    calls: {
      primary: sent("primary"),
      optimizer: sent("optimizer"),
      grader: sent("grader"),
      cached: experiment.cached,
      failed: sum(bill.map(({ failed }) => failed)),
      lost: sum(bill.map(({ lost }) => lost)),
      total: sum(bill.map(({ calls }) => calls)) + experiment.cached,
    },
    tokens: {
      prompt: sum(bill.map(({ prompt_tokens }) => prompt_tokens)),
      completion: sum(bill.map(({ completion_tokens }) => completion_tokens)),
    },
    cost_usd: experiment.cost_usd,
    seconds: experiment.seconds,
    trials: trials.map((trial) => ({
      index: trial.index,
      prompt_id: trial.prompt_id,
      operator: trial.operator,
      parent: trial.parent,
      validation: validation(trial),
      questions_seen: trial.questions_seen,
      accepted: trial.accepted,
      reason: trial.reason,
    })),
  };
}

/** What `evaluate --json` prints. */
export interface MeasurementResult {
  readonly experiment_id: string;
  readonly status: ExperimentRow["status"];
  readonly error: ExperimentResult["error"];
  readonly split: MetricRow["split"] | null;
  readonly metric: string | null;
  readonly signature: string | null;
  /** Null when no question was answered. */
  readonly score: number | null;
  readonly n: number;
  readonly ci95: readonly [number, number] | null;
  readonly calls: ExperimentResult["calls"];
  readonly tokens: ExperimentResult["tokens"];
  readonly cost_usd: number;
  readonly seconds: number;
}

/** The document of a measurement. */
export function measurementOf(record: ExperimentRecord): MeasurementResult {
  const { experiment_id, status, error, calls, tokens, cost_usd, seconds } = resultOf(record);
  const [row] = record.metrics;
  return {
    experiment_id,
    status,
    error,
    split: row?.split ?? null,
    metric: row?.metric ?? null,
    signature: row?.signature ?? null,
    score: row?.value ?? null,
    n: row?.n ?? 0,
    ci95: row && row.ci_low !== null && row.ci_high !== null ? [row.ci_low, row.ci_high] : null,
    calls,
    tokens,
    cost_usd,
    seconds,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
