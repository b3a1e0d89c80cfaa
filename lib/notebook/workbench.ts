/**
 * What a notebook works with: the database that flows use, and the tools of learning, each opened when it is first asked for.
 *
 * ```ts ignore
 * const bench = await openWorkbench();
 * const experiments = await listExperiments(bench.db);
 * await bench.close();
 * ```
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Embed, layOutModel, openEmbedder } from "../features/mod.ts";
import { keysOf, type LanguageModel, openModel, parseModel } from "../llm/mod.ts";
import { type Blas, findLibrary, Lightgbm, openBlas } from "../native/mod.ts";
import { once } from "../once.ts";
import { ensurePython } from "../python/mod.ts";
import { type Database, migrate, openDatabase } from "../store/mod.ts";

/** An open workbench. Closing it ends what it has started; a kernel that is killed leaves nothing that others would miss. */
export interface Workbench extends AsyncDisposable {
  /** The project's folder, without a slash at its end. */
  readonly root: string;
  /** `QUINTET_HOME`. */
  readonly home: string;
  /** By `DATABASE_URL`, or the embedded one under `home`; its schema is up to date. */
  readonly db: Database;
  /** The sentence model. */
  readonly embed: Embed;
  readonly lightgbm: () => Promise<Lightgbm>;
  readonly blas: () => Promise<Blas>;
  /** A model by its name on the command line; the same one when it is asked for again. */
  readonly model: (name: string) => Promise<LanguageModel>;
  close(): Promise<void>;
}

/** Where it opens what. */
export interface WorkbenchOptions {
  /** @default {the process's} */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told what takes long. @default {() => {}} */
  readonly notice?: (line: string) => void;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");

/** Opens the database; nothing else is installed or started before it is asked for. */
export async function openWorkbench(
  { env = Deno.env.toObject(), notice = () => {} }: WorkbenchOptions = {},
): Promise<Workbench> {
  const home = env.QUINTET_HOME || `${ROOT}/.quintet`;
  await using opened = new AsyncDisposableStack();
  const db = opened.use(
    await openDatabase({
      home,
      applicationName: "quintet notebook",
      notice,
      ...env.DATABASE_URL ? { url: env.DATABASE_URL } : {},
    }),
  );
  await migrate(db, `${ROOT}/sql`, { notice });

  const tools = opened.use(new AsyncDisposableStack());
  const python = (group: string) => once(() => ensurePython({ root: ROOT, group, log: notice }));
  const local = python("local"), learn = python("learn");
  const embedder = once(async () =>
    tools.use(await openEmbedder(await layOutModel(await learn(), `${home}/models`)))
  );
  const models = new Map<string, () => Promise<LanguageModel>>();
  const open = async (name: string) => {
    const model = await openModel(parseModel(name), { ...keysOf(env), python: local, notice });
    if (model[Symbol.asyncDispose]) tools.use(model as LanguageModel & AsyncDisposable);
    return model;
  };
  const kept = opened.move();
  const close = () => kept.disposeAsync();
  return {
    ...{ root: ROOT, home, db },
    embed: async (texts) => await (await embedder()).embed(texts),
    lightgbm: once(async () => tools.use(new Lightgbm(await findLibrary("lightgbm", await learn())))),
    blas: once(async () => tools.use(await openBlas(await learn()))),
    model(name) {
      const model = models.get(name) ?? once(() => open(name));
      models.set(name, model);
      return model();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
