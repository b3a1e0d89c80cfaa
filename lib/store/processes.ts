/**
 * Which processes run under a name: how an embedded server is told from a stranger that got its process number.
 *
 * Windows has no such list here: there PostgreSQL itself sees whether a number is that of a server.
 *
 * @module
 */

/** Whether process `pid` has `tag` in its command line. A zombie has none. */
export function runsAs(tag: string, pid: number): boolean {
  return Deno.build.os === "linux" ? commandLine(pid).includes(tag) : processesOf(tag).includes(pid);
}

/** The processes that have `tag` in their command line. */
export function processesOf(tag: string): number[] {
  if (Deno.build.os === "windows") return [];
  if (Deno.build.os !== "linux") return listedByPs(tag);
  const pids = Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name)); // slim images have no ps
  return pids.filter((pid) => pid > 0 && commandLine(pid).includes(tag));
}

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
  return Array.from(lines).filter(([, , command]) => command!.includes(tag)).map(([, pid]) => Number(pid));
}
