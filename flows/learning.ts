/**
 * What learns, opened for a flow: the sentence model, LightGBM, and what an experiment uses of what was learned.
 *
 * @module
 */
import { z } from "zod";
import { UsageError } from "../lib/command/mod.ts";
import type { Dataset } from "../lib/dataset/mod.ts";
import type { Embed } from "../lib/features/mod.ts";
import type { Blas, Lightgbm } from "../lib/native/mod.ts";
import { once } from "../lib/once.ts";
import { LIMITS, type Options as SearchOptions, type Prompt } from "../lib/optimize/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { contextOf, type Database, findMetaModel, findPolicy, hasLearned } from "../lib/store/mod.ts";
import { named, ROOT, type Setting } from "./setting.ts";

/**
 * The rooms that learn, which most runs never need: they are read when they are first asked for. Deno reads at the start what
 * it finds named in an import, so they are not named there.
 */
const room = {
  features: (): Promise<typeof import("../lib/features/mod.ts")> => import(at("features")),
  learning: (): Promise<typeof import("../lib/learning/mod.ts")> => import(at("learning")),
  native: (): Promise<typeof import("../lib/native/mod.ts")> => import(at("native")),
};
const at = (name: string): string => new URL(`../lib/${name}/mod.ts`, import.meta.url).href;

/** The tools of learning, each opened when it is first asked for. */
export interface Learning extends AsyncDisposable {
  readonly embed: Embed;
  readonly lightgbm: () => Promise<Lightgbm>;
  readonly blas: () => Promise<Blas>;
}

/** Nothing is installed or started before it is needed: an experiment that learns nothing costs nothing. */
export function openLearning({ home, stage }: Pick<Setting, "home" | "stage">): Learning {
  const opened = new AsyncDisposableStack();
  const python = once(() =>
    stage("Python packages", (say) => ensurePython({ root: ROOT, group: "learn", log: say }))
  );
  const embedder = once(() =>
    stage("Sentence model", async () => {
      const { layOutModel, openEmbedder } = await room.features();
      return opened.use(await openEmbedder(await layOutModel(await python(), `${home}/models`)));
    })
  );
  return {
    embed: async (texts) => await (await embedder()).embed(texts),
    lightgbm: once(async () => {
      const { findLibrary, Lightgbm } = await room.native();
      return opened.use(new Lightgbm(await findLibrary("lightgbm", await python())));
    }),
    blas: once(async () => opened.use(await (await room.native()).openBlas(await python()))),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** What an experiment may use of what was learned. */
export const learnedOptions = {
  surrogate: z.boolean().default(true).describe("race prompts without asking the meta-model first"),
  meta_model: z.string().optional().describe(
    "id of the meta-model; the newest, if it holds here, unless given",
  )
    .meta({ metavar: "ID" }),
  policy: z.boolean().default(true).describe("propose prompts without the policy's edits"),
  policy_model: z.string().optional().describe(
    "id of the policy; the newest, if it beats chance, unless given",
  )
    .meta({ metavar: "ID" }),
};

/** Refuses a model that is named and not to be used: nobody would look it up. Throws UsageError. */
export function requireUsed(options: LearnedOptions, { given, env }: Setting): void {
  for (const [model, use] of [["meta_model", "surrogate"], ["policy_model", "policy"]] as const) {
    const from = given.get(model);
    if (options[use] || !from || env[from] !== undefined) continue; // a variable is there for every command
    throw new UsageError(`Cannot use ${from} with ${given.get(use)}, which goes without: leave either out`);
  }
}

/** Before and after something was chosen. */
export interface LearnedOptions {
  readonly surrogate: boolean;
  readonly meta_model?: string | null | undefined;
  readonly policy: boolean;
  readonly policy_model?: string | null | undefined;
}

/**
 * What was chosen: kept with the experiment, so that it goes on with the same when it is resumed. What was asked for is kept
 * as it was given, or the same command would be taken for another one then.
 */
export interface Learned {
  readonly meta_model: string | null;
  readonly policy_model: string | null;
}

/** What is used of what was learned, by ids. */
export const learned = (
  { metaModel, policy }: { metaModel?: string | null | undefined; policy?: string | null | undefined },
): Learned => ({ meta_model: metaModel ?? null, policy_model: policy ?? null });

/** Chooses for a new experiment, and says what and why. Throws an UnusableModelError when what was chosen is not what was kept. */
export async function choose(
  db: Database,
  { datasetId, dataset, config, seedPrompt }: {
    readonly datasetId: string;
    /** Name of the question set. */
    readonly dataset: string;
    readonly config: LearnedOptions;
    readonly seedPrompt: Prompt;
  },
  { embed }: Learning,
  { tell }: Setting,
): Promise<Learned> {
  const { meta_model, policy_model } = config;
  const kept = await hasLearned(db);
  const metaModel = async () => {
    if (!meta_model && !kept.metaModel) {
      tell("No surrogate: no meta-model was trained yet (`deno task train-meta-model`).");
      return null;
    }
    const { chooseMetaModel, requireSoundMetaModel } = await room.learning();
    if (meta_model) {
      const model = await named(() => findMetaModel(db, meta_model));
      requireSoundMetaModel(model);
      return model.id;
    }
    const context = await contextOf(db, datasetId, { ...config });
    const { model, because } = await chooseMetaModel(db, {
      ...{ context, dataset },
      seed: async () => (await room.features()).features(seedPrompt, embed),
    });
    tell(
      model ? `Surrogate: meta-model ${model.id.slice(0, 8)}, as ${because}.` : `No surrogate: ${because}.`,
    );
    if (model) requireSoundMetaModel(model);
    return model?.id;
  };
  const policy = async () => {
    if (!policy_model && !kept.policy) {
      tell("No policy: none was trained yet (`deno task train-policy`).");
      return null;
    }
    const { choosePolicy, requireSoundPolicy } = await room.learning();
    if (policy_model) {
      const policy = await named(() => findPolicy(db, policy_model));
      requireSoundPolicy(policy);
      return policy.id;
    }
    const { policy, because } = await choosePolicy(db);
    tell(policy ? `Policy: ${policy.id.slice(0, 8)}, as ${because}.` : `No policy: ${because}.`);
    if (policy) requireSoundPolicy(policy);
    return policy?.id;
  };
  return learned({
    metaModel: config.surrogate ? await metaModel() : null,
    policy: config.policy ? await policy() : null,
  });
}

/** What was learned, in the slots of the search until it is disposed of. */
export interface Slots extends AsyncDisposable {
  readonly search: Pick<SearchOptions, "surrogate" | "advice" | "policy">;
}

/** Opens what an experiment was begun with. */
export async function slots(
  db: Database,
  { datasetId, dataset, config }: {
    readonly datasetId: string;
    readonly dataset: Dataset;
    readonly config: Partial<Learned>;
  },
  { embed, lightgbm }: Learning,
): Promise<Slots> {
  await using opened = new AsyncDisposableStack();
  const search: { -readonly [slot in keyof Slots["search"]]: Slots["search"][slot] } = {};
  const { meta_model, policy_model } = config;
  if (meta_model) {
    const { openSurrogate } = await room.learning();
    const row = await named(() => findMetaModel(db, meta_model));
    const context = await contextOf(db, datasetId, { ...config });
    const { surrogate, advice } = opened.use(
      openSurrogate(row, { context, dataset: dataset.name, embed, lightgbm: await lightgbm() }),
    );
    Object.assign(search, { surrogate, advice });
  }
  if (policy_model) {
    const { openPolicy } = await room.learning();
    const row = await named(() => findPolicy(db, policy_model));
    const { policy } = opened.use(
      await openPolicy(row, { db, embed, lightgbm, train: dataset.train, limits: LIMITS }),
    );
    Object.assign(search, { policy });
  }
  const kept = opened.move();
  return { search, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
