/**
 * What a fault costs, as one line of a table: how often it was tried, how often the work came to its end as if nothing had
 * happened, what was lost, what was done twice, what nobody can know.
 *
 * ```ts
 * import { holds, sum, untouched } from "./line.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const line = sum("kill -9 of a run", [untouched, { ...untouched, repeated: 1, doubt: 1 }], { mayRepeat: 2 });
 * deepEqual([line.tried, line.survived, line.repeated], [2, 2, 1]);
 * equal(holds(line), true);
 * equal(holds({ ...line, lost: 1 }), false);
 * ```
 *
 * @module
 */

/** What became of one try, or of several at once. */
export interface Outcome {
  /** Tries that it stands for. @default {1} */
  readonly tried?: number;
  /** Whether the work came to its end as if nothing had happened. */
  readonly survived: boolean;
  /** What had been acknowledged and was not there any more. */
  readonly lost: number;
  /** What was done a second time: calls that were asked again. */
  readonly repeated: number;
  /** Calls of which nobody knows whether they were answered, each counted in full; null where there is no such thing. */
  readonly doubt: number | null;
  /** What was wrong, in words. */
  readonly why?: string;
}

/** A try that left no trace. */
export const untouched: Outcome = { survived: true, lost: 0, repeated: 0, doubt: 0 };

/** A line of the table. */
export interface Line {
  readonly fault: string;
  readonly tried: number;
  readonly survived: number;
  readonly lost: number;
  readonly repeated: number;
  readonly doubt: number | null;
  /** How much may be repeated at most. */
  readonly mayRepeat: number;
  /** What was wrong, in words. */
  readonly why: readonly string[];
  /** Why nothing could be tried on this machine. */
  readonly impossible?: string;
}

/** Whether something was tried, unless it cannot be here, and nothing happened that may not. */
export const holds = ({ tried, survived, lost, repeated, doubt, mayRepeat, impossible }: Line): boolean =>
  (tried > 0 || impossible !== undefined) && survived === tried && lost === 0 &&
  repeated <= Math.min(mayRepeat, doubt ?? Infinity);

/** All tries of a fault as a line. */
export function sum(
  fault: string,
  outcomes: readonly Outcome[],
  { mayRepeat = 0 }: { mayRepeat?: number } = {},
): Line {
  const total = (value: (outcome: Outcome) => number) => outcomes.reduce((sum, each) => sum + value(each), 0);
  return {
    ...{ fault, mayRepeat },
    tried: total(({ tried = 1 }) => tried),
    survived: total(({ survived, tried = 1 }) => survived ? tried : 0),
    lost: total(({ lost }) => lost),
    repeated: total(({ repeated }) => repeated),
    doubt: outcomes.some(({ doubt }) => doubt !== null) ? total(({ doubt }) => doubt ?? 0) : null,
    why: outcomes.flatMap(({ why }) => why ?? []),
  };
}
