/**
 * The policy: trained to edit prompts so that more is expected of them, and used in the loop as one operator among others.
 *
 * What is expected of a prompt says the newest meta-model where it beats predicting the mean, else a rule of thumb of clarity
 * and conciseness (`clarity` of lib/rl).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Example } from "../dataset/example.ts";
import { COLUMNS, type Embed, FEATURE_VERSION, features } from "../features/mod.ts";
import type { Blas, Lightgbm } from "../native/mod.ts";
import { openSession, tensor } from "../onnx/mod.ts";
import { answerSpace, type Limits, type Policy, type Prompt } from "../optimize/mod.ts";
import type { Random } from "../random.ts";
import {
  ACTIONS,
  dqn,
  type DqnOptions,
  editEpisodes,
  editJournal,
  editPolicy,
  type EditPolicyOptions,
  finishBest,
  type Look,
  observer,
  ppo,
  PPO_DEFAULTS,
  type PpoOptions,
  type Progress,
  promptEnv,
  type Task,
  vectorize,
} from "../rl/mod.ts";
import {
  findMetaModel,
  type MetaModelRow,
  newestMetaModel,
  newestPolicy,
  type PolicyRow,
  type Queryable,
  savePolicy,
  scoredPrompts,
} from "../store/mod.ts";
import { doubt } from "./meta_model.ts";
import { requireSound } from "./sound.ts";
import { type OpenSurrogate, openSurrogate } from "./surrogate.ts";

/** What a training needs from outside. */
export interface PolicyTraining {
  readonly db: Queryable;
  readonly embed: Embed;
  readonly lightgbm: () => Promise<Lightgbm>;
  readonly blas: Blas;
  /** Examples that may become demos. */
  readonly train: readonly Example[];
  readonly limits: Limits;
  /** Where episodes begin when no prompt was scored yet. */
  readonly seedPrompt: Prompt;
  readonly random: Random;
  readonly newId: () => string;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsed: () => number;
  /** @default {"ppo"} */
  readonly algorithm?: "ppo" | "dqn";
  /** @default {5000} */
  readonly timesteps?: number;
  /** That are edited side by side. @default {8} */
  readonly environments?: number;
  /** Of an episode at most. @default {8} */
  readonly edits?: number;
  /** Of the algorithm. */
  readonly options?: PpoOptions | DqnOptions;
  /** Writes what is then the newest, or throws when another process has that to do. @default {(write) => write(db)} */
  readonly keep?: (write: (tx: Queryable) => Promise<void>) => Promise<void>;
  /** Told why the newest meta-model does not reward, in words; not where there is none. */
  readonly onDoubt?: (why: string) => void;
  readonly onProgress?: (progress: Progress, meanReturn: number | null) => void;
}

/** Episodes by which the policy is chosen among those on the way. */
const TRIALS = 20;
/** Episodes by which it is then measured. */
const EPISODES = 100;
/** Prompts that are kept of a training. */
const BEST = 10;

/** Trains a policy in the environment of prompts, measures it beside chance, and keeps it. */
export async function trainPolicy(
  { db, embed, lightgbm, blas, random, newId, elapsed, onProgress = () => {}, ...given }: PolicyTraining,
): Promise<PolicyRow> {
  const began = elapsed();
  const { algorithm = "ppo", timesteps = 5000, environments: N = 8, edits = 8, options = {} } = given;
  const { keep = (write) => write(db) } = given;
  const metaModel = await rewarding(db, given.onDoubt);
  using expectation = metaModel && openSurrogate(metaModel, { embed, lightgbm: await lightgbm() });
  const task = taskOf(given), look = lookOf({ embed, task, expectation });
  const scored = (await scoredPrompts(db, FEATURE_VERSION)).map(({ prompt }) => prompt);
  const startPrompts = scored.length > 0 ? scored : [given.seedPrompt];
  const journal = editJournal();
  const environments = vectorize(
    Array.from({ length: N }, () => promptEnv({ startPrompts, task, look, edits, journal })),
    random.fork("environments"),
  );

  const common = { totalTimesteps: timesteps, blas, random: random.fork("training") };
  const training = algorithm === "dqn"
    ? dqn(environments, { ...common, ...options as DqnOptions })
    : ppo(environments, { ...common, nSteps: Math.ceil(PPO_DEFAULTS.nSteps / N), ...options as PpoOptions });
  const history: Record<string, number>[] = [];
  /** What is expected of edits that are drawn as the loop draws them. */
  const gain = async (logits: EditPolicyOptions["logits"], random: Random, episodes: number) =>
    average(
      (await editEpisodes(editPolicy({ logits, look, task, edits }), startPrompts, { episodes, random }))
        .map(({ gain }) => gain),
    );
  const trials = random.fork("trials"), evaluation = random.fork("evaluation");
  const { policy } = await finishBest(
    training,
    { worthOf: ({ logits }) => gain(logits, trials, TRIALS) },
    (progress) => {
      const { timesteps, episodes, losses } = progress;
      const mean = episodes.length === 0 ? null : average(episodes.map((episode) => episode.return));
      history.push({
        ...{ timesteps, episodes: episodes.length, ...losses },
        ...mean === null ? {} : { mean_return: mean, mean_length: average(episodes.map((e) => e.length)) },
      });
      onProgress(progress, mean);
    },
  );
  const onnx = policy.onnx();
  const row: PolicyRow = {
    ...{ id: newId(), algorithm, featureVersion: FEATURE_VERSION, timesteps },
    parameters: { ...options, environments: N, edits, ...DRAWN },
    meanReturn: await gain(policy.logits, evaluation, EPISODES),
    randomReturn: await gain(() => Array(ACTIONS.length).fill(0), evaluation, EPISODES),
    metaModelId: metaModel?.id ?? null,
    history,
    bestPrompts: journal.bestPrompts(BEST).map(({ score, prompt, edits }) => ({
      ...{ score: Math.min(1, Math.max(0, score)), prompt }, // to be shown
      actions: edits.map(({ action }) => action),
    })),
    ...{ onnx, onnxSha256: createHash("sha256").update(onnx).digest("hex") },
    seconds: (elapsed() - began) / 1000,
  };
  await keep((tx) => savePolicy(tx, row));
  return row;
}

/** Keeps it that a policy was measured by edits that are drawn as a search draws them: earlier ones were by their best edits. */
const DRAWN = { drawn: true } as const;

/** The meta-model that rewards: the newest one, if it beats predicting the mean. */
async function rewarding(
  db: Queryable,
  onDoubt: (why: string) => void = () => {},
): Promise<MetaModelRow | undefined> {
  const newest = await newestMetaModel(db, FEATURE_VERSION);
  const why = newest && doubt(newest);
  if (why) onDoubt(why);
  return newest && !why ? newest : undefined;
}

const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const taskOf = ({ train, limits }: { train: readonly Example[]; limits: Limits }): Task => ({
  ...{ train, limits },
  ...train.length > 0 ? { space: answerSpace(train) } : {},
});

const lookOf = ({ embed, task: { space }, expectation }: {
  embed: Embed;
  task: Task;
  expectation: OpenSurrogate | undefined;
}): Look =>
  observer({
    columns: COLUMNS,
    features: (prompt) => features(prompt, embed),
    ...expectation ? { predict: (row) => expectation.expect(row) } : {},
    ...space ? { space } : {},
  });

/** Whether a policy does better than chance, and than leaving prompts alone. */
export const beatsChance = ({ meanReturn, randomReturn }: PolicyRow): boolean =>
  meanReturn > randomReturn && meanReturn > 0;

/** The newest policy if it beats chance, or none; and why. */
export async function choosePolicy(
  db: Queryable,
): Promise<{ readonly policy: PolicyRow | null; readonly because: string }> {
  const policy = await newestPolicy(db, FEATURE_VERSION);
  if (!policy) return { policy: null, because: "none was trained yet (`deno task train-policy`)" };
  if (policy.parameters.drawn !== DRAWN.drawn) {
    const because =
      "the newest was measured by its best edits alone: train it anew (`deno task train-policy`)";
    return { policy: null, because };
  }
  if (!beatsChance(policy)) return { policy: null, because: "the newest edits no better than chance" };
  const { meanReturn, randomReturn } = policy;
  const points = (value: number) => `${(100 * value).toFixed(1)} points`;
  return {
    policy,
    because: `its edits are expected to add ${points(meanReturn)}, edits by chance ${points(randomReturn)}`,
  };
}

/** Throws an UnusableModelError unless the policy is what was kept, and goes by the features that this version makes. */
export const requireSoundPolicy = ({ id, onnx, onnxSha256, featureVersion }: PolicyRow): void =>
  requireSound("policy", { id, content: onnx, sha256: onnxSha256, featureVersion });

/** A policy that edits, until it is disposed of. */
export interface OpenPolicy extends AsyncDisposable {
  readonly policy: Policy;
}

/**
 * Opens a policy for the loop: its ONNX file, run by onnxruntime, and what it was rewarded by. Throws an UnusableModelError when
 * either is not what was kept, or goes by other features.
 */
export async function openPolicy(
  row: PolicyRow,
  { db, embed, lightgbm, ...given }: {
    readonly db: Queryable;
    readonly embed: Embed;
    readonly lightgbm: () => Promise<Lightgbm>;
    readonly train: readonly Example[];
    readonly limits: Limits;
  },
): Promise<OpenPolicy> {
  const { onnx, metaModelId, parameters } = row;
  requireSoundPolicy(row);
  await using opened = new AsyncDisposableStack();
  const session = opened.use(await openSession(Uint8Array.from(onnx)));
  const expectation = metaModelId === null ? undefined : opened.use(
    openSurrogate(await findMetaModel(db, metaModelId), { embed, lightgbm: await lightgbm() }),
  );
  const task = taskOf(given);
  const logits: EditPolicyOptions["logits"] = async (observation) => {
    const { logits } = await session.run({
      observation: tensor(Float32Array.from(observation), [1, observation.length]),
    });
    return logits!.data as Float32Array;
  };
  const policy = editPolicy({
    ...{ logits, task, look: lookOf({ embed, task, expectation }) },
    edits: Number(parameters.edits),
  });
  const kept = opened.move();
  return { policy, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
