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
 * const [sure, unsure] = [{ yes: -0.1, no: -2.4 }, { yes: -0.4, no: -1.1 }];
 * const probes = [
 *   { firsts: [{ said: "yes", likely: sure }], label: "yes" },
 *   { firsts: [{ said: "yes", likely: sure }], label: "yes" },
 *   { firsts: [{ said: "yes", likely: unsure }], label: "no" },
 *   { firsts: [{ said: "yes", likely: unsure }], label: "no" },
 * ];
 * deepEqual(calibration(probes, ["no", "yes"]), { no: 1.45, yes: 0 });
 * ```
 *
 * @module
 */
import type { FirstToken } from "../llm/model.ts";
import type { AnswerSpace } from "./answer_space.ts";
import { type Bias, mean } from "./candidate.ts";

/** How a reply began and might have begun, and the label that was right. */
export interface Probe {
  readonly firsts: readonly FirstToken[];
  readonly label: string;
}

/** Questions that tell enough: twice as many raise the score by less than a point. */
const ENOUGH = 12;

/** Train questions to be answered for a calibration; one for each label at least. */
export const probesFor = (space: AnswerSpace): number =>
  space.kind === "labels" ? Math.max(ENOUGH, space.labels.length) : 0;

/** How much less likely a label is taken to be, in nats, than the least likely token that was told. */
const BELOW = 1;
/** The probability that a reply ends at least, where what was told adds up to 1. */
const LEAST = 1e-6;
/** Variance, in squared nats, of what a bias is believed to be before anything is seen: one reply alone says little of its label. */
const PRIOR = 16;
/** Steps to the bias, and how far each goes at most, in nats. */
const STEPS = 60, STRIDE = 1;

/** The bias, in nats, none below 0, with which `probes` would say each of `labels` as often as that is right. */
export function calibration(probes: readonly Probe[], labels: readonly string[]): Bias {
  const bias = apart(probes.map((probe) => ({ said: "", ...probe })), labels);
  const least = Math.min(...bias);
  return Object.fromEntries(labels.map((label, i) => [label, Math.round(100 * (bias[i]! - least)) / 100]));
}

/** A reply that began with `said`: its next token, and those after. */
interface Reply extends Probe {
  readonly said: string;
}

/**
 * What parts `labels` at the next token of `replies`, and later where some go on alike: that is told by the replies that went
 * there, and rightly. It is around zero there, so that labels of one beginning are said together as often as they are right.
 */
function apart(replies: readonly Reply[], labels: readonly string[]): number[] {
  const right = labels.map((label) => replies.filter((reply) => reply.label === label).length);
  const bias = fitted(replies.map((reply) => likelihoods(labels, reply)), right);
  const further = replies.filter(({ firsts }) => firsts.length > 1)
    .map(({ said, firsts: [first, ...firsts], label }) => ({ said: said + first!.said, firsts, label }));
  for (const [begun, going] of Map.groupBy(further, ({ said }) => folded(said))) {
    const alike = labels.filter((label) => begun !== "" && begins(label, begun));
    const rightly = going.filter(({ label }) => alike.includes(label));
    if (alike.length < 2 || rightly.length === 0) continue;
    const places = alike.map((label) => labels.indexOf(label)), inner = apart(rightly, alike);
    const center = mean(places.map((place) => bias[place]!)) - mean(inner);
    places.forEach((place, i) => bias[place] = center + inner[i]!);
  }
  return bias;
}

/**
 * The bias that makes `right` likeliest, how often each label was right, given replies that are so `likely`, a row for each with a
 * log-probability for each label: each label is then said as often as it is right, less what the prior holds back.
 */
function fitted(likely: readonly (readonly number[])[], right: readonly number[]): number[] {
  let bias = right.map(() => 0);
  for (let step = 0; step < STEPS; step++) {
    const said = likely.map((row) => shares(row.map((value, i) => value + bias[i]!)));
    bias = bias.map((value, i) => {
      const times = sum(said.map((row) => row[i]!));
      const stride = (right[i]! - times - value / PRIOR) / (times + 1 / PRIOR);
      return value + Math.max(-STRIDE, Math.min(STRIDE, stride));
    });
  }
  return bias;
}

/**
 * The log-probability of the likeliest next token with which each label goes on; labels that go on with the same one share it.
 * That of a label which is said already is what all others leave, as marks that end a reply have many names.
 */
function likelihoods(labels: readonly string[], { said, firsts: [first] }: Reply): number[] {
  const before = folded(said);
  const told = Object.entries(first!.likely)
    .map(([token, logprob]) => ({ said: folded(said + token), logprob }))
    .sort((one, other) => other.logprob - one.logprob);
  const untold = told.at(-1)!.logprob - BELOW;
  const next = labels.map((label) =>
    told.find((token) => token.said.length > before.length && begins(label, token.said))
  );
  const goingOn = sum([...new Set(next)].map((token) => token ? Math.exp(token.logprob) : 0));
  const ended = Math.log(Math.max(1 - goingOn, LEAST));
  return next.map((token, i) => {
    if (token) return token.logprob - Math.log(next.filter((other) => other === token).length);
    return before !== "" && folded(labels[i]!) === before ? ended : untold;
  });
}

const folded = (text: string): string => text.trim().toLowerCase();
const begins = (label: string, beginning: string): boolean => label.toLowerCase().startsWith(beginning);

/** Probabilities from log-probabilities of which some are left out. */
function shares(logprobs: readonly number[]): number[] {
  const most = Math.max(...logprobs), weights = logprobs.map((value) => Math.exp(value - most));
  return weights.map((weight) => weight / sum(weights));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
