/**
 * The door: options in, progress and exit codes out.
 *
 * ```ts
 * import { EXIT, outcome, UsageError } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const told: string[] = [];
 * const code = await outcome(() => Promise.reject(new UsageError("Cannot read --seed")), (text) => told.push(text));
 * equal(code, EXIT.usage);
 * equal(told[0], "Cannot read --seed");
 * ```
 *
 * @module
 */
export { EXIT, outcome } from "./exit.ts";
export { helpOf, jsonSchemaOf, readOptions, type Sources, UsageError } from "./options.ts";
export { duration, estimate, pace, type Say, type Screen, silent, type Stage, stages } from "./progress.ts";
