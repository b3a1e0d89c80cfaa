/**
 * Models, and the ledger that every call goes through.
 *
 * ```ts
 * import { openModel, parseModel } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const model = await openModel(parseModel("openai:llama3@http://localhost:11434"), {
 *   python: () => Promise.reject(new Error("not needed")),
 * });
 * equal(model.identity.endpoint, "http://localhost:11434/v1");
 * ```
 *
 * @module
 */
export * from "./keys.ts";
export * from "./ledger.ts";
export * from "./local.ts";
export * from "./model.ts";
export * from "./open_model.ts";
export * from "./openai.ts";
export * from "./prices.ts";
export * from "./retry.ts";
export * from "./tape.ts";
export * from "./vertex.ts";
