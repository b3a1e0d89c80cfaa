/**
 * What is lost when processes are killed, migrate at once, or lose their database: some lines of `deno task faults` as figures.
 *
 * @module
 */
import { openArena } from "../flows/faults/arena.ts";
import { migrations, outages, restarts } from "../flows/faults/database.ts";
import { commands, races, writers } from "../flows/faults/embedded.ts";
import { kills } from "../flows/faults/kills.ts";
import { holds, type Line } from "../flows/faults/line.ts";
import type { Bench, Row } from "./row.ts";

const FAULTS = { writers, commands, migrations, races, kills, outages, restarts };

export const bench: Bench = async ({ folder, quick, log, python }) => {
  const rows: Row[] = [];
  await using arena = await openArena({ folder, quick, prefect: () => python("prefect") });
  for (const [name, fault] of Object.entries(FAULTS)) {
    for (const line of await arena.lines(name, fault, log)) rows.push(...rowsOf(line));
  }
  return rows;
};

/** Two figures of a line: what survived, and what was lost or repeated. */
function rowsOf(line: Line): Row[] {
  const { fault, tried, survived, lost, repeated, doubt, mayRepeat } = line;
  const none = { peer: null, peer_value: null, ratio: null, holds: holds(line) };
  return [
    { ...none, name: `${fault}: survived`, value: survived, unit: `of ${tried}`, bar: String(tried) },
    { ...none, name: `${fault}: lost`, value: lost, unit: "", bar: "0" },
    {
      ...none,
      name: `${fault}: repeated`,
      value: repeated,
      unit: doubt === null ? "" : `${doubt} in doubt`,
      bar: mayRepeat === 0 ? "0" : `<= in doubt, <= ${mayRepeat}`,
    },
  ];
}
