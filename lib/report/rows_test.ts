import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ExperimentRow } from "../store/overview.ts";
import {
  ancestry,
  best,
  compared,
  earned,
  edited,
  fate,
  foreseen,
  foresight,
  pairs,
  resumable,
} from "./rows.ts";
import { resultText } from "./terminal.ts";
import { LEARNED, PREDICTED, RECORD, TRIALS } from "./testing.ts";

Deno.test("fate(), best() and ancestry() tell what became of trials", () => {
  deepEqual(TRIALS.map(fate), ["kept", "kept", "refused", "dropped", "dropped", "kept"]);
  equal(best(TRIALS)?.index, 5);
  deepEqual(ancestry(TRIALS).map(({ index }) => index), [0, 1, 5]);
  deepEqual(ancestry([]), []);
});

Deno.test("resumable() tells what optimize --resume can go on with", () => {
  const cut = { status: "interrupted", stop_reason: "interrupted" } as const;
  const rows: [Partial<ExperimentRow>, boolean][] = [
    [cut, true],
    [{ status: "running", stop_reason: null }, true],
    [{ status: "failed", stop_reason: null }, true],
    [{ status: "failed", stop_reason: "unreadable" }, false],
    [{ status: "finished", stop_reason: "budget" }, false],
    [{ ...cut, kind: "evaluate" }, false],
    [{ ...cut, config: { dataset: "legs", metric: "nearness" } }, false], // as a notebook may begin it
  ];
  for (const [row, can] of rows) {
    const experiment = { ...RECORD.experiment, ...row };
    equal(resumable(experiment), can, JSON.stringify(row));
    equal(/^Go on with: /m.test(resultText({ ...RECORD, experiment })), can, JSON.stringify(row));
  }
});

Deno.test("pairs() puts both answers side by side, lost ones first", () => {
  const told = pairs(RECORD.answers, { before: 0, after: 5 }).map(({ example, outcome }) =>
    `${example} ${outcome}`
  );
  deepEqual(told, ["q0 lost", "q3 won", "q4 won", "q5 won", "q1 tied", "q2 tied"]);
  const [first] = pairs(RECORD.answers.slice(0, 1), { before: 0, after: 5 });
  equal(first?.outcome, "open");
  equal(first?.after, null);
  const same = pairs(RECORD.answers, { before: 0, after: 0 });
  equal(same.every(({ outcome, before, after }) => outcome === "tied" && before === after), true);
});

Deno.test("compared() takes the claim's versions, or the best so far", () => {
  deepEqual(compared(RECORD), { before: 0, after: 5 });
  const experiment = { ...RECORD.experiment, before: null, after: null };
  deepEqual(compared({ ...RECORD, experiment }), { before: 0, after: 5 });
  deepEqual(compared({ ...RECORD, experiment, trials: TRIALS.slice(0, 1) }), { before: 0, after: 0 });
});

Deno.test("earned() counts what was kept for each answer", () => {
  deepEqual(earned(TRIALS), [
    {
      operator: "demonstrate",
      trials: 2,
      refused: 0,
      kept: [{ index: 1, gain: 0.4 }, { index: 5, gain: 0.125 }],
      answers: 160,
      gains: [0.4, 0.125],
      mean: 0.2625,
      earned: 0.525,
      perAnswer: 0.525 / 160,
    },
    {
      operator: "instruct",
      trials: 1,
      refused: 1,
      kept: [],
      answers: 0,
      gains: [],
      mean: null,
      earned: 0,
      perAnswer: 0,
    },
    {
      operator: "recombine",
      trials: 1,
      refused: 0,
      kept: [],
      answers: 40,
      gains: [-0.05],
      mean: -0.05,
      earned: 0,
      perAnswer: 0,
    },
    {
      operator: "reflect",
      trials: 1,
      refused: 0,
      kept: [],
      answers: 10,
      gains: [0],
      mean: 0,
      earned: 0,
      perAnswer: 0,
    },
  ]);
});

Deno.test("foresight() is Spearman's rank correlation, as scipy 1.17.1 has it, and the mean error", () => {
  const check = (predicted: number[], measured: number[], error: number, rankCorrelation: number | null) => {
    const got = foresight(predicted.map((predicted, i) => ({ predicted, measured: measured[i]! })));
    equal(got.error.toFixed(9), error.toFixed(9));
    equal(got.rankCorrelation?.toFixed(9) ?? null, rankCorrelation?.toFixed(9) ?? null);
  };
  // scipy.stats.spearmanr(predicted, measured).statistic
  check([0.1, 0.4, 0.4, 0.8, 0.2], [0.2, 0.1, 0.6, 0.6, 0.6], 0.24, 0.2867696673382022);
  check([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], 0.4 / 3, -1);
  check([0.1, 0.2], [0.5, 0.5], 0.35, null);
  check([1.2, 1.4, -0.1], [0.9, 1, 0.1], 0.2 / 3, 1); // more than everything, or less than nothing, is an order and no score
  check([], [], 0, null);
  deepEqual(foreseen(PREDICTED).map(({ trial }) => trial.index), [1, 3, 4, 5]);
});

Deno.test("edited() takes the edits of a prompt together", () => {
  deepEqual(
    edited(LEARNED.edits).map((
      { version, actions, predicted, measured },
    ) => [version, actions.length, predicted.toFixed(2), measured]),
    [[2, 1, "0.02", null], [3, 3, "0.20", 0.075], [4, 1, "0.03", -0.05]],
  );
});
