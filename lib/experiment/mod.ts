/**
 * An experiment from its questions to its claim, kept as it goes.
 *
 * @module
 */
export type { Surroundings } from "./life.ts";
export { type MeasurementSetup, runMeasurement } from "./measure.ts";
export type { Grading } from "./roles.ts";
export { type Progress, runExperiment, type Setup } from "./run.ts";
