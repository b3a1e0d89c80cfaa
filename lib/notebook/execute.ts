/**
 * Notebooks without a reader: checked as TypeScript, and run in Deno's kernel by nbclient.
 *
 * @module
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { jupyterEnv } from "./jupyter.ts";
import { errorsOf, type Notebook, program } from "./notebook.ts";

/** A notebook that was run. */
export interface Executed {
  /** With its outputs, up to the cell that failed. */
  readonly notebook: Notebook;
  /** What went wrong, each on a line; none when all is well. */
  readonly problems: readonly string[];
}

/** How it is run. */
export interface ExecuteOptions {
  /** Interpreter of `venv`, with requirements/notebooks.txt in it. */
  readonly python: string;
  /** The folder `.venv`, with the kernel in it (`installKernel`). */
  readonly venv: string;
  /** Variables of the kernel, beside those of this process. @default {{}} */
  readonly env?: Readonly<Record<string, string>>;
  /** What a cell may take. @default {300} */
  readonly seconds?: number;
  /** Where it is written with its outputs, and where its page is, if anywhere. */
  readonly output?: string | undefined;
  readonly html?: string | undefined;
  /** Ends the run. */
  readonly stop?: AbortSignal;
}

const SCRIPT = fileURLToPath(new URL("execute.py", import.meta.url));

/** Runs the notebook at `path`, which itself stays as it is. Throws an Error when nothing was run at all. */
export async function execute(
  path: string,
  { python, venv, env = {}, seconds = 300, output, html, stop }: ExecuteOptions,
): Promise<Executed> {
  const folder = await Deno.makeTempDir({ prefix: "quintet-notebook-" });
  const target = `${folder}/executed.ipynb`;
  try {
    const { code, stderr } = await new Deno.Command(python, {
      args: ["-I", SCRIPT, path, target, String(seconds), ...html === undefined ? [] : [html]],
      env: { ...jupyterEnv(venv), ...env, PYDEVD_DISABLE_FILE_VALIDATION: "1", NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      ...stop ? { signal: stop } : {},
    }).output();
    const said = new TextDecoder().decode(stderr).trim();
    const text = await Deno.readTextFile(target).catch(() => undefined);
    if (text === undefined || code !== 0 && code !== 3) {
      throw new Error(`Cannot run ${path} as its runner failed: ${said.split("\n").at(-1)}`);
    }
    if (output !== undefined) await Deno.writeTextFile(output, text);
    const notebook: Notebook = JSON.parse(text);
    const errors = errorsOf(notebook);
    return { notebook, problems: code === 0 || errors.length > 0 ? errors : [said.split("\n").at(-1)!] };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * The type errors in the code of notebooks, as `NAME, cell 3, line 2: TS2322 …`. `config` is the deno.json that their kernel
 * uses.
 */
export async function typeErrors(
  paths: readonly string[],
  { deno, config }: { readonly deno: string; readonly config: string },
): Promise<string[]> {
  const folder = await Deno.makeTempDir({ prefix: "quintet-cells-" });
  try {
    const programs = await Promise.all(paths.map(async (path) => {
      const notebook: Notebook = JSON.parse(await Deno.readTextFile(path));
      const name = path.replace(/^.*[/\\]/, "").replace(/\.ipynb$/, "");
      const made = program(notebook, new URL(".", pathToFileURL(path)).href);
      await Deno.writeTextFile(`${folder}/${name}.ts`, made.text);
      return { name, ...made };
    }));
    const { success, stderr } = await new Deno.Command(deno, {
      args: ["check", "--quiet", "--config", config, ...programs.map(({ name }) => `${folder}/${name}.ts`)],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return [];
    const said = new TextDecoder().decode(stderr);
    const found = [
      ...said.matchAll(/^(TS\d+ \[ERROR\]: .*)[^]*?\n\s+at file:\/\/\S*\/([^/\s]+)\.ts:(\d+):\d+$/gm),
    ].map((
      [, message, name, line],
    ) => {
      const at = programs.find((one) => one.name === name)?.cellAt(Number(line) - 1);
      return `${name}${at ? `, cell ${at.cell + 1}, line ${at.line + 1}` : ""}: ${
        message!.replace(" [ERROR]", "")
      }`;
    });
    return found.length > 0 ? found : [said.trim().split("\n")[0]!];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
