/**
 * Where a file that is written whole or not at all comes to lie: a draft is renamed over what is there, which must not be a
 * link, a pipe or a device, as these would be gone.
 *
 * ```ts
 * import { destination } from "./destination.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const folder = await Deno.realPath(await Deno.makeTempDir());
 * await Deno.symlink("pages/1.html", `${folder}/newest.html`); // which is not there yet
 * deepEqual(await destination(`${folder}/newest.html`), {
 *   path: `${folder}/pages/1.html`,
 *   replaceable: true,
 *   mode: null,
 * });
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */
import { dirname, resolve } from "node:path";

/** What a path leads to. */
export interface Destination {
  /** The path, or where its links lead to. */
  readonly path: string;
  /** Whether a draft may take its place: there is a regular file, or nothing yet. */
  readonly replaceable: boolean;
  /** The rights of the file that is there, for the one that takes its place. */
  readonly mode: number | null;
}

/** Follows the links of a path, also where the last of them leads to nothing yet. */
export async function destination(path: string): Promise<Destination> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile
      ? { path: await Deno.realPath(path), replaceable: true, mode: mode === null ? null : mode & 0o777 }
      : { path, replaceable: false, mode: null };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const link = await Deno.readLink(path).catch(() => undefined);
  if (link === undefined) return { path, replaceable: true, mode: null };
  return await destination(resolve(await Deno.realPath(dirname(path)), link));
}
