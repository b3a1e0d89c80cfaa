/**
 * Labels that a model says too often, and demos traded against that. With few labels many a set of demos makes a small
 * model say one of them always, and which one hangs on how many demos have it and how late they stand (Zhao et al., 2021).
 *
 * ```ts
 * import { bias, excess } from "./label_bias.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const row = (id: string, answer: string) => ({ id, question: id, references: [answer] });
 * const known = [row("a", "yes"), row("b", "no")];
 * const over = excess(["yes", "yes", "Yes", "no"], { known, labels: ["no", "yes"] });
 * deepEqual([...over], [["no", -0.25], ["yes", 0.25]]);
 * equal(bias(over), 0.25);
 * ```
 *
 * @module
 */
import type { Example } from "../../dataset/example.ts";
import { pick, type Random, shuffle } from "../../random.ts";
import { type Demo, toDemo, unshown } from "../candidate.ts";

/** By label, the share of answers that say it, less the share it should have. */
export type Excess = ReadonlyMap<string, number>;

/** The excess of each label in `answers`, where they should be as they are in `known`. */
export function excess(
  answers: readonly string[],
  { known, labels }: { readonly known: readonly Example[]; readonly labels: readonly string[] },
): Excess {
  const said = counts(answers.map((answer) => answer.trim().toLowerCase()));
  const right = counts(known.map(({ references }) => references[0]!));
  return new Map(labels.map((label) => [
    label,
    (said.get(label.toLowerCase()) ?? 0) / answers.length - (right.get(label) ?? 0) / known.length,
  ]));
}

/** The share of answers that would have to say another label: 0 where each is said as often as it should be. */
export const bias = (over: Excess): number =>
  [...over.values()].reduce((sum, each) => sum + Math.max(0, each), 0);

/**
 * `demos` with as many as `trades` of those whose label is said too often replaced, in their place, by examples of train whose
 * label is said too seldom. A label keeps its last demo.
 */
export function traded(
  demos: readonly Demo[],
  { train, over, trades, random }: {
    readonly train: readonly Example[];
    readonly over: Excess;
    readonly trades: number;
    readonly random: Random;
  },
): Demo[] {
  const now = [...demos], spare = shuffle(unshown(demos, train), random);
  const lack = new Map([...over].map(([label, each]) => [label, -each]));
  for (let trade = 0; trade < trades; trade++) {
    const held = counts(now.map(({ answer }) => answer));
    const from = drawn(over, (label) => (held.get(label) ?? 0) > 1, random);
    const to = drawn(lack, (label) => spare.some(({ references }) => references[0] === label), random);
    if (from === null || to === null) break;
    const [example] = spare.splice(spare.findIndex(({ references }) => references[0] === to), 1);
    now[pick(now.flatMap(({ answer }, at) => answer === from ? [at] : []), random)] = toDemo(example!);
  }
  return now;
}

/** A label by its weight, of those that are allowed and weigh more than nothing. */
function drawn(weights: Excess, allowed: (label: string) => boolean, random: Random): string | null {
  const open = [...weights].filter(([label, weight]) => weight > 0 && allowed(label));
  let at = random() * open.reduce((sum, [, weight]) => sum + weight, 0);
  return open.find(([, weight]) => (at -= weight) <= 0)?.[0] ?? open.at(-1)?.[0] ?? null;
}

/** How often each value occurs. */
export function counts(values: readonly string[]): Map<string, number> {
  const table = new Map<string, number>();
  for (const value of values) table.set(value, (table.get(value) ?? 0) + 1);
  return table;
}
