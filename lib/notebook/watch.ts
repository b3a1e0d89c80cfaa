/**
 * Errors that nobody waited for. In a notebook that runs without a reader, a rejected promise and an error in a timer leave
 * no trace: the first cell begins to watch, the last one asserts that there were none.
 *
 * @module
 */

/** What was seen so far. */
export interface Watch {
  /** Throws an AggregateError when there was an error that nobody waited for. */
  assertNone(): Promise<void>;
}

/**
 * Watches from now on; whatever comes is recorded and ends nothing.
 *
 * ```ts
 * import { watchErrors } from "./watch.ts";
 * import { rejects } from "node:assert/strict";
 *
 * const target = new EventTarget();
 * const errors = watchErrors(target);
 * await errors.assertNone();
 * target.dispatchEvent(new ErrorEvent("error", { error: new Error("a timer failed") }));
 * await rejects(errors.assertNone(), /1 error that nobody waited for: a timer failed/);
 * ```
 */
export function watchErrors(target: EventTarget = globalThis): Watch {
  const seen: unknown[] = [];
  const record = (event: Event) => {
    event.preventDefault();
    seen.push("reason" in event ? event.reason : (event as ErrorEvent).error);
  };
  target.addEventListener("unhandledrejection", record);
  target.addEventListener("error", record);
  return {
    async assertNone() {
      await new Promise((resolve) => setTimeout(resolve, 20)); // a rejection is reported a turn later
      if (seen.length === 0) return;
      const words = seen.map((error) => error instanceof Error ? error.message : String(error)).join("; ");
      throw new AggregateError(
        seen,
        `${seen.length} error${seen.length === 1 ? "" : "s"} that nobody waited for: ${words}`,
      );
    },
  };
}
