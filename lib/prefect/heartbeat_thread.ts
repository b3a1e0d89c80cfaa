/**
 * The thread of `openHeartbeats`.
 *
 * @module
 */
import { prefectClient } from "./client.ts";
import { sendHeartbeat } from "./delivery.ts";
import type { Order } from "./heartbeat.ts";

let heard = performance.now();

globalThis.addEventListener("message", (event) => {
  heard = performance.now();
  const { data } = event as MessageEvent<Order | "here">;
  if (data === "here") return;
  const { url, auth, flowRunId, everyMs, patienceMs } = data;
  const client = prefectClient({ url, auth });
  const beat = () => {
    if (performance.now() - heard > patienceMs) return;
    const id = crypto.randomUUID(), at = new Date().toISOString();
    sendHeartbeat(client, { id, flowRunId, at }).catch(() => {});
  };
  beat();
  setInterval(beat, everyMs);
});
