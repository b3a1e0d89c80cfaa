/**
 * The pictures: functions from rows to Plot options. Reports draw them into a page, notebooks into a cell.
 *
 * Scores and differences are drawn in points of 100. Every chart says what it shows by direct labels; what is known
 * with an interval is drawn with it.
 *
 * ```ts
 * import { wonAndLost } from "./charts.ts";
 * import { svg } from "./svg.ts";
 * import { match } from "node:assert/strict";
 *
 * match(svg(wonAndLost([{ outcome: "won", questions: 12 }, { outcome: "lost", questions: 3 }])), /^<svg/);
 * ```
 *
 * @module
 */
export { latencies } from "./charts/calls.ts";
export { beforeAndAfter, type Standing, wonAndLost } from "./charts/claim.ts";
export type { ChartOptions } from "./charts/frame.ts";
export { editedPrompts, featureImportance, predictedAgainstMeasured, strongest } from "./charts/learned.ts";
export { bestSoFar, type RunScores, standings } from "./charts/runs.ts";
export { lineage, operatorGains, scoreAgainstCalls } from "./charts/search.ts";
