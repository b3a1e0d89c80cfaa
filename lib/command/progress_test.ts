import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { duration, estimate, pace, stages } from "./progress.ts";

/** A screen that keeps what is written, with a clock that `work` moves. */
function screen(live: boolean) {
  let now = 0;
  const written: string[] = [];
  return {
    written,
    wait: (ms: number) => now += ms,
    write: (text: string) => void (text !== "" && written.push(text)),
    live,
    columns: () => 30,
    elapsed: () => now,
  };
}

Deno.test("stages() writes plain lines now and then where there is no terminal", async () => {
  const shown = screen(false);
  await stages(shown)("Search", (say) => {
    for (let i = 1; i <= 40; i++) {
      shown.wait(500);
      say(`call ${i}`, "more to come");
    }
    return Promise.resolve();
  });
  deepEqual(shown.written, [
    "· Search  call 2, more to come\n",
    "· Search  call 22, more to come\n",
    "✓ Search  call 40  (20 s)\n",
  ]);
});

Deno.test("stages() draws over one line of a terminal, and never beyond its width", async () => {
  const shown = screen(true);
  await stages(shown)("Search", (say) => {
    shown.wait(200);
    say("a status that is much longer than the line");
    shown.wait(2000);
    say("done");
    return Promise.resolve();
  });
  deepEqual(shown.written, [
    "\r\x1b[K· Search",
    "\r\x1b[K· Search  a status that is mu",
    "\r\x1b[K· Search  done",
    "\r\x1b[K✓ Search  done  (2 s)\n",
  ]);
});

Deno.test("stages() leaves no trace of what was quick, and a mark on what failed", async () => {
  const shown = screen(false);
  equal(await stages(shown)("Database", () => Promise.resolve(7)), 7);
  await rejects(stages(shown)("Model", () => Promise.reject(new Error("gone"))), /gone/);
  deepEqual(shown.written, ["✗ Model  (0 s)\n"]);
});

Deno.test("duration() is for readers", () => {
  const rows: [number, string][] = [[0.4, "0 s"], [59, "59 s"], [61, "1 min 01 s"], [3599, "59 min 59 s"], [
    7260,
    "2 h 01 min",
  ]];
  for (const [seconds, text] of rows) equal(duration(seconds), text);
});

Deno.test("pace() goes by what was done of late", () => {
  let now = 0;
  const left = pace(() => now);
  const at = (ms: number, done: number, expected: number | undefined) => {
    now = ms;
    equal(left(done, 1000), expected, `${ms} ms`);
  };
  at(0, 0, undefined);
  at(1_000, 300, undefined); // too soon
  at(6_000, 300, 14);
  for (let second = 7; second < 40; second++) left(300 + 2 * (second - 6), 1000 + (now = 1000 * second)); // then slower
  at(40_000, 368, 316);
  at(60_000, 368, undefined); // it stands still
  at(62_000, 1000, 0);
});

Deno.test("estimate() is for readers", () => {
  const rows: [number, string][] = [
    ...[[0, "10 s"], [11, "20 s"], [90, "90 s"], [91, "2 min"], [150, "3 min"]] as [number, string][],
    ...[[3540, "59 min"], [3541, "1 h"], [3700, "1 h 10 min"], [7200, "2 h"]] as [number, string][],
  ];
  for (const [seconds, text] of rows) equal(estimate(seconds), text);
});
