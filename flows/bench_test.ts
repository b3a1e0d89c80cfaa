import { deepEqual, match } from "node:assert/strict";
import type { Benchmark } from "../bench/row.ts";
import { ROOT } from "./setting.ts";

/** What brings half a gigabyte or more. */
const LARGE = /"bench-torch"|"\.venv-search"/;

Deno.test("a benchmark that fetches gigabytes says so, and no other does", async () => {
  const large: string[] = [], said: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/bench`)) {
    if (!name.endsWith(".ts")) continue;
    const source = await Deno.readTextFile(`${ROOT}/bench/${name}`);
    if (!/^export const bench\b/m.test(source)) continue;
    if (LARGE.test(source)) large.push(name);
    const { needs }: Benchmark = await import(`../bench/${name}`);
    if (needs === undefined) continue;
    said.push(name);
    match(needs, /, [\d.]+ GB$/);
  }
  deepEqual(said.sort(), large.sort());
});
