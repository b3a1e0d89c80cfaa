/** Each chart has its picture beside this file, in two widths: `deno test -A lib/report -- --update` draws them anew,
 * `deno fmt` sets their lines. */
import type * as Plot from "@observablehq/plot";
import { ok, strictEqual as equal } from "node:assert/strict";
import * as charts from "./charts.ts";
import { earned } from "./rows.ts";
import { svg } from "./svg.ts";
import { LEARNED, META_MODEL, PREDICTED, RECORD, trial, TRIALS } from "./testing.ts";

const standing = (value: number, low: number, high: number) => ({ value, low, high });

const PICTURES: Record<string, (options: charts.ChartOptions) => Plot.PlotOptions> = {
  before_and_after: (options) =>
    charts.beforeAndAfter({
      before: standing(0.12, 0.07, 0.19),
      after: standing(0.4, 0.31, 0.49),
      difference: standing(0.28, 0.17, 0.38),
    }, options),
  before_and_after_worse: (options) =>
    charts.beforeAndAfter({
      before: standing(0.6, 0.5, 0.7),
      after: standing(0.5, 0.4, 0.6),
      difference: standing(-0.1, -0.22, 0.02),
    }, options),
  won_and_lost: (options) =>
    charts.wonAndLost([{ outcome: "won", questions: 1200 }, { outcome: "tied", questions: 390 }, {
      outcome: "lost",
      questions: 12,
    }], options),
  score_against_calls: (options) => charts.scoreAgainstCalls(TRIALS, options),
  operator_gains: (options) => charts.operatorGains(earned(TRIALS), options),
  lineage: (options) => charts.lineage(TRIALS, options),
  latencies: (options) => charts.latencies(RECORD.bill, options),
  predicted_against_measured: (options) => charts.predictedAgainstMeasured(PREDICTED, options),
  feature_importance: (options) => charts.featureImportance(META_MODEL.importance, options),
  edited_prompts: (options) => charts.editedPrompts(LEARNED.edits, options),
  standings: (options) =>
    charts.standings({
      a: { before: standing(0.12, 0.07, 0.19), after: standing(0.4, 0.31, 0.49) },
      b: { before: null, after: standing(0.52, 0.42, 0.61) },
      difference: standing(0.12, -0.01, 0.24),
    }, options),
  best_so_far: (options) =>
    charts.bestSoFar({
      a: TRIALS,
      b: TRIALS.slice(0, 2).map((trial) => ({ ...trial, calls: 1.4 * trial.calls })),
    }, options),
};

/** White space apart, which the formatter sets. */
const plain = (text: string): string =>
  text.replace(/\s+/g, " ").replace(/\s*([<>])\s*/g, "$1").replaceAll(" />", "/>");

for (const [name, chart] of Object.entries(PICTURES)) {
  for (const width of [784, 360]) {
    Deno.test(`${name} is drawn as its picture, ${width} pixels wide`, async () => {
      const file = new URL(`pictures/${name}_${width}.svg`, import.meta.url);
      const drawn = svg(chart({ width })).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
      if (Deno.args.includes("--update")) await Deno.writeTextFile(file, drawn);
      equal(plain(drawn), plain(await Deno.readTextFile(file)));
    });
  }
}

Deno.test("charts of the fewest rows are drawn without a broken number", () => {
  const seed = [trial(0, { validation: 0, validation_low: 0, validation_high: 0.3, questions_seen: 10 })];
  const drawn = [
    charts.scoreAgainstCalls(seed),
    charts.lineage(seed),
    charts.lineage([trial(0)]),
    charts.operatorGains(earned([...seed, trial(1)])),
    charts.wonAndLost([{ outcome: "won", questions: 0 }]),
    charts.latencies([{ ...RECORD.bill[0]!, p50_ms: 0, p95_ms: 0 }]),
    charts.predictedAgainstMeasured(seed),
    charts.predictedAgainstMeasured([{ ...seed[0]!, predicted: 0 }]),
    charts.featureImportance([]),
    charts.featureImportance([{ feature: "demo_count", value: 0, sign: 0 }]),
    charts.editedPrompts([]),
    charts.editedPrompts([{ version: 1, step: 0, action: "shorten", predicted: 0, measured: null }]),
    charts.standings({
      a: { before: null, after: null },
      b: { before: null, after: null },
      difference: null,
    }),
    charts.bestSoFar({ a: [], b: [] }),
    charts.bestSoFar({ a: seed, b: seed }),
    charts.beforeAndAfter({
      before: standing(0, 0, 0),
      after: standing(0, 0, 0),
      difference: standing(0, 0, 0),
    }),
  ];
  for (const options of drawn) ok(!/NaN|Infinity|undefined/.test(svg(options)), options.ariaLabel!);
});

Deno.test("charts place 300 trials in many iterations", () => {
  const many = Array.from({ length: 300 }, (_, i) =>
    trial(i, {
      iteration: Math.ceil(i / 6),
      parent: i === 0 ? null : Math.floor(i / 2),
      accepted: i % 7 === 0,
      validation: i % 11 / 11,
      validation_low: 0,
      validation_high: 1,
      questions_seen: 10,
      calls: Math.ceil(i / 6) * 100,
    }));
  for (const chart of [charts.lineage(many), charts.scoreAgainstCalls(many)]) {
    equal(svg(chart).match(/<(?:circle|path d="M[^"]*Z")/g)!.length >= 300, true);
  }
});
