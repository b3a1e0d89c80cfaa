/**
 * The search: scores against calls, what operators earned, who came from whom.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import type { TrialRow } from "../../store/overview.ts";
import { colour } from "../palette.ts";
import { ancestry, type Earned, fate } from "../rows.ts";
import { count, percent, plural, points, term } from "../text.ts";
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
 * Validation score against answers asked for: each raced trial a dot (the larger, the more questions it saw), what was
 * kept with its interval and a line that shows the best prompt so far. Trials of an iteration are decided together;
 * their dots are spread over its calls.
 */
export function scoreAgainstCalls(
  trials: readonly TrialRow[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const dots = [...Map.groupBy(trials, ({ iteration }) => iteration).values()].flatMap((own) => {
    const raced = own.filter(({ validation }) => validation !== null);
    const end = own[0]!.calls;
    const begin = Math.max(0, ...trials.filter((t) => t.iteration < own[0]!.iteration).map((t) => t.calls));
    return raced.map((trial, i) => ({
      x: trial.accepted ? end : begin + (i + 1) / (raced.length + 1) * (end - begin),
      y: 100 * trial.validation!,
      low: 100 * trial.validation_low!,
      high: 100 * trial.validation_high!,
      trial,
    }));
  }).sort((a, b) => a.trial.index - b.trial.index);
  const kept = dots.filter(({ trial }) => trial.accepted);
  const others = dots.filter(({ trial }) => !trial.accepted);
  const last = Math.max(1, ...trials.map(({ calls }) => calls));
  const top = Math.min(
    100,
    10 * Math.ceil(Math.max(10, ...dots.map(({ y }) => y), ...kept.map(({ high }) => high)) / 10),
  );
  const [height, marginLeft, marginRight, marginTop, marginBottom] = [360, 40, 20, 34, 44];
  const labels = placed(
    kept.map(({ x, y, trial }) => ({
      x: marginLeft + x / last * (width - marginLeft - marginRight),
      y: height - marginBottom - y / top * (height - marginTop - marginBottom),
      text: narrow(width)
        ? `#${trial.index}`
        : `#${trial.index} ${term(trial.operator, 24)} ${percent(y / 100)}`,
      at: { x, y },
    })),
    { left: marginLeft, right: width, top: 14, bottom: height - marginBottom },
  );
  const radius = (dot: (typeof dots)[number]) => Math.sqrt(dot.trial.questions_seen);
  return {
    ...frame(width),
    height,
    marginLeft,
    marginRight,
    marginTop,
    marginBottom,
    ariaLabel: "Validation score against answers asked for",
    x: {
      label: "answers asked for",
      ...AXIS,
      domain: [0, last],
      ticks: narrow(width) ? 4 : 8,
      tickFormat: count,
    },
    y: {
      label: "validation score (points of 100)",
      labelArrow: "none",
      grid: true,
      domain: [0, top],
      ticks: 5,
    },
    r: { domain: [0, Math.max(1, ...dots.map(radius))], range: [1.5, 7], type: "linear" },
    marks: [
      Plot.ruleY([0], { stroke: colour("muted") }),
      Plot.dot(others, {
        x: "x",
        y: "y",
        r: radius,
        fill: colour("rest"),
        fillOpacity: 0.45,
        ...pointed(width),
      }),
      Plot.line([...kept, ...kept.slice(-1).map((dot) => ({ ...dot, x: last }))], {
        x: "x",
        y: "y",
        curve: "step-after",
        stroke: colour("accent"),
        strokeWidth: 2,
      }),
      Plot.ruleX(kept, {
        x: "x",
        y1: "low",
        y2: "high",
        stroke: colour("accent"),
        strokeOpacity: 0.5,
        strokeWidth: 1.5,
      }),
      Plot.dot(kept, {
        x: "x",
        y: "y",
        r: radius,
        fill: colour("accent"),
        stroke: colour("paper"),
        strokeWidth: 1.5,
        ...pointed(width),
      }),
      ...named(labels),
    ],
  };
}

/**
 * What each operator earned: its trials' gains against their parents (the larger the dot, the more trials with that
 * gain; kept ones filled and named), their middle half as a band, their mean as a tick.
 */
export function operatorGains(
  rows: readonly Earned[],
  { width = WIDTH }: ChartOptions = {},
): Plot.PlotOptions {
  const shown = rows.filter(({ gains }) => gains.length > 0).map((row) => ({
    ...row,
    operator: term(row.operator, 24),
  }));
  const dots = shown.flatMap(({ operator, gains }) =>
    [...Map.groupBy(gains, (gain) => Math.round(1000 * gain) / 10)].map(([gain, { length }]) => ({
      operator,
      gain,
      length,
    }))
  );
  const kept = shown.flatMap(({ operator, kept }) =>
    kept.map(({ index, gain }) => ({ operator, index, gain: 100 * gain }))
  );
  const bands = shown.map(({ operator, gains, mean }) => ({
    operator,
    mean: 100 * mean!,
    low: 100 * quantile(gains, 0.25),
    high: 100 * quantile(gains, 0.75),
  }));
  return {
    ...frame(width),
    height: 48 * shown.length + 56,
    marginLeft: 8 + Math.max(0, ...shown.map(({ operator }) => pixels(operator))),
    marginRight: 20,
    marginTop: 16,
    marginBottom: 40,
    ariaLabel: shown.map(({ operator, mean }) => `${operator}: mean gain ${points(mean!)} points`).join(", "),
    x: {
      label: "gain against the parent (points)",
      ...AXIS,
      ticks: narrow(width) ? 4 : 10,
      tickFormat: (value: number) => points(value / 100).replace(/\.0$/, ""),
      nice: true,
    },
    y: { domain: shown.map(({ operator }) => operator), label: null, tickSize: 0 },
    r: {
      domain: [0, Math.max(1, ...dots.map(({ length }) => Math.sqrt(length)))],
      range: [0, 9],
      type: "linear",
    },
    marks: [
      Plot.ruleX([0], { stroke: colour("muted") }),
      Plot.ruleY(bands, {
        y: "operator",
        x1: "low",
        x2: "high",
        stroke: colour("rest"),
        strokeOpacity: 0.25,
        strokeWidth: 16,
      }),
      Plot.dot(dots, {
        y: "operator",
        x: "gain",
        r: ({ length }) => Math.sqrt(length),
        fill: colour("rest"),
        fillOpacity: 0.6,
        title: ({ operator, gain, length }) =>
          `${operator}: ${points(gain / 100)} points, ${plural(length, "trial")}`,
      }),
      Plot.tickX(bands, { y: "operator", x: "mean", stroke: colour("ink"), strokeWidth: 2, inset: 10 }),
      Plot.dot(kept, { y: "operator", x: "gain", r: () => 1, fill: colour("accent") }),
      Plot.text(kept, {
        y: "operator",
        x: "gain",
        text: ({ index, gain }) => `#${index} ${points(gain / 100)}`,
        dy: -18,
        fontWeight: 600,
        ...HALO,
      }),
    ],
  };
}

/** A quantile by linear interpolation (type 7 of Hyndman and Fan, 1996). */
function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * p, below = Math.floor(at);
  return sorted[below]! + (at - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
}

/**
 * Which trial came from which, an iteration a row, but none for one of which no trial is given: the kept ones, named, in the first lane, then those that were
 * dropped in the race, best first, then those refused before a question. The line of the best prompt is thick; a
 * second parent's line is dashed.
 */
export function lineage(trials: readonly TrialRow[], { width = WIDTH }: ChartOptions = {}): Plot.PlotOptions {
  const left = narrow(width) ? 184 : 216;
  const iterations = [...Map.groupBy(trials, ({ iteration }) => iteration)];
  const widest = Math.max(1, ...iterations.map(([, own]) => own.length));
  const step = Math.min(56, (width - left - 16) / widest);
  const order = { kept: 0, dropped: 1, refused: 2 };
  const nodes = iterations.flatMap(([, own], row) => {
    const [kept = [], others = []] = [own.filter((t) => t.accepted), own.filter((t) => !t.accepted)];
    others.sort((a, b) =>
      order[fate(a)] - order[fate(b)] || (b.validation ?? 0) - (a.validation ?? 0) || a.index - b.index
    );
    const node = (trial: TrialRow, lane: number) => ({ trial, x: left + lane * step, y: row });
    return [...kept.map((trial) => node(trial, 0)), ...others.map((trial, i) => node(trial, i + 1))];
  });
  const at = new Map(nodes.map((node) => [node.trial.index, node]));
  const line = new Set(ancestry(trials));
  const edges = nodes.flatMap(({ trial, x, y }) =>
    [trial.parent, ...(trial.metadata.parents ?? []).slice(1)].flatMap((parent, i) => {
      const from = at.get(parent ?? -1);
      return from
        ? [{ x1: from.x, y1: from.y, x2: x, y2: y, second: i > 0, best: i === 0 && line.has(trial) }]
        : [];
    })
  );
  const of = (kind: keyof typeof order) => nodes.filter(({ trial }) => fate(trial) === kind);
  const link = { x1: "x1", y1: "y1", x2: "x2", y2: "y2", curve: "bump-y" } as const;
  const node = { x: "x", y: "y", ...pointed(width) } as const;
  const last = Math.max(1, iterations.length - 1);
  const label = { x: () => left - 14, textAnchor: "end" } as const;
  return {
    ...frame(width),
    height: Math.max(14, Math.min(34, Math.floor(2_400 / last))) * last + 64, // closer where there are many, lines apart
    marginLeft: 24,
    marginRight: 0,
    marginTop: 40,
    marginBottom: 24,
    ariaLabel: `Lineage of ${plural(trials.length, "trial")}: ${
      ancestry(trials).map(({ index }) => `#${index}`).join(" to ")
    }`,
    x: { axis: null, domain: [0, width], range: [0, width] },
    y: {
      label: "iteration",
      labelArrow: "none",
      domain: [last, 0],
      ticks: last > 1 ? last : 1,
      tickFormat: (row: number) => iterations[row] ? count(iterations[row][0]) : "",
      tickSize: 0,
    },
    marks: [
      Plot.link(edges.filter((edge) => edge.second), {
        ...link,
        stroke: colour("line"),
        strokeDasharray: "3 3",
      }),
      Plot.link(edges.filter((edge) => !edge.second && !edge.best), {
        ...link,
        stroke: colour("line"),
        strokeWidth: 1.5,
      }),
      Plot.link(edges.filter((edge) => edge.best), { ...link, stroke: colour("accent"), strokeWidth: 3 }),
      Plot.dot(of("refused"), { ...node, symbol: "times", stroke: colour("rest"), r: 3.5 }),
      Plot.dot(of("dropped"), {
        ...node,
        r: 4,
        stroke: colour("rest"),
        fill: colour("paper"),
        strokeWidth: 1.5,
      }),
      Plot.dot(of("kept"), {
        ...node,
        r: 6,
        fill: colour("accent"),
        stroke: colour("paper"),
        strokeWidth: 1.5,
      }),
      Plot.text(of("kept"), {
        ...label,
        y: "y",
        text: ({ trial }) => {
          const words = `#${trial.index} ${term(trial.operator, narrow(width) ? 16 : 20)}`;
          return narrow(width) || trial.validation === null ? words : `${words} ${percent(trial.validation)}`;
        },
        fontWeight: 600,
      }),
      Plot.text(iterations.flatMap(([, own], row) => own.some(({ accepted }) => accepted) ? [] : [row]), {
        ...label,
        y: (row) => row,
        text: () => "none kept",
        fill: colour("muted"),
      }),
    ],
  };
}
