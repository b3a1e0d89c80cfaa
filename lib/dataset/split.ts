/**
 * Which row belongs to which split, when the file does not say: by seed and content.
 *
 * @module
 */
import { type Random, random } from "../random.ts";
import type { Example, SplitName } from "./example.ts";
import { SPLITS } from "./row.ts";

/** The share of each split: each above 0, together 1. */
export type Fractions = Readonly<Record<SplitName, number>>;

/**
 * A quarter to learn from, a quarter to select with, and half for the claim: of 20 rows 10 are locked, enough for
 * a paired test to see a large gain (six wins and no loss: p = 0.03), of 400 rows 200.
 */
export const FRACTIONS: Fractions = { train: 0.25, validation: 0.25, test: 0.5 };

/** White space folded, case folded, composed: questions that agree in this are the same question. */
export const normalize = (text: string): string =>
  // single spaces are passed over, which is three times as fast; upper-casing first folds what has no lower case of
  // its own, as in "ß" and "SS"
  text.replace(/\s{2,}|[^\S ]/g, " ").trim().toUpperCase().toLowerCase().normalize("NFC");

/**
 * The split of each of `examples`, in their order.
 *
 * Rows are put in an order that the seed draws from their content alone, equal answers together, and dealt out by
 * the fractions. So the order of the file changes nothing, the sizes are right to one row, and an answer that
 * enough rows share (four, with the default fractions) is in every split. The first three rows dealt go to three
 * splits: none is empty from three rows on. Throws a RangeError for fractions that are none.
 */
export function splitBySeed(
  examples: readonly Example[],
  seed: number | string,
  fractions: Fractions = FRACTIONS,
): SplitName[] {
  checkFractions(fractions);
  const draws = random(seed);
  const text = (i: number) => normalize(examples[i]!.question); // not held: the file may be large
  const byAnswer = draw(examples, ({ references }) => references[0]!, draws.fork("answer"));
  const byQuestion = draw(examples, ({ question }) => question, draws.fork("question"));
  const order = examples.map((_, i) => i).sort((i, j) =>
    byAnswer[i]! - byAnswer[j]! || byQuestion[i]! - byQuestion[j]! || (text(i) < text(j) ? -1 : 1)
  );
  const splits: SplitName[] = new Array(examples.length);
  deal(examples.length, fractions).forEach((split, position) => splits[order[position]!] = split);
  return splits;
}

/** One draw for each example, from the stream that its normalized text names. */
const draw = (
  examples: readonly Example[],
  text: (example: Example) => string,
  stream: Random,
): Float64Array => Float64Array.from(examples, (example) => stream.fork(normalize(text(example)))());

/** `n` splits in an order in which every run of rows holds about its share of each. */
function deal(n: number, fractions: Fractions): SplitName[] {
  const dealt = { train: 0, validation: 0, test: 0 };
  return Array.from({ length: n }, (_, i) => {
    const due = (split: SplitName) => fractions[split] * (i + 1) - dealt[split];
    const open = i < SPLITS.length ? SPLITS.filter((split) => dealt[split] === 0) : SPLITS;
    const next = open.reduce((a, b) => due(b) > due(a) ? b : a);
    dealt[next]++;
    return next;
  });
}

function checkFractions(fractions: Fractions): void {
  const values = SPLITS.map((split) => fractions[split]);
  const sum = values.reduce((a, b) => a + b, 0);
  if (values.every((value) => value > 0) && Math.abs(sum - 1) < 1e-9) return;
  throw new RangeError(
    `Cannot split as fractions must each be above 0 and together 1: current values are ${values.join(", ")}`,
  );
}
