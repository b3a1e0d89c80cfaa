/**
 * The smallest run that asks all roles and comes by all points of `lib/cut.ts`: 17 trials, 118 calls, one in flight at a time, so
 * that what a fault costs is known to the call. And how a run is compared with it.
 *
 * @module
 */
import { EXIT } from "../../lib/command/mod.ts";
import type { Point } from "../../lib/cut.ts";
import { type ExperimentResult, resultOf } from "../../lib/report/result.ts";
import { type Database, type Queryable, readExperiment } from "../../lib/store/mod.ts";
import {
  type Asked,
  type ChatRequest,
  type Ended,
  essence,
  modelServer,
  parity,
  parityQuestions,
  printed,
  run,
} from "../testing.ts";
import type { Outcome } from "./line.ts";

export const QUESTIONS = parityQuestions({ train: 8, validation: 6, test: 3 });

/** What it is told beside questions and models; as options, and as parameters of a deployment. */
export const OPTIONS = [
  "--metric",
  "judge",
  "--threshold",
  "1",
  "--max-iterations",
  "1",
  "--concurrency",
  "1",
  "--seed", // with which the one race asks the optimizer, too
  "6",
];
export const PARAMETERS = { metric: "judge", threshold: 1, max_iterations: 1, concurrency: 1, seed: 6 };

/** `parity`, which as `writer` also grades. */
export function answer(request: ChatRequest): string {
  if (roleOf(request) !== "grader") return parity(request);
  const { references, answer } = JSON.parse(request.messages.at(-1)!.content);
  return JSON.stringify({ score: references.includes(answer) ? 10 : 0 });
}

export function roleOf({ model, messages }: ChatRequest): "primary" | "optimizer" | "grader" {
  if (model === "parity") return "primary";
  return messages[0]!.content.startsWith("You grade answers.") ? "grader" : "optimizer";
}

/** What a run left that came to its end. */
export interface Whole {
  readonly result: ExperimentResult;
  /** What the models were asked, in this order. */
  readonly asked: readonly ChatRequest[];
}

/** How it ends when nothing happens to it. */
export async function undisturbed(questions: string, env: Readonly<Record<string, string>>): Promise<Whole> {
  await using server = modelServer(answer);
  const ended = await run("optimize", ["--dataset", questions, ...server.models, ...OPTIONS, "--json"], {
    env,
  });
  return { result: printed(ended), asked: server.asked.map(({ request }) => request) };
}

/** Where a run is killed: at a point, when it comes by for the nth time. */
export type Cut = readonly [name: Point, nth?: number];

/** What a kill costs: a call whose answer nobody has, and whether its provider has answered it. */
export const COSTS: Partial<Record<Point, { lost: number; again: number }>> = {
  "call: before it is sent": { lost: 1, again: 0 },
  "call: answered": { lost: 1, again: 1 },
  "heartbeat: before it is kept": { lost: 1, again: 1 }, // a call hangs, else the run is over before a heart has beaten
  "heartbeat: kept": { lost: 1, again: 1 },
};

/** Points beside which a call may be in flight, which the kill then costs: no call waits for trials and scores to be kept. */
export const BESIDE: readonly Point[] = [
  "trial: before commit",
  "trial: committed",
  "scores: before they are kept",
  "scores: kept",
];

/** Kills that reach every point but the embedded server's, each for itself, or after others where nothing else comes by. */
export function cutsOf({ asked }: Whole): readonly (readonly Cut[])[] {
  const order = asked.map(roleOf);
  const nth = (role: string, from = 0) => order.indexOf(role as typeof order[number], from) + 1;
  const calls = [1, nth("grader"), nth("optimizer"), nth("primary", 40), order.length];
  return [
    ...calls.flatMap((nth): Cut[][] => [[["call: before it is sent", nth]], [["call: answered", nth]]]),
    ...[1, order.length].flatMap((
      nth,
    ): Cut[][] => [[["call: before its intent", nth]], [["call: settled", nth]]]),
    [["migration: before commit", 2]],
    [["migration: committed", 2]],
    [["schema: up to date"]],
    [["experiment: held"]],
    [["dataset: before commit"]],
    [["dataset: committed"]],
    [["experiment: before it is begun"]],
    [["experiment: begun"]],
    [["trial: before commit"]],
    [["trial: committed", 2]],
    [["scores: before they are kept", 2]],
    [["scores: kept", 2]],
    [["measurement: before it is kept"]],
    [["measurement: kept", 2]],
    [["claim: before it is kept"]],
    [["claim: kept"]],
    [["others: before commit"]],
    [["others: forgotten"]],
    [["heartbeat: before it is kept"]],
    [["heartbeat: kept"]],
    [["experiment: before it is ended"]],
    [["experiment: ended"]],
    [["result: printed"]],
    [["report: before its draft"]],
    [["report: drafted"]],
    [["report: written"]],
    [["call: settled", 20], ["experiment: before it is resumed"]],
    [["call: settled", 40], ["experiment: resumed"]],
    [["call: settled", 60], ["call: read back", 30]],
    [["call: answered", 30], ["call: answered"]], // twice at the same call
  ];
}

/** What an experiment came to, from the database alone; undefined where there is none. */
export async function resultIn(db: Database, id: string): Promise<ExperimentResult | undefined> {
  const { rows } = await db.query("select from experiments where id = $1", [id]);
  return rows.length === 0 ? undefined : resultOf(await readExperiment(db, id));
}

/** What was asked, whoever was asked, as one text. */
export const textOf = ({ messages }: ChatRequest): string =>
  JSON.stringify(messages.map(({ role, content }) => [role, content]));

/** What an experiment asked and has the answers of. */
export async function answeredIn(db: Queryable, id: string): Promise<Set<string>> {
  const { rows } = await db.query<{ text: string }>(
    `select (select jsonb_agg(jsonb_build_array(m ->> 'role', m ->> 'content') order by n)
               from jsonb_array_elements(c.request -> 'messages') with ordinality as t (m, n)) as text
       from calls
       join completions c on c.key = calls.completion_key
      where experiment_id = $1`,
    [id],
  );
  return new Set(rows.map(({ text }) => JSON.stringify(text)));
}

/** Of a result what does not depend on how often a provider had to be asked. */
export function findings(result: ExperimentResult) {
  const { calls: _, tokens: __, cost_usd: ___, ...rest } = essence(result);
  return JSON.stringify(rest);
}

/**
 * A run against the undisturbed one. A call that the server counts and the ledger does not is lost, and so is an answer that
 * was stored (`again` counts those) and asked for once more.
 */
export function compared(
  { result, asked, again = 0 }: {
    result: ExperimentResult | undefined;
    asked: readonly Asked[];
    again?: number;
  },
  whole: Whole,
  what: string,
): Outcome {
  if (!result) return { survived: false, lost: 0, repeated: 0, doubt: 0, why: `${what}: there is no result` };
  const same = findings(result) === findings(whole.result);
  const uncounted = Math.max(0, asked.length - result.calls.total);
  const known = new Set(whole.asked.map(textOf));
  const strange = asked.filter(({ request }) => !known.has(textOf(request))).length;
  const why = [
    ...same ? [] : ["another result"],
    ...again > 0 ? [`${again} stored answers asked for again`] : [],
    ...uncounted > 0 ? [`${uncounted} calls not counted`] : [],
    ...strange > 0 ? [`${strange} calls that an undisturbed run does not make`] : [],
  ].join(", ");
  return {
    survived: same && strange === 0,
    lost: again + uncounted,
    repeated: Math.max(0, asked.length - whole.asked.length),
    doubt: result.calls.total - whole.result.calls.total,
    ...why === "" ? {} : { why: `${what}: ${why}` },
  };
}

/** `compared` for a process that ended by itself. */
export function cameTo(ended: Ended, asked: readonly Asked[], whole: Whole, what: string): Outcome {
  const result = ended.stdout === "" ? undefined : printed(ended);
  const came = compared({ result, asked }, whole, what);
  if (ended.code === EXIT.done) return came;
  return { ...came, survived: false, why: `${what}: exit code ${ended.code}: ${ended.stderr}` };
}
