/**
 * The order in which one slot of the embedded model answers: the next prompt is the one that shares most with the last.
 *
 * A slot keeps the tokens of its last prompt, and reads only what comes after the common prefix. So the questions of
 * one candidate (same system prompt, same demos) belong together, however many callers ask at once. Nobody starves: a
 * request that others were preferred to `patience` times goes next. The order changes what is waited for, never what is
 * answered.
 *
 * ```ts
 * import { prefixScheduler } from "./prefix_scheduler.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const served: string[] = [];
 * const ask = prefixScheduler<string, void>({ prefixOf: (text) => text, serve: (text) => Promise.resolve(void served.push(text)) });
 * await Promise.all(["cat 1", "dog 1", "cat 2", "dog 2"].map((text) => ask(text)));
 * deepEqual(served, ["cat 1", "cat 2", "dog 1", "dog 2"]);
 * ```
 *
 * @module
 */

/** What is served, and how. */
export interface SchedulerOptions<Job, Answer> {
  /** The prompt as the model reads it. */
  readonly prefixOf: (job: Job) => string;
  /** Serves one job; called again when the one before has ended. `last` is the prompt before it, which the slot holds. */
  readonly serve: (
    job: Job,
    context: { readonly last: string; readonly signal?: AbortSignal },
  ) => Promise<Answer>;
  /** How often others may be preferred to a request. @default {64} */
  readonly patience?: number;
}

/**
 * A function that queues a job and resolves with its answer. Throws what `serve` throws, or the reason of `signal` as
 * soon as it aborts; a job that was not begun by then is never served.
 */
export function prefixScheduler<Job, Answer>(
  { prefixOf, serve, patience = 64 }: SchedulerOptions<Job, Answer>,
): (job: Job, signal?: AbortSignal) => Promise<Answer> {
  interface Waiting {
    readonly prompt: string;
    passedOver: number;
    readonly begin: () => Promise<unknown>;
  }
  let waiting: Waiting[] = []; // in the order of arrival
  let busy = false;
  let last = "";

  const next = async () => {
    if (busy) return;
    busy = true;
    await Promise.resolve(); // callers of one turn are all heard before the first is chosen
    while (waiting.length > 0) {
      const chosen = choose(waiting, last, patience);
      waiting = waiting.filter((job) => job !== chosen);
      for (const job of waiting) job.passedOver++;
      const running = chosen.begin();
      last = chosen.prompt;
      await running.catch(() => {}); // its caller was told
    }
    busy = false;
  };

  return (job, signal) => {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const abort = () => {
      waiting = waiting.filter((other) => other !== entry);
      reject(signal!.reason);
    };
    const entry: Waiting = {
      prompt: prefixOf(job),
      passedOver: 0,
      begin: () => {
        const answer = serve(job, { last, ...signal ? { signal } : {} });
        answer.then(resolve, reject);
        return answer;
      },
    };
    signal?.addEventListener("abort", abort);
    waiting.push(entry);
    next();
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  };
}

/** The job that waited too long, else the one with the longest common prefix; of equals, the first to arrive. */
function choose<T extends { readonly prompt: string; readonly passedOver: number }>(
  waiting: readonly T[],
  last: string,
  patience: number,
): T {
  let best = waiting[0]!;
  if (best.passedOver >= patience) return best;
  let longest = -1;
  for (const job of waiting) {
    const length = commonPrefix(job.prompt, last);
    if (length > longest) [best, longest] = [job, length];
  }
  return best;
}

function commonPrefix(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}
