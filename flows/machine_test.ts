/**
 * What a machine may do to `deno task optimize` beside what `deno task faults` tries: it has few files.
 */
import { deepStrictEqual as deepEqual, match, ok } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { modelServer, parity, place, printed, run, said } from "./testing.ts";

Deno.test("optimize gets along with few files, and loses nothing where they are too few", async () => {
  if (Deno.build.os === "windows") return; // there is no such limit
  await using at = await place();
  await using server = modelServer(parity);
  const ended = await run("optimize", [
    ...[
      "--dataset",
      at.questions,
      ...server.models,
      "--max-iterations",
      "1",
      "--concurrency",
      "64",
      "--json",
    ],
  ], { ...at, within: ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"] });
  ok([EXIT.done, EXIT.usage].includes(ended.code as 0), ended.stderr);
  if (ended.code === EXIT.usage) {
    match(said(ended), /^Cannot write \S+: .*: write it with `deno task report \S+`\n$/m);
  }
  const { status, calls } = printed(ended);
  deepEqual([status, calls.lost], ["finished", 0]);
});
