/**
 * Where the wheels of an environment lie.
 *
 * @module
 */
import { join } from "node:path";

/** The folders of packages in the environment `venv`; none where it is not there. */
export async function sitePackages(venv: string): Promise<string[]> {
  if (Deno.build.os === "windows") return [join(venv, "Lib", "site-packages")];
  const folders: string[] = [];
  try {
    for await (const { name } of Deno.readDir(join(venv, "lib"))) {
      if (/^python3\.\d+$/.test(name)) folders.push(join(venv, "lib", name, "site-packages"));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return folders;
}
