import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import type { ExperimentRecord, TrialRow } from "../store/overview.ts";
import { measurementOf, resultOf } from "./result.ts";
import { measurementText, resultText, trialsText } from "./terminal.ts";
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
      ...{ primary: 407, optimizer: 4, grader: graded, cached: 4, failed: 1, lost: 1, total: 416 + graded },
    });
  }
});

Deno.test("resultText() and measurementText() say what a run failed with, without what gives access", () => {
  const error =
    "Cannot ask https://me:secret@models.example/v1?key=secret as it answered 401:\nno such \u001b[1mkey";
  const told = "Cannot ask https://models.example/v1 as it answered 401: no such ␛[1mkey";
  const experiment = { ...RECORD.experiment, status: "failed" as const, stop_reason: null, error };
  const record = { ...RECORD, experiment, metrics: [], answers: [] };
  for (const [of, text] of [[resultOf, resultText], [measurementOf, measurementText]] as const) {
    equal(text(record).match(/^ {2}error {7}(.*)$/m)?.[1], told);
    equal(of(record).error, "Cannot ask https://models.example/v1 as it answered 401:\nno such \u001b[1mkey");
    equal(of(RECORD).error, null);
    equal(/^ {2}error/m.test(text(RECORD)), false);
  }
});

Deno.test("resultText() and measurementText() name the models that are in no dollars", () => {
  const [primary, optimizer] = RECORD.bill;
  const remote = { ...primary!, model: "openai:m@https://me:secret@models.example/v1" };
  const rows: [bill: ExperimentRecord["bill"], left: string[]][] = [
    [[primary!, optimizer!], []],
    [[{ ...primary!, cost_usd: 0 }, optimizer!], []], // the embedded one
    [[{ ...remote, cost_usd: 0 }, optimizer!], ["openai:m@https://models.example/v1"]],
    [[{ ...remote, prompt_tokens: 0, cost_usd: 0 }], []], // it said nothing
  ];
  for (const [bill, left] of rows) {
    for (const text of [resultText, measurementText]) {
      const told = text({ ...RECORD, bill }).matchAll(/^ *without (\S+), whose price is not known$/gm);
      deepEqual(Array.from(told, ([, model]) => model), left);
    }
  }
});

Deno.test("measurementText() tells calls apart from answers that were read back", () => {
  const rows: [cached: number, line: RegExp][] = [
    [0, /^412 calls, \$0\.012, 1 min 00 s, experiment /m],
    [4, /^412 calls, 4 read back, \$0\.012, /m],
  ];
  for (const [cached, line] of rows) {
    match(measurementText({ ...RECORD, experiment: { ...RECORD.experiment, cached } }), line);
  }
});

Deno.test("measurementText() says of how many questions, also of one", () => {
  const text = (n: number) => measurementText({ ...RECORD, metrics: [{ ...RECORD.metrics[0]!, n }] });
  match(text(1), / of 100 on 1 test question, /);
  match(text(1200), / of 100 on 1,200 test questions, /);
});

Deno.test("resultText() calls what is under way lost only when nobody waits for it any more", () => {
  const text = (status: "running" | "failed") =>
    resultText({
      ...RECORD,
      experiment: { ...RECORD.experiment, status },
      bill: RECORD.bill.map((row) => ({ ...row, lost: 2 })),
    });
  match(text("failed"), new RegExp(`, ${2 * RECORD.bill.length} lost$`, "m"));
  match(text("running"), new RegExp(`, ${2 * RECORD.bill.length} under way$`, "m"));
});

Deno.test("measurementText() says why there is no score", () => {
  for (
    const [status, text] of [
      ["finished", "No question was answered"],
      ["interrupted", "Interrupted before there was a score"],
      ["running", "Still running: no score yet"],
      ["failed", "The run failed"],
    ] as const
  ) {
    const experiment = { ...RECORD.experiment, status };
    equal(measurementText({ ...RECORD, experiment, metrics: [] }), `${text}. Experiment ${experiment.id}`);
  }
});

Deno.test("resultText() says how to go on, and to try again where all was refused", () => {
  const experiment = {
    ...RECORD.experiment,
    status: "failed" as const,
    stop_reason: null,
    error: "no",
    cached: 0,
  };
  const [primary] = RECORD.bill;
  const refused = { ...primary!, calls: 10, failed: 10, lost: 0, given_up: 10 };
  const rows: [bill: ExperimentRecord["bill"], line: string][] = [
    [[refused], "Go on with: deno task optimize --resume 11111111 --retry-errors"],
    [[{ ...refused, calls: 11 }], "Go on with: deno task optimize --resume 11111111"],
    [[{ ...refused, given_up: 0 }], "Go on with: deno task optimize --resume 11111111"], // the provider was down
  ];
  for (const [bill, line] of rows) {
    equal(resultText({ ...RECORD, experiment, bill }).split("\n").at(-1), line);
  }
});

Deno.test("trialsText() tells a line of each version, with what became of it and why", () => {
  const reason = "refused by \u001b[2Ja model";
  const lines = trialsText({ ...RECORD, trials: TRIALS.with(3, { ...TRIALS[3]!, reason }) }).split("\n");
  equal(lines.length, 1 + TRIALS.length);
  match(lines[1]!, /^ {2}#0 .* {2}10\.0 \(n=10\) +kept +a reason$/);
  match(lines[3]!, /^ {2}#2 .* instruct +from #0 +refused +duplicate of trial 0$/);
  match(lines[4]!, /^ {2}#3 .* reflect +from #0 +10\.0 \(n=10\) +dropped +refused by ␛\[2Ja model$/);
});
