/**
 * Trains so many models, one after another, and prints by how many bytes the process grew:
 * `deno run -A --v8-flags=--expose-gc bench/lightgbm_memory.ts LIBRARY TIMES`.
 *
 * @module
 */
import { train } from "../lib/gbdt/mod.ts";
import { Lightgbm } from "../lib/native/mod.ts";
import { table } from "./lightgbm_table.ts";

const [path, times] = Deno.args;
using lightgbm = new Lightgbm(path!);
const training = table(500, 60, "memory"), validation = table(100, 60, "validation");
const some = (n: number): number => {
  for (let seed = 0; seed < n; seed++) {
    using _booster = train(training, { seed, rounds: 20 }, { lightgbm, validation });
  }
  (globalThis as unknown as { gc(): void }).gc();
  return Deno.memoryUsage().rss;
};
const before = some(100);
console.log(some(Number(times)) - before);
