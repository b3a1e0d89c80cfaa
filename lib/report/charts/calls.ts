/**
 * The calls: how long they took.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import type { BillRow } from "../../store/overview.ts";
import { colour } from "../palette.ts";
import { latency, modelName } from "../text.ts";
import { AXIS, type ChartOptions, frame, HALO, narrow, WIDTH } from "./frame.ts";

/** How long calls took, by role and model: a dot at the median, a line up to the 95th percentile. */
export function latencies(bill: readonly BillRow[], { width = WIDTH }: ChartOptions = {}): Plot.PlotOptions {
  const rows = bill.flatMap(({ role, model, p50_ms, p95_ms }) =>
    p50_ms === null || p95_ms === null
      ? []
      : [{ label: `${role}: ${modelName(model, narrow(width) ? 24 : 60)}`, p50: p50_ms, p95: p95_ms }]
  );
  return {
    ...frame(width),
    height: 46 * rows.length + 44,
    marginLeft: 20,
    marginRight: 24,
    marginTop: 4,
    marginBottom: 40,
    ariaLabel: rows.map(({ label, p50, p95 }) =>
      `${label}: median ${latency(p50)}, 95th percentile ${latency(p95)}`
    ).join("; "),
    x: {
      label: "time of a call (median to 95th percentile)",
      ...AXIS,
      domain: [0, Math.max(...rows.map(({ p95 }) => p95))],
      ticks: narrow(width) ? 4 : 8,
      tickFormat: latency,
      nice: true,
    },
    y: { axis: null, domain: rows.map(({ label }) => label) },
    marks: [
      Plot.ruleX([0], { stroke: colour("muted") }),
      Plot.ruleY(rows, {
        y: "label",
        x1: "p50",
        x2: "p95",
        stroke: colour("accent"),
        strokeWidth: 3,
        strokeLinecap: "round",
      }),
      Plot.dot(rows, { y: "label", x: "p50", fill: colour("accent"), r: 5 }),
      Plot.text(rows, {
        y: "label",
        x: () => 0,
        text: ({ label, p50, p95 }) => `${label}  ${latency(p50)} to ${latency(p95)}`,
        textAnchor: "start",
        dx: 6,
        dy: -16,
        ...HALO,
      }),
    ],
  };
}
