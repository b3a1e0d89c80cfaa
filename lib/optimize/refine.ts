/**
 * Call 3, refinement: operators, chosen by the bandit, propose prompts; hygiene refuses the hopeless ones; the surrogate,
 * when there is one, puts the most promising first.
 *
 * @module
 */
import { pick, type Random, shuffle } from "../random.ts";
import { choose } from "./bandit.ts";
import { calibration, probesFor } from "./calibration.ts";
import {
  type Bias,
  type Candidate,
  type Demo,
  type Prompt,
  type Result,
  toDemo,
  unshown,
} from "./candidate.ts";
import { lengthOf, type Limits, readable, refusal, UNREADABLE } from "./hygiene.ts";
import { inShares } from "./operators/demonstrate.ts";
import type { Operator, Proposal, Situation } from "./operators/operator.ts";
import {
  affordable,
  type Answered,
  breadthOf,
  calibrates,
  candidate,
  countGrades,
  entryPrice,
  type Search,
} from "./search.ts";

/**
 * In the first race no operator has earned anything yet. Where prompts can be calibrated, each place tries demos with a bias;
 * else two in three try demos, one of them balanced anew where there are few labels, and the third is the bandit's.
 */
const OPENING = ["demonstrate", "balance"], PLACES = 3;

/** A proposal with its place in the lineage. */
export interface Proposed {
  readonly candidate: Candidate;
  /** Why it is not raced, or null. */
  readonly refused: string | null;
  /** What the surrogate expects, when there is one. */
  readonly predicted: number | null;
  /** What the operator spent on it, in answers of the primary. */
  readonly cost: number;
}

/** How often the incumbent is the parent; else one that wins some question. */
const FROM_INCUMBENT = 0.6;
/** Proposals for each place in the race when a surrogate can choose among them. */
const FOR_EACH_PLACE = 2;

/** Proposals for one race of iteration's stream `random`: the most promising first, refused ones last. */
export async function refine(search: Search, random: Random): Promise<Proposed[]> {
  const { surrogate } = search.options;
  const places = Array.from(
    { length: breadthOf(search) * (surrogate ? FOR_EACH_PLACE : 1) },
    (_, i) => random.fork(i),
  );
  const { askCost } = search.options;
  const made = await Promise.all(assigned(search, places).map((place) => propose(search, place)));

  const proposed = made.map(({ place, proposal, practised, given, asks }): Proposed => { // in the order of places, not of arrival
    const { parent, operator: { name: operator } } = place;
    for (const [{ practice }, results] of practised) {
      for (const result of results) practice.set(result.example.id, result);
    }
    const answers = given.length;
    search.calls += answers + asks;
    countGrades(search, given);
    const nothing = { prompt: parent.prompt, parents: [parent.index], note: "made no proposal" };
    const sound = "refused" in proposal
      ? proposal
      : readable(proposal.prompt)
      ? fitting(search, proposal)
      : { refused: UNREADABLE };
    const refused = "refused" in sound ? sound.refused : refusal(asRaced(search, sound.prompt), {
      ...search.options,
      known: search.known,
      calibrates: calibrates(search),
    });
    const made = candidate(search.known.length, { operator, ..."refused" in sound ? nothing : sound });
    search.known.push(made);
    return { candidate: made, refused, predicted: null, cost: answers + asks * askCost };
  });

  const sound = proposed.filter(({ refused }) => refused === null);
  const expected = surrogate && sound.length > 0
    ? await surrogate(sound.map(({ candidate: { prompt } }) => asRaced(search, prompt)))
    : null;
  const ranked = sound.map((proposal, i) => ({ ...proposal, predicted: expected?.[i] ?? null }))
    .sort((a, b) => (b.predicted ?? 0) - (a.predicted ?? 0) || a.candidate.index - b.candidate.index);
  const entrants = Math.min(breadthOf(search), Math.floor(affordable(search) / entryPrice(search)));
  const entering = await Promise.all(
    ranked.slice(0, entrants).map((proposal, i) => calibrated(search, proposal, random.fork(`probes ${i}`))),
  );
  return [
    ...entering,
    ...ranked.slice(entrants).map((proposal) => ({
      ...proposal,
      refused: surrogate ? "not raced: others promised more" : "not raced: the calls went no further",
    })),
    ...proposed.filter(({ refused }) => refused !== null),
  ];
}

/** The bias in place of which a prompt will get its own: its parent's, or the incumbent's. None where nobody has one yet. */
const biasToFit = (search: Search, { bias = search.incumbent.prompt.bias }: Prompt): Bias | undefined =>
  calibrates(search) ? bias : undefined;

/** A prompt as far as it is known before it is raced: with a bias, where one will be fitted. */
function asRaced(search: Search, prompt: Prompt): Prompt {
  const bias = biasToFit(search, prompt);
  return bias ? { ...prompt, bias } : prompt;
}

/** A proposal with the bias that fits its prompt, told by what the model might say to some of train. */
async function calibrated(search: Search, proposal: Proposed, random: Random): Promise<Proposed> {
  const { options: { tell, train }, space } = search;
  const { bias: _parents, ...prompt } = proposal.candidate.prompt;
  if (!biasToFit(search, proposal.candidate.prompt) || !tell || space.kind !== "labels") return proposal;
  const unseen = unshown(prompt.demos, train), many = probesFor(space);
  const asked = inShares(shuffle(unseen.length < many ? train : unseen, random), many, train.map(toDemo));
  search.calls += asked.length;
  const replies = await Promise.all(asked.map((example) => tell(prompt, example)));
  const probes = asked.flatMap(({ references: [label] }, i) => {
    const firsts = replies[i]?.firsts ?? [];
    return firsts.length > 0 ? [{ firsts, label: label! }] : [];
  });
  const fitted = probes.length === 0 ? prompt : { ...prompt, bias: calibration(probes, space.labels) };
  const candidate = { ...proposal.candidate, prompt: fitted };
  search.known[candidate.index] = candidate;
  return { ...proposal, candidate, cost: proposal.cost + asked.length };
}

/** Who works on a proposal, on what, with which draws. */
interface Place {
  readonly operator: Operator;
  readonly parent: Candidate;
  readonly situation: Situation;
}

/**
 * An operator and a parent for each place, within what can be paid for beside the race's first block. Where nothing ranks
 * proposals they enter in their order, and none is made that could not.
 */
function assigned(search: Search, places: readonly Random[]): Place[] {
  const {
    options: { operators, train, advice, course, askCost, surrogate },
    arms,
    pool,
    rejected,
    space,
  } = search;
  const reserved = reservedFor(search);
  let purse = affordable(search);
  const opening = (place: number) =>
    pool.length > 1 ? [] : calibrates(search) ? ["calibrate"] : OPENING.slice(0, place % PLACES);
  let front: readonly Candidate[] | undefined; // looked for when it is wanted, and once: the pool may be large
  const winner = (random: Random): Candidate => {
    front ??= frontOf(pool);
    return front.length > 0 ? pick(front, random) : pool[0]!;
  };
  return places.flatMap((random, i): Place[] => {
    const spare = purse - entryPrice(search) * (surrogate ? reserved : Math.max(reserved, i + 1));
    if (spare < 0) return [];
    const parent = random() < FROM_INCUMBENT ? search.incumbent : winner(random);
    const situation = {
      ...{ parent, pool, train, space, limits: limitsFor(search, parent), rejected, advice, random },
      calibrates: calibrates(search),
    };
    const able = operators.filter((operator) =>
      priceOf(search, operator) <= spare && operator.applies(situation)
    );
    if (able.length === 0) return [];
    const trial = able.map((operator) => ({
      name: operator.name,
      operator,
      cost: operator.practises + operator.asks * askCost + course.block,
    }));
    const turn = opening(i).flatMap((name) => able.find((operator) => operator.name === name) ?? []).at(-1);
    const operator = turn ?? choose(arms, trial, random).operator;
    purse -= priceOf(search, operator);
    return [{ operator, parent, situation }];
  });
}

/** What one proposal of an operator may cost, in calls. */
const priceOf = ({ options: { callsEach } }: Search, { practises, asks }: Operator): number =>
  practises * callsEach + asks;

/**
 * Places of the race that are kept whatever a proposal costs: all of them. Where the budget is shorter than that, as many as leave
 * enough for one rewrite: else a small budget would never ask the optimizer model.
 */
function reservedFor(search: Search): number {
  const writers = search.options.operators.filter(({ asks }) => asks > 0);
  const dearest = Math.max(0, ...writers.map((operator) => priceOf(search, operator)));
  const places = Math.floor((affordable(search) - dearest) / entryPrice(search));
  return Math.max(1, Math.min(breadthOf(search), places));
}

/** The limits, with no more demos than mostly fit beside the instructions of a prompt: questions may be long. */
function limitsFor({ options: { limits, seedPrompt, train } }: Search, { prompt }: Candidate): Limits {
  const long = train.map((example) => size(toDemo(example))).sort((a, b) => a - b);
  const usual = long[Math.floor(0.75 * long.length)] ?? 0;
  const room = limits.characters + lengthOf(seedPrompt) - lengthOf({ ...prompt, demos: [] });
  return { ...limits, demos: Math.min(limits.demos, Math.max(1, Math.floor(room / Math.max(1, usual)))) };
}

/** A proposal without its prompt's longest demos, where these leave no room: a few questions may be far longer than most. */
function fitting({ options: { limits, seedPrompt } }: Search, proposal: Made): Made {
  const { prompt, note } = proposal;
  let over = lengthOf(prompt) - limits.characters - lengthOf(seedPrompt);
  const left = new Set<Demo>();
  for (const demo of prompt.demos.toSorted((a, b) => size(b) - size(a))) {
    if (over <= 0) break;
    left.add(demo);
    over -= size(demo);
  }
  if (left.size === 0 || over > 0) return proposal;
  return {
    ...proposal,
    prompt: { ...prompt, demos: prompt.demos.filter((demo) => !left.has(demo)) },
    note: `${note}, without the ${left.size} longest for want of room`,
  };
}

type Made = Exclude<Proposal, { readonly refused: string }>;

const size = ({ question, answer }: Demo): number => question.length + answer.length;

/** What one operator made, and what it asked for on the way. */
async function propose(search: Search, place: Place) {
  const { answer, score, ask, policy } = search.options;
  const { parent, situation: { random } } = place;
  const practised = new Map<Candidate, Result[]>();
  const given: Answered[] = [];
  let asks = 0;
  const proposal: Proposal = await place.operator.propose({
    ...place.situation,
    ask(messages) {
      asks++;
      return ask(messages);
    },
    suggest: async () => policy ? (await policy(parent, random.fork("suggest"))).edits : [],
    async practise(candidate, examples) {
      const { prompt, practice } = candidate;
      const open = examples.filter(({ id }) => !practice.has(id));
      const fresh = await Promise.all(open.map(async (example): Promise<Result[]> => {
        const told = await answer(prompt, example);
        given.push({ example, text: told && told.text });
        const worth = told && await score(told.text, example);
        if (told === null || worth === null) return [];
        return [{ example, answer: told.text, score: worth, completion: told.completion }];
      }));
      const now = [...practised.get(candidate) ?? [], ...fresh.flat()];
      practised.set(candidate, now);
      const all = new Map([...practice, ...now.map((result) => [result.example.id, result] as const)]);
      return examples.flatMap(({ id }) => all.get(id) ?? []);
    },
  });
  return { place, proposal, practised, given, asks };
}

/**
 * Each candidate as often as there are validation questions that it solves and on which nobody did better: one that solves what
 * no other does stays a parent although its mean is low (the instance front of GEPA, Agrawal et al., 2025).
 */
function frontOf(pool: readonly Candidate[]): Candidate[] {
  const best = new Map<string, { score: number; holders: Candidate[] }>();
  for (const holder of pool) {
    for (const [id, { score }] of holder.results) {
      const front = best.get(id);
      if (!front || score > front.score) best.set(id, { score, holders: [holder] });
      else if (score === front.score) front.holders.push(holder);
    }
  }
  return [...best.values()].flatMap(({ score, holders }) => score > 0 ? holders : []);
}
