/**
 * The one layer of retries: exponential backoff with full jitter (Brooker, 2015, "Exponential Backoff And Jitter"),
 * the provider's own Retry-After up to a cap, and a circuit breaker for a provider that is down, which also keeps all callers
 * to the pace of one that is asked too often.
 *
 * The caller's `attempt` does all that belongs to one request: reserving, sending, recording.
 *
 * ```ts
 * import { retry } from "./retry.ts";
 * import { ProviderError } from "./model.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const answer = await retry(
 *   (attempt) => attempt < 3 ? Promise.reject(new ProviderError("busy", { status: 503 })) : Promise.resolve(attempt),
 *   { random: Math.random, baseDelayMs: 1 },
 * );
 * equal(answer, 3);
 * ```
 *
 * @module
 */
import { crowd, type Leave } from "./crowd.ts";
import { unlessAborted } from "./exchange.ts";
import { ProviderError } from "./model.ts";
import { pace } from "./pace.ts";
import { NOTHING } from "./usage.ts";

/** Waits `ms`, or throws the signal's reason as soon as it aborts. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** How to retry. */
export interface RetryOptions {
  /** Attempts are at most one more. @default {4} */
  readonly maxRetries?: number;
  /** Attempts that failed before, in an earlier process; they count. @default {0} */
  readonly failed?: number;
  /** Upper end of the first wait; it doubles with each retry. @default {500} */
  readonly baseDelayMs?: number;
  /** No wait is longer, whatever the provider asks for. @default {60_000} */
  readonly maxDelayMs?: number;
  /** Uniform in [0, 1): the jitter. */
  readonly random: () => number;
  /** @default {the runtime's timer} */
  readonly sleep?: Sleep;
  /** Shared by all calls to one model. Without one, each call stands alone. */
  readonly breaker?: Breaker;
  readonly signal?: AbortSignal;
  /** Told of each wait between two attempts; what it gives is disposed of when the wait is over. */
  readonly onWait?: (pause: Pause) => Disposable;
}

/** Why nothing is sent for now. */
export interface Pause {
  /** Milliseconds until the next attempt; 0 when that is under way. */
  readonly ms: number;
  /** What the last attempt failed with. */
  readonly error: ProviderError;
}

/** Errors that say nothing of a question, while others are answered, after which they count as failures of it: so it ends. */
const BLAMELESS = 30;

/**
 * Whether an error that came after `others` like it is no failure of the question, so that the attempt does not count: the
 * provider was asked too often, or in words it does not take. A request that is larger than what a provider takes in a
 * minute is turned away for ever, so it is blamed at last; where nobody is answered, the breaker ends it.
 */
export const isBlameless = (error: unknown, others: number): boolean =>
  error instanceof ProviderError && error.blameless && others < BLAMELESS;

/** Whether what attempt `n` threw ends it: no other attempt is made. */
export const isFinal = (error: unknown, n: number, { maxRetries = 4 }: Pick<RetryOptions, "maxRetries">) =>
  !(error instanceof ProviderError && error.retryable) || n > maxRetries;

/**
 * Runs `attempt(1)`, and again after a retryable ProviderError, at most `1 + maxRetries` times; throws the last error.
 * Anything else that `attempt` throws, and the reason of `signal`, ends it at once. After `failed` attempts of an earlier
 * process it begins with the next one, and makes one attempt at least. With a breaker, which says when, blameless ones are
 * made again and do not count; `attempt` is told how many there were, none while nobody was answered.
 */
export async function retry<T>(
  attempt: (n: number, blameless: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const {
    failed = 0,
    baseDelayMs = 500,
    maxDelayMs = 60_000,
    random,
    sleep = wait,
    breaker,
    signal,
    onWait,
  } = options;
  const answers = () => breaker?.answers() ?? 0;
  for (let n = failed + 1, turnedAway = 0, before = 0;;) {
    signal?.throwIfAborted();
    const report = await breaker?.enter(signal);
    const blameless = answers() > before ? turnedAway : 0;
    try {
      const result = await attempt(n, blameless);
      report?.("answered");
      return result;
    } catch (error) {
      const known = error instanceof ProviderError;
      report?.(!known ? "left" : error.retryable && error.status !== 400 ? error : "answered");
      if (breaker && isBlameless(error, blameless)) {
        if (turnedAway++ === 0) before = answers();
        continue;
      }
      if (!known || isFinal(error, n, options)) throw error;
      const backoff = random() * Math.min(maxDelayMs, baseDelayMs * 2 ** (n++ - 1));
      const ms = Math.min(maxDelayMs, error.retryAfterMs ?? backoff);
      using _ = onWait?.({ ms, error });
      await sleep(ms, signal);
    }
  }
}

/**
 * Keeps callers from a provider that is down. After `failures` retryable errors in a row, over all calls, it opens:
 * callers wait for `pauseMs`, then one goes ahead as a probe and the others wait for its outcome. A success lets all
 * through; a failure doubles the pause, up to `longestPauseMs`.
 *
 * A provider is given up after `probes` failed probes in a row when it has never answered (a wrong address, a server that
 * was not started), and otherwise, as an outage passes, not before `patienceMs` without an answer: failures that come by
 * chance do not last as long. Then those who wait, and those who come, fail at once with a fatal ProviderError, and only
 * the next probe is let through, when its time has come.
 *
 * A 429 is no failure: the provider is there, and wants less. All callers keep to the pace it leads to (pace.ts); who gets
 * nothing but 429 for `patienceMs` is given up in the same way. A provider that does not answer in time is asked less at once
 * (crowd.ts).
 */
export interface Breaker {
  /** Resolves when the caller may send, with a function that must be told once how it went. */
  enter(signal?: AbortSignal): Promise<(outcome: Outcome) => void>;
  /** What keeps callers from the provider, while anything does. */
  pause(): Pause | undefined;
  /** How often it answered. */
  answers(): number;
}

/**
 * What an attempt says of the provider: it answered (a refusal is an answer), it failed, or nothing, as the attempt was
 * aborted or never sent.
 */
export type Outcome = "answered" | "left" | ProviderError;

/** A breaker for one model. */
export function breaker(
  {
    failures = 5,
    pauseMs = 5_000,
    longestPauseMs = 60_000,
    probes = 3,
    patienceMs = 600_000,
    now = () => performance.now(),
    sleep = wait,
  }: {
    /** Errors in a row that open it. @default {5} */
    failures?: number;
    /** Before the first probe. @default {5_000} */
    pauseMs?: number;
    /** Between two probes at most. @default {60_000} */
    longestPauseMs?: number;
    /** Failed probes after which nobody waits for a provider that has never answered. @default {3} */
    probes?: number;
    /** Time without an answer after which nobody waits for one that has. @default {600_000} */
    patienceMs?: number;
    /** Milliseconds on a clock that never goes back. */
    now?: () => number;
    sleep?: Sleep;
  } = {},
): Breaker {
  let known = false; // has answered, be it that it is asked too often
  let answers = 0;
  let inARow = 0;
  let failedProbes = 0;
  let last: ProviderError | undefined;
  let failingSince = 0;
  let probeAt = 0;
  let probe: PromiseWithResolvers<void> | undefined; // under way

  const { turn, tooMany, answered, pause: limit } = pace({
    ...{ longestMs: longestPauseMs, patienceMs, now, sleep },
    tired: (error, ms) => givenUp(`has said nothing else for ${Math.round(ms / 60_000)} minutes`, error),
  });

  const { enter: comeIn } = crowd({ now });
  const isOpen = () => inARow >= failures;
  const isGivenUp = () => failedProbes >= probes && (!known || now() - failingSince >= patienceMs);
  const report = (isProbe: boolean, leave: Leave = () => {}, sentAt = now()) => (outcome: Outcome) => {
    leave(outcome === "answered" ? outcome : outcome !== "left" && outcome.late ? "late" : undefined);
    const isLimit = outcome instanceof ProviderError && outcome.status === 429;
    if (outcome === "answered" || isLimit) {
      known = true;
      inARow = failedProbes = 0;
      if (isLimit) tooMany(outcome, sentAt);
      else {
        answers++;
        answered();
      }
    } else if (outcome !== "left") {
      if (inARow++ === 0) failingSince = now();
      last = outcome;
      if (isProbe) failedProbes++;
      if (isProbe || inARow === failures) {
        probeAt = now() + Math.min(longestPauseMs, pauseMs * 2 ** failedProbes);
      }
    }
    if (isProbe) {
      probe?.resolve();
      probe = undefined;
    }
  };
  return {
    async enter(signal) {
      for (;;) {
        while (isOpen()) {
          if (probe === undefined && now() >= probeAt) {
            probe = Promise.withResolvers();
            return report(true);
          }
          if (isGivenUp()) throw givenUp(`failed ${inARow} times in a row, last with`, last!);
          if (probe) await unlessAborted(probe.promise, signal);
          else await sleep(Math.max(0, probeAt - now()), signal);
        }
        const leave = await comeIn(signal);
        try {
          await turn(signal);
        } catch (error) {
          leave();
          throw error;
        }
        if (!isOpen()) return report(false, leave);
        leave();
      }
    },
    answers: () => answers,
    pause: () => isOpen() ? { ms: probe ? 0 : Math.max(0, probeAt - now()), error: last! } : limit(),
  };
}

const givenUp = (what: string, cause: ProviderError): ProviderError =>
  new ProviderError(`Cannot ask the model as its provider ${what}: ${cause.message}`, {
    ...{ status: cause.status, retryable: true, fatal: true, usage: NOTHING, cause },
  });

/** The runtime's timer. */
export const wait: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
