import { match, strictEqual as equal } from "node:assert/strict";
import type { ExperimentRow } from "../store/overview.ts";
import { RECORD } from "./testing.ts";
import { ending, verdict } from "./verdict.ts";

const UNCLAIMED = {
  before: null,
  after: null,
  improvement: null,
  ci_low: null,
  ci_high: null,
  p_value: null,
  significant: null,
  test: null,
  test_n: null,
} as const;

const check = (row: Partial<ExperimentRow>, title: string, text: RegExp, record = RECORD) => {
  const told = verdict({ ...record, experiment: { ...record.experiment, ...row } });
  equal(told.title, title);
  match(told.text, text);
};

Deno.test("verdict() says a claim as it is", () => {
  const gain = { significant: true, p_value: 0.001 };
  check(gain, "The new prompt is better", /^Exact match rose from 16\.7 % to 50\.0 % on 6 questions/);
  check({ ...gain, improvement: -0.2 }, "The new prompt is worse", /fell.*Keep the prompt to begin with/);
  check(
    { ...gain, config: { claims_before: 1 } },
    "The new prompt is better",
    /But the run had made 1 claim on its test questions before it went on to this one, so chance had 2 tries/,
  );
  check({}, "No significant improvement", /rose.*chance alone/);
  check({ improvement: 0 }, "No significant improvement", /stayed the same/);
  check(
    { before: 0, after: 0, improvement: 0 },
    "No better prompt was found",
    /^None .* ahead .* by more than luck might be, so it was kept\. Exact match: 16\.7 % on 6 questions/,
  );
  const [seed, ...others] = RECORD.trials;
  const reason = "over-long: 13000 characters where 12028 are allowed";
  check(
    { before: 0, after: 0, improvement: 0 },
    "No better prompt was found",
    new RegExp(`kept\\. ${others.length} of ${others.length} proposals were too long to be tried\\. Exact`),
    { ...RECORD, trials: [seed!, ...others.map((trial) => ({ ...trial, reason }))] },
  );
});

Deno.test("verdict() says why nothing was searched", () => {
  const alone = { ...RECORD, trials: RECORD.trials.slice(0, 1) };
  const rows: [Partial<ExperimentRow>, RegExp][] = [
    [
      { stop_reason: "budget", config: { max_calls: 15, calls_to_search: 26 } },
      /^15 calls cannot .* takes 26 at least \(--max-calls 26\).* Exact match: 16\.7 % on 6 questions\.$/,
    ],
    [{ stop_reason: "budget", config: { max_calls: 800, calls_to_search: 26 } }, /give it a higher cap/],
    [{ stop_reason: "budget", config: { max_calls: 15 } }, /give it a higher cap/],
    [{ stop_reason: "iterations", config: {} }, /No iteration was allowed/],
    [{ stop_reason: "patience", config: {} }, /No prompt was tried/],
  ];
  for (const [row, text] of rows) {
    check({ ...row, before: 0, after: 0, improvement: 0 }, "Nothing was searched", text, alone);
  }
});

Deno.test("verdict() says why there is no claim", () => {
  const none = { ...RECORD, metrics: [], answers: [] };
  const best = /best prompt so far scores 62\.5 % on 80 validation questions.*no claim/;
  check({ ...UNCLAIMED, status: "running", stop_reason: null }, "Still running: no claim yet", best, none);
  check({ ...UNCLAIMED, status: "interrupted" }, "Interrupted before the claim", best, none);
  check({ ...UNCLAIMED, status: "failed", stop_reason: null }, "The run failed", best, none);
  check(UNCLAIMED, "No claim could be made", /No test question was answered under both prompts/, none);
  check({ ...UNCLAIMED, status: "failed" }, "The run failed", /No prompt was scored/, {
    ...none,
    trials: [],
  });
  check({ ...UNCLAIMED, status: "running" }, "Still running: no claim yet", /No prompt has beaten/, {
    ...none,
    trials: RECORD.trials.slice(0, 1),
  });
  check({ ...UNCLAIMED, kind: "evaluate" }, "Exact match: 16.7 %", /Of one prompt, on 6 test questions/, {
    ...RECORD,
    trials: [],
  });
});

Deno.test("ending() says every way to end in words", () => {
  const check = (row: Partial<ExperimentRow>, text: RegExp, bill = RECORD.bill) =>
    match(ending({ experiment: { ...RECORD.experiment, ...row }, bill }), text);
  check({ stop_reason: "target" }, /target of 90\.0 points was reached/);
  check({ stop_reason: "patience" }, /as 3 iterations in a row brought nothing better/);
  check({ stop_reason: "patience", config: {} }, /several iterations/);
  check({ stop_reason: "iterations", config: { max_iterations: 10 } }, /All 10 iterations/);
  check({ stop_reason: "budget" }, /budget was spent/);
  check({ stop_reason: "budget", trials: 1 }, /too small to begin/);
  check({ stop_reason: "budget", trials: 1, cached: 0 }, /too small to begin/, []);
  const failed = RECORD.bill.map((row) => ({ ...row, failed: row.calls - row.lost }));
  check({ stop_reason: "budget", trials: 1, cached: 0 }, /^Not one call was answered/, failed);
  check({ stop_reason: "budget", trials: 1, cached: 1 }, /too small to begin/, failed);
  check({ stop_reason: "patience", cached: 0 }, /^Not one call was answered\.$/, failed);
  check({ stop_reason: "patience", cached: 1 }, /as 3 iterations in a row/, failed);
  check({ stop_reason: "interrupted", status: "interrupted", cached: 0 }, /can be resumed/, failed);
  check(
    { kind: "evaluate", stop_reason: "budget" },
    /^The budget was spent before every question was answered/,
  );
  check({ stop_reason: "interrupted", status: "interrupted" }, /can be resumed/);
  check(
    { kind: "evaluate", stop_reason: "interrupted", status: "interrupted" },
    /^The run was interrupted; nothing/,
  );
  check({ status: "failed", stop_reason: null }, /error ended the run.*is kept/);
  check({ status: "running", stop_reason: null }, /had not ended/);
  check({ kind: "evaluate", stop_reason: null }, /finished/);
});
