/**
 * Chooses and orders worked examples from train. For a small model this is most of what a prompt can do.
 *
 * Fresh sets are drawn balanced over the answers (an unbalanced set teaches a majority answer: Zhao et al., 2021), from
 * questions that differ from one another, or from questions the parent gets wrong. Once some sets were raced, they are made
 * of the demos believed to be worth most, or are small steps from the parent's: some demos traded for better ones, one
 * swapped, some more. A step leaves the others in their places: another order is as far away as another set.
 *
 * @module
 */
import type { Example } from "../../dataset/example.ts";
import { integer, pick, type Random, sample, shuffle } from "../../random.ts";
import { type Demo, toDemo, unshown } from "../candidate.ts";
import { overlaps } from "../overlap.ts";
import { drawWorth } from "../worth.ts";
import { counts } from "./label_bias.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** Sizes of a fresh set, as far as the limit and the train split allow. */
const SIZES = [4, 8, 12, 16, 24];
/** The large ones, and how often one of them is taken: a small model gains from every demo up to there. */
const LARGE = [16, 24], OFTEN = 0.7;

/** A set of demos and what was done, or null where the way does not apply. */
type Way = (context: Context) => { demos: Demo[]; note: string } | null;

/** Chooses demos: a fresh set, or a step away from the parent's. */
export const demonstrate: Operator = {
  name: "demonstrate",
  practises: 0,
  asks: 0,
  applies: ({ train, limits }) => train.length > 0 && limits.demos > 0,
  propose(context: Context): Promise<Proposal> {
    const { parent, random } = context;
    const ways = parent.prompt.demos.length === 0 ? FIRST : random() < FRESH_AGAIN ? FRESH : STEPS;
    for (const way of shuffle(ways, random)) {
      const made = way(context);
      if (made === null) continue;
      const prompt = { ...parent.prompt, demos: made.demos };
      return Promise.resolve({ prompt, parents: [parent.index], note: made.note });
    }
    return Promise.resolve({ refused: "no other choice of demos" });
  },
};

/** How often a parent that has demos gets a wholly new set. */
const FRESH_AGAIN = 0.35;

const balancedSet: Way = ({ train, limits, random }) => {
  const demos = balanced(train, freshSize(train, limits.demos, random), random);
  return { demos: demos.map(toDemo), note: `${demos.length} demos balanced over the answers` };
};

const chosenBy = (choose: typeof spread, what: string): Way => ({ train, limits, random }) => {
  const demos = shuffle(choose(train, freshSize(train, limits.demos, random), random), random);
  return { demos: demos.map(toDemo), note: `${demos.length} demos ${what}` };
};
const diverseSet = chosenBy(spread, "unlike one another");
const coveringSet = chosenBy(covering, "that have a like for most questions");

/** Half from questions the parent gets wrong, half from those it gets right: what it does not know, and what it does. */
const difficultSet: Way = ({ parent, train, limits, random }) => {
  const answered = train.filter(({ id }) => parent.practice.has(id));
  const wrong = answered.filter(({ id }) => parent.practice.get(id)!.score < 0.5);
  if (wrong.length < 2) return null;
  const total = freshSize(train, limits.demos, random);
  const hard = sample(wrong, Math.ceil(total / 2), random);
  const rest = balanced(train.filter((example) => !hard.includes(example)), total - hard.length, random);
  return {
    demos: shuffle([...hard, ...rest], random).map(toDemo),
    note: `${total} demos, ${hard.length} of them questions it got wrong`,
  };
};

const swapOne: Way = ({ parent, train, random }) => {
  const demos = [...parent.prompt.demos];
  const others = unshown(parent.prompt.demos, train);
  if (others.length === 0) return null;
  const at = integer(demos.length, random);
  const label = demos[at]!.answer;
  const same = others.filter((example) => example.references[0] === label);
  demos[at] = toDemo(pick(same.length > 0 && random() < 0.5 ? same : others, random));
  return { demos, note: `demo ${at + 1} of ${demos.length} swapped` };
};

const addSome: Way = ({ parent, train, limits, random }) => {
  const room = limits.demos - parent.prompt.demos.length;
  const others = unshown(parent.prompt.demos, train);
  if (room <= 0 || others.length === 0) return null;
  const added = balanced(others, Math.min(room, 1 + integer(4, random)), random).map(toDemo);
  const demos = [...parent.prompt.demos];
  for (const demo of added) demos.splice(integer(demos.length + 1, random), 0, demo);
  return { demos, note: `${added.length} more demos` };
};

/** Raced sets from which a demo's worth can be told, and the latest that are asked for it: time grows by the cube. */
const TOLD = 8, LATEST = 300;

/** A draw of what each question of train is worth as a demo, by question; null as long as too few sets were raced. */
function worths({ parent, pool, train, random }: Context): Map<string, number> | null {
  const { outputPrompt, bias } = parent.prompt;
  const sets = pool.filter(({ prompt, results }) =>
    prompt.demos.length > 0 && results.size > 0 && prompt.outputPrompt === outputPrompt &&
    (prompt.bias === undefined) === (bias === undefined)
  ).slice(-LATEST);
  if (sets.length < TOLD) return null;
  const questions = (train.length > COMPARED ? sample(train, COMPARED, random) : train).map((row) =>
    row.question
  );
  return drawWorth(questions, sets, random);
}

const worthySet: Way = (context) => {
  const worth = worths(context);
  if (worth === null) return null;
  const { parent, train, space, limits, random } = context;
  const ranked = train.filter(({ question }) => worth.has(question))
    .sort((a, b) => worth.get(b.question)! - worth.get(a.question)!);
  const k = freshSize(train, limits.demos, random), { demos: shown } = parent.prompt;
  const chosen = space.kind === "labels" && shown.length > 0
    ? inShares(ranked, k, shown)
    : inTurn(ranked, k, random);
  const demos = shuffle(chosen, random);
  return { demos: demos.map(toDemo), note: `${demos.length} demos believed to be worth most` };
};

/** Demos traded in one step, at most. */
const TRADES = 4;
/** What a demo of another answer must be worth more: it costs the balance. */
const IMBALANCE = 0.02;

/** Trades the demos that are believed to gain most by it, each in its place: order matters as much as choice. */
const tradeUp: Way = (context) => {
  const worth = worths(context);
  if (worth === null) return null;
  const { parent, train, random } = context;
  const { demos } = parent.prompt;
  const others = unshown(parent.prompt.demos, train).filter(({ question }) => worth.has(question));
  const trades = demos.flatMap((demo, at) =>
    others.map((other) => ({
      at,
      other,
      gain: worth.get(other.question)! - (worth.get(demo.question) ?? 0) -
        (other.references[0] === demo.answer ? 0 : IMBALANCE),
    }))
  ).filter(({ gain }) => gain > 0).sort((a, b) => b.gain - a.gain);
  const most = 1 + integer(TRADES, random), taken = new Set<Example>(), traded = new Map<number, Demo>();
  for (const { at, other } of trades) {
    if (traded.size === most) break;
    if (traded.has(at) || taken.has(other)) continue;
    traded.set(at, toDemo(other));
    taken.add(other);
  }
  return traded.size === 0 ? null : {
    demos: demos.map((demo, at) => traded.get(at) ?? demo),
    note: `${traded.size} demos traded for some believed to be better`,
  };
};

const FIRST: readonly Way[] = [coveringSet, coveringSet, balancedSet, diverseSet, difficultSet];
const FRESH: readonly Way[] = [worthySet, worthySet, worthySet, coveringSet, difficultSet];
const STEPS: readonly Way[] = [tradeUp, tradeUp, tradeUp, swapOne, addSome];

/** `k` examples with as equal a share of each answer as there can be, in random order. */
export const balanced = (examples: readonly Example[], k: number, random: Random): Example[] =>
  shuffle(inTurn(shuffle(examples, random), k, random), random);

/** The first `k`, the answers taking turns. */
function inTurn(examples: readonly Example[], k: number, random: Random): Example[] {
  const queues = shuffle([...Map.groupBy(examples, ({ references }) => references[0]!).values()], random);
  const chosen: Example[] = [];
  for (let round = 0; chosen.length < Math.min(k, examples.length); round++) {
    for (const queue of queues) {
      if (chosen.length < k && queue[round]) chosen.push(queue[round]!);
    }
  }
  return chosen;
}

/** The first `k` such that each answer has the share it has in `demos`, as nearly as there are examples for. */
export function inShares(examples: readonly Example[], k: number, demos: readonly Demo[]): Example[] {
  const counted = counts(demos.map(({ answer }) => answer)), taken = new Map<string, number>();
  const rest = [...examples], chosen: Example[] = [];
  while (chosen.length < k && rest.length > 0) {
    const due = ({ references: [answer] }: Example) =>
      (counted.get(answer!) ?? 0) / ((taken.get(answer!) ?? 0) + 0.5);
    const next = rest.reduce((best, example) => due(example) > due(best) ? example : best);
    taken.set(next.references[0]!, (taken.get(next.references[0]!) ?? 0) + 1);
    chosen.push(...rest.splice(rest.indexOf(next), 1));
  }
  return chosen;
}

/** Questions among which the unlike ones are looked for: each is compared with each that was chosen. */
const COMPARED = 2_000;

/** `k` examples far from one another: each next one is the least like those chosen (Gonzalez, 1985), answers balanced. */
export function spread(all: readonly Example[], k: number, random: Random): Example[] {
  const examples = all.length > COMPARED ? sample(all, COMPARED, random.fork("compared")) : all;
  const grams = examples.map(({ question }) => trigrams(question));
  const answers = examples.map(({ references }) => references[0]!);
  const near = examples.map(() => 0); // to the nearest of those chosen
  const chosen: number[] = examples.length === 0 ? [] : [integer(examples.length, random)];
  while (chosen.length < Math.min(k, examples.length)) {
    const last = grams[chosen.at(-1)!]!;
    grams.forEach((gram, i) => near[i] = Math.max(near[i]!, jaccard(gram, last)));
    chosen.push(leastShown(answers, chosen).reduce((best, i) => near[i]! < near[best]! ? i : best));
  }
  return chosen.map((i) => examples[i]!);
}

/** Questions that a covering set is chosen from, and for: each is compared with each. */
const COVERED = 300;

/**
 * `k` examples such that most questions of train have a like one with their answer among them, and none with another answer
 * as near: what a model needs that answers as the nearest demo does. Greedy, answers balanced; facility location (Lin and
 * Bilmes, 2011) on the similarity of trigrams. Another part of train is covered each time, so that sets differ.
 */
export function covering(all: readonly Example[], k: number, random: Random): Example[] {
  const examples = sample(all, Math.min(COVERED, Math.max(k, Math.ceil(all.length * 0.7))), random);
  const likeness = jaccards(examples.map(({ question }) => trigrams(question))); // each step goes by all of it
  const answers = examples.map(({ references }) => references[0]!);
  const closed = new Set(answers).size <= examples.length / 2;
  const near = Array.from(examples, () => 0), against = Array.from(examples, () => 0);
  const chosen: number[] = [];
  while (chosen.length < Math.min(k, examples.length)) {
    const next = closed ? leastShown(answers, chosen) : unchosen(examples, chosen);
    const gain = (i: number) =>
      likeness[i]!.reduce(
        (sum, like, q) =>
          sum + (closed && answers[q] !== answers[i]
            ? -Math.max(0, like - Math.max(against[q]!, near[q]!))
            : Math.max(0, like - near[q]!)),
        0,
      );
    const gains = new Map(next.map((i) => [i, gain(i)]));
    const best = next.reduce((a, b) => gains.get(b)! > gains.get(a)! ? b : a);
    chosen.push(best);
    likeness[best]!.forEach((like, q) => {
      const side = !closed || answers[q] === answers[best] ? near : against;
      side[q] = Math.max(side[q]!, like);
    });
  }
  return chosen.map((i) => examples[i]!);
}

/** The places that are not chosen. */
const unchosen = (all: readonly unknown[], chosen: readonly number[]): number[] =>
  all.flatMap((_, i) => chosen.includes(i) ? [] : [i]);

/** Of these, whose answer was chosen least often. */
function leastShown(answers: readonly string[], chosen: readonly number[]): number[] {
  const shown = counts(chosen.map((i) => answers[i]!)), rest = unchosen(answers, chosen);
  const times = (i: number) => shown.get(answers[i]!) ?? 0;
  const least = Math.min(...rest.map(times));
  return rest.filter((i) => times(i) === least);
}

/** How many demos a fresh set has: rather many. */
export function freshSize(train: readonly Example[], most: number, random: Random): number {
  const room = Math.min(most, train.length);
  const sizes = (random() < OFTEN ? LARGE : SIZES).filter((k) => k <= room);
  return sizes.length === 0 ? room : pick(sizes, random);
}

function trigrams(text: string): Set<string> {
  const padded = `  ${text.toLowerCase()} `;
  return new Set(Array.from({ length: padded.length - 2 }, (_, i) => padded.slice(i, i + 3)));
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let common = 0;
  for (const gram of a) if (b.has(gram)) common++;
  return common / (a.size + b.size - common);
}

/** Of each with each. */
const jaccards = (sets: readonly ReadonlySet<string>[]): number[][] =>
  overlaps(sets).map((common, i) =>
    sets.map(({ size }, j) => common[j]! / (sets[i]!.size + size - common[j]!))
  );
