/**
 * How many requests a provider has at once that does not answer them in time, such as a laptop that works at one question after
 * the other. After the second late one among eight: half as many, and no more than were answered while that one waited, as one
 * more would wait as long. Then one more after as many answers as there are requests at once, but never again as many as were
 * too many (additive increase, multiplicative decrease: Chiu & Jain, 1989).
 *
 * ```ts
 * import { crowd } from "./crowd.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const { enter, allowed } = crowd({ now: () => 0 });
 * const leave = await Promise.all([enter(), enter(), enter(), enter()]);
 * leave[0]!("late");
 * leave[1]!("late");
 * equal(allowed(), 2);
 * ```
 *
 * @module
 */
import { unlessAborted } from "./exchange.ts";

/** Must be told once that a request is over, and how, where that says something of the provider. */
export type Leave = (how?: "answered" | "late") => void;

/** Those who ask one provider. */
export interface Crowd {
  /** Resolves when the caller may send, in the order of calling. */
  enter(signal?: AbortSignal): Promise<Leave>;
  /** Requests at once at most. */
  allowed(): number;
}

/** So many of so many requests, one after the other, are late where it is not by chance. */
const LATE = 2, OF = 8;

/** A crowd of any size, so far. */
export function crowd({ now }: { now: () => number }): Crowd {
  let allowed = Infinity, tooMany = Infinity;
  let inside = 0, most = 0; // now, and since it was last narrowed
  let narrowedAt = -Infinity;
  let last: ("answered" | "late")[] = []; // since then
  let answers = 0, grownAt = 0; // in all, and when one more was allowed
  const waiting = new Set<() => void>();

  const comeIn = () => most = Math.max(most, ++inside);
  const goOut = () => {
    inside--;
    for (const next of waiting) {
      if (inside >= allowed) break;
      waiting.delete(next);
      comeIn();
      next();
    }
  };
  async function wait(signal?: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    try {
      await unlessAborted(promise, signal);
    } catch (error) {
      if (!waiting.delete(resolve)) goOut(); // it had come in
      throw error;
    }
  }
  const learn = (how: "answered" | "late", beside: number) => {
    last = [...last, how].slice(-OF);
    if (how === "answered") {
      if (answers - grownAt < allowed || allowed + 1 >= tooMany) return;
      allowed++;
      grownAt = answers;
      return;
    }
    if (last.filter((each) => each === "late").length < LATE) return;
    tooMany = most;
    allowed = Math.max(1, Math.min(Math.floor(most / 2), beside || Infinity));
    narrowedAt = now();
    [most, last, grownAt] = [0, [], answers];
  };
  return {
    async enter(signal) {
      signal?.throwIfAborted();
      if (inside < allowed) comeIn();
      else await wait(signal);
      const since = now(), before = answers;
      return (how) => {
        if (how === "answered") answers++;
        if (how && since > narrowedAt) learn(how, answers - before); // who was sent before says nothing new
        goOut();
      };
    },
    allowed: () => allowed,
  };
}
