/**
 * Pictures for those who look into data and learning: questions, features, meta-models, policies, several runs at once.
 * They are functions from rows to Plot options, in the one palette.
 *
 * ```ts
 * import { withIntervals } from "./research.ts";
 * import { svg } from "../svg.ts";
 * import { match } from "node:assert/strict";
 *
 * const rows = [{ label: "demo_count", value: 0.6, low: 0.3, high: 0.8 }];
 * match(svg(withIntervals(rows, { x: "rank correlation with the score" })), /^<svg/);
 * ```
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import { colour } from "../palette.ts";
import { count, percent, plural, term } from "../text.ts";
import { AXIS, type ChartOptions, FONT, frame, HALO, narrow, pixels, WIDTH } from "./frame.ts";

/** Room for the longest of `labels` in a sans-serif font, at most a half of the width. */
const room = (labels: readonly string[], width: number): number =>
  Math.min(width / 2, 24 + Math.max(0, ...labels.map(pixels)));
const number = (value: number): string => String(Number(value.toPrecision(3))).replace("-", "−");

/** How often each answer, or any other label, occurs; the rows keep their order. */
export function occurrences(
  rows: readonly { readonly label: string; readonly n: number }[],
  { width = WIDTH, x }: ChartOptions & { /** What is counted. */ readonly x: string },
): Plot.PlotOptions {
  const named = rows.map(({ label, n }) => ({ label: term(label, narrow(width) ? 20 : 40), n }));
  const total = named.reduce((sum, { n }) => sum + n, 0);
  return {
    ...frame(width),
    height: 26 * named.length + 44,
    marginLeft: room(named.map(({ label }) => label), width),
    marginRight: 96,
    marginBottom: 40,
    ariaLabel: `${x}: ${named.slice(0, 8).map(({ label, n }) => `${label} ${n}`).join(", ")}`,
    x: {
      label: x,
      ...AXIS,
      ticks: narrow(width) ? 4 : 8,
      domain: [0, Math.max(1, ...named.map(({ n }) => n))],
    },
    y: { domain: named.map(({ label }) => label), label: null, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.barX(named, { y: "label", x: "n", fill: colour("accent") }),
      Plot.text(named, {
        y: "label",
        x: "n",
        text: ({ n }) => `${count(n)} (${percent(n / Math.max(1, total))} %)`,
        textAnchor: "start",
        dx: 6,
        ...HALO,
      }),
      Plot.ruleX([0], { stroke: colour("muted") }),
    ],
  };
}

/** How values are spread: how many lie in each of about 20 equal steps, with the median named. */
export function spread(
  values: readonly number[],
  { width = WIDTH, x, y }: ChartOptions & {
    /** What a value is, with its unit. */ readonly x: string;
    readonly y: string;
  },
): Plot.PlotOptions {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return {
    ...frame(width),
    height: 240,
    marginLeft: 56,
    marginBottom: 40,
    marginTop: 28,
    ariaLabel: `${x} of ${plural(values.length, "value")}: median ${number(median)}, from ${
      number(sorted[0] ?? 0)
    } to ${number(sorted.at(-1) ?? 0)}`,
    x: { label: x, ...AXIS, grid: false, ticks: narrow(width) ? 5 : 10, nice: true },
    y: { label: y, labelArrow: "none", grid: true, ticks: 5 },
    marks: [
      Plot.rectY([...values], {
        ...Plot.binX({ y: "count" }, { x: (value: number) => value, thresholds: 20 }),
        fill: colour("accent"),
      }),
      Plot.ruleY([0], { stroke: colour("muted") }),
      Plot.ruleX([median], { stroke: colour("ink"), strokeDasharray: "4 3" }),
      Plot.text([median], {
        x: (value) => value,
        frameAnchor: "top",
        text: (value) => `median ${number(value)}`,
        dy: -18,
        fontWeight: 600,
        ...HALO,
      }),
    ],
  };
}

/** A figure with its 95 % interval. */
export interface Interval {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Figures side by side, each with its interval: a dot that is blue above `zero`, vermillion below, grey where that is not sure. */
export function withIntervals(
  rows: readonly Interval[],
  { width = WIDTH, x, zero = 0 }: ChartOptions & {
    /** What the figure is, with its unit. */
    readonly x: string;
    /** Where no effect is. @default {0} */
    readonly zero?: number;
  },
): Plot.PlotOptions {
  const named = rows.map(({ label, value, low, high }) => ({
    ...{ label: term(label, narrow(width) ? 20 : 40), value, low, high },
    stroke: low > zero ? colour("accent") : high < zero ? colour("loss") : colour("rest"),
  }));
  return {
    ...frame(width),
    height: 34 * named.length + 48,
    marginLeft: room(named.map(({ label }) => label), width),
    marginRight: 24,
    marginTop: 16,
    marginBottom: 40,
    ariaLabel: `${x}: ${
      named.slice(0, 8).map(({ label, value, low, high }) =>
        `${label} ${number(value)} (${number(low)} to ${number(high)})`
      )
        .join(", ")
    }`,
    x: {
      label: `${x}, with 95 % interval`,
      ...AXIS,
      ticks: narrow(width) ? 4 : 8,
      domain: [
        Math.min(zero, ...named.map(({ low }) => low)),
        Math.max(zero, ...named.map(({ high }) => high)),
      ],
      nice: true,
    },
    y: { domain: named.map(({ label }) => label), label: null, tickSize: 0, padding: 0.4 },
    marks: [
      Plot.ruleX([zero], { stroke: colour("muted") }),
      Plot.ruleY(named, {
        ...{ y: "label", x1: "low", x2: "high", stroke: "stroke", strokeWidth: 3, strokeLinecap: "round" },
      }),
      Plot.dot(named, { y: "label", x: "value", fill: "stroke", r: 5 }),
      Plot.text(named, { y: "label", x: "value", text: ({ value }) => number(value), dy: -12, ...HALO }),
    ],
  };
}

/** What was predicted for prompts against what was measured, in points of 100; on the line they are equal. */
export function predictedAndMeasured(
  rows: readonly { readonly predicted: number; readonly measured: number; readonly n: number }[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const all = rows.flatMap(({ predicted, measured }) => [100 * predicted, 100 * measured]);
  const domain = [Math.min(0, ...all), Math.max(1, ...all)] as const;
  const side = Math.min(width, 480);
  return {
    ...frame(width),
    height: side,
    marginLeft: 48,
    marginRight: width - side + 24,
    marginBottom: 40,
    marginTop: 28,
    ariaLabel: `Predicted against measured score of ${plural(rows.length, "prompt")}`,
    x: {
      label: "predicted by a model that had not seen it (points of 100)",
      ...AXIS,
      domain,
      nice: true,
      ticks: 6,
    },
    y: { label: "measured (points of 100)", labelArrow: "none", domain, nice: true, grid: true, ticks: 6 },
    r: { range: [0, 9], domain: [0, Math.max(1, ...rows.map(({ n }) => n))] },
    marks: [
      Plot.line([domain[0], domain[1]], {
        ...{ x: (value) => value, y: (value) => value, stroke: colour("muted"), strokeDasharray: "4 3" },
      }),
      Plot.dot(rows, {
        x: ({ predicted }) => 100 * predicted,
        y: ({ measured }) => 100 * measured,
        r: "n",
        fill: colour("accent"),
        fillOpacity: 0.55,
        stroke: colour("paper"),
      }),
      Plot.text([domain[1]], {
        x: (value) => value,
        y: (value) => value,
        text: () => "equal",
        textAnchor: "end",
        dy: -8,
        dx: -4,
        ...HALO,
      }),
    ],
  };
}

/** Error of a meta-model against the prompts it learned from: the mean over draws with its interval, beside predicting the mean. */
export function errorAgainstPrompts(
  rows: readonly {
    readonly prompts: number;
    readonly rmse: number;
    readonly low: number;
    readonly high: number;
  }[],
  { baseline, width = WIDTH }: ChartOptions & {
    /** Error of predicting the mean. */ readonly baseline: number;
  },
): Plot.PlotOptions {
  const top = 100 * Math.max(baseline, ...rows.map(({ high }) => high));
  const last = rows.at(-1);
  return {
    ...frame(width),
    height: 280,
    marginLeft: 48,
    marginRight: narrow(width) ? 76 : 144,
    marginBottom: 40,
    marginTop: 28,
    ariaLabel: `Error against prompts learned from: ${
      rows.map(({ prompts, rmse }) => `${prompts} prompts ${percent(rmse)}`).join(", ")
    }; of the mean ${percent(baseline)}`,
    x: {
      label: "prompts learned from",
      ...AXIS,
      ticks: 6,
      domain: [0, Math.max(1, ...rows.map((r) => r.prompts))],
    },
    y: {
      label: "error, RMSE (points of 100)",
      labelArrow: "none",
      grid: true,
      domain: [0, top],
      nice: true,
      ticks: 5,
    },
    marks: [
      Plot.ruleY([100 * baseline], { stroke: colour("muted"), strokeDasharray: "4 3" }),
      Plot.ruleX(rows, {
        ...{
          x: "prompts",
          y1: ({ low }) => 100 * low,
          y2: ({ high }) => 100 * high,
          stroke: colour("accent"),
          strokeWidth: 3,
        },
      }),
      Plot.line(rows, {
        x: "prompts",
        y: ({ rmse }) => 100 * rmse,
        stroke: colour("accent"),
        strokeWidth: 2,
      }),
      Plot.dot(rows, { x: "prompts", y: ({ rmse }) => 100 * rmse, fill: colour("accent"), r: 5 }),
      Plot.text([baseline], {
        ...{
          y: (value) => 100 * value,
          frameAnchor: "right",
          dx: narrow(width) ? 66 : 118,
          dy: -1,
          fill: colour("muted"),
        },
        text: (value) => narrow(width) ? `mean ${percent(value)}` : `the mean: ${percent(value)}`,
      }),
      Plot.text(last ? [last] : [], {
        ...{
          x: "prompts",
          y: ({ rmse }) => 100 * rmse,
          textAnchor: "start",
          dx: 10,
          fontWeight: 600,
          ...HALO,
        },
        text: ({ rmse }) => narrow(width) ? percent(rmse) : `meta-model: ${percent(rmse)}`,
      }),
    ],
  };
}

/** Mean return of the episodes of each rollout while a policy learns, beside that of edits by chance and of none. */
export function returnsWhileLearning(
  rows: readonly { readonly timesteps: number; readonly mean: number }[],
  { chance, width = WIDTH }: ChartOptions & {
    /** Mean return of edits by chance. */ readonly chance: number;
  },
): Plot.PlotOptions {
  const values = [0, 100 * chance, ...rows.map(({ mean }) => 100 * mean)];
  const last = rows.at(-1);
  const level = (value: number, text: string) => [
    Plot.ruleY([value], { stroke: colour("muted"), strokeDasharray: "4 3" }),
    Plot.text([value], {
      ...{
        y: (y) => y,
        text: () => text,
        frameAnchor: "left",
        textAnchor: "start",
        dx: 4,
        dy: -8,
        ...HALO,
        fill: colour("muted"),
      },
    }),
  ];
  return {
    ...frame(width),
    height: 300,
    marginLeft: 48,
    marginRight: narrow(width) ? 56 : 96,
    marginBottom: 40,
    marginTop: 28,
    ariaLabel: `Mean return while learning: from ${number(100 * (rows[0]?.mean ?? 0))} to ${
      number(100 * (last?.mean ?? 0))
    } points; by chance ${number(100 * chance)}`,
    x: {
      label: "edits learned from",
      ...AXIS,
      ticks: narrow(width) ? 4 : 8,
      domain: [0, Math.max(1, ...rows.map(({ timesteps }) => timesteps))],
    },
    y: {
      label: "mean return of an episode (expected points of 100)",
      labelArrow: "none",
      grid: true,
      domain: [Math.min(...values), Math.max(...values, 0.1)],
      nice: true,
      ticks: 6,
    },
    marks: [
      ...level(0, "no edits: 0"),
      ...level(100 * chance, `edits by chance: ${number(100 * chance)}`),
      Plot.line(rows, {
        x: "timesteps",
        y: ({ mean }) => 100 * mean,
        stroke: colour("accent"),
        strokeWidth: 2,
      }),
      Plot.dot(rows, { x: "timesteps", y: ({ mean }) => 100 * mean, fill: colour("accent"), r: 3 }),
      Plot.text(last ? [last] : [], {
        ...{
          x: "timesteps",
          y: ({ mean }) => 100 * mean,
          textAnchor: "start",
          dx: 8,
          fontWeight: 600,
          ...HALO,
        },
        text: ({ mean }) => narrow(width) ? number(100 * mean) : `policy: ${number(100 * mean)}`,
      }),
    ],
  };
}

/** How often each edit is made: by the policy a dot, by chance the line that all share. */
export function editShares(
  rows: readonly { readonly action: string; readonly n: number }[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const total = rows.reduce((sum, { n }) => sum + n, 0) || 1;
  const even = 100 / Math.max(1, rows.length);
  const shown = rows.map(({ action, n }) => ({ action, share: 100 * n / total }));
  return {
    ...frame(width),
    height: 26 * shown.length + 64,
    marginLeft: room(shown.map(({ action }) => action), width),
    marginRight: 64,
    marginTop: 28,
    marginBottom: 40,
    ariaLabel: `Edits made: ${
      shown.map(({ action, share }) => `${action} ${share.toFixed(1)} %`).join(", ")
    }`,
    x: {
      label: "share of the edits that the policy makes (%)",
      ...AXIS,
      ticks: narrow(width) ? 4 : 8,
      domain: [0, Math.max(even, ...shown.map(({ share }) => share))],
    },
    y: { domain: shown.map(({ action }) => action), label: null, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.barX(shown, { y: "action", x: "share", fill: colour("accent") }),
      Plot.ruleX([even], { stroke: colour("ink"), strokeDasharray: "4 3" }),
      Plot.text([even], {
        ...{
          x: (value) => value,
          text: (value) => `by chance: ${value.toFixed(1)} each`,
          frameAnchor: "top",
          dy: -20,
          ...HALO,
        },
      }),
      Plot.text(shown, {
        ...{
          y: "action",
          x: "share",
          text: ({ share }) => share.toFixed(1),
          textAnchor: "start",
          dx: 6,
          ...HALO,
        },
      }),
      Plot.ruleX([0], { stroke: colour("muted") }),
    ],
  };
}

/** One run for `runsAgainstCalls`: the best validation score after so many calls, with its interval. */
export interface RunPoint {
  readonly run: string;
  readonly calls: number;
  readonly score: number;
  readonly low: number;
  readonly high: number;
}

/** The best prompt so far of several runs against the calls they had spent, each named at its end, with the last interval. */
export function runsAgainstCalls(
  points: readonly RunPoint[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const runs = [...Map.groupBy(points, ({ run }) => run)].map(([run, own]) => ({
    run,
    own,
    last: own.at(-1)!,
  }));
  const strokes = [colour("accent"), colour("loss"), colour("ink"), colour("rest")];
  const stroke = (run: string) => strokes[runs.findIndex((other) => other.run === run) % strokes.length]!;
  const [height, marginTop, marginBottom] = [340, 28, 40];
  const top = Math.max(10, ...points.map(({ high }) => 100 * high));
  const pixels = (score: number) => (height - marginTop - marginBottom) * (1 - 100 * score / top);
  // Names that would lie on each other are moved apart.
  const named = runs.toSorted((a, b) => b.last.score - a.last.score).reduce<
    { run: string; last: RunPoint; at: number }[]
  >(
    (placed, { run, last }) => {
      const before = placed.at(-1);
      return [...placed, {
        run,
        last,
        at: Math.max(pixels(last.score), (before?.at ?? -Infinity) + FONT + 4),
      }];
    },
    [],
  );
  return {
    ...frame(width),
    height,
    marginLeft: 44,
    marginRight: narrow(width) ? 132 : 200,
    marginTop,
    marginBottom,
    ariaLabel: `Best validation score so far: ${
      runs.map(({ run, last }) => `${run} ${percent(last.score)} after ${last.calls} calls`).join("; ")
    }`,
    x: {
      label: "answers asked for",
      ...AXIS,
      ticks: narrow(width) ? 4 : 8,
      domain: [0, Math.max(1, ...points.map(({ calls }) => calls))],
    },
    y: {
      label: "best validation score (points of 100)",
      labelArrow: "none",
      grid: true,
      domain: [0, top],
      ticks: 6,
    },
    marks: [
      Plot.ruleX(runs.map(({ last }) => last), {
        ...{ x: "calls", y1: ({ low }) => 100 * low, y2: ({ high }) => 100 * high },
        ...{ stroke: ({ run }: RunPoint) => stroke(run), strokeWidth: 2, strokeOpacity: 0.5 },
      }),
      Plot.line(points, {
        ...{ x: "calls", y: ({ score }) => 100 * score, z: "run", curve: "step-after", strokeWidth: 2 },
        stroke: ({ run }: RunPoint) => stroke(run),
      }),
      Plot.dot(runs.map(({ last }) => last), {
        ...{ x: "calls", y: ({ score }) => 100 * score, fill: ({ run }: RunPoint) => stroke(run), r: 4 },
      }),
      ...named.map(({ run, last, at }) =>
        Plot.text([last], {
          ...{
            x: "calls",
            y: ({ score }) => 100 * score,
            dx: 10,
            dy: at - pixels(last.score),
            textAnchor: "start",
          },
          text: () => `${term(run, narrow(width) ? 14 : 24)} ${percent(last.score)}`,
          ...HALO,
          fill: stroke(run),
        })
      ),
    ],
  };
}

/** The score while a run goes on: small, as it is drawn anew with each step. */
export function scoreWhileRunning(
  points: readonly { readonly done: number; readonly value: number }[],
  { of, unit, value, width = WIDTH }: ChartOptions & {
    /** How much the whole is, and of what. */
    readonly of: number;
    readonly unit: string;
    readonly value: "score" | "mean return";
  },
): Plot.PlotOptions {
  const values = points.map((point) => 100 * point.value);
  return {
    ...frame(width),
    height: 140,
    marginLeft: 44,
    marginTop: 24,
    marginBottom: 36,
    ariaLabel: `${value} ${number(values.at(-1) ?? 0)} points after ${points.at(-1)?.done ?? 0} ${unit}`,
    x: { label: unit, ...AXIS, domain: [0, Math.max(1, of)], ticks: narrow(width) ? 4 : 8 },
    y: {
      label: `${value === "score" ? "best score so far" : value} (points of 100)`,
      labelArrow: "none",
      grid: true,
      domain: [Math.min(0, ...values), Math.max(1, ...values)],
      nice: true,
      ticks: 3,
    },
    marks: [
      Plot.line(points, {
        ...{ x: "done", y: (point) => 100 * point.value, stroke: colour("accent"), strokeWidth: 2 },
        curve: value === "score" ? "step-after" : "linear",
      }),
      Plot.dot(points.slice(-1), {
        x: "done",
        y: (point) => 100 * point.value,
        fill: colour("accent"),
        r: 4,
      }),
    ],
  };
}
