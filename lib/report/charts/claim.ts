/**
 * The claim: scores before and after, questions won and lost.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import { colour } from "../palette.ts";
import type { Outcome } from "../rows.ts";
import { count, percent, points } from "../text.ts";
import { AXIS, type ChartOptions, frame, HALO, narrow, WIDTH } from "./frame.ts";

/** A score with its interval, all in [0, 1]. */
export interface Standing {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The scores before and after with their intervals, and the difference with its own: `mean` in [-1, 1]. */
export function beforeAndAfter(
  { before, after, difference }: { before: Standing; after: Standing; difference: Standing },
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const rows = [
    { label: "Before", ...before, text: percent(before.value), fill: colour("rest") },
    { label: "After", ...after, text: percent(after.value), fill: colour("ink") },
    { label: "Difference", ...difference, text: points(difference.value), fill: colour("accent") },
  ];
  return {
    ...frame(width),
    height: 146,
    marginLeft: 76,
    marginRight: 16,
    marginBottom: 40,
    ariaLabel: `Score before ${percent(before.value)}, after ${percent(after.value)}, difference ${
      points(difference.value)
    } points, with 95 % intervals`,
    x: {
      label: "points of 100, with 95 % interval",
      ...AXIS,
      ticks: narrow(width) ? 5 : 8,
      domain: [Math.min(0, 100 * difference.low), 100 * Math.max(...rows.map(({ high }) => high))],
      nice: true,
    },
    y: { domain: rows.map(({ label }) => label), label: null, tickSize: 0, padding: 0.4 },
    marks: [
      Plot.ruleX([0], { stroke: colour("muted") }),
      Plot.ruleY(rows, {
        y: "label",
        x1: (row) => 100 * row.low,
        x2: (row) => 100 * row.high,
        stroke: "fill",
        strokeWidth: 3,
        strokeLinecap: "round",
      }),
      Plot.dot(rows, { y: "label", x: (row) => 100 * row.value, fill: "fill", r: 6 }),
      Plot.text(rows, {
        y: "label",
        x: (row) => 100 * row.value,
        text: "text",
        dy: -14,
        fontWeight: 600,
        ...HALO,
      }),
    ],
  };
}

/** How many test questions were won, tied and lost. */
export function wonAndLost(
  rows: readonly { readonly outcome: Outcome; readonly questions: number }[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const total = rows.reduce((sum, { questions }) => sum + questions, 0);
  const fills: Record<Outcome, string> = {
    won: colour("accent"),
    tied: colour("rest"),
    lost: colour("loss"),
    open: colour("line"),
  };
  return {
    ...frame(width),
    height: 26 * rows.length + 44,
    marginLeft: 76,
    marginRight: narrow(width) ? 84 : 100,
    marginBottom: 40,
    ariaLabel: rows.map(({ outcome, questions }) => `${questions} ${outcome}`).join(", "),
    x: { label: "test questions", ...AXIS, ticks: 5, domain: [0, total] },
    y: { domain: rows.map(({ outcome }) => outcome), label: null, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.barX(rows, { y: "outcome", x: "questions", fill: ({ outcome }) => fills[outcome as Outcome] }),
      Plot.text(rows, {
        y: "outcome",
        x: "questions",
        text: ({ questions }) => `${count(questions)} (${percent(questions / Math.max(1, total))} %)`,
        textAnchor: "start",
        dx: 6,
        ...HALO,
      }),
      Plot.ruleX([0], { stroke: colour("muted") }),
    ],
  };
}
