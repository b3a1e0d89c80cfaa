import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { parseHTML } from "linkedom";
import type { ExperimentRecord, ExperimentRow } from "../store/overview.ts";
import { htmlComparison, sides } from "./comparison.ts";
import { RECORD } from "./testing.ts";

const parsed = (page: string): Document => parseHTML(page).document;
const words = (element: Element | null): string => element?.textContent?.replace(/\s+/g, " ").trim() ?? "";

/** Another run, of which the best prompt has these scores on questions 0 to n. */
const run = (
  scores: readonly number[],
  row: Partial<ExperimentRow> = {},
  rest: Partial<ExperimentRecord> = {},
): ExperimentRecord => ({
  ...RECORD,
  experiment: { ...RECORD.experiment, id: "22222222-2222-4333-8444-555555555555", ...row },
  answers: scores.map((score, i) => ({
    ...RECORD.answers[0]!,
    version: 5,
    example: `q${i}`,
    question: `Question ${i}?`,
    score,
  })),
  ...rest,
});

Deno.test("sides() compares best prompts on the questions of both, word for word", () => {
  const rows: [ExperimentRecord, ExperimentRecord, number, number, string | null][] = [
    // A's best prompt is right on questions 3, 4, 5
    [RECORD, run([1, 1, 1, 1, 1, 1]), 6, 0.5, null],
    [run([1, 1, 1, 1, 1, 1]), RECORD, 6, -0.5, null],
    [RECORD, run([1, 0]), 2, 0.5, null],
    [RECORD, RECORD, 6, 0, null],
    [RECORD, run([]), 0, 0, "they share no test question that both answered"],
    [
      RECORD,
      run([1], {}, { answers: [{ ...RECORD.answers[1]!, question: "Another question?" }] }),
      0,
      0,
      "they share no test question that both answered",
    ],
    [
      RECORD,
      run([1], {}, { metrics: RECORD.metrics.map((row) => ({ ...row, signature: "f1" })) }),
      0,
      0,
      "they were scored in different ways",
    ],
  ];
  for (const [a, b, n, mean, because] of rows) {
    const { comparison, pairs, because: why } = sides(a, b);
    equal(why, because);
    equal(pairs.length, n);
    equal(comparison?.n ?? 0, n);
    ok(Math.abs((comparison?.mean ?? 0) - mean) < 1e-12, `${comparison?.mean}`);
  }
});

Deno.test("sides() is sure of ten questions won and none lost, by McNemar's exact test", () => {
  const [a, b] = [run(Array(10).fill(0)), run(Array(10).fill(1))];
  const { comparison } = sides(a, b);
  deepEqual([comparison!.significant, comparison!.pValue, comparison!.test], [true, 2 / 2 ** 10, "mcnemar"]);
  const check = (a: ExperimentRecord, b: ExperimentRecord, title: string) =>
    equal(words(parsed(htmlComparison(a, b)).querySelector("h1")), title);
  check(a, b, "The prompt of run B is better");
  check(b, a, "The prompt of run A is better");
  check(RECORD, run([1, 1, 1]), "No significant difference");
  check(RECORD, run([]), "Side by side, but not comparable");
});

Deno.test("htmlComparison() puts two runs side by side", () => {
  const other = run([1, 1, 1, 1, 1, 1], {
    seed: 8,
    config: { ...RECORD.experiment.config, patience: 9, api_key: "canary" },
  });
  const page = htmlComparison(RECORD, other);
  equal(page, htmlComparison(structuredClone(RECORD), structuredClone(other)));
  ok(!page.includes("canary"));
  const document = parsed(page);
  const first = words(document.querySelector("#result"));
  for (
    const said of ["+50.0 points", "50.0 % → 100.0 %", "on 6 questions of both", "exact McNemar test, n = 6"]
  ) {
    ok(first.includes(said), `${said} is missing in: ${first}`);
  }
  const facts = new Map([...document.querySelectorAll("#sides tbody tr")].map((tr) => [
    words(tr.querySelector("th")),
    [...tr.querySelectorAll("td")].map(words),
  ]));
  deepEqual(facts.get("Seed"), ["7", "8"]);
  deepEqual(facts.get("Calls"), ["412", "412"]);
  match(facts.get("Difference")![0]!, /\+33\.3.*−30\.0 to \+80\.0, p = 0\.63, not significant/);
  deepEqual(
    [...document.querySelectorAll("#settings-table tbody tr")].map((tr) => [...tr.children].map(words)),
    [
      ["api_key", "–", "(not shown)"],
      ["patience", "3", "9"],
      ["seed", "7", "8"],
    ],
  );
  equal(document.querySelectorAll("#question-table tbody tr").length, 6);
  match(words(document.querySelector("#question-table tbody tr")), /^wonQuestion 0\?/);
  deepEqual([...document.querySelectorAll("pre")].map((pre) => pre.textContent!.match(/--seed \d/)![0]), [
    "--seed 7",
    "--seed 8",
  ]);
  for (const a of document.querySelectorAll("a")) {
    ok(document.getElementById(a.getAttribute("href")!.slice(1)), `${a.getAttribute("href")} leads nowhere`);
  }
});

Deno.test("htmlComparison() renders whatever state the runs are in", () => {
  const none = {
    before: null,
    after: null,
    improvement: null,
    ci_low: null,
    ci_high: null,
    p_value: null,
  } as const;
  const running = run([], { ...none, status: "running" }, { trials: [], bill: [], metrics: [], answers: [] });
  for (const [a, b] of [[RECORD, running], [running, RECORD], [running, running]] as const) {
    const page = htmlComparison(a, b);
    deepEqual(page.match(/.{40}(?:NaN|undefined|\[object|Infinity).{20}/g), null);
    match(page, /not comparable/);
  }
});
