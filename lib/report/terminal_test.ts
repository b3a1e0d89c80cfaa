import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { TrialRow } from "../store/overview.ts";
import { resultOf } from "./result.ts";
import { resultText } from "./terminal.ts";
import { RECORD, TRIALS } from "./testing.ts";

Deno.test("resultText() and resultOf() tell the best prompt's bias where there is one", () => {
  const rows: [TrialRow["bias"], string | undefined][] = [
    [null, undefined],
    [{ number: 0.85, abbreviation: -2.1 }, "abbreviation −2.10, number +0.85"],
  ];
  for (const [bias, expected] of rows) {
    const record = { ...RECORD, trials: TRIALS.with(-1, { ...TRIALS.at(-1)!, bias }) };
    equal(resultText(record).match(/^ {4}bias {6}(.*)$/m)?.[1], expected);
    deepEqual(resultOf(record).best!.prompt, {
      system_prompt: "Say what is asked for.",
      output_prompt: "One word.",
      demos: [{ question: "Who?", answer: "person" }],
      ...bias ? { bias } : {},
    });
  }
});

Deno.test("resultText() and resultOf() tell the grader's calls where a model grades", () => {
  const rows: [graded: number, line: string][] = [
    [0, "416: 407 primary, 4 optimizer, 4 read back, 1 lost"],
    [23, "439: 407 primary, 4 optimizer, 23 grader, 4 read back, 1 lost"],
  ];
  for (const [graded, line] of rows) {
    const grades = { ...RECORD.bill[1]!, role: "grader" as const, calls: graded };
    const record = { ...RECORD, bill: [...RECORD.bill, ...graded > 0 ? [grades] : []] };
    equal(resultText(record).match(/^ {2}calls {7}(.*)$/m)?.[1], line);
    const { calls } = resultOf(record);
    deepEqual(calls, {
      ...{ primary: 407, optimizer: 4, grader: graded, cached: 4, lost: 1, total: 416 + graded },
    });
  }
});
