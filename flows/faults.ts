/**
 * `deno task faults`: breaks what a run stands on, one fault after the other, all parts real, and counts what that costs.
 *
 * @module
 */
import pLimit from "p-limit";
import { z } from "zod";
import { aligned } from "../lib/report/text.ts";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { type Fault, openArena } from "./faults/arena.ts";
import { migrations, outages, restarts } from "./faults/database.ts";
import { commands, races, writers } from "./faults/embedded.ts";
import { kills, sigterm } from "./faults/kills.ts";
import { holds, type Line, sum, untouched } from "./faults/line.ts";
import { clock, disk } from "./faults/machine.ts";
import { modelNetwork, postgresNetwork } from "./faults/network.ts";
import { points, prefectServer } from "./faults/under_prefect.ts";
import { prefectPython } from "./prefect.ts";
import { common, main, type Setting } from "./setting.ts";

/** The longest first, as some are tried at once. */
const FAULTS: Readonly<Record<string, Fault>> = {
  ...{
    points,
    "prefect-server": prefectServer,
    "model-network": modelNetwork,
    "postgres-network": postgresNetwork,
  },
  ...{ kills, sigterm, restarts, outages, commands, writers, races, clock, disk, migrations },
};
/** Faults that are tried at once: mostly they wait. */
const AT_ONCE = 4;
const NAMES = Object.keys(FAULTS);

const schema = z.strictObject({
  only: z.array(z.string()).default([]).describe(`some of ${NAMES.join(", ")}`).meta({
    metavar: "NAME,…",
  }),
  quick: z.boolean().default(false).describe("a small form: a few of each, in a minute"),
  ...common,
});

async function run({ only, quick, json }: z.output<typeof schema>, setting: Setting): Promise<number> {
  const { stage, tell, print } = setting;
  const unknown = only.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`Cannot try the fault ${JSON.stringify(unknown)}: there are ${NAMES.join(", ")}`);
  }
  const names = only.length > 0 ? only : NAMES;
  const folder = await Deno.makeTempDir({ prefix: "quintet-faults-" });
  let lines: Line[];
  try {
    await using arena = await openArena({ folder, quick, prefect: () => prefectPython(setting) });
    lines = await stage("Faults", async (say) => {
      const limit = pLimit(AT_ONCE);
      let done = 0;
      return (await Promise.all(names.map((name) =>
        limit(async () => {
          const lines = await arena.lines(name, FAULTS[name]!, (text) =>
            say(`${done} of ${names.length} tried`, `${name}: ${text}`)).catch((error) => [
              sum(name, [{ ...untouched, survived: false, why: `${name}: ${error.stack}` }]),
            ]);
          say(`${++done} of ${names.length} tried`);
          return lines;
        })
      ))).flat();
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  print(json ? JSON.stringify(lines.map((line) => ({ ...line, holds: holds(line) }))) : table(lines));
  const broken = lines.filter((line) => !holds(line));
  for (const { fault, why, impossible } of lines) {
    for (const words of why) tell(words);
    if (impossible !== undefined) tell(`Not tried: ${fault}, as ${impossible}`);
  }
  for (const { fault } of broken) tell(`Does not hold: ${fault}`);
  return broken.length === 0 ? EXIT.done : EXIT.internal;
}

function table(lines: readonly Line[]): string {
  const cells = [
    ["fault", "tried", "survived", "lost", "repeated", "in doubt", "may repeat", "holds"],
    ...lines.map((line) => [
      ...[line.fault, line.tried, line.survived, line.lost, line.repeated, line.doubt ?? "", line.mayRepeat]
        .map(String),
      line.impossible !== undefined ? "-" : holds(line) ? "yes" : "NO",
    ]),
  ];
  return aligned(cells, (column) => column > 0).join("\n");
}

if (import.meta.main) {
  await main({
    name: "faults",
    summary: "break what a run stands on, and count what that costs",
    schema,
    run,
  });
}
