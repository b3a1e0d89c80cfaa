/**
 * As which user PostgreSQL's programs are run. They refuse to run as root, and initdb as a user that no passwd file knows.
 *
 * Root runs them as `nobody`, which Docker's default capabilities allow. Where only root's id is mapped (a rootless
 * container), or `nobody` cannot walk to the data, they run in a user namespace: there they see themselves as `nobody`,
 * and the files stay root's. Where both are forbidden there is no way. Whoever owns the data runs the server on them.
 *
 * @module
 */
import { DatabaseError } from "./database_error.ts";

/** As which user, and through which command, PostgreSQL's programs are run. */
export interface Way {
  readonly uid?: number;
  readonly gid?: number;
  readonly wrap: readonly string[];
}

const NOBODY = 65534;
const asSelf: Way = { wrap: [] };
const asNobody: Way = { uid: NOBODY, gid: NOBODY, wrap: [] };
/** Sees itself as `nobody` and is, for the files, who it was. */
const inNamespace: Way = { wrap: ["unshare", "--user", `--map-user=${NOBODY}`, `--map-group=${NOBODY}`] };

/** The ways to try, in this order, when a cluster is made. */
export async function waysToCreate(directory: string): Promise<Way[]> {
  if (Deno.build.os !== "linux") return [asSelf];
  if (Deno.uid() !== 0) return [asSelf, inNamespace];
  return await barrier(directory) === undefined ? [asNobody, inNamespace] : [inNamespace];
}

/** The data say who runs the server: their owner. Throws a DatabaseError when this process may not. */
export async function wayToStart(data: string): Promise<Way> {
  const { uid, gid } = await Deno.stat(data);
  const self = Deno.uid();
  if (self === null) return asSelf;
  if (uid === self) return self === 0 ? inNamespace : asSelf;
  if (self === 0) return { uid: uid!, gid: gid!, wrap: [] };
  throw new DatabaseError(
    `Cannot start the database in ${data} as its owner must be user ${self}: it belongs to ${uid}: ` +
      "run as that user, or set QUINTET_HOME to another directory",
  );
}

/** Runs a program to its end; `errors` is what it said. */
export async function run(way: Way, cwd: string, program: string, args: string[]) {
  const [command, ...rest] = [...way.wrap, program, ...args];
  const windows = Deno.build.os === "windows";
  const { success, stdout, stderr } = await new Deno.Command(command!, {
    args: rest,
    cwd,
    uid: way.uid,
    gid: way.gid,
    // keys in this process's environment are none of the server's business, nor are PGPORT and LD_LIBRARY_PATH
    clearEnv: !windows,
    env: windows ? {} : { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { success, errors: (text.decode(stderr) || text.decode(stdout)).trim() };
}

/** Makes the user of `way` the owner of a file. */
export async function give(path: string, { uid, gid }: Way): Promise<void> {
  if (uid !== undefined) await Deno.chown(path, uid, gid!);
}

/** A directory that only the user of `way` may enter. */
export async function ownDirectory(path: string, way: Way): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  if (Deno.build.os !== "windows") await Deno.chmod(path, 0o700);
  await give(path, way);
}

/** The first directory on the way to `path`, or `path` itself, that not every user may walk through; none when all may. */
export async function barrier(path: string): Promise<string | undefined> {
  const steps = path.split("/").map((_, i, names) => names.slice(0, i + 1).join("/") || "/");
  for (const step of steps) { // from `/` on: an image or a chroot may have closed even that
    if (((await Deno.stat(step)).mode! & 0o001) === 0) return step;
  }
}

/** Whether this process may make user namespaces. */
export async function namespacesWork(): Promise<boolean> {
  return await run(inNamespace, "/", "true", []).then(({ success }) => success, () => false);
}
