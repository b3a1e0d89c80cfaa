/**
 * What reports, notebooks and the command line read: rows of the views, and nothing that is not in the database.
 *
 * @module
 */
import type { SplitName } from "../dataset/example.ts";
import type { StopReason } from "../optimize/search.ts";
import type { Comparison } from "../statistics/mod.ts";
import type { Queryable } from "./db.ts";
import type { Status } from "./experiments.ts";
import { learnedBy, type LearnedRecord } from "./learning.ts";
import type { PromptRow } from "./trials.ts";

/** One experiment in a list. */
export interface ExperimentRow {
  readonly id: string;
  readonly kind: "optimize" | "evaluate";
  readonly status: Status;
  readonly stop_reason: StopReason | null;
  readonly error: string | null;
  readonly dataset: string;
  readonly dataset_id: string;
  /** Of the examples and their splits. */
  readonly dataset_sha256: string;
  /** Questions in each split; one without questions is absent. */
  readonly splits: Readonly<Partial<Record<SplitName, number>>>;
  readonly seed: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  /** Of running, over all resumptions. */
  readonly seconds: number;
  /** Answers that other experiments had paid for. */
  readonly cached: number;
  readonly trials: number;
  /** Versions of the prompt that the claim compares; null, like all that follows on it, before the claim is made. */
  readonly before: number | null;
  readonly after: number | null;
  /** Mean difference on the test split, with its 95 % interval. */
  readonly improvement: number | null;
  readonly ci_low: number | null;
  readonly ci_high: number | null;
  readonly p_value: number | null;
  readonly significant: boolean | null;
  readonly test: Comparison["test"] | null;
  readonly test_n: number | null;
  readonly calls: number;
  readonly cost_usd: number;
}

/** One trial of an experiment. */
export interface TrialRow extends PromptRow {
  readonly index: number;
  readonly iteration: number;
  readonly operator: string;
  readonly parent: number | null;
  readonly prompt_id: string;
  readonly metadata: { readonly parents?: readonly number[]; readonly note?: string };
  /** Mean score on the validation questions seen, null when there were none. */
  readonly validation: number | null;
  /** 95 % interval of it. */
  readonly validation_low: number | null;
  readonly validation_high: number | null;
  readonly questions_seen: number;
  /** Mean difference to its parent on the validation questions that both answered, and how many those are. */
  readonly gain: number | null;
  readonly gain_n: number;
  readonly predicted: number | null;
  readonly accepted: boolean;
  readonly reason: string;
  /** Answers the search had asked for when it was decided. */
  readonly calls: number;
}

/** What one role cost. */
export interface BillRow {
  readonly role: "primary" | "optimizer" | "evaluator" | "grader";
  readonly model: string;
  readonly calls: number;
  readonly failed: number;
  readonly lost: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost_usd: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  /** Questions that were given up, and what the last of them failed with. */
  readonly given_up: number;
  readonly error: string | null;
}

/** One answer under one version of the prompt. */
export interface AnswerRow {
  readonly version: number;
  readonly split: SplitName;
  readonly example: string;
  readonly question: string;
  readonly reference_texts: readonly string[];
  readonly answer: string;
  readonly score: number;
}

/** A measured score. */
export interface MetricRow {
  readonly version: number;
  readonly split: SplitName;
  readonly metric: string;
  readonly signature: string;
  readonly value: number;
  /** 95 % interval of it. */
  readonly ci_low: number | null;
  readonly ci_high: number | null;
  readonly n: number;
}

/** The experiments, newest first. */
export async function listExperiments(db: Queryable, limit = 1000): Promise<ExperimentRow[]> {
  const { rows } = await db.query<ExperimentRow>(
    "select * from experiment_overview order by started_at desc, id limit $1",
    [limit],
  );
  return rows;
}

/** One experiment with everything that is known of it. */
export interface ExperimentRecord {
  readonly experiment: ExperimentRow;
  readonly trials: readonly TrialRow[];
  readonly bill: readonly BillRow[];
  readonly metrics: readonly MetricRow[];
  /** Answers of the seed and the best prompt on the test split. */
  readonly answers: readonly AnswerRow[];
  /** The models that answered its calls, each as it was: provider, model, digest, endpoint. */
  readonly models: readonly ModelRow[];
  readonly learned: LearnedRecord;
}

/** What answered, as it was when it did. */
export interface ModelRow {
  readonly model: string;
  readonly identity: Readonly<Record<string, unknown>>;
}

/** Reads one experiment; a RangeError when there is none with this id. */
export async function readExperiment(db: Queryable, id: string): Promise<ExperimentRecord> {
  const { rows: [experiment] } = await db.query<ExperimentRow>(
    "select * from experiment_overview where id = $1",
    [id],
  );
  if (!experiment) throw new RangeError(`Cannot read experiment ${id} as there is none with this id`);
  const { rows: trials } = await db.query<TrialRow>(
    `select index, iteration, operator, parent, prompt_id, system_prompt, output_prompt, demos, bias, metadata,
            validation, validation_low, validation_high, questions_seen, gain, gain_n, predicted, accepted, reason, calls
       from trial_overview
      where experiment_id = $1
      order by index`,
    [id],
  );
  const { rows: bill } = await db.query<BillRow>(
    `select role, model, calls, failed, lost, prompt_tokens, completion_tokens, cost_usd, p50_ms, p95_ms, given_up, error
       from bill
      where experiment_id = $1
      order by calls desc, role, model`,
    [id],
  );
  const { rows: metrics } = await db.query<MetricRow>(
    `select p.version, m.split, m.metric, m.signature, m.value, m.n, m.ci_low, m.ci_high
       from metrics_records m
       join prompts p on p.id = m.prompt_id
      where m.experiment_id = $1
      order by p.version, m.split, m.metric`,
    [id],
  );
  const { rows: answers } = await db.query<AnswerRow>(
    `select version, split, example, question, reference_texts, answer, score
       from answers
      where experiment_id = $1 and split = 'test'
      order by example, version`,
    [id],
  );
  const { rows: models } = await db.query<ModelRow>(
    `select distinct model, identity
       from completions
      where key in (select completion_key from calls where experiment_id = $1
                     union
                    select s.completion_key
                      from scores s
                      join prompts p on p.id = s.prompt_id
                     where p.experiment_id = $1)
      order by model, identity`,
    [id],
  );
  const learned = await learnedBy(db, experiment);
  return { experiment, trials, bill, metrics, answers, models, learned };
}
