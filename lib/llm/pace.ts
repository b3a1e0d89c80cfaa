/**
 * The pace of all requests to a provider that says it is asked too often (HTTP 429): multiplicative increase of the space
 * between two of them, multiplicative decrease, as congestion is controlled on a network (Chiu & Jain, 1989).
 *
 * None is sent before the provider says, whoever it was said to. From then on they are spaced: half as far again apart with
 * each such answer to a request that kept to the space before, a tenth less with each other answer, until there is none
 * between them. While it answers at all no space is wider than the longest wait that it asked for: one that turns away by
 * chance, and not for how many there were, is soon asked again.
 *
 * ```ts
 * import { pace } from "./pace.ts";
 * import { ProviderError } from "./model.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const slept: number[] = [];
 * const { turn, tooMany } = pace({ now: () => 0, sleep: async (ms) => { slept.push(ms); throw "late"; } });
 * await turn();
 * tooMany(new ProviderError("slow down", { status: 429, retryAfterMs: 7_000 }), 0);
 * await turn().catch(() => {});
 * deepEqual(slept, [7_000]);
 * ```
 *
 * @module
 */
import pLimit from "p-limit";
import { unlessAborted } from "./exchange.ts";
import type { ProviderError } from "./model.ts";

/** The pace of one provider. */
export interface Pace {
  /** Resolves when the caller may send, in the order of calling. Throws `tired` where nothing is to be expected. */
  turn(signal?: AbortSignal): Promise<void>;
  /** A request sent at `sentAt` was turned away. */
  tooMany(error: ProviderError, sentAt: number): void;
  answered(): void;
  /** What the provider turned the last request away with, and for how many milliseconds nobody asks; unless it answered since. */
  pause(): { readonly ms: number; readonly error: ProviderError } | undefined;
}

/** Milliseconds between two requests: at first, at most, and what is none any more. */
const FIRST = 100, MOST = 8_000, NONE = 10;

/** So often in a row a provider may turn requests away that takes about half of them. */
const BY_CHANCE = 5;

/** A pace of no space at all, so far. */
export function pace(
  {
    longestMs = 60_000,
    patienceMs = 600_000,
    tired = (error) => error,
    now,
    sleep,
  }: {
    /** No wait is longer, whatever the provider asks for. @default {60_000} */
    longestMs?: number;
    /** Time without an answer after which nobody waits. @default {600_000} */
    patienceMs?: number;
    /** What those get who would wait then. @default {what the provider said last} */
    tired?: (error: ProviderError, ms: number) => Error;
    now: () => number;
    sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  },
): Pace {
  const line = pLimit(1);
  let space = 0;
  let longestAsked = 0;
  let widenedAt = -1;
  let sendAt = 0; // the next request
  let limited: { readonly error: ProviderError; readonly since: number; readonly times: number } | undefined; // no answer since

  async function first(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const ms = sendAt - now();
      if (ms <= 0) break;
      const patient = limited ? now() - limited.since : 0;
      if (limited && patient >= patienceMs) throw tired(limited.error, patient);
      await sleep(ms, signal);
    }
    sendAt = now() + space;
  }
  return {
    async turn(signal) {
      if (space > 0 || sendAt > now()) await unlessAborted(line(() => first(signal)), signal);
    },
    tooMany(error, sentAt) {
      const { since, times } = limited ?? { since: now(), times: 0 };
      limited = { error, since, times: times + 1 };
      longestAsked = Math.min(MOST, Math.max(longestAsked, error.retryAfterMs ?? MOST));
      if (sentAt > widenedAt) { // who was sent before says nothing new
        space = Math.min(times < BY_CHANCE ? longestAsked : MOST, Math.max(FIRST, 1.5 * space));
        widenedAt = now();
      }
      sendAt = Math.max(sendAt, now() + Math.min(longestMs, error.retryAfterMs ?? space));
    },
    answered() {
      limited = undefined;
      space = space < NONE ? 0 : 0.9 * space;
    },
    pause: () => limited && { ms: Math.max(0, sendAt - now()), error: limited.error },
  };
}
