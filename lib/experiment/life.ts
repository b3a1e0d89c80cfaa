/**
 * The life of an experiment in the store: its ledger, its heartbeat, its end, whatever brings it.
 *
 * @module
 */
import {
  type Caps,
  type LanguageModel,
  type Ledger,
  type LedgerOptions,
  openLedger,
  type Price,
  type Role,
} from "../llm/mod.ts";
import { Stop, type StopReason } from "../optimize/mod.ts";
import { BEAT, type Database, endExperiment, heartbeat, journal } from "../store/mod.ts";
import { UnreadableError } from "./roles.ts";

/** What an experiment is given from outside: durable rows, prices, clock, chance of names, and who ends it. */
export interface Surroundings {
  readonly db: Database;
  readonly priceOf: (model: LanguageModel) => Price | null;
  readonly retry: LedgerOptions["retry"];
  /** Calls in flight at most. */
  readonly concurrency: number;
  readonly newId: () => string;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsed: () => number;
  /** Who runs the experiment, as it was begun or resumed with. */
  readonly holder?: string | undefined;
  /** Seconds the experiment ran in earlier processes. @default {0} */
  readonly secondsBefore?: number;
  /** Ends the run in good order: calls in flight may finish, for `graceMs` at most. */
  readonly stop?: AbortSignal;
  /** @default {10_000} */
  readonly graceMs?: number;
  /** How often the store is told that the experiment is alive, also while its calls hang. @default {1000 * BEAT} */
  readonly beatMs?: number;
  /** Told every second while a model cannot be asked, of why, and for how long yet. */
  readonly onPause?: (pause: NonNullable<ReturnType<Ledger["paused"]>>) => void;
}

/**
 * Runs `work` with the ledger of experiment `id` and ends the experiment: finished, interrupted when `stop` aborted, failed
 * with what `work` threw, which is thrown on. Nothing is under way any more when that is written. Resolves with the reason
 * it ended for, null for a measurement that came to its end.
 */
export async function live(
  { id, models, caps }: { id: string; models: Partial<Record<Role, LanguageModel>>; caps: Caps },
  surroundings: Surroundings,
  work: (ledger: Ledger) => Promise<StopReason | null>,
): Promise<StopReason | null> {
  const { db, elapsed, holder, secondsBefore = 0, stop, graceMs = 10_000, beatMs = 1000 * BEAT, onPause } =
    surroundings;
  const begun = elapsed();
  let ledger: Ledger | undefined;
  const vitals = () => ({
    seconds: secondsBefore + (elapsed() - begun) / 1000,
    cached: ledger?.cached() ?? 0,
    holder,
  });
  const alive = every(beatMs, () => heartbeat(db, id, vitals()));
  const pausing = every(1_000, () => {
    const pause = ledger?.paused();
    if (pause) onPause?.(pause);
  });
  const end = async (
    status: "finished" | "interrupted" | "failed",
    reason: StopReason | null,
    error: string | null = null,
  ) => {
    await pausing.stop();
    await alive.stop(); // a late heartbeat would overwrite the end
    await endExperiment(db, id, { status, stopReason: reason, error, ...vitals() });
    return reason;
  };
  try {
    using rows = journal(db, id, holder);
    ledger = await openLedger({ ...surroundings, models, caps, journal: rows });
    const reason = await worked(ledger, { stop, graceMs }, work);
    return await end(reason === "interrupted" ? "interrupted" : "finished", reason);
  } catch (error) {
    if (error instanceof Stop) return await end("interrupted", error.reason);
    const reason = error instanceof UnreadableError ? "unreadable" : null;
    await end("failed", reason, error instanceof Error ? error.message : String(error))
      .catch(() => {}); // the first error says more
    throw error;
  }
}

/** Runs `work` until `stop` aborts, and leaves nothing under way whatever becomes of it. */
async function worked<Result>(
  ledger: Ledger,
  { stop, graceMs }: { stop: AbortSignal | undefined; graceMs: number },
  work: (ledger: Ledger) => Promise<Result>,
): Promise<Result> {
  const interruption = new Stop("interrupted", "Interrupted");
  let grace: ReturnType<typeof setTimeout> | undefined;
  const halt = () => {
    ledger.stop(interruption);
    grace = setTimeout(() => ledger.stop(interruption, { abort: true }), graceMs);
  };
  if (stop?.aborted) halt();
  else stop?.addEventListener("abort", halt);
  try {
    return await work(ledger);
  } finally {
    const over = new Error("Cannot ask as the experiment has ended");
    ledger.stop(over);
    await ledger.idle();
    ledger.stop(over, { abort: true }); // ends those that wait between two attempts
    clearTimeout(grace);
    stop?.removeEventListener("abort", halt);
  }
}

/** Does `work` every `ms` milliseconds, once at a time, until it is stopped; its failures are let pass. */
function every(ms: number, work: () => unknown): { stop(): Promise<void> } {
  let doing: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    doing ??= (async () => await work())().catch(() => {}).finally(() => doing = undefined);
  }, ms);
  return {
    async stop() {
      clearInterval(timer);
      await doing;
    },
  };
}
