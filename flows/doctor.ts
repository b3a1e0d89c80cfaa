/**
 * `deno task doctor`: each part, how it stands, and the line that mends it. Changes nothing.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { findPython, installedPython } from "../lib/python/mod.ts";
import { openDatabase, status } from "../lib/store/mod.ts";
import { common, databaseOption, main, ROOT, type Setting } from "./setting.ts";

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
    try {
      parts.push({ part, fix: null, ...await check(options, setting) });
    } catch (error) {
      const { message, fix } = error as Error & { fix?: string };
      parts.push({ part, state: "broken", detail: message, fix: fix ?? null });
    }
  }
  if (options.json) setting.print(JSON.stringify(parts));
  else {
    for (const { part, state, detail, fix } of parts) {
      setting.print(
        `${state.padEnd(6)}  ${part.padEnd(10)}  ${detail}${fix ? `\n${" ".repeat(20)}${fix}` : ""}`,
      );
    }
  }
  return parts.some(({ state }) => state === "broken") ? EXIT.usage : EXIT.done;
}

type Check = (options: Options, setting: Setting) => Promise<Omit<Part, "part" | "fix"> & { fix?: string }>;

/** The Deno that Quintet is tested with. */
const DENO = "2.9.6";

const CHECKS: Readonly<Record<string, Check>> = {
  deno: () => {
    const { deno } = Deno.version;
    const detail = `${deno} on ${Deno.build.target}, ${navigator.hardwareConcurrency} cores`;
    return Promise.resolve(
      deno === DENO ? { state: "ok", detail } : {
        state: "broken",
        detail: `${detail}, where ${DENO} is what Quintet is tested with`,
        fix: `npx -y deno@${DENO} task doctor`,
      },
    );
  },

  home: async (_, { home }) => {
    await Deno.mkdir(home, { recursive: true });
    const probe = `${home}/.probe-${crypto.randomUUID()}`;
    await Deno.writeTextFile(probe, "").catch((error) => {
      throw Object.assign(new Error(`Cannot write in ${home}: ${error.message}`), {
        fix: "Set QUINTET_HOME to a folder that may be written to",
      });
    });
    await Deno.remove(probe);
    return { state: "ok", detail: home };
  },

  python: async () => {
    const { command, version } = await findPython();
    return { state: "ok", detail: `${command} ${version}` };
  },

  wheels: async () => {
    const groups = [];
    for await (const { name } of Deno.readDir(`${ROOT}/requirements`)) {
      groups.push(name.replace(/\.txt$/, ""));
    }
    const installed = [];
    for (const group of groups.sort()) {
      if (await installedPython({ root: ROOT, group })) installed.push(group);
    }
    return installed.includes("local")
      ? { state: "ok", detail: `.venv has ${installed.join(", ")}` }
      : { state: "absent", detail: "the embedded model is installed at first use (140 MB)" };
  },

  database: async ({ database }, { home }) => {
    const made = await Deno.stat(`${home}/postgres`).then(() => true, () => false);
    if (!database && !made) {
      return { state: "absent", detail: "the embedded PostgreSQL is made at first use" };
    }
    await using db = await openDatabase({ home, ...database ? { url: database } : {} });
    const rows = await status(db, `${ROOT}/sql`);
    const refused = rows.find(({ state }) => state === "refused");
    if (refused) return { state: "broken", detail: `${db.description}: ${refused.problem}` };
    const pending = rows.filter(({ state }) => state === "pending").length;
    const schema = pending === 0 ? "schema up to date" : `${pending} migrations to apply at next use`;
    return { state: "ok", detail: `${db.description}, ${schema}` };
  },

  keys: (_, { env }) => {
    const has = KEYS.filter((name) => env[name]);
    return Promise.resolve({
      state: has.length > 0 ? "ok" : "absent",
      detail: has.length > 0
        ? `${has.join(", ")} set`
        : `${KEYS.join(", ")} not set: only needed for remote models`,
    });
  },

  memory: () => {
    const { available } = Deno.systemMemoryInfo();
    const mib = Math.round(available / 2 ** 20);
    return Promise.resolve(
      mib >= 1000 ? { state: "ok", detail: `${mib} MiB available` } : {
        state: "broken",
        detail: `${mib} MiB available, where 1000 are wanted`,
        fix: "End other programs",
      },
    );
  },
};

/** What models may need; the doctor says whether they are set, never what they are. */
const KEYS = ["OPENAI_API_KEY"];

if (import.meta.main) {
  await main({ name: "doctor", summary: "each part, how it stands, and what mends it", schema, run });
}
