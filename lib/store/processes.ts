/**
 * Which processes run under a name: how an embedded server is told from a stranger that got its process number.
 *
 * Windows has no such list here: there PostgreSQL itself sees whether a number is that of a server.
 *
 * @module
 */

/** Whether process `pid` has `tag` in its command line, as a whole word. A zombie has none. */
export function runsAs(tag: string, pid: number): boolean {
  return Deno.build.os === "linux" ? named(tag).test(commandLine(pid)) : processesOf(tag).includes(pid);
}

/** The processes that have `tag` in their command line, as a whole word. */
export function processesOf(tag: string): number[] {
  if (Deno.build.os === "windows") return [];
  if (Deno.build.os !== "linux") return listedByPs(tag);
  const pids = Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name)); // slim images have no ps
  const own = named(tag);
  return pids.filter((pid) => pid > 0 && own.test(commandLine(pid)));
}

/** A tag of letters, digits and hyphens as a whole word: `quintet-1-23` is another server's than `quintet-1-234`. */
const named = (tag: string): RegExp => new RegExp(`(?<![\\w-])${tag}(?![\\w-])`);

function commandLine(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return ""; // gone
  }
}

/** The same where there is no /proc. */
export function listedByPs(tag: string): number[] {
  const { stdout } = new Deno.Command("ps", { args: ["-axww", "-o", "pid=,command="] }).outputSync();
  const lines = new TextDecoder().decode(stdout).matchAll(/^ *(\d+) (.*)$/gm);
  const own = named(tag);
  return Array.from(lines).filter(([, , command]) => own.test(command!)).map(([, pid]) => Number(pid));
}
