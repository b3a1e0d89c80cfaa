/**
 * `deno task bench [NAME …]`: our figures beside our peers', measured in one run.
 *
 * @module
 */
import { z } from "zod";
import type { Benchmark, Row } from "../bench/row.ts";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";
import { aligned } from "../lib/report/text.ts";
import { common, main, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  names: z.array(z.string()).default([])
    .describe("which; unless given, all that need no gigabytes of packages first")
    .meta({ metavar: "NAME …", positional: true }),
  tasks: z.array(z.string()).optional().describe("search: question sets, by name or file").meta({
    metavar: "A,F.jsonl",
  }),
  systems: z.array(z.string()).optional().describe("search: who competes").meta({ metavar: "A,B" }),
  seeds: z.int().min(1).optional().describe("search: runs of each system on each task").meta({
    metavar: "N",
  }),
  calls: z.array(z.coerce.number().int().min(1)).optional().describe("search: budgets").meta({
    metavar: "N,M",
  }),
  at_once: z.int().min(1).optional().describe("search: runs at the same time, which share the cores").meta({
    metavar: "N",
  }),
  quick: z.boolean().default(false).describe("a small form: shows that it runs, not what it measures"),
  ...common,
});

async function run(
  { names, quick, json, config: _, ...asked }: z.output<typeof schema>,
  { home, print, stage, tell }: Setting,
): Promise<number> {
  const known = await available();
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `Cannot run the benchmark ${JSON.stringify(unknown)}: there are ${known.join(", ")}`,
    );
  }
  const rows: Row[] = [];
  for (const name of names.length > 0 ? names : known) {
    const { bench, needs }: Benchmark = await import(`../bench/${name.replaceAll("-", "_")}.ts`);
    if (needs !== undefined && names.length === 0) {
      tell(leftOut(name, needs));
      continue;
    }
    const folder = await Deno.makeTempDir({ prefix: "quintet-bench-" });
    try {
      rows.push(
        ...await stage(`Bench ${name}`, (say) =>
          bench({
            python: (group, environment = ".venv") =>
              ensurePython({ root: ROOT, group, environment, log: say }),
            folder,
            kept: `${home}/bench/${name}`,
            options: asked,
            quick,
            log: say,
          })),
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  if (json) print(JSON.stringify(rows));
  else print(table(rows));
  const missed = rows.filter(({ holds }) => !holds).length;
  if (missed > 0) tell(`${missed} of ${rows.length} figures miss their bar.`);
  return EXIT.done;
}

/** What `deno task bench` says of a benchmark that it leaves out. */
const leftOut = (name: string, needs: string): string =>
  `Left out ${name}, which needs ${needs}: \`deno task bench ${name}\` fetches that and runs it`;

/** Benchmarks are the files of bench/ that export `bench`. */
async function available(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/bench`)) {
    if (!name.endsWith(".ts") || name.endsWith("_test.ts")) continue;
    if (
      /^export (?:const|async function|function) bench\b/m.test(
        await Deno.readTextFile(`${ROOT}/bench/${name}`),
      )
    ) {
      names.push(name.slice(0, -3).replaceAll("_", "-"));
    }
  }
  return names.sort();
}

function table(rows: readonly Row[]): string {
  const number = (value: number | null) => {
    if (value === null) return "";
    const tiny = value !== 0 && Math.abs(value) < 0.001;
    return tiny ? value.toExponential(1) : Number(value.toPrecision(4)).toLocaleString("en-US");
  };
  const cells = [
    ["name", "value", "unit", "peer", "peer's", "ratio", "bar", "holds"],
    ...rows.map(({ name, value, unit, peer, peer_value, ratio, bar, holds }) => [
      ...[
        name,
        number(value),
        unit,
        peer ?? "",
        number(peer_value),
        number(ratio),
        bar,
        holds ? "yes" : "NO",
      ],
    ]),
  ];
  return aligned(cells).join("\n");
}

if (import.meta.main) await main({ name: "bench", summary: "our figures beside our peers'", schema, run });
