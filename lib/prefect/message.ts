/**
 * What is told of a flow run, each by its own: the order is that of the run, and any may be told twice.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** Prefect's kinds of states. */
export type StateType =
  | "SCHEDULED"
  | "PENDING"
  | "RUNNING"
  | "COMPLETED"
  | "FAILED"
  | "CANCELLED"
  | "CRASHED";

/** A state to go to. */
export interface State {
  readonly type: StateType;
  /** As pages show it; Prefect's word for the type unless given. */
  readonly name?: string;
  readonly message?: string;
  /** When it is to go on, of what is SCHEDULED: ISO 8601. */
  readonly at?: string;
}

/** One thing to tell. Ids are ours, so that what arrived can be told from what did not. */
export type Message =
  | { readonly kind: "flow run state"; readonly id: string; readonly state: State }
  | {
    readonly kind: "task run";
    /** By `taskRunId`: a run that is started again has the same tasks. */
    readonly id: string;
    readonly key: string;
    /** Tells the runs of one task apart. */
    readonly dynamicKey: string;
    /** Ids of the task runs whose results it takes: the edges of the graph. */
    readonly after: readonly string[];
    readonly retries: number;
  }
  | { readonly kind: "task run state"; readonly id: string; readonly taskRun: string; readonly state: State }
  | {
    readonly kind: "log";
    /** As Python's logging: 20 is information, 30 a warning, 40 an error. */
    readonly level: number;
    readonly text: string;
    /** ISO 8601. */
    readonly at: string;
  }
  | {
    readonly kind: "progress";
    readonly key: string;
    readonly percent: number;
    readonly description: string;
  }
  | {
    readonly kind: "artifact";
    /** Letters a to z, digits and dashes. */
    readonly key: string;
    /** A table's data is a list of rows. */
    readonly type: "markdown" | "table";
    readonly data: string | readonly Readonly<Record<string, unknown>>[];
    readonly description: string;
  }
  | {
    readonly kind: "event";
    readonly id: string;
    readonly event: string;
    readonly resource: string;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly at: string;
  };

/** What a flow run is registered with. */
export interface Registration {
  /** Of the flow. */
  readonly flow: string;
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
}

/**
 * The id of a task run: a function of what it is, as a UUID (RFC 9562, version 8).
 *
 * ```ts
 * import { taskRunId } from "./message.ts";
 * import { match } from "node:assert/strict";
 *
 * match(taskRunId("a run", "load_state", "1"), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
 * ```
 */
export function taskRunId(run: string, key: string, dynamicKey: string): string {
  const hex = createHash("sha256").update(JSON.stringify([run, key, dynamicKey])).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${
    hex.slice(20, 32)
  }`;
}
