/**
 * Prefect: a typed client of its API, what is told of a run and how it gets there, and what is deployed.
 *
 * ```ts
 * import { prefectClient, PrefectError } from "./mod.ts";
 * import { rejects } from "node:assert/strict";
 *
 * const nowhere = prefectClient({ url: "http://127.0.0.1:1/api" });
 * await rejects(nowhere.version(), PrefectError);
 * ```
 *
 * @module
 */
export {
  type ClientOptions,
  type PrefectClient,
  prefectClient,
  PrefectError,
  type Schema,
} from "./client.ts";
export { deliver, type Entry, type Outbox, sendHeartbeat, TAG } from "./delivery.ts";
export { deploy, type Deployed, type Deployment, type Rules } from "./deploy.ts";
export { type HeartbeatOptions, type Heartbeats, openHeartbeats } from "./heartbeat.ts";
export { type Message, type Registration, type State, taskRunId } from "./message.ts";
