/**
 * The first command of a new user, as it is typed: how long it takes beside downloads, and how much memory all of its
 * processes take together. Linux only: it reads /proc.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { clean, printed } from "../flows/testing.ts";
import { ROOT } from "../flows/setting.ts";
import { serverProcesses } from "../lib/store/server.ts";
import type { Bench, Row, Tools } from "./row.ts";

const MIB = 2 ** 20;
const SECONDS = 180, MEMORY_MIB = 2048;

/**
 * `deno task optimize` in a copy of the project that has neither `.venv` nor `.quintet`. Before it is measured, all that has to
 * be downloaded is: wheels into a folder, npm's packages into Deno's cache by a short run in another copy.
 */
export const bench: Bench = async (tools) => {
  if (Deno.build.os !== "linux") {
    throw new Error(
      `Cannot measure the first run as it must be on Linux, which has /proc: got ${Deno.build.os}`,
    );
  }
  const { folder, quick, log } = tools;
  const env = {
    ...clean(Deno.env.toObject()),
    PIP_NO_INDEX: "1",
    PIP_FIND_LINKS: await wheels(tools),
  };
  await firstRun(await copy(`${folder}/before`), ["--max-calls", "20"], env);
  log("all is downloaded");
  const { seconds, processor, peak, calls } = await firstRun(
    await copy(`${folder}/measured`),
    quick ? ["--max-calls", "60"] : [],
    env,
  );
  const parts = Object.entries(peak.parts).map(([name, bytes]) => `${name} ${Math.round(bytes / MIB)}`);
  log(`${Math.round(processor)} s of processors; at its peak, in MiB: ${parts.join(", ")}`);
  return [
    row("seconds without downloads", seconds, `s, ${calls} calls`, SECONDS),
    row("peak memory", peak.bytes / MIB, "MiB, all processes", MEMORY_MIB),
  ];
};

const row = (name: string, value: number, unit: string, below: number): Row => ({
  ...{ name: `first run, ${name}`, value, unit, peer: null, peer_value: null, ratio: null },
  ...{ bar: `< ${below}`, holds: value < below },
});

/** A folder with the wheels that the embedded model needs. */
async function wheels({ python, folder }: Tools): Promise<string> {
  const into = `${folder}/wheels`;
  const { success } = await new Deno.Command(await python("local"), {
    args: [
      ...[
        "-I",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
      ],
      ...["--only-binary=:all:", "--dest", into, "--requirement", `${ROOT}/requirements/local.txt`],
    ],
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) {
    throw new Error("Cannot measure the first run as pip did not get its wheels: see its message above");
  }
  return into;
}

/** The project as a clone has it: without what runs have left in it. */
async function copy(into: string): Promise<string> {
  await Deno.mkdir(into);
  for await (const { name } of Deno.readDir(ROOT)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const { success } = await new Deno.Command("cp", { args: ["-R", `${ROOT}/${name}`, into] }).output();
    if (!success) throw new Error(`Cannot copy ${ROOT}/${name} to ${into}`);
  }
  return into;
}

/** The command, watched until it ends. On a machine that computes for others too, `processor` says what it would take alone. */
async function firstRun(project: string, args: string[], env: Record<string, string>) {
  const begun = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "optimize", "--json", ...args],
    ...{ cwd: project, clearEnv: true, env, stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  let running = true;
  const output = child.output().finally(() => running = false);
  let peak: Memory = { bytes: 0, parts: {} };
  const used = new Map<number, number>();
  while (running) {
    const pids = [...descendants(child.pid), ...await serverProcesses(`${project}/.quintet`)];
    for (const pid of pids) used.set(pid, Math.max(used.get(pid) ?? 0, processorSeconds(pid)));
    const now = await memory(pids);
    if (now.bytes > peak.bytes) peak = now;
    await Promise.race([delay(100), output]);
  }
  const { code, stdout, stderr } = await output;
  const seconds = (performance.now() - begun) / 1000;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const { calls } = printed({ code, stdout: text(stdout), stderr: text(stderr) });
  const processor = [...used.values()].reduce((sum, part) => sum + part, 0);
  return { seconds, processor, peak, calls: calls.total as number };
}

interface Memory {
  readonly bytes: number;
  /** Of it, by the name of the program. */
  readonly parts: Readonly<Record<string, number>>;
}

/** What processes have resident; a page that several share counts for each, so that they take no more than this together. */
async function memory(pids: readonly number[]): Promise<Memory> {
  const parts: Record<string, number> = {};
  for (const pid of new Set(pids)) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => ""); // it may have just ended
    const [, name, kib] = /^Name:\s+(.*)[^]*^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
    if (name !== undefined) parts[name] = (parts[name] ?? 0) + 1024 * Number(kib);
  }
  return { bytes: Object.values(parts).reduce((sum, part) => sum + part, 0), parts };
}

/** Seconds of processors that a process has used; in ticks of 10 ms, as Linux tells them everywhere. */
function processorSeconds(pid: number): number {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
    return (Number(stat[11]) + Number(stat[12])) / 100;
  } catch {
    return 0; // it has just ended
  }
}

/** A process, those it started, those they started, and so on. */
function descendants(first: number): number[] {
  const children = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [, parent] = /^.*\) \S+ (\d+)/s.exec(Deno.readTextFileSync(`/proc/${name}/stat`)) ?? [];
      children.set(Number(parent), [...children.get(Number(parent)) ?? [], Number(name)]);
    } catch { /* it has just ended */ }
  }
  const family = [first];
  for (let i = 0; i < family.length; i++) family.push(...children.get(family[i]!) ?? []);
  return family;
}
