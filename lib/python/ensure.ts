/**
 * The project's Python environment: `.venv`, with the wheels of `requirements/GROUP.txt`, pinned by hash.
 *
 * ```ts ignore
 * const python = await ensurePython({ root: "/path/to/project", group: "local", log: console.error });
 * ```
 *
 * @module
 */

/** This machine lacks something that a user can mend. Flows end with exit code 2 and show `fix`. */
export class SetupError extends Error {
  override name = "SetupError";
  /** The one line that mends it. */
  readonly fix: string;
  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    // root needs no sudo, and a container seldom has it
    this.fix = !WINDOWS && Deno.uid() === 0 ? fix.replaceAll("sudo ", "") : fix;
  }
}

/** Where and what. */
export interface PythonOptions {
  /** The project's folder: it has `requirements/`, and gets `.venv`. */
  readonly root: string;
  /** Which `requirements/GROUP.txt`. */
  readonly group: string;
  /** The environment's folder in `root`: wheels that others are pinned against need one of their own. @default {".venv"} */
  readonly environment?: string;
  /** Told what takes long. */
  readonly log?: (line: string) => void;
  /** Where to look for Python, as PATH is written. @default {the process's PATH} */
  readonly path?: string;
  /** Arguments for pip before the others, such as `--no-index`. @default {[]} */
  readonly pipArguments?: readonly string[];
}

const WINDOWS = Deno.build.os === "windows";

/**
 * The interpreter of `.venv` with the group's wheels in it; installed when they are missing or other ones are pinned, else
 * found within milliseconds. Several processes may call it at once: one installs, the others wait. An installation that
 * was cut off, and one whose Python is gone, is made anew; one that ended while it fetched has changed nothing, and what other
 * groups brought stays. Throws SetupError.
 */
export async function ensurePython(options: PythonOptions): Promise<string> {
  const { root, group, log = () => {} } = options;
  const ready = await installedPython(options);
  if (ready) return ready;
  const venv = environmentOf(options);
  await Deno.stat(`${root}/requirements/${group}.txt`);
  try {
    await Deno.mkdir(venv, { recursive: true });
    using lock = await Deno.open(`${venv}/.lock`, { create: true, write: true });
    if (!await tryLock(lock)) {
      log("Another process is installing Python packages: waiting for it");
      await lock.lock(true);
    }
    const meanwhile = await installedPython(options);
    if (meanwhile) return meanwhile;

    const interpreter = interpreterOf(venv), taken = await takenBy(root, group);
    if (!await usable(venv, interpreter)) {
      const base = await findPython(options.path, taken);
      await clear(venv);
      await create(base, venv);
    }
    const version = await versionOf(venv);
    if (taken && version !== undefined && !within(version, taken)) {
      throw new SetupError(
        `Cannot install requirements/${group}.txt as it takes ${said(taken)}: that of ${venv} is ${version}`,
        `Put such a Python on PATH, remove ${venv} and try again: it is then filled anew`,
      );
    }
    log(
      `Installing the Python packages of requirements/${group}.txt into ${
        options.environment ?? ".venv"
      } (once)`,
    );
    await install(interpreter, options, () => Deno.writeTextFileSync(`${venv}/.installing`, group));
    await Deno.writeTextFile(stampOf(venv, group), await stamp(root, group, interpreter));
    await Deno.remove(`${venv}/.installing`).catch(unlessFound);
    return interpreter;
  } catch (error) {
    if (error instanceof SetupError) throw error;
    if ((await Deno.lstat(venv).catch(unlessFound))?.isFile) {
      throw new SetupError(`Cannot set up Python as ${venv} is a file`, `Remove ${venv}`, { cause: error });
    }
    throw diskProblem((error as Error).message, venv, error) ?? error;
  }
}

/** The interpreter, when nothing needs to be done: nothing is run and nothing is written. */
export async function installedPython(
  options: Pick<PythonOptions, "root" | "group" | "environment">,
): Promise<string | undefined> {
  const { root, group } = options;
  const interpreter = interpreterOf(environmentOf(options));
  const wanted = await stamp(root, group, interpreter).catch(unlessFound);
  const found = await Deno.readTextFile(stampOf(environmentOf(options), group)).catch(unlessFound);
  return wanted !== undefined && wanted === found ? interpreter : undefined;
}

const environmentOf = (
  { root, environment = ".venv" }: Pick<PythonOptions, "root" | "environment">,
): string => `${root}/${environment}`;

const interpreterOf = (venv: string): string =>
  WINDOWS ? `${venv}\\Scripts\\python.exe` : `${venv}/bin/python`;

const stampOf = (venv: string, group: string): string => `${venv}/.installed-${group}`;

/** What an installation depends on: the pinned wheels, and the Python behind the environment. */
async function stamp(root: string, group: string, interpreter: string): Promise<string> {
  const requirements = await Deno.readFile(`${root}/requirements/${group}.txt`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", requirements));
  return `${digest.toHex()}\n${await Deno.realPath(interpreter)}\n`;
}

const unlessFound = (error: unknown): undefined => {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
  throw error;
};

async function tryLock(file: Deno.FsFile): Promise<boolean> {
  return await file.tryLock(true);
}

/** Whether `.venv` can take more packages: it runs, was made by the Python behind it, and no installation broke off. */
async function usable(venv: string, interpreter: string): Promise<boolean> {
  const brokeOff = await Deno.stat(`${venv}/.installing`).catch(unlessFound);
  if (brokeOff) return false;
  const version = await versionOf(venv);
  if (version === undefined) return false;
  const now = await run(interpreter, ["-I", "-c", "import sys, pip; print('%d.%d' % sys.version_info[:2])"]);
  return now?.code === 0 && now.output.trim() === version;
}

/** The version of the Python that made an environment, such as `3.12`. */
async function versionOf(venv: string): Promise<string | undefined> {
  const made = await Deno.readTextFile(`${venv}/pyvenv.cfg`).catch(unlessFound);
  return /^version\s*=\s*(\d+\.\d+)/m.exec(made ?? "")?.[1];
}

/** Empties the folder but for the lock that others wait on. */
async function clear(venv: string): Promise<void> {
  for await (const { name } of Deno.readDir(venv)) {
    if (name !== ".lock") await Deno.remove(`${venv}/${name}`, { recursive: true });
  }
}

/** A Python on PATH, and how to start it. */
export interface Python {
  readonly command: string;
  /** Before all others. */
  readonly args: readonly string[];
  /** Such as `3.12`. */
  readonly version: string;
}

/** Minor versions of Python 3, both included. */
export type Versions = readonly [oldest: number, newest: number];

const OLDEST = [3, 10] as const;
const NEWEST = 14;
/** What every group of `.venv` that is not for benchmarks takes: an environment serves those that come later, too. */
const ALL: Versions = [11, NEWEST];

/** The versions that a group's file says it takes; undefined where it takes any from the oldest on. */
async function takenBy(root: string, group: string): Promise<Versions | undefined> {
  const text = await Deno.readTextFile(`${root}/requirements/${group}.txt`);
  const [, oldest, newest] = /^#.*\bCPython 3\.(\d+) to 3\.(\d+)/m.exec(text) ?? [];
  return oldest === undefined ? undefined : [Number(oldest), Number(newest)];
}

const within = (version: string, [oldest, newest]: Versions): boolean => {
  const [major, minor] = version.split(".").map(Number) as [number, number];
  return major === OLDEST[0] && minor >= oldest && minor <= newest;
};

const said = ([oldest, newest]: Versions): string => `CPython 3.${oldest} to 3.${newest}`;

const CANDIDATES: readonly Omit<Python, "version">[] = [
  ...WINDOWS ? [{ command: "py", args: ["-3"] }] : [],
  { command: "python3", args: [] },
  ...Array.from(
    { length: NEWEST - OLDEST[1] + 1 },
    (_, i) => ({ command: `python3.${NEWEST - i}`, args: [] }),
  ),
  { command: "python", args: [] },
];

const PROBE = `
import sys
print("%d.%d" % sys.version_info[:2])
import venv, ensurepip
print("venv")
`;

const VENV_FIX = "Debian, Ubuntu: sudo apt install python3-venv; elsewhere: install Python from python.org";

/**
 * The first Python on `path` (PATH unless given) that can make environments and is one of `wanted`, or, where none is, of those
 * that there are wheels for, or new enough. Throws SetupError.
 */
export async function findPython(path?: string, wanted = ALL): Promise<Python> {
  const found: Python[] = [];
  let tooOld: string | undefined, bare: string | undefined, broken: string | undefined;
  for (const base of CANDIDATES) {
    const command = path === undefined ? base.command : await which(base.command, path);
    const probed = command && await run(command, [...base.args, "-I", "-c", PROBE]);
    if (!probed) continue;
    const [version = "", venv] = probed.output.split(/\r?\n/);
    const [, major, minor] = /^(\d+)\.(\d+)$/.exec(version) ?? [];
    if (major === undefined) {
      broken ??= `${base.command}: ${lastLine(probed.output) || `exit code ${probed.code}`}`;
    } else if (Number(major) < OLDEST[0] || Number(major) === OLDEST[0] && Number(minor) < OLDEST[1]) {
      tooOld ??= version;
    } else if (venv !== "venv") bare ??= version;
    else if (within(version, wanted)) return { ...base, command, version };
    else found.push({ ...base, command, version });
  }
  const next = found.find(({ version }) => within(version, [OLDEST[1], NEWEST])) ?? found[0];
  if (next) return next;
  const install = "Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python; " +
    "Windows: winget install Python.Python.3.13 (or use a model that needs no Python: openai:NAME)";
  if (bare) {
    throw new SetupError(`Cannot set up Python ${bare} as its venv module is not installed`, VENV_FIX);
  }
  if (tooOld) {
    throw new SetupError(`Cannot use Python ${tooOld} as 3.10 or newer is needed`, install);
  }
  if (broken) throw new SetupError(`Cannot use the Python found as it does not run: ${broken}`, install);
  throw new SetupError("Cannot find Python 3.10 or newer on PATH", install);
}

async function which(command: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(WINDOWS ? ";" : ":")) {
    const file = `${folder}/${command}${WINDOWS ? ".exe" : ""}`;
    if ((await Deno.stat(file).catch(unlessFound))?.isFile) return file;
  }
}

async function create({ command, args }: Python, venv: string): Promise<void> {
  const made = await run(command, [...args, "-I", "-m", "venv", venv]);
  if (made?.code === 0) return;
  const output = made?.output ?? "";
  if (/ensurepip|python3[\d.]*-venv/.test(output)) {
    throw new SetupError("Cannot set up Python as its venv module is not complete", VENV_FIX);
  }
  throw diskProblem(output, venv) ??
    new SetupError(
      `Cannot make ${venv}: ${lastLine(output)}`,
      `Run this to see why: ${command} -m venv ${venv}`,
    );
}

/** Settings by which pip finds and fetches packages, which are the user's affair; others are not. */
const FINDING = [
  "index-url",
  "extra-index-url",
  "no-index",
  "find-links",
  "trusted-host",
  "proxy",
  "cert",
  "client-cert",
  "keyring-provider",
  "timeout",
  "default-timeout",
  "cache-dir",
  "no-cache-dir",
  "use-feature",
];

/** Settings of pip that would put the wheels elsewhere, choose others, or keep pip from saying what it does. */
const UNSET = [
  "PIP_TARGET",
  "PIP_PREFIX",
  "PIP_ROOT",
  "PIP_USER",
  "PIP_PYTHON",
  "PIP_PLATFORM",
  "PIP_PYTHON_VERSION",
  "PIP_IMPLEMENTATION",
  "PIP_ABI",
  "PIP_CONSTRAINT",
  "PIP_REQUIREMENT",
  "PIP_NO_BINARY",
  "PIP_PRE",
  "PIP_DRY_RUN",
  "PIP_EDITABLE",
  "PIP_REPORT",
  "PIP_QUIET",
  "PIP_LOG",
];

const variableOf = (setting: string): string => `PIP_${setting.toUpperCase().replaceAll("-", "_")}`;

/**
 * The environment in which pip puts the wheels where they belong, whatever else is set: a file of settings can be overruled
 * only as a whole, so of those in files the ones of FINDING are given as variables. Where pip cannot read its files, they stay,
 * so that it says why.
 */
async function pipEnvironment(interpreter: string): Promise<Record<string, string>> {
  const env = Object.fromEntries(UNSET.map((name) => [name, ""]));
  const listed = await run(interpreter, ["-I", "-m", "pip", "config", "list"], {
    env: { ...env, PIP_QUIET: "0" },
  });
  if (listed?.code !== 0) return env;
  env.PIP_CONFIG_FILE = WINDOWS ? "nul" : "/dev/null";
  const lines = listed.output.split(/\r?\n/).map((line) =>
    /^([\w:]+)\.([\w-]+)=(['"].*['"])$/.exec(line) ?? []
  );
  const variables = new Set( // which win over files, unless they are empty
    lines.flatMap(([, from, name, value]) => from === ":env:" && value !== "''" ? [name] : []),
  );
  for (const [, from = "", name = "", value = ""] of lines) { // global before install, which wins
    if (/^(?:global|install)$/.test(from) && FINDING.includes(name) && !variables.has(name)) {
      env[variableOf(name)] = unquoted(value);
    }
  }
  return env;
}

/** What Python has written as a literal. */
const unquoted = (literal: string): string =>
  literal.slice(1, -1).replace(/\\(.)/g, (_, escaped) => escaped === "n" ? "\n" : escaped);

/** What pip says when all is fetched: until then it has changed nothing. */
const CHANGES = "Installing collected packages";

/** Has pip install the group; `changing` is told before the first change. */
async function install(
  interpreter: string,
  options: PythonOptions,
  changing: () => void,
): Promise<void> {
  const { root, group, pipArguments = [] } = options;
  let told = false;
  const heard = (output: string) => {
    if (told || !output.includes(CHANGES)) return;
    told = true;
    changing();
  };
  const done = await run(
    interpreter,
    [
      "-I",
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--no-input",
      "--no-user",
      "--retries=2",
      "--progress-bar=off",
      ...pipArguments,
      "--require-hashes",
      "--no-deps",
      "--only-binary=:all:",
      `--requirement=${root}/requirements/${group}.txt`,
    ],
    { env: await pipEnvironment(interpreter), heard },
  );
  if (done?.code !== 0) throw await installProblem(done?.output ?? "", options);
}

const OFFLINE =
  /NewConnectionError|NameResolutionError|Failed to establish|Temporary failure|ConnectTimeout|ReadTimeout|Max retries|ProxyError|SSLError|Network is unreachable|connection (?:was )?(?:refused|reset|broken)/i;

async function installProblem(output: string, options: PythonOptions): Promise<SetupError> {
  const { root, group } = options, venv = environmentOf(options);
  const what = `Cannot install requirements/${group}.txt as`;
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    return new SetupError(
      `${what} a package is not the one that was pinned (its hash differs)`,
      "Try again, as its download may have broken off; if it persists, empty pip's cache (python3 -m pip cache purge), " +
        "then ask whoever runs your package index", // before version 25 pip does not tell what is cut off from what is changed
    );
  }
  const disk = diskProblem(output, venv);
  if (disk) return disk;
  if (/incomplete-download|not enough bytes were received/.test(output)) {
    return new SetupError(
      `${what} a download broke off`,
      "Try again; if it persists, check network and proxy",
    );
  }
  if (OFFLINE.test(output)) {
    return new SetupError(
      `${what} the package index was not reached`,
      "Check network and proxy (HTTPS_PROXY), or point pip at an index you can reach (PIP_INDEX_URL), and try again",
    );
  }
  const missing = /No matching distribution found for (\S+)/.exec(output)?.[1];
  if (missing) {
    return new SetupError(
      `${what} there is no wheel of ${missing} for this Python and system (${Deno.build.os} ${Deno.build.arch})`,
      `Use ${said(await takenBy(root, group) ?? [OLDEST[1], NEWEST])} on Linux (glibc), macOS or Windows${
        group === "local" ? ", or a model that needs no Python: openai:NAME" : ""
      }; if it is one, see whether your package index has the wheel (PIP_INDEX_URL)`,
    );
  }
  return new SetupError(`${what} pip failed: ${lastLine(output)}`, `Remove ${venv} and try again`);
}

/** What a disk says that is full, or that `folder` must not be written to; undefined where `message` is of something else. */
export function diskProblem(message: string, folder: string, cause?: unknown): SetupError | undefined {
  if (/No space left|ENOSPC|os error 28|Errno 28|Disk quota|not enough space/i.test(message)) {
    return new SetupError(`Cannot fill ${folder} as the disk is full`, "Free 500 MB there and try again", {
      cause,
    });
  }
  if (/Permission denied|Read-only file system|EACCES|EROFS|os error (?:13|30)/i.test(message)) {
    return new SetupError(
      `Cannot write ${folder}`,
      `Make it writable for you: sudo chown -R $(id -u) ${folder}`,
      { cause },
    );
  }
}

const lastLine = (output: string): string => output.trim().split(/\r?\n/).at(-1)?.slice(0, 300) ?? "";

/** Runs a command; undefined when there is none of that name. `heard` is told all that it has written to stdout so far. */
async function run(
  command: string,
  args: readonly string[],
  { env = {}, heard = () => {} }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly heard?: (output: string) => void;
  } = {},
): Promise<{ code: number; output: string } | undefined> {
  const text = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>, heard: (output: string) => void) => {
    let all = "";
    for await (const part of stream.pipeThrough(new TextDecoderStream())) heard(all += part);
    return all;
  };
  try {
    const child = new Deno.Command(command, {
      args: [...args],
      env: { ...env },
      ...{ stdin: "null", stdout: "piped", stderr: "piped" },
    }).spawn();
    const [stdout, stderr, { code }] = await Promise.all([
      text(child.stdout, heard),
      text(child.stderr, () => {}),
      child.status,
    ]);
    return { code, output: stdout + stderr };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}
