/**
 * What was learned: what a meta-model goes by and how near it came, what a policy's edits were worth.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import type { EditRow, MetaModelRow } from "../../store/learning.ts";
import type { TrialRow } from "../../store/overview.ts";
import { colour } from "../palette.ts";
import { asScore, type Edited, edited, foreseen } from "../rows.ts";
import { actionName, count, featureName, percent, plural, points, term } from "../text.ts";
import {
  AXIS,
  type ChartOptions,
  frame,
  HALO,
  named,
  narrow,
  pixels,
  placed,
  pointed,
  WIDTH,
} from "./frame.ts";

/**
 * What the surrogate predicted of each raced trial against what was measured, with the interval of that: on the line a
 * prediction held, above it the prompt was better than predicted. Kept ones are filled and named.
 */
export function predictedAgainstMeasured(
  trials: readonly TrialRow[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const dots = foreseen(trials).map(({ trial, predicted, measured }) => ({
    trial,
    x: 100 * asScore(predicted),
    y: 100 * measured,
    low: 100 * (trial.validation_low ?? measured),
    high: 100 * (trial.validation_high ?? measured),
  }));
  const top = Math.min(100, 10 * Math.ceil(Math.max(10, ...dots.flatMap(({ x, high }) => [x, high])) / 10));
  const [marginLeft, marginRight, marginTop, marginBottom] = [40, 24, 34, 44];
  const height = Math.min(width, 460);
  const kept = dots.filter(({ trial }) => trial.accepted);
  const others = dots.filter(({ trial }) => !trial.accepted);
  const labels = placed(
    kept.map(({ x, y, trial }) => ({
      x: marginLeft + x / top * (width - marginLeft - marginRight),
      y: height - marginBottom - y / top * (height - marginTop - marginBottom),
      text: narrow(width) ? `#${trial.index}` : `#${trial.index} ${term(trial.operator, 24)}`,
      at: { x, y },
    })),
    { left: marginLeft, right: width, top: 14, bottom: height - marginBottom },
  );
  const interval = { x: "x", y1: "low", y2: "high", strokeWidth: 1.5 } as const;
  const label = narrow(width) ? "predicted (points of 100)" : "predicted validation score (points of 100)";
  return {
    ...frame(width),
    height,
    marginLeft,
    marginRight,
    marginTop,
    marginBottom,
    ariaLabel: `Measured against predicted validation score of ${plural(dots.length, "trial")}`,
    x: { label, ...AXIS, domain: [0, top], ticks: 5 },
    y: {
      label: narrow(width)
        ? "measured (points of 100), with 95 % interval"
        : "measured validation score (points of 100), with 95 % interval",
      labelArrow: "none",
      grid: true,
      domain: [0, top],
      ticks: 5,
    },
    marks: [
      Plot.link([{ x1: 0, y1: 0, x2: top, y2: top }], {
        ...{ x1: "x1", y1: "y1", x2: "x2", y2: "y2" },
        stroke: colour("muted"),
        strokeDasharray: "4 4",
      }),
      Plot.text([{ x: top, y: top }], {
        x: "x",
        y: "y",
        text: () => "as predicted",
        textAnchor: "end",
        dx: -16,
        dy: -2,
        ...HALO,
        fill: colour("muted"),
      }),
      Plot.ruleX(others, { ...interval, stroke: colour("rest"), strokeOpacity: 0.35 }),
      Plot.ruleX(kept, { ...interval, stroke: colour("accent"), strokeOpacity: 0.6 }),
      Plot.dot(others, {
        x: "x",
        y: "y",
        r: 4,
        stroke: colour("rest"),
        fill: colour("paper"),
        strokeWidth: 1.5,
        ...pointed(width),
      }),
      Plot.dot(kept, {
        x: "x",
        y: "y",
        r: 6,
        fill: colour("accent"),
        stroke: colour("paper"),
        strokeWidth: 1.5,
        ...pointed(width),
      }),
      ...named(labels),
    ],
  };
}

/** Features drawn. */
const STRONGEST = 12;

type Importance = readonly Pick<MetaModelRow["importance"][number], "feature" | "value" | "sign">[];

/** The features that a chart of them shows: what rounds to nothing is left out. */
export function strongest(importance: Importance): Importance {
  const total = importance.reduce((sum, { value }) => sum + value, 0) || 1;
  return importance.filter(({ value }) => value / total >= 0.0005).sort((a, b) => b.value - a.value)
    .slice(0, STRONGEST);
}

/**
 * What a meta-model goes by: the share of each feature in what its splits gained, the strongest dozen. Blue where more of it
 * goes with a higher prediction, vermillion where less does, as the label says, too.
 */
export function featureImportance(
  importance: Importance,
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const total = importance.reduce((sum, { value }) => sum + value, 0) || 1;
  const rows = strongest(importance).map(
    ({ feature, value, sign }, i) => {
      const share = percent(value / total);
      const way = sign > 0 ? "more is better" : sign < 0 ? "less is better" : "";
      return {
        key: i,
        feature: term(featureName(feature, { short: narrow(width) }), narrow(width) ? 24 : 48),
        share: 100 * value / total,
        fill: colour(sign > 0 ? "accent" : sign < 0 ? "loss" : "rest"),
        text: narrow(width) || way === "" ? `${share} %` : `${share} %, ${way}`,
        said: `${term(feature, 48)}: ${share} %${way === "" ? "" : `, ${way}`}`,
      };
    },
  );
  const longest = Math.max(0, ...rows.map(({ text }) => pixels(text)));
  return {
    ...frame(width),
    height: 26 * rows.length + 44,
    marginLeft: 20 + Math.max(0, ...rows.map(({ feature }) => pixels(feature))),
    marginRight: 12 + longest,
    marginBottom: 40,
    ariaLabel: `What the meta-model goes by: ${rows.map(({ said }) => said).join("; ")}`,
    x: {
      label: narrow(width) ? "share of the gain (%)" : "share of what all features gained in accuracy (%)",
      ...AXIS,
      ticks: narrow(width) ? 3 : 6,
      domain: [0, Math.max(1, ...rows.map(({ share }) => share))],
    },
    y: {
      domain: rows.map(({ key }) => key),
      tickFormat: (key: number) => rows[key]!.feature, // two may be called the same
      label: null,
      tickSize: 0,
      padding: 0.25,
    },
    marks: [
      Plot.barX(rows, { y: "key", x: "share", fill: "fill", title: "said" }),
      Plot.text(rows, { y: "key", x: "share", text: "text", textAnchor: "start", dx: 6, ...HALO }),
      Plot.ruleX([0], { stroke: colour("muted") }),
    ],
  };
}

/** Edited prompts drawn. */
const LATEST = 24;

/**
 * The prompts that a policy edited, a row each: a ring at what its edits together were expected to bring, a dot at what they
 * brought where that was measured, blue for a gain and vermillion for a loss. The edits stand above.
 */
export function editedPrompts(
  edits: readonly EditRow[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const rows = edited(edits).slice(-LATEST).map((row) => {
    const measured = row.measured === null ? "not raced" : `measured ${points(row.measured)}`;
    const numbers = `expected ${points(row.predicted)}, ${measured}`;
    return {
      key: `#${row.version}`,
      predicted: 100 * row.predicted,
      measured: row.measured === null ? null : 100 * row.measured,
      text: narrow(width)
        ? term(`#${row.version} ${actionsOf(row)}`, 46)
        : `${term(`#${row.version} ${actionsOf(row)}`, 68)}: ${numbers}`,
      title: `#${row.version}: ${actionsOf(row)}: ${numbers}`,
      fill: colour((row.measured ?? 0) < 0 ? "loss" : "accent"),
    };
  });
  const known = rows.flatMap((row) => row.measured === null ? [] : [{ ...row, measured: row.measured }]);
  const ends = rows.flatMap(({ predicted, measured }) =>
    measured === null ? [predicted] : [predicted, measured]
  );
  return {
    ...frame(width),
    height: 42 * rows.length + 50,
    marginLeft: 12,
    marginRight: 24,
    marginTop: 6,
    marginBottom: 40,
    ariaLabel: rows.map(({ title }) => title).join("; "),
    x: {
      label: narrow(width)
        ? "gain against the parent (points)"
        : "gain against the edited prompt (points): ring expected, dot measured",
      ...AXIS,
      domain: [Math.min(0, ...ends) - 1, Math.max(0, ...ends) + 1],
      ticks: narrow(width) ? 4 : 8,
      tickFormat: (value: number) => points(value / 100).replace(/\.0$/, ""),
    },
    y: { axis: null, domain: rows.map(({ key }) => key) },
    marks: [
      Plot.ruleX([0], { stroke: colour("muted") }),
      Plot.ruleY(known, {
        y: "key",
        x1: "predicted",
        x2: "measured",
        stroke: colour("rest"),
        strokeOpacity: 0.5,
        strokeWidth: 2,
      }),
      Plot.dot(known, { y: "key", x: "measured", fill: "fill", r: 6 }),
      Plot.dot(rows, {
        y: "key",
        x: "predicted",
        stroke: colour("ink"),
        fill: colour("paper"),
        r: 4.5,
        strokeWidth: 1.5,
        title: "title",
      }),
      Plot.text(rows, {
        y: "key",
        frameAnchor: "left",
        text: "text",
        textAnchor: "start",
        dx: 2,
        dy: -15,
        ...HALO,
      }),
    ],
  };
}

/** `add constraint, shorten ×2` */
const actionsOf = ({ actions }: Edited): string =>
  [...Map.groupBy(actions, ({ action }) => term(actionName(action), 60))].map(([action, { length }]) =>
    length === 1 ? action : `${action} ×${count(length)}`
  ).join(", ");
