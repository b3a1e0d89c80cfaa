/**
 * Trades demos until the model says each label about as often as it is right: where there are few labels, a set that
 * does not makes it say one of them always, and no other choice of the same balance helps. For models that take no bias; where
 * one does, calibrate.ts does more with fewer calls.
 *
 * @module
 */
import { shuffle } from "../../random.ts";
import type { AnswerSpace } from "../answer_space.ts";
import { type Candidate, type Demo, toDemo, unshown } from "../candidate.ts";
import { balanced, freshSize, inShares } from "./demonstrate.ts";
import { bias, type Excess, excess, traded } from "./label_bias.ts";
import type { Context, Operator, Proposal, Situation } from "./operator.ts";

/** Labels at most: of more, the balance cannot be told from a few answers. */
const FEW = 3;
/** Train questions, for each label, whose answers tell the balance, and how often they are asked at most. */
const PROBES = 4, ROUNDS = 4;
/** A bias that is left alone: with two labels, two of eight probes. */
const TOLERATED = 0.25;
/** Demos traded at first for each one that the bias makes; half as many whenever a label that was said too seldom takes over. */
const RATE = 0.75;

/**
 * Finds the balance of demos at which the model says each label, as one weighs: by halving the steps. It begins with the
 * parent's demos where they lean; else with a fresh set, of the parent's balance if it has one.
 */
export const balance: Operator = {
  name: "balance",
  practises: FEW * PROBES * ROUNDS,
  asks: 0,
  applies({ train, space, limits, calibrates }: Situation) {
    const { length } = labelsOf(space);
    return !calibrates && length > 1 && length <= FEW && train.length > length * PROBES &&
      limits.demos > length;
  },
  async propose({ parent, train, space, limits, random, practise }: Context): Promise<Proposal> {
    const labels = labelsOf(space);
    const shown = parent.prompt.demos, many = labels.length * PROBES;
    const unseen = unshown(shown, train);
    const probes = balanced(unseen.length >= many ? unseen : train, many, random);
    const others = train.filter((example) => !probes.includes(example));
    const k = freshSize(others, limits.demos, random);
    let demos: readonly Demo[] = shown.length === 0
      ? balanced(others, k, random).map(toDemo)
      : biased(parent, { known: train, labels })
      ? shown
      : shuffle(inShares(shuffle(others, random), k, shown), random).map(toDemo);
    let rate = RATE, before: Excess | null = null;
    const tried: { demos: readonly Demo[]; bias: number }[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const prompt = { ...parent.prompt, demos };
      const results = await practise({ ...parent, prompt, practice: new Map() }, probes);
      if (results.length === 0) break;
      const over = excess(results.map(({ answer }) => answer), { known: probes, labels });
      const off = bias(over);
      tried.push({ demos, bias: off });
      if (off <= TOLERATED) break;
      if (before !== null && before.get(most(over))! < 0) rate /= 2;
      before = over;
      const trades = Math.max(1, Math.round(rate * off * demos.length));
      demos = traded(demos, { train: others, over, trades, random });
    }
    const best = tried.toSorted((a, b) => a.bias - b.bias)[0];
    if (best === undefined) return { refused: "no probe was answered" };
    return {
      prompt: { ...parent.prompt, demos: best.demos },
      parents: [parent.index],
      note: `${best.demos.length} demos, balanced anew until each label is said: ${
        tried.map(({ bias }) => `${Math.round(100 * bias)} %`).join(", ")
      } too often`,
    };
  },
};

const labelsOf = (space: AnswerSpace): readonly string[] => space.kind === "labels" ? space.labels : [];

/** Whether a candidate's answers lean to a label. */
function biased({ results }: Candidate, known: Parameters<typeof excess>[1]): boolean {
  const answers = [...results.values()].map(({ answer }) => answer);
  return answers.length > 0 && bias(excess(answers, known)) > TOLERATED;
}

/** The label that is said too often most. */
const most = (over: Excess): string => [...over].reduce((a, b) => b[1] > a[1] ? b : a)[0];
