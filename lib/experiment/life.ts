/**
 * The life of an experiment in the store: its ledger, its heartbeat, its end, whatever brings it.
 *
 * @module
 */
import {
  type Caps,
  type LanguageModel,
  type Ledger,
  openLedger,
  type Price,
  type RetryOptions,
  type Role,
} from "../llm/mod.ts";
import { Stop, type StopReason } from "../optimize/mod.ts";
import { type Database, endExperiment, heartbeat, journal } from "../store/mod.ts";

/** What an experiment is given from outside: durable rows, prices, clock, chance of names, and who ends it. */
export interface Surroundings {
  readonly db: Database;
  readonly priceOf: (model: LanguageModel) => Price | null;
  readonly retry: Omit<RetryOptions, "breaker" | "signal">;
  /** Calls in flight at most. */
  readonly concurrency: number;
  readonly newId: () => string;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsed: () => number;
  /** Seconds the experiment ran in earlier processes. @default {0} */
  readonly secondsBefore?: number;
  /** Ends the run in good order: calls in flight may finish, for `graceMs` at most. */
  readonly stop?: AbortSignal;
  /** @default {10_000} */
  readonly graceMs?: number;
}

/** How often the store is told that the experiment is alive, in milliseconds. */
const BEAT = 2_000;

/**
 * Runs `work` with the ledger of experiment `id` and ends the experiment: finished, interrupted when `stop` aborted, failed
 * with what `work` threw, which is thrown on. Resolves with the reason it ended for, null for a measurement.
 */
export async function live(
  { id, models, caps, onChange = () => {} }: {
    id: string;
    models: Partial<Record<Role, LanguageModel>>;
    caps: Caps;
    onChange?: (ledger: Ledger) => void;
  },
  surroundings: Surroundings,
  work: (ledger: Ledger) => Promise<StopReason | null>,
): Promise<StopReason | null> {
  const { db, elapsed, secondsBefore = 0, stop, graceMs = 10_000 } = surroundings;
  const begun = elapsed();
  const vitals = (ledger: Ledger) => ({
    seconds: secondsBefore + (elapsed() - begun) / 1000,
    cached: ledger.cached(),
  });
  let beaten = begun;
  let beating: Promise<unknown> = Promise.resolve();
  const ledger = await openLedger({
    ...surroundings,
    models,
    caps,
    journal: journal(db, id),
    onChange(ledger) {
      onChange(ledger);
      if (elapsed() - beaten < BEAT) return;
      beaten = elapsed();
      beating = heartbeat(db, id, vitals(ledger)).catch(() => {}); // the next write meets the same trouble and says it
    },
  });
  const interruption = new Stop("interrupted", "Interrupted");
  const halt = () => {
    ledger.stop(interruption);
    AbortSignal.timeout(graceMs).addEventListener("abort", () => ledger.stop(interruption, { abort: true }));
  };
  if (stop?.aborted) halt();
  else stop?.addEventListener("abort", halt);

  const end = async (
    status: "finished" | "interrupted" | "failed",
    reason: StopReason | null,
    error: string | null = null,
  ) => {
    await ledger.idle();
    await beating;
    await endExperiment(db, id, { status, stopReason: reason, error, ...vitals(ledger) });
    return reason;
  };
  try {
    const reason = await work(ledger);
    return await end(reason === "interrupted" ? "interrupted" : "finished", reason);
  } catch (error) {
    if (error instanceof Stop) return await end("interrupted", error.reason);
    await end("failed", null, error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    stop?.removeEventListener("abort", halt);
  }
}
