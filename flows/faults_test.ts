/**
 * `deno task faults` in its small form: every fault is tried on the real thing, and every line holds.
 */
import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { holds, type Line, sum, untouched } from "./faults/line.ts";
import { printed, run } from "./testing.ts";

Deno.test("faults --quick tries every fault, and each line holds", async () => {
  const ended = await run("faults", ["--quick", "--json"]);
  const lines: Line[] = printed(ended);
  deepEqual(lines.filter((line) => !holds(line)), [], ended.stderr);
  equal(ended.code, EXIT.done, ended.stderr);
  ok(lines.length > 15);
});

Deno.test("a line does not hold when anything happened that may not", () => {
  const { doubt, ...rest } = untouched;
  const cases: [holds: boolean, Partial<Line>][] = [
    [true, {}],
    [true, { repeated: 1, doubt: 1, mayRepeat: 1 }],
    [true, { tried: 0, survived: 0, impossible: "there are no file systems" }],
    [true, { doubt: 2 }],
    [false, { tried: 0, survived: 0 }],
    [false, { survived: 1 }],
    [false, { lost: 1 }],
    [false, { repeated: 1, doubt: 1 }],
    [false, { repeated: 1, mayRepeat: 1 }], // a call that is made twice and not in doubt
    [false, { repeated: 2, doubt: 2, mayRepeat: 1 }],
  ];
  for (const [expected, change] of cases) {
    const line = { ...sum("a fault", [{ ...rest, doubt }, untouched]), ...change };
    equal(holds(line), expected, JSON.stringify(change));
  }
});

Deno.test("faults refuses a name that is none", async () => {
  const { code, stderr } = await run("faults", ["--only", "earthquake"]);
  equal(code, EXIT.usage);
  ok(/^Cannot try the fault "earthquake": there are points, /.test(stderr), stderr);
});
