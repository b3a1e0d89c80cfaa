/**
 * What a model says too often is made less likely: the bias under which it says each label as often as it is right.
 *
 * Under worked examples a small model leans to some labels, whatever the question: most of what parts a bad set of demos from a
 * good one is how far it leans (Zhao et al., 2021). How likely it was to begin with each label tells that from a few questions,
 * and a bias takes it away (batch calibration, Zhou et al., 2024): a set that was worth little is then worth as much as others.
 *
 * ```ts
 * import { calibration } from "./calibration.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * // It says "yes" to all four, but less surely where "no" is right.
 * const probes = [
 *   { firsts: { yes: -0.1, no: -2.4 }, label: "yes" },
 *   { firsts: { yes: -0.1, no: -2.4 }, label: "yes" },
 *   { firsts: { yes: -0.4, no: -1.1 }, label: "no" },
 *   { firsts: { yes: -0.4, no: -1.1 }, label: "no" },
 * ];
 * deepEqual(calibration(probes, ["no", "yes"]), { no: 1.5, yes: 0 });
 * ```
 *
 * @module
 */
import type { AnswerSpace } from "./answer_space.ts";
import type { Bias } from "./candidate.ts";

/** Log-probabilities of the likeliest tokens that a reply might have begun with. */
export type Firsts = Readonly<Record<string, number>>;

/** What a reply might have begun with, and the label that was right. */
export interface Probe {
  readonly firsts: Firsts;
  readonly label: string;
}

/** Questions that tell enough: twice as many raise the score by less than a point. */
const ENOUGH = 12;

/** Train questions to be answered for a calibration; one for each label at least. */
export const probesFor = (space: AnswerSpace): number =>
  space.kind === "labels" ? Math.max(ENOUGH, space.labels.length) : 0;

/** How much less likely a label is taken to be, in nats, than the least likely token that was told. */
const BELOW = 1;
/** Imagined probes that are as they should be: of few, the shares are not known well. */
const IMAGINED = 1;
/** Steps to the bias; each takes most of what is left. */
const STEPS = 20;

/** The bias, in nats, none below 0, with which `probes` would begin with each of `labels` as often as that is right. */
export function calibration(probes: readonly Probe[], labels: readonly string[]): Bias {
  const likely = probes.map(({ firsts }) => likelihoods(labels, firsts));
  const right = labels.map((label) =>
    Math.max(0.5, probes.filter((probe) => probe.label === label).length) / probes.length
  );
  const all = sum(right), share = right.map((value) => value / all);
  let bias = labels.map(() => 0);
  for (let step = 0; step < STEPS; step++) {
    const said = likely.map((row) => shares(row.map((value, i) => value + bias[i]!)));
    bias = bias.map((value, i) => {
      const mean = (sum(said.map((row) => row[i]!)) + IMAGINED * share[i]!) / (probes.length + IMAGINED);
      return value + Math.log(share[i]! / mean);
    });
  }
  const least = Math.min(...bias);
  return Object.fromEntries(labels.map((label, i) => [label, Math.round(100 * (bias[i]! - least)) / 100]));
}

/** The log-probability of the likeliest token that begins each label; labels that begin with the same one share it. */
function likelihoods(labels: readonly string[], firsts: Firsts): number[] {
  const told = Object.entries(firsts)
    .map(([token, logprob]) => ({ said: token.trim().toLowerCase(), logprob }))
    .sort((one, other) => other.logprob - one.logprob);
  const untold = told.at(-1)!.logprob - BELOW;
  const begun = labels.map((label) =>
    told.find(({ said }) => said !== "" && label.toLowerCase().startsWith(said))
  );
  return begun.map((first) =>
    first ? first.logprob - Math.log(begun.filter((other) => other === first).length) : untold
  );
}

/** Probabilities from log-probabilities of which some are left out. */
function shares(logprobs: readonly number[]): number[] {
  const most = Math.max(...logprobs), weights = logprobs.map((value) => Math.exp(value - most));
  return weights.map((weight) => weight / sum(weights));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
