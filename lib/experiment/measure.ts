/**
 * One prompt on one split: an experiment without a search.
 *
 * @module
 */
import type { Dataset, SplitName } from "../dataset/mod.ts";
import { measure, type Measurement, questionsOf } from "../evaluate/mod.ts";
import type { Caps, LanguageModel, Ledger } from "../llm/mod.ts";
import type { Prompt } from "../optimize/mod.ts";
import { random } from "../random.ts";
import { savePrompt } from "../store/mod.ts";
import { live, type Surroundings } from "./life.ts";
import {
  answering,
  asking,
  GRADES_TO_TELL,
  gradesOf,
  type Grading,
  leniently,
  type Sampling,
  scoring,
  type Unreadable,
} from "./roles.ts";
import { keepMeasurement } from "./run.ts";
import { namesOf, type Silence, silenceOf } from "./silence.ts";

/** All that a measurement depends on. */
export interface MeasurementSetup extends Sampling {
  /** Of an experiment of kind `evaluate` that was begun in the store. */
  readonly id: string;
  readonly datasetId: string;
  readonly dataset: Dataset;
  readonly seed: number;
  readonly split: SplitName;
  readonly prompt: Prompt;
  readonly metric: Grading;
  readonly primary: LanguageModel;
  readonly caps: Caps;
}

/**
 * Measures a prompt and keeps its answers and score, as version 0 of the experiment, which ends for its budget where a cap kept
 * a question from being asked; null when it was interrupted. Throws what cannot be mended, after the experiment was marked as
 * failed: also where a model grades, and no grade of it can be read.
 * `onUnreadable` is told at the end when that is so of some. It is the same, with `onSilent`, of answers that were cut off before
 * they said anything, and where those are all of the first, no more are asked for.
 */
export async function runMeasurement(
  { id, datasetId, dataset, split, prompt, metric, primary, caps, ...sampling }: MeasurementSetup,
  { onProgress = () => {}, onUnreadable = () => {}, onSilent = () => {}, ...surroundings }: Surroundings & {
    onProgress?: (answered: number) => void;
    onUnreadable?: (grades: Unreadable) => void;
    onSilent?: (line: string) => void;
  },
): Promise<Measurement | null> {
  const { db } = surroundings;
  const models = { primary, ..."judge" in metric ? { grader: metric.judge } : {} };
  const draws = random(dataset.sha256), grades = gradesOf(metric), silence = silenceOf(namesOf(models));
  let [answered, measurement]: [number, Measurement | null] = [0, null];
  await live({ id, models, caps }, surroundings, async (ledger) => {
    await savePrompt(db, id, { version: 0, prompt, operator: "seed", parents: [], note: "measured" });
    let met = false as boolean;
    const ask = leniently(asking(ledger, silence.heard), () => met = true);
    const answer = answering(ask, { primary, ...sampling }, 0);
    measurement = await measure(prompt, questionsOf(dataset, split, { random: draws }), {
      split,
      async answer(...args) {
        const given = await answer(...args);
        if (given !== null) onProgress(++answered); // of a cap that was met all the rest come at once
        requireWords(silence, ledger);
        return given;
      },
      scorer: scoring(ask, metric, grades),
      random: draws,
    });
    silence.require(1);
    grades.require(1);
    await keepMeasurement(db, { id, datasetId, version: 0, measurement });
    return met ? "budget" : null;
  });
  const unreadable = grades.unreadable();
  if (unreadable) onUnreadable(unreadable);
  silence.told().forEach(onSilent);
  return measurement;
}

/** Asks nothing more of a model that says nothing. */
function requireWords(silence: Silence, ledger: Ledger): void {
  try {
    silence.require(GRADES_TO_TELL);
  } catch (error) {
    ledger.stop(error as Error);
    throw error;
  }
}
