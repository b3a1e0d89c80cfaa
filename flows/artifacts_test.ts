/** What Prefect's pages show of a result. */
import { strictEqual as equal } from "node:assert/strict";
import { RECORD, TRIALS } from "../lib/report/testing.ts";
import type { TrialRow } from "../lib/store/mod.ts";
import { artifactsOf } from "./artifacts.ts";

Deno.test("artifactsOf() tells what became of the bias of each answer where a prompt has one", () => {
  const check = (before: TrialRow["bias"], after: TrialRow["bias"], expected: string | undefined) => {
    const biases = new Map([[0, before], [5, after]]);
    const trials = TRIALS.map((row) => ({ ...row, bias: biases.get(row.index) ?? null }));
    const { data } = artifactsOf({ ...RECORD, trials }, "/report.html").find(({ key }) =>
      key === "prompt-diff"
    )!;
    equal(String(data).split("@@ bias @@\n")[1], expected);
  };
  check(null, null, undefined);
  check(null, { a: -2.1, b: 0.85 }, "+ a −2.10\n+ b +0.85\n```");
  check({ a: 1, b: 0.85 }, { a: -2.1, b: 0.85 }, "- a +1.00\n+ a −2.10\n  b +0.85\n```");
});
