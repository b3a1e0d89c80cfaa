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
  bestSoFar,
  type ChartOptions,
  editedPrompts,
  featureImportance,
  latencies,
  lineage,
  operatorGains,
  predictedAgainstMeasured,
  type RunScores,
  scoreAgainstCalls,
  type Standing,
  standings,
  wonAndLost,
} from "./charts.ts";
export * from "./charts/research.ts";
export { htmlComparison, type Sides, sides } from "./comparison.ts";
export { type Exported, exportText, type Format, FORMATS } from "./export.ts";
export { htmlReport, type ReportOptions } from "./page.ts";
export {
  type Earned,
  earned,
  type Edited,
  edited,
  foreseen,
  foresight,
  type Outcome,
  type Pair,
  pairs,
  sharedPairs,
} from "./rows.ts";
export {
  type ExperimentResult,
  measurementOf,
  type MeasurementResult,
  resultOf,
  type Scored,
} from "./result.ts";
export { svg } from "./svg.ts";
export { experimentLine, measurementText, resultText } from "./terminal.ts";
export { biasTerms, dollars, percent, visible } from "./text.ts";
