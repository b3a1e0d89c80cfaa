/**
 * Two runs side by side: where their prompts stand, how their searches went.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import type { TrialRow } from "../../store/overview.ts";
import { colour } from "../palette.ts";
import { best } from "../rows.ts";
import { count, percent, points } from "../text.ts";
import type { Standing } from "./claim.ts";
import { AXIS, type ChartOptions, frame, HALO, narrow, WIDTH } from "./frame.ts";

/** Where a run's prompts stand on its test questions, null where that was not measured. */
export interface RunScores {
  readonly before: Standing | null;
  readonly after: Standing | null;
}

/** The scores of two runs with their intervals, and B's best prompt less A's with its own, where they can be compared. */
export function standings(
  { a, b, difference }: { a: RunScores; b: RunScores; difference: Standing | null },
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const row = (label: string, standing: Standing | null, fill: string, text = percent) =>
    standing ? [{ label, ...standing, text: text(standing.value), fill }] : [];
  const rows = [
    ...row("A before", a.before, colour("rest")),
    ...row("A after", a.after, colour("ink")),
    ...row("B before", b.before, colour("rest")),
    ...row("B after", b.after, colour("ink")),
    ...row("B less A", difference, colour("accent"), points),
  ];
  return {
    ...frame(width),
    height: 36 * rows.length + 44,
    marginLeft: 70,
    marginRight: 16,
    marginBottom: 40,
    ariaLabel: `Test scores with 95 % intervals: ${
      rows.map(({ label, text }) => `${label} ${text}`).join(", ")
    }`,
    x: {
      label: "points of 100, with 95 % interval",
      ...AXIS,
      ticks: narrow(width) ? 5 : 8,
      domain: [
        100 * Math.min(0, ...rows.map(({ low }) => low)),
        100 * Math.max(0.1, ...rows.map(({ high }) => high)),
      ],
      nice: true,
    },
    y: { domain: rows.map(({ label }) => label), label: null, tickSize: 0, padding: 0.4 },
    marks: [
      Plot.ruleX([0], { stroke: colour("muted") }),
      Plot.ruleY(rows, {
        y: "label",
        x1: ({ low }) => 100 * low,
        x2: ({ high }) => 100 * high,
        stroke: "fill",
        strokeWidth: 3,
        strokeLinecap: "round",
      }),
      Plot.dot(rows, { y: "label", x: ({ value }) => 100 * value, fill: "fill", r: 6 }),
      Plot.text(rows, {
        y: "label",
        x: ({ value }) => 100 * value,
        text: "text",
        dy: -14,
        fontWeight: 600,
        ...HALO,
      }),
    ],
  };
}

/** The best validation score so far of each of two runs, against the answers it had asked for, with intervals. */
export function bestSoFar(
  { a, b }: { a: readonly TrialRow[]; b: readonly TrialRow[] },
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const runs = ([["A", a, "ink"], ["B", b, "accent"]] as const).flatMap(([run, trials, stroke], i) => {
    const kept = trials.filter(({ accepted, validation }) => accepted && validation !== null);
    const last = best(kept);
    if (!last) return [];
    const end = Math.max(0, ...trials.map(({ calls }) => calls));
    const dots = kept.map((trial) => ({
      x: trial.calls,
      y: 100 * trial.validation!,
      low: 100 * (trial.validation_low ?? trial.validation!),
      high: 100 * (trial.validation_high ?? trial.validation!),
    }));
    const final = { ...dots.at(-1)!, x: end };
    return [{
      dots,
      final,
      path: [...dots, final],
      stroke: colour(stroke),
      text: `${run} ${percent(last.validation!)}`,
      i,
    }];
  });
  const all = runs.flatMap(({ path }) => path);
  const [end, top] = [
    Math.max(1, ...all.map(({ x }) => x)),
    Math.min(100, 10 * Math.ceil(Math.max(10, ...all.map(({ high }) => high)) / 10)),
  ];
  // Two ends near each other would be written over each other
  const [first, second] = runs.map(({ final }) => final.y);
  const near = second !== undefined && Math.abs(first! - second) < top / 12;
  const aside = ({ x }: { readonly x: number }, i: number) =>
    x < 0.9 * end // left of its end, where the other run's line goes on
      ? { textAnchor: "end", dx: -8, dy: -11 } as const
      : { textAnchor: "start", dx: 8, dy: !near ? 0 : (i === 0) === (first! >= second!) ? -9 : 9 } as const;
  return {
    ...frame(width),
    height: 320,
    marginLeft: 40,
    marginRight: 56,
    marginTop: 34,
    marginBottom: 44,
    ariaLabel: `Best validation score so far against answers asked for: ${
      runs.map(({ text }) => text).join(", ")
    }`,
    x: {
      label: "answers asked for",
      ...AXIS,
      domain: [0, end],
      ticks: narrow(width) ? 4 : 8,
      tickFormat: count,
    },
    y: {
      label: narrow(width)
        ? "best validation score (points of 100)"
        : "best validation score so far (points of 100)",
      labelArrow: "none",
      grid: true,
      domain: [0, top],
      ticks: 5,
    },
    marks: [
      Plot.ruleY([0], { stroke: colour("muted") }),
      ...runs.flatMap(({ dots, final, path, stroke, text, i }) => [
        Plot.ruleX(dots, { x: "x", y1: "low", y2: "high", stroke, strokeOpacity: 0.5, strokeWidth: 1.5 }),
        Plot.line(path, { x: "x", y: "y", curve: "step-after", stroke, strokeWidth: 2 }),
        Plot.dot(dots, { x: "x", y: "y", r: 5, fill: stroke, stroke: colour("paper"), strokeWidth: 1.5 }),
        Plot.text([final], {
          x: "x",
          y: "y",
          text: () => text,
          ...aside(final, i),
          fontWeight: 600,
          ...HALO,
          fill: stroke,
        }),
      ]),
    ],
  };
}
