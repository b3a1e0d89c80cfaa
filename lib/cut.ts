/**
 * Points at which a test may end the process, as a power cut would: `QUINTET_CUT="trial: committed#3"` ends a flow when it
 * comes by that point for the third time. Off, which is always but in tests, a point is a call of an empty function.
 *
 * ```ts
 * import { cutAt, point } from "./cut.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const cuts: string[] = [];
 * cutAt("trial: committed", { nth: 2, cut: () => cuts.push("now") });
 * point("trial: committed");
 * deepEqual(cuts, []);
 * point("trial: committed");
 * deepEqual(cuts, ["now"]);
 * ```
 *
 * @module
 */

/** Every point, in the order in which a run comes by for the first time. */
export const POINTS = [
  "server: cluster made", // the server's points are passed on the embedded one alone
  "server: started",
  "migration: before commit",
  "migration: committed",
  "schema: up to date",
  "experiment: held",
  "dataset: before commit",
  "dataset: committed",
  "experiment: before it is begun",
  "experiment: begun",
  "experiment: before it is resumed",
  "experiment: resumed",
  "trial: before commit",
  "trial: committed",
  "call: before its intent",
  "call: before it is sent",
  "call: answered",
  "call: settled",
  "call: read back",
  "heartbeat: before it is kept",
  "heartbeat: kept",
  "scores: before they are kept",
  "scores: kept",
  "measurement: before it is kept",
  "measurement: kept",
  "claim: before it is kept",
  "claim: kept",
  "others: before commit",
  "others: forgotten",
  "experiment: before it is ended",
  "experiment: ended",
  "result: printed",
  "report: before its draft",
  "report: drafted",
  "report: written",
  "server: before it is stopped",
] as const;

/** The name of a point. */
export type Point = typeof POINTS[number];

let passed: (name: Point) => void = () => {};

/** The run comes by. */
export const point = (name: Point): void => passed(name);

/** Has `cut` called when the run comes by a point for the nth time, counted from 1. */
export function cutAt(name: Point, { nth = 1, cut }: { nth?: number; cut: () => void }): void {
  let times = 0;
  passed = (here) => {
    if (here === name && ++times === nth) cut();
  };
}
