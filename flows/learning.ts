/**
 * What learns, opened for a flow: the sentence model, LightGBM, and what an experiment uses of what was learned.
 *
 * @module
 */
import { z } from "zod";
import { UsageError } from "../lib/command/mod.ts";
import { type Embed, features, layOutModel, openEmbedder } from "../lib/features/mod.ts";
import { chooseMetaModel, openSurrogate } from "../lib/learning/mod.ts";
import { findLibrary, Lightgbm } from "../lib/native/mod.ts";
import type { Options as SearchOptions, Prompt } from "../lib/optimize/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { contextOf, type Database, findMetaModel } from "../lib/store/mod.ts";
import { ROOT, type Setting } from "./setting.ts";

/** The tools of learning, each opened when it is first asked for. */
export interface Learning extends AsyncDisposable {
  readonly embed: Embed;
  readonly lightgbm: () => Promise<Lightgbm>;
}

/** Nothing is installed or started before it is needed: an experiment that learns nothing costs nothing. */
export function openLearning({ home, stage }: Setting): Learning {
  const opened = new AsyncDisposableStack();
  const once = <T>(open: () => Promise<T>) => {
    let value: Promise<T> | undefined;
    return () => value ??= open();
  };
  const python = once(() =>
    stage("Python packages", (say) => ensurePython({ root: ROOT, group: "learn", log: say }))
  );
  const embedder = once(() =>
    stage(
      "Sentence model",
      async () => opened.use(await openEmbedder(await layOutModel(await python(), `${home}/models`))),
    )
  );
  return {
    embed: async (texts) => await (await embedder()).embed(texts),
    lightgbm: once(async () => opened.use(new Lightgbm(await findLibrary("lightgbm", await python())))),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** What an experiment may use of what was learned. */
export const learnedOptions = {
  surrogate: z.boolean().default(true).describe("race prompts without asking the meta-model first"),
  meta_model: z.string().optional().describe("id of the meta-model; the newest that holds here unless given")
    .meta({ placeholder: "ID" }),
};

/** Before and after something was chosen. */
export interface LearnedOptions {
  readonly surrogate: boolean;
  readonly meta_model?: string | null | undefined;
}

/** What was chosen: kept with the experiment, so that it goes on with the same when it is resumed. */
export interface Learned {
  readonly surrogate: boolean;
  readonly meta_model: string | null;
}

/** Chooses for a new experiment, and says what and why. */
export async function choose(
  db: Database,
  { datasetId, config, seedPrompt }: {
    readonly datasetId: string;
    readonly config: LearnedOptions;
    readonly seedPrompt: Prompt;
  },
  { embed }: Learning,
  { tell }: Setting,
): Promise<Learned> {
  const learned = (id: string | null): Learned => ({ surrogate: id !== null, meta_model: id });
  if (!config.surrogate) return learned(null);
  if (config.meta_model) return learned((await named(() => findMetaModel(db, config.meta_model!))).id);
  const context = await contextOf(db, datasetId, { ...config });
  const { model, because } = await chooseMetaModel(db, {
    context,
    seed: () => features(seedPrompt, embed),
  });
  tell(model ? `Surrogate: meta-model ${model.id.slice(0, 8)}, as ${because}.` : `No surrogate: ${because}.`);
  return learned(model?.id ?? null);
}

/** What cannot be found is the user's to mend. */
async function named<Row>(find: () => Promise<Row>): Promise<Row> {
  try {
    return await find();
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** What was learned, in the slots of the search until it is disposed of. */
export interface Slots extends Disposable {
  readonly search: Pick<SearchOptions, "surrogate" | "advice">;
}

/** Opens what an experiment was begun with. */
export async function slots(
  db: Database,
  { datasetId, config }: { readonly datasetId: string; readonly config: LearnedOptions },
  { embed, lightgbm }: Learning,
): Promise<Slots> {
  const { meta_model: id } = config;
  if (!id) return { search: {}, [Symbol.dispose]: () => {} };
  const context = await contextOf(db, datasetId, { ...config });
  const row = await named(() => findMetaModel(db, id));
  const { surrogate, advice, ...opened } = openSurrogate(row, { context, embed, lightgbm: await lightgbm() });
  return { search: { surrogate, advice }, ...opened };
}
