/**
 * `deno task notebooks`: checks the notebooks' types, runs them in Deno's kernel without a reader, and exports them as HTML.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import {
  execute,
  type Executed,
  installKernel,
  type Notebook,
  outputsOf,
  PARAMETERS,
  shownAs,
  typeErrors,
  whole,
} from "../lib/notebook/mod.ts";
import { nearest } from "../lib/nearest.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { plural } from "../lib/report/text.ts";
import { listExperiments } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { common, database, databaseOption, main, requireWritable, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  only: z.array(z.string()).default([]).describe("run only these, as 05 or 05_experiments")
    .meta({ metavar: "NAME,NAME" }),
  param: z.array(z.string()).default([]).describe("set a parameter of the notebooks that have it")
    .meta({ metavar: "NAME=VALUE,…" }),
  html: z.string().optional().describe("folder for a page of each, which opens offline").meta({
    metavar: "DIR",
  }),
  output: z.string().optional().describe("folder for each with its outputs").meta({ metavar: "DIR" }),
  seconds: z.int().min(1).default(600).describe("that a cell may take"),
  check: z.boolean().default(false).describe("check types and run nothing"),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

/** Where the notebooks are, with the deno.json of their kernel. */
export const NOTEBOOKS = `${ROOT}/notebooks`;

/** Searches that make the database to look into, where there is none yet: of the embedded model, some 40 s in all. */
const SEARCHES = [
  ["--dataset", "data/tasks/question_types.jsonl", "--seed", "1"],
  ["--dataset", "data/tasks/question_types.jsonl", "--seed", "2"],
  ["--dataset", "data/tasks/topics.jsonl", "--seed", "1"],
];
const CALLS = "120";

async function run(options: Options, setting: Setting): Promise<number> {
  const { stage, print } = setting;
  const names = chosen(await available(), options.only);
  const given = await parametersOf(options.param, names);
  const wrong = await stage(
    "Types",
    () => typeErrors(names.map(pathOf), { deno: Deno.execPath(), config: `${NOTEBOOKS}/deno.json` }),
  );
  if (wrong.length > 0) {
    for (const line of wrong) setting.tell(line);
    return EXIT.internal;
  }
  if (options.check) {
    print(options.json ? json(names) : `${plural(names.length, "notebook")} checked`);
    return EXIT.done;
  }

  const python = await stage("Python packages", async (say) => {
    for (const group of ["local", "learn"]) await ensurePython({ root: ROOT, group, log: say });
    return await ensurePython({ root: ROOT, group: "notebooks", log: say });
  });
  await installKernel(`${ROOT}/.venv`, Deno.execPath());
  for (const folder of [options.html, options.output]) {
    if (folder !== undefined) await requireWritable(folder, "name another one");
  }
  const rows: Row[] = [];
  let interrupted = false;
  try {
    await prepared(options, setting);
    for (const name of names) {
      const row = await stage(name, (say) => executed(name, { python, given, options, setting, say }));
      rows.push(row);
      for (const problem of row.problems) setting.tell(`${name}: ${problem}`);
    }
  } catch (error) {
    if (!setting.stop.aborted) throw error; // else it was ended, and may say anything
    interrupted = true;
  }
  if (options.json) print(json(rows));
  else for (const row of rows) print(`${row.name}: ${lineOf(row)}`);
  if (interrupted) return EXIT.interrupted;
  return rows.every(({ problems }) => problems.length === 0) ? EXIT.done : EXIT.internal;
}

/** Runs a notebook in its kernel, and says what became of it. */
async function executed(name: string, { python, given, options, setting, say }: {
  readonly python: string;
  readonly given: Readonly<Record<string, string>>;
  readonly options: Options;
  readonly setting: Setting;
  readonly say: (status: string) => void;
}): Promise<Row> {
  const { home, env, stop } = setting;
  say("running");
  const began = performance.now();
  const done = await execute(pathOf(name), {
    ...{ python, venv: `${ROOT}/.venv`, seconds: options.seconds, stop },
    env: {
      QUINTET_HOME: home,
      ...options.database ? { DATABASE_URL: options.database } : {},
      ...env.HOME === undefined ? { HOME: home } : {},
      [PARAMETERS]: JSON.stringify(given),
    },
    html: options.html && `${options.html}/${name}.html`,
    output: options.output && `${options.output}/${name}.ipynb`,
  });
  const row = rowOf(name, done, (performance.now() - began) / 1000);
  say(lineOf(row));
  return row;
}

const pathOf = (name: string): string => `${NOTEBOOKS}/${name}.ipynb`;

/** What became of a notebook. */
interface Row {
  readonly name: string;
  readonly cells: number;
  readonly outputs: number;
  readonly pictures: number;
  readonly seconds: number;
  readonly problems: readonly string[];
}

const rowOf = (name: string, { notebook, problems }: Executed, seconds: number): Row => ({
  ...{ name, seconds: Math.round(10 * seconds) / 10, problems },
  cells: notebook.cells.filter(({ cell_type }) => cell_type === "code").length,
  outputs: outputsOf(notebook).length,
  pictures: shownAs(notebook, "image/svg+xml").length,
});

const lineOf = ({ cells, pictures, seconds, problems }: Row): string =>
  [
    plural(cells, "cell"),
    plural(pictures, "picture"),
    `${seconds.toFixed(1)} s`,
    ...problems.length > 0 ? ["failed"] : [],
  ].join(", ");

/** Names of the notebooks, in the order in which they are read. */
export async function available(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(NOTEBOOKS)) {
    if (name.endsWith(".ipynb")) names.push(name.slice(0, -".ipynb".length));
  }
  return names.sort();
}

function chosen(names: readonly string[], only: readonly string[]): readonly string[] {
  if (only.length === 0) return names;
  const wanted = new Set(only.map((part) => {
    const bare = part.replace(/^.*[/\\]/, "").replace(/\.ipynb$/, "");
    const found = names.find((name) => name === bare || name.startsWith(`${bare}_`));
    if (found) return found;
    const guess = nearest(bare, names);
    throw new UsageError(
      `Cannot run the notebook ${JSON.stringify(part)} as there is none of that name` +
        (guess ? `: did you mean ${guess}?` : `: there are ${names.join(", ")}`),
    );
  }));
  return names.filter((name) => wanted.has(name));
}

/** `NAME=VALUE` by name; a name that no notebook to be run asks for is refused. */
async function parametersOf(
  pairs: readonly string[],
  names: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const known = new Set<string>();
  for (const name of pairs.length === 0 ? [] : names) {
    const { cells }: Notebook = JSON.parse(await Deno.readTextFile(`${NOTEBOOKS}/${name}.ipynb`));
    for (const { source } of cells) {
      const [, inside = ""] = /\bparameters\(\{([^}]*)\}/.exec(whole(source)) ?? [];
      for (const [, parameter] of inside.matchAll(/(?:^|[,{\s])(\w+):/g)) known.add(parameter!);
    }
  }
  return Object.fromEntries(pairs.map((pair) => {
    const [, name, value] = /^(\w+)=([^]*)$/.exec(pair) ?? [];
    if (name === undefined) {
      throw new UsageError(`Cannot read --param ${JSON.stringify(pair)} as it must be NAME=VALUE`);
    }
    if (!known.has(name)) {
      throw new UsageError(
        `Cannot set the parameter ${name} as no notebook that is run has it: there are ${
          [...known].sort().join(", ")
        }`,
      );
    }
    return [name, value!];
  }));
}

/** Makes some searches where there is nothing to look into yet. */
async function prepared(options: Options, setting: Setting): Promise<void> {
  const empty = await (async () => {
    await using db = await database(options, setting);
    return !(await listExperiments(db)).some(({ kind, status, trials }) =>
      kind === "optimize" && status === "finished" && trials > 1
    );
  })();
  if (!empty) return;
  for (const [i, search] of SEARCHES.entries()) {
    await setting.stage("Searches", async (say) => {
      say(`there are none to look into yet: ${i + 1} of ${SEARCHES.length}`);
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "-A", `${ROOT}/flows/optimize.ts`, ...search, "--max-calls", CALLS],
          ...["--primary", "local", "--no-surrogate", "--no-policy", "--json"],
        ],
        cwd: ROOT,
        env: {
          QUINTET_HOME: setting.home,
          ...options.database ? { DATABASE_URL: options.database } : {},
        },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
        signal: setting.stop,
      }).output();
      if (code !== EXIT.done && code !== EXIT.budget) {
        throw new Error(
          `Cannot make a search to look into: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`,
        );
      }
    });
  }
}

if (import.meta.main) {
  await main({ name: "notebooks", summary: "run the notebooks without a reader", schema, run });
}
