/**
 * What became of an experiment, for readers: pictures from rows, and one HTML page that needs nothing but itself.
 *
 * ```ts
 * import { svg, wonAndLost } from "./mod.ts";
 * import { match } from "node:assert/strict";
 *
 * const picture = svg(wonAndLost([{ outcome: "won", questions: 12 }, { outcome: "lost", questions: 3 }]));
 * match(picture, /aria-label="12 won, 3 lost"/);
 * ```
 *
 * @module
 */
export {
  beforeAndAfter,
  type ChartOptions,
  latencies,
  lineage,
  operatorGains,
  scoreAgainstCalls,
  type Standing,
  wonAndLost,
} from "./charts.ts";
export * from "./learning_charts.ts";
export { htmlReport, type ReportOptions } from "./page.ts";
export { type Earned, earned, type Outcome, type Pair, pairs } from "./rows.ts";
export {
  type ExperimentResult,
  measurementOf,
  type MeasurementResult,
  resultOf,
  type Scored,
} from "./result.ts";
export { svg } from "./svg.ts";
export { experimentLine, measurementText, resultText } from "./terminal.ts";
export { dollars, percent, visible } from "./text.ts";
