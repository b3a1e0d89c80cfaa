/**
 * `deno task test`: format, lint, types, documented examples and every test; `deno task check`: all but the tests.
 *
 * The last line says `N passed, N failed`; format, lint, types and those of the notebooks count as one each.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { main, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  paths: z.array(z.string()).default([]).describe("test only these files or folders")
    .meta({ metavar: "PATH …", positional: true }),
  filter: z.string().optional().describe("test only what has this in its name"),
  check: z.boolean().default(false).describe("format, lint, types and documented examples alone"),
});

const SOURCES = ["lib", "flows", "deploy", "bench"];
/** Those of them that have tests. */
const TESTED = ["lib", "flows", "deploy"];
/** Tests of what others do within seconds, as Prefect's server: they run after the others, and have the machine to themselves. */
const ALONE = ["flows/prefect_test.ts", "flows/worker_test.ts", "flows/faults_test.ts"];

async function run(
  { paths, filter, check }: z.output<typeof schema>,
  { stage, tell, stop }: Setting,
): Promise<number> {
  if (!check) {
    for (const group of ["local", "learn", "notebooks"]) {
      await stage("Python packages", (say) => ensurePython({ root: ROOT, group, log: say }));
    }
  }
  const whole = paths.length === 0 && filter === undefined;
  const totals = { passed: 0, failed: 0 };
  if (whole) {
    for (
      const args of [["fmt", "--check", "--quiet"], ["lint", "--quiet"], ["check", "--quiet", ...SOURCES], [
        "run",
        "--quiet",
        "-A",
        "flows/notebooks.ts",
        "--check",
      ]]
    ) {
      tell(`deno ${args.join(" ")}`);
      const { success } = await deno(args, stop);
      totals[success ? "passed" : "failed"]++;
    }
  }
  const chosen = filter === undefined ? [] : ["--filter", filter];
  const tests = check ? [["--doc", ...SOURCES.slice(0, 1), "--ignore=**/*_test.ts"]] : whole
    ? [[
      "--doc",
      "--parallel",
      `--ignore=${ALONE.map((path) => `**/${path}`).join()}`,
      ...TESTED,
    ], ALONE]
    : [["--doc", "--parallel", ...chosen, ...paths]];
  for (const some of tests) {
    const args = ["test", "-A", "--no-check", ...some];
    tell(`deno ${args.join(" ")}`);
    const { success, output } = await deno(args, stop);
    if (stop.aborted) return EXIT.interrupted;
    const [, passed = "0", failed = "0"] = output.match(/\| (\d+) passed.*? \| (\d+) failed/) ?? [];
    totals.passed += Number(passed);
    totals.failed += Number(failed) + (success || failed !== "0" ? 0 : 1);
  }
  tell(`${totals.passed} passed, ${totals.failed} failed`);
  return totals.failed === 0 ? EXIT.done : EXIT.internal;
}

/** Runs this Deno until it ends or `stop` aborts; what it prints is shown as it comes, and returned without colours. */
async function deno(
  args: readonly string[],
  stop: AbortSignal,
): Promise<{ success: boolean; output: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdout: "piped",
    stderr: "inherit",
    signal: stop,
  })
    .spawn();
  let output = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    Deno.stdout.writeSync(bytes);
    output += decoder.decode(bytes, { stream: true });
  }
  // deno-lint-ignore no-control-regex
  return { success: (await child.status).success, output: output.replace(/\x1b\[[0-9;]*m/g, "") };
}

if (import.meta.main) await main({ name: "test", summary: "every check and every test", schema, run });
