/**
 * Heartbeats of a flow run, from a thread of their own: a process that computes for minutes, as one that trains does, is not
 * taken for dead meanwhile.
 *
 * @module
 */
import type { ClientOptions } from "./client.ts";

/** What the thread is told: whom to beat for, or only that the process is not stuck. */
export interface Order extends Pick<ClientOptions, "url" | "auth"> {
  readonly flowRunId: string;
  readonly everyMs: number;
  readonly patienceMs: number;
}

export interface HeartbeatOptions extends Pick<ClientOptions, "url" | "auth"> {
  /** Milliseconds between two. @default {8_000} */
  readonly everyMs?: number;
  /** Milliseconds that the process may compute without a pause; one that takes longer is taken for stuck. @default {3_600_000} */
  readonly patienceMs?: number;
}

/** Heartbeats, until they are closed. */
export interface Heartbeats {
  /** Begins to say that this flow run is alive, at once. */
  beat(flowRunId: string): void;
  close(): void;
}

/** Opens the thread when it is first needed. A Prefect that is away misses beats, and nothing else comes of it. */
export function openHeartbeats(
  { url, auth, everyMs = 8_000, patienceMs = 3_600_000 }: HeartbeatOptions,
): Heartbeats {
  let thread: Worker | undefined, here: ReturnType<typeof setInterval> | undefined;
  const close = () => {
    clearInterval(here);
    thread?.terminate();
    thread = undefined;
  };
  return {
    beat(flowRunId) {
      close();
      thread = new Worker(new URL("./heartbeat_thread.ts", import.meta.url).href, { type: "module" });
      thread.addEventListener("error", (event) => event.preventDefault()); // no thread to be had: the run goes on without
      thread.postMessage({ url, auth, flowRunId, everyMs, patienceMs } satisfies Order);
      here = setInterval(() => thread?.postMessage("here"), everyMs);
    },
    close,
  };
}
