/** As in charts_test.ts: each chart has its picture, in two widths. `deno test -A lib/report -- --update` draws them anew. */
import type * as Plot from "@observablehq/plot";
import { ok, strictEqual as equal } from "node:assert/strict";
import type { ChartOptions } from "./frame.ts";
import * as charts from "./research.ts";
import { svg } from "../svg.ts";

const interval = (label: string, value: number, low: number, high: number) => ({ label, value, low, high });

const PICTURES: Record<string, (options: ChartOptions) => Plot.PlotOptions> = {
  occurrences: (options) =>
    charts.occurrences([{ label: "person", n: 40 }, { label: "place", n: 25 }, {
      label: "a <b>number</b>",
      n: 9,
    }], {
      ...options,
      x: "questions",
    }),
  spread: (options) =>
    charts.spread([3, 4, 4, 5, 5, 5, 6, 6, 7, 9, 12, 20], {
      ...options,
      x: "words of a question",
      y: "questions",
    }),
  with_intervals: (options) =>
    charts.withIntervals([
      interval("demo_count", 0.62, 0.4, 0.78),
      interval("system_questions", 0.05, -0.2, 0.3),
      interval("output_length", -0.4, -0.6, -0.1),
    ], { ...options, x: "rank correlation with the score" }),
  predicted_and_measured: (options) =>
    charts.predictedAndMeasured([
      { predicted: 0.1, measured: 0, n: 10 },
      { predicted: 0.4, measured: 0.5, n: 40 },
      { predicted: 0.62, measured: 0.6, n: 80 },
    ], options),
  error_against_prompts: (options) =>
    charts.errorAgainstPrompts([
      { prompts: 10, rmse: 0.2, low: 0.15, high: 0.26 },
      { prompts: 20, rmse: 0.15, low: 0.12, high: 0.18 },
      { prompts: 40, rmse: 0.11, low: 0.1, high: 0.12 },
    ], { ...options, baseline: 0.19 }),
  returns_while_learning: (options) =>
    charts.returnsWhileLearning([
      { timesteps: 512, mean: -0.02 },
      { timesteps: 1024, mean: 0.05 },
      { timesteps: 1536, mean: 0.11 },
    ], { ...options, chance: 0.01 }),
  edit_shares: (options) =>
    charts.editShares([{ action: "add_demo", n: 60 }, { action: "shorten", n: 30 }, {
      action: "stop",
      n: 10,
    }], options),
  runs_against_calls: (options) =>
    charts.runsAgainstCalls([
      { run: "topics, seed 1", calls: 10, score: 0, low: 0, high: 0.2 },
      { run: "topics, seed 1", calls: 120, score: 0.6, low: 0.5, high: 0.7 },
      { run: "topics, seed 2", calls: 10, score: 0, low: 0, high: 0.2 },
      { run: "topics, seed 2", calls: 90, score: 0.61, low: 0.4, high: 0.8 },
    ], options),
  score_while_running: (options) =>
    charts.scoreWhileRunning([{ done: 10, value: 0 }, { done: 60, value: 0.4 }, { done: 90, value: 0.55 }], {
      ...options,
      of: 200,
      unit: "calls",
      value: "score",
    }),
};

/** White space apart, which the formatter sets. */
const plain = (text: string): string =>
  text.replace(/\s+/g, " ").replace(/\s*([<>])\s*/g, "$1").replaceAll(" />", "/>");

for (const [name, chart] of Object.entries(PICTURES)) {
  for (const width of [784, 360]) {
    Deno.test(`${name} is drawn as its picture, ${width} pixels wide`, async () => {
      const file = new URL(`../pictures/${name}_${width}.svg`, import.meta.url);
      const drawn = svg(chart({ width })).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
      if (Deno.args.includes("--update")) await Deno.writeTextFile(file, drawn);
      equal(plain(drawn), plain(await Deno.readTextFile(file)));
    });
  }
}

Deno.test("charts of learning are drawn of the fewest rows without a broken number", () => {
  const drawn = [
    charts.occurrences([], { x: "questions" }),
    charts.spread([5], { x: "words", y: "questions" }),
    charts.withIntervals([interval("none", 0, 0, 0)], { x: "gain" }),
    charts.predictedAndMeasured([]),
    charts.errorAgainstPrompts([], { baseline: 0.1 }),
    charts.returnsWhileLearning([], { chance: 0 }),
    charts.editShares([{ action: "stop", n: 0 }]),
    charts.runsAgainstCalls([{ run: "a", calls: 0, score: 0, low: 0, high: 0 }]),
    charts.scoreWhileRunning([{ done: 0, value: 0 }], { of: 0, unit: "calls", value: "score" }),
  ];
  for (const options of drawn) ok(!/NaN|Infinity|undefined/.test(svg(options)), options.ariaLabel!);
});
