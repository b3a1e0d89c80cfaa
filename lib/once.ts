/**
 * What is opened when it is first asked for, and once.
 *
 * ```ts
 * import { once } from "./once.ts";
 * import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
 *
 * let tries = 0;
 * const model = once(() => ++tries === 1 ? Promise.reject(new Error("offline")) : Promise.resolve(tries));
 * await rejects(model(), /offline/);
 * deepEqual([await model(), await model()], [2, 2]);
 * ```
 *
 * @module
 */

/** Opens it at the first call and gives the same to every other; what could not be opened is tried again by the next. */
export function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    if (!opened) {
      opened = open();
      opened.catch(() => opened = undefined);
    }
    return opened;
  };
}

/** The same for each key. */
export function onceEach<Key, T>(open: (key: Key) => Promise<T>): (key: Key) => Promise<T> {
  const opened = new Map<Key, () => Promise<T>>();
  return (key) => {
    const one = opened.get(key) ?? once(() => open(key));
    opened.set(key, one);
    return one();
  };
}
