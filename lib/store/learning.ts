/**
 * What was learned, and what there is to learn from: scored prompts and their features, meta-models, policies and the edits
 * that these suggested.
 *
 * @module
 */
import type { Prompt } from "../optimize/candidate.ts";
import { byId } from "./by_id.ts";
import type { Queryable } from "./db.ts";
import { promptOf, type PromptRow } from "./trials.ts";

/** A prompt with its mean validation score in a context: the same questions, metric, primary model and weights of that. */
export interface ScoredPrompt {
  readonly promptId: string;
  /** The search, or measurement, that it was first scored in. */
  readonly experimentId: string;
  readonly context: string;
  /** Name of the question set. */
  readonly dataset: string;
  readonly prompt: Prompt;
  /** Mean over the validation questions that it answered, in [0, 1]. */
  readonly score: number;
  /** How many those are. */
  readonly n: number;
  readonly createdAt: Date;
  /** Of the version that was asked for; null when they are still to be made. */
  readonly features: readonly number[] | null;
}

/** Every prompt that was scored on validation questions, oldest first, with its features of `version` where they are kept. */
export async function scoredPrompts(db: Queryable, version: number): Promise<ScoredPrompt[]> {
  const { rows } = await db.query<Omit<ScoredPrompt, "prompt"> & PromptRow>(
    `select s.prompt_id as "promptId", p.experiment_id as "experimentId", s.context, s.dataset, s.score, s.n, s.created_at as "createdAt",
            p.system_prompt, p.output_prompt, p.demos, p.bias, f."values" as features
       from scored_prompts s
       join prompts p on p.id = s.prompt_id
       left join prompt_features f on f.prompt_id = s.prompt_id and f.version = $1
      order by s.created_at, s.prompt_id`,
    [version],
  );
  return rows.map(({ system_prompt, output_prompt, demos, bias, ...row }) => ({
    ...row,
    prompt: promptOf({ system_prompt, output_prompt, demos, bias }),
  }));
}

/** The context of an experiment on `datasetId` with `config`. */
export async function contextOf(
  db: Queryable,
  datasetId: string,
  config: Readonly<Record<string, unknown>>,
): Promise<string> {
  const { rows: [row] } = await db.query<{ context: string }>("select context_of($1, $2) as context", [
    datasetId,
    config,
  ]);
  return row!.context;
}

/** What contexts have in common that differ in the questions alone, or in how these were split: metric and primary model. */
export const settingOf = (context: string): string => JSON.stringify(JSON.parse(context).slice(1));

/** Keeps rows of features under their version; each row has a number for each name. */
export async function saveFeatures(
  db: Queryable,
  { version, names, rows }: {
    version: number;
    names: readonly string[];
    rows: readonly { readonly promptId: string; readonly values: ArrayLike<number> }[];
  },
): Promise<void> {
  for (let from = 0; from < rows.length; from += BATCH) {
    await db.query(
      `insert into prompt_features (prompt_id, version, names, "values")
       select prompt_id, $1, $2, array(select jsonb_array_elements_text(row)::float8)
         from unnest($3::uuid[], $4::jsonb[]) as kept (prompt_id, row)
       on conflict (prompt_id, version) do update set names = excluded.names, "values" = excluded."values"`,
      [
        version,
        names,
        rows.slice(from, from + BATCH).map(({ promptId }) => promptId),
        rows.slice(from, from + BATCH).map(({ values }) => JSON.stringify(Array.from(values))),
      ],
    );
  }
}

const BATCH = 1000;

/** How predictions compare with what was measured: errors are in units of the score. */
export interface Accuracy {
  readonly prompts: number;
  /** Root mean squared error. */
  readonly rmse: number;
  /** The same of predicting the mean: a model above it knows nothing. */
  readonly meanRmse: number;
  /** Spearman's; within searches, where there are several. */
  readonly rankCorrelation: number;
}

/** What a meta-model is worth in one context, on prompts that it had not seen. */
export interface ContextAccuracy extends Accuracy {
  readonly context: string;
  readonly dataset: string;
  /** Mean score: predictions are relative to it. */
  readonly mean: number;
  /** How many searches its prompts are of: what one alone says need not hold for the next. */
  readonly searches: number;
}

/** How well models of what came before ordered the prompts of the searches that came after. */
export interface Foresight {
  /** Spearman's within each search, averaged by their prompts. */
  readonly rankCorrelation: number;
  /** Of no order: what came after counts whole, as prompts of one search are alike. */
  readonly pValue: number;
}

/** A meta-model as it is kept. */
export interface MetaModelRow {
  readonly id: string;
  readonly featureVersion: number;
  readonly featureNames: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** When its oldest and its newest prompt were proposed. */
  readonly trainedFrom: Date;
  readonly trainedTo: Date;
  /** How many prompts: those held out count. */
  readonly prompts: number;
  /** On the held-out prompts, as are the next three. */
  readonly rmse: number;
  readonly meanRmse: number;
  readonly r2: number;
  readonly rankCorrelation: number;
  readonly bestIteration: number;
  readonly importance: readonly {
    readonly feature: string;
    /** What its splits gained in squared error. */
    readonly value: number;
    /** 1 where more of it goes with a higher prediction, -1 with a lower one. */
    readonly sign: number;
    /** Least and most in the prompts that were learned from. */
    readonly low: number;
    readonly high: number;
  }[];
  /** Folds are of whole searches. `foresight` is of searches that came later; null where there were too few. */
  readonly crossValidation: Accuracy & {
    readonly folds: number;
    readonly r2: number;
    /** Not there in models that were measured prompt by prompt: these are to be trained anew. */
    readonly foresight?: Foresight & { readonly searches: number } | null;
  };
  readonly contexts: readonly ContextAccuracy[];
  /** Of question sets, by name, that came later; null where there were too few. */
  readonly transfer: Foresight & { readonly sets: number } | null;
  /** Text with its checksum (lib/gbdt). */
  readonly model: string;
  readonly modelSha256: string;
  readonly seconds: number;
}

/** Keeps a meta-model. */
export async function saveMetaModel(db: Queryable, row: MetaModelRow): Promise<void> {
  await db.query(
    `insert into meta_models (id, feature_version, feature_names, parameters, trained_from, trained_to, prompts, rmse,
                              mean_rmse, r2, rank_correlation, best_iteration, importance, cross_validation, contexts,
                              transfer, model, model_sha256, seconds)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
     on conflict (id) do nothing`,
    [
      row.id,
      row.featureVersion,
      row.featureNames,
      row.parameters,
      row.trainedFrom,
      row.trainedTo,
      row.prompts,
      row.rmse,
      row.meanRmse,
      row.r2,
      row.rankCorrelation,
      row.bestIteration,
      JSON.stringify(row.importance),
      row.crossValidation,
      JSON.stringify(row.contexts),
      row.transfer,
      row.model,
      row.modelSha256,
      row.seconds,
    ],
  );
}

const META_MODEL_FACTS =
  `id, feature_version as "featureVersion", feature_names as "featureNames", parameters,
            trained_from as "trainedFrom", trained_to as "trainedTo", prompts, rmse, mean_rmse as "meanRmse", r2,
            rank_correlation as "rankCorrelation", best_iteration as "bestIteration", importance,
            cross_validation as "crossValidation", contexts, transfer, model_sha256 as "modelSha256", seconds`;

const META_MODEL = `select ${META_MODEL_FACTS}, model from meta_models`;

/** The newest meta-model on features of `version`; null where there is none. */
export async function newestMetaModel(db: Queryable, version: number): Promise<MetaModelRow | null> {
  const { rows: [row = null] } = await db.query<MetaModelRow>(
    `${META_MODEL} where feature_version = $1 order by created_at desc, id limit 1`,
    [version],
  );
  return row;
}

/** The meta-model with this id (the beginning is enough, 8 characters or more); a RangeError when there is none. */
export const findMetaModel = (db: Queryable, id: string): Promise<MetaModelRow> =>
  byId<MetaModelRow>(db, id, {
    what: "meta-model",
    select: META_MODEL,
    none: `Cannot find the meta-model ${JSON.stringify(id)} as none has this id`,
  });

/** Whether anything was learned yet. */
export async function hasLearned(
  db: Queryable,
): Promise<{ readonly metaModel: boolean; readonly policy: boolean }> {
  const { rows: [row] } = await db.query<{ metaModel: boolean; policy: boolean }>(
    `select exists (select from meta_models) as "metaModel", exists (select from rl_models) as policy`,
  );
  return row!;
}

/** A policy as it is kept. */
export interface PolicyRow {
  readonly id: string;
  readonly algorithm: "ppo" | "dqn";
  readonly featureVersion: number;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly timesteps: number;
  /** Of episodes of the trained policy in its environment, and of the same episodes with actions by chance. */
  readonly meanReturn: number;
  readonly randomReturn: number;
  /** What rewarded it; null: the heuristic. */
  readonly metaModelId: string | null;
  /** A row for each update. */
  readonly history: readonly Readonly<Record<string, number>>[];
  /** The best prompts it met, with the edits that led to them. */
  readonly bestPrompts: readonly {
    readonly score: number;
    readonly prompt: Prompt;
    readonly actions: readonly string[];
  }[];
  readonly onnx: Uint8Array;
  readonly onnxSha256: string;
  readonly seconds: number;
}

/** Keeps a policy. */
export async function savePolicy(db: Queryable, row: PolicyRow): Promise<void> {
  await db.query(
    `insert into rl_models (id, algorithm, feature_version, parameters, timesteps, mean_return, random_return,
                            meta_model_id, history, best_prompts, onnx, onnx_sha256, seconds)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     on conflict (id) do nothing`,
    [
      row.id,
      row.algorithm,
      row.featureVersion,
      row.parameters,
      row.timesteps,
      row.meanReturn,
      row.randomReturn,
      row.metaModelId,
      JSON.stringify(row.history),
      JSON.stringify(row.bestPrompts),
      row.onnx,
      row.onnxSha256,
      row.seconds,
    ],
  );
}

const POLICY_FACTS = `id, algorithm, feature_version as "featureVersion", parameters, timesteps,
            mean_return as "meanReturn", random_return as "randomReturn", meta_model_id as "metaModelId", history,
            best_prompts as "bestPrompts", onnx_sha256 as "onnxSha256", seconds`;

const POLICY = `select ${POLICY_FACTS}, onnx from rl_models`;

/** The newest policy on features of `version`; null where there is none. */
export async function newestPolicy(db: Queryable, version: number): Promise<PolicyRow | null> {
  const { rows: [row = null] } = await db.query<PolicyRow>(
    `${POLICY} where feature_version = $1 order by created_at desc, id limit 1`,
    [version],
  );
  return row;
}

/** The policy with this id (the beginning is enough, 8 characters or more); a RangeError when there is none. */
export const findPolicy = (db: Queryable, id: string): Promise<PolicyRow> =>
  byId<PolicyRow>(db, id, {
    what: "policy",
    select: POLICY,
    none: `Cannot find the policy ${JSON.stringify(id)} as none has this id`,
  });

/**
 * Fills in what the edits of an experiment were worth: the gain of the resulting prompt over the edited one, on the
 * validation questions that both answered. Edits that were made together share it.
 */
export async function measureEdits(db: Queryable, experimentId: string): Promise<void> {
  await db.query(
    `update rl_actions a
        set measured_reward = t.gain
       from trial_overview t
      where t.experiment_id = $1 and t.prompt_id = a.result_id and a.measured_reward is distinct from t.gain`,
    [experimentId],
  );
}

/** An edit that a policy suggested in an experiment. */
export interface EditRow {
  readonly version: number;
  readonly step: number;
  readonly action: string;
  /** By how much the edit was expected to raise the score. */
  readonly predicted: number;
  /** What all edits of this version together were worth, null before it was raced. */
  readonly measured: number | null;
}

/** The edits of an experiment, in the order in which they were made. */
export async function editsOf(db: Queryable, experimentId: string): Promise<EditRow[]> {
  const { rows } = await db.query<EditRow>(
    `select p.version, a.step, a.action, a.predicted_reward as predicted, a.measured_reward as measured
       from rl_actions a
       join prompts p on p.id = a.result_id
      where p.experiment_id = $1
      order by p.version, a.step`,
    [experimentId],
  );
  return rows;
}

/** What was learned, as far as an experiment has to do with it; without the models themselves. */
export interface LearnedRecord {
  /** The meta-model that the experiment used, else the newest one; null where there is none. */
  readonly metaModel: Omit<MetaModelRow, "model"> | null;
  /** Whether the experiment used it. */
  readonly metaModelUsed: boolean;
  /** The policy that the experiment used. */
  readonly policy: Omit<PolicyRow, "onnx"> | null;
  /** What that suggested. */
  readonly edits: readonly EditRow[];
}

/** What the experiment with this id and configuration had learned to go by. */
export async function learnedBy(
  db: Queryable,
  { id, config }: { readonly id: string; readonly config: Readonly<Record<string, unknown>> },
): Promise<LearnedRecord> {
  const used = (name: string) => typeof config[name] === "string" ? config[name] : null;
  const { rows: [metaModel = null] } = await db.query<Omit<MetaModelRow, "model">>(
    `select ${META_MODEL_FACTS}
       from meta_models
      order by (id::text = $1) desc nulls last, created_at desc, id
      limit 1`,
    [used("meta_model")],
  );
  const { rows: [policy = null] } = await db.query<Omit<PolicyRow, "onnx">>(
    `select ${POLICY_FACTS} from rl_models where id::text = $1`,
    [used("policy_model")],
  );
  const metaModelUsed = metaModel !== null && metaModel.id === used("meta_model");
  return { metaModel, metaModelUsed, policy, edits: await editsOf(db, id) };
}
