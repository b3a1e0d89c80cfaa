/**
 * Everything durable: the PostgreSQL server, its schema, and one file for each group of tables.
 *
 * ```ts
 * import { listExperiments, migrate, openDatabase } from "./mod.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const home = await Deno.makeTempDir();
 * {
 *   await using db = await openDatabase({ home });
 *   await migrate(db, "sql");
 *   deepEqual(await listExperiments(db), []);
 * }
 * await Deno.remove(home, { recursive: true });
 * ```
 *
 * @module
 */
export { type Backup, backup, BackupError, restore, type TableCopy } from "./backup.ts";
export { forgive, journal } from "./calls.ts";
export { picodollars, usd } from "./dollars.ts";
export { DatabaseError } from "./database_error.ts";
export { loadDataset, saveDataset } from "./datasets.ts";
export { type Database, type DatabaseOptions, openDatabase, type Queryable } from "./db.ts";
export {
  BEAT,
  beginExperiment,
  endExperiment,
  type Experiment,
  findExperiment,
  heartbeat,
  type Plan,
  readCalibrated,
  resumeExperiment,
  saveCalibrated,
  type Status,
} from "./experiments.ts";
export { type Guest, openGuest } from "./guest.ts";
export {
  type Accuracy,
  type ContextAccuracy,
  contextOf,
  type EditRow,
  editsOf,
  findMetaModel,
  findPolicy,
  type Foresight,
  hasLearned,
  learnedBy,
  type LearnedRecord,
  measureEdits,
  type MetaModelRow,
  newestMetaModel,
  newestPolicy,
  type PolicyRow,
  saveFeatures,
  saveMetaModel,
  savePolicy,
  type ScoredPrompt,
  scoredPrompts,
  settingOf,
} from "./learning.ts";
export { draftMigration, migrate, type MigrationStatus, status } from "./migrate.ts";
export {
  type AnswerRow,
  type BillRow,
  type ExperimentRecord,
  type ExperimentRow,
  listExperiments,
  type MetricRow,
  type ModelRow,
  readExperiment,
  type TrialRow,
} from "./overview.ts";
export { COLUMNS, exported, type Row, type Table, TABLES } from "./export.ts";
export { type Probe, probe } from "./probe.ts";
export {
  addToOutbox,
  type OpenOutbox,
  openOutboxRun,
  type OutboxHolder,
  type OutboxMessage,
  type OutboxRun,
  requireOutboxRun,
  takeOutboxRun,
  waitingMessages,
  waitingRuns,
  withOutbox,
} from "./outbox.ts";
export { openServer, type Server, type ServerOptions } from "./server.ts";
export { type Allowance, type Amount, spentByExperiment } from "./purse.ts";
export { HeldError, type Hold, holdExperiment } from "./hold.ts";
export {
  createSweep,
  endSweepExperiment,
  failSweepExperiment,
  findSweep,
  isSweepOver,
  isWaiting,
  readSweep,
  releaseExperiment,
  setSweepCaps,
  type Sweep,
  type SweepPlan,
  type SweepRecord,
  type SweepRow,
  type SweepStatus,
  takeExperiment,
  type TakenExperiment,
} from "./sweeps.ts";
export {
  type Decided,
  findPrompt,
  forgetOthers,
  type Kept,
  promptId,
  promptOf,
  type PromptRow,
  readKept,
  saveComparison,
  saveIncumbent,
  saveMeasurement,
  savePrompt,
  saveScores,
  saveTrials,
} from "./trials.ts";
