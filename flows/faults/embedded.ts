/**
 * What is lost of the embedded PostgreSQL when its users and its own processes are killed, or begin it at the same moment.
 *
 * @module
 */
import { random } from "../../lib/random.ts";
import { killRounds, makeTable, start } from "../../lib/store/chaos.ts";
import { openDatabase } from "../../lib/store/mod.ts";
import { serverProcesses } from "../../lib/store/server.ts";
import { run } from "../testing.ts";
import type { Fault } from "./arena.ts";
import { type Outcome, sum, untouched } from "./line.ts";

/** Nothing that has to do with calls of models. */
const bare: Outcome = { ...untouched, doubt: null };

/** Three processes write; a client, the server's first process, or all are killed. */
export const writers: Fault = async ({ folder, quick, log }) => {
  const rounds = quick ? 3 : 24;
  const { acknowledged, lost, wrong, left } = await killRounds({
    ...{ home: `${folder}/home`, rounds, random: random("writers") },
  });
  log(`${acknowledged} rows acknowledged in ${rounds} rounds`);
  const why = [
    ...lost + wrong > 0 ? [`${lost} rows lost, ${wrong} with other content`] : [],
    ...left > 0 ? [`${left} processes left by the last writer`] : [],
  ].join(", ");
  return [
    sum(`kill -9 of three writers, their PostgreSQL, or all: ${acknowledged} acknowledged rows`, [
      { ...bare, tried: rounds, survived: why === "", lost: lost + wrong, ...why === "" ? {} : { why } },
    ]),
  ];
};

/** After each kill a user types the next command. */
export const commands: Fault = async ({ folder, quick, log }) => {
  const home = `${folder}/home`, rounds = quick ? 3 : 20;
  {
    await using db = await openDatabase({ home });
    await makeTable(db);
  }
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round++) {
    await using writer = start({ act: "write", home, writer: String(round) });
    await writer.says(5);
    const victims = (["writer", "server", "all"] as const)[round % 3];
    const server = await serverProcesses(home);
    const pids = { writer: [], server: server.slice(0, 1), all: server }[victims!];
    for (const pid of pids) end(pid);
    if (victims !== "server") await writer.kill();
    const { code, stderr } = await run("show", ["--json"], { env: { QUINTET_HOME: home } });
    outcomes.push(code === 0 ? bare : { ...bare, survived: false, why: `exit code ${code}: ${stderr}` });
    log(`${round + 1} of ${rounds} commands`);
    await writer.finish();
  }
  return [
    sum("the command after a kill -9 of a writer, its PostgreSQL, or all", await noneLeft(outcomes, home)),
  ];
};

/** Ends a process, which may have ended by itself. */
export function end(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch { /* it ended with its parent */ }
}

/** The outcomes, the last of them bad when a process of the server is left. */
async function noneLeft(outcomes: readonly Outcome[], home: string): Promise<Outcome[]> {
  const left = (await serverProcesses(home)).length;
  if (left === 0) return [...outcomes];
  const why = `${left} processes left by the last user`;
  return [...outcomes.slice(0, -1), { ...outcomes.at(-1)!, survived: false, why }];
}

/** Processes that begin a database at once. */
const RACING = 5;

/** Five processes open a database that is not there yet, in the same directory: it is made once, all get it. */
export const races: Fault = async ({ folder, quick, log }) => {
  const rounds = quick ? 1 : 5;
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round++) {
    const home = `${folder}/${round}`;
    const children = Array.from({ length: RACING }, () => start({ act: "hold", home }));
    await Promise.all(children.map((child) => child.says(1).catch(() => {})));
    const codes = await Promise.all(children.map((child) => child.finish()));
    const made = children.filter((child) => child.complaints().includes("Making the database")).length;
    const each = codes.map((code, i): Outcome =>
      code === 0 ? bare : { ...bare, survived: false, why: `exit code ${code}: ${children[i]!.complaints()}` }
    );
    outcomes.push(...await noneLeft([{ ...each[0]!, repeated: made - 1 }, ...each.slice(1)], home));
    log(`${round + 1} of ${rounds} rounds`);
  }
  return [sum(`processes that begin one embedded PostgreSQL, ${RACING} at once`, outcomes)];
};
