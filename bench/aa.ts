/**
 * A/A: how often is a claim made where there is nothing to claim? Comparisons of a prompt with itself, whole experiments whose
 * search can only find prompts that are no better, and the embedded model against itself.
 *
 * 5 % are to be expected at most; of so many tries a few more may come by chance, as many as come once in a thousand times.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { compare } from "../lib/evaluate/mod.ts";
import { chanceOfClaim, falseClaims } from "../lib/evaluate/testing.ts";
import { runMeasurement } from "../lib/experiment/mod.ts";
import { begun, fruitless, questionTypes } from "../lib/experiment/testing.ts";
import { openLocal } from "../lib/llm/mod.ts";
import { toDemo } from "../lib/optimize/mod.ts";
import { random, sample } from "../lib/random.ts";
import { type Database, migrate, openDatabase } from "../lib/store/mod.ts";
import type { Bench, Row, Tools } from "./row.ts";

const SIZES = [
  ["binary", 8],
  ["binary", 40],
  ["binary", 150],
  ["continuous", 8],
  ["continuous", 24],
  ["continuous", 60],
  ["thirds", 40],
] as const;
const TEMPERATURE = 0.7;
const DEMOS = 6;

export const bench: Bench = async (tools) => {
  const { folder, quick, log } = tools;
  const rows = SIZES.map(([scores, n]) => {
    const times = quick ? 10 : 1000;
    const claims = falseClaims({ scores, n, times, seed: 3 });
    log(`${claims} claims of ${times}, ${n} ${scores} scores`);
    return row(`${n} ${scores} scores`, claims, times, chanceOfClaim(scores, n));
  });
  await using db = await openDatabase({ home: `${folder}/home` });
  await migrate(db, fileURLToPath(new URL("../sql", import.meta.url)));

  const runs = quick ? 3 : 300;
  const { claims, moved } = await fruitless(db, { runs, version: "bench" });
  log(`${claims} claims of ${runs} experiments, of which ${moved} kept another prompt than the first`);
  rows.push(row("whole experiments, nothing to find", claims, runs));

  const pairs = quick ? 1 : 200;
  const same = await alike(db, pairs, tools);
  rows.push(row(`embedded model, temperature ${TEMPERATURE}`, same.claims, pairs));
  return [...rows, {
    name: `A/A, embedded model, temperature ${TEMPERATURE}, sum on three examples`,
    value: 100 * same.gated / pairs,
    unit: `% of ${pairs} taken for better, as GEPA gates`,
    ...{ peer: null, peer_value: null, ratio: null, bar: "none: to compare with", holds: true },
  }];
};

/** Questions of the minibatch on which GEPA compares sums (gepa 0.1.4, `reflection_minibatch_size`, `strict_improvement`). */
const GATE = 3;

/**
 * Measures one prompt twice on the same questions, with other draws, and compares: how many of `pairs` end in a claim, and how
 * many would have by the sum of scores on three questions.
 */
async function alike(
  db: Database,
  pairs: number,
  { python, quick, log }: Tools,
): Promise<{ claims: number; gated: number }> {
  await using primary = await openLocal({ python: await python("local"), context: 2048 });
  const dataset = await questionTypes({ train: DEMOS, validation: 1, test: quick ? 5 : 30 });
  const demos = dataset.train.map(toDemo);
  const measured = async (seed: number) => {
    const [{ seedPrompt, ...setup }, around] = await begun(db, { kind: "evaluate", dataset, primary, seed });
    const prompt = { ...seedPrompt, demos };
    const measurement = await runMeasurement(
      { ...setup, prompt, split: "test", temperature: TEMPERATURE },
      around,
    );
    return measurement!;
  };
  const sum = ({ results }: Awaited<ReturnType<typeof measured>>, questions: ReadonlySet<string>) =>
    results.reduce((sum, { example, score }) => sum + (questions.has(example.id) ? score : 0), 0);
  let [claims, gated, differing, score] = [0, 0, 0, 0];
  for (let pair = 0; pair < pairs; pair++) {
    const [a, b] = [await measured(2 * pair + 1), await measured(2 * pair + 2)];
    if (compare(a, b, random(pair)).significant) claims++;
    const three = new Set(sample(dataset.test, GATE, random(`gate ${pair}`)).map(({ id }) => id));
    if (sum(b, three) > sum(a, three)) gated++;
    differing += a.results.filter(({ answer }, i) => answer !== b.results[i]!.answer).length / a.n / pairs;
    score += (a.value + b.value) / 2 / pairs;
    log(`${claims} claims of ${pair + 1} pairs`);
  }
  log(`mean score ${score.toFixed(2)}, ${(100 * differing).toFixed(0)} % of answers differ within a pair`);
  return { claims, gated };
}

/** Beside the exact chance of a claim, where it can be counted out. */
function row(what: string, claims: number, tries: number, chance: number | null = null): Row {
  const most = byChance(tries);
  return {
    name: `A/A, ${what}`,
    value: 100 * claims / tries,
    unit: `% of ${tries} with a claim`,
    peer: chance === null ? null : "counted out",
    peer_value: chance === null ? null : 100 * chance,
    ratio: null,
    bar: `<= 5, by chance ${most} of ${tries}`,
    holds: claims <= most && (chance ?? 0) < 0.05,
  };
}

/** Of so many tries with a chance of 5 %, as many succeed more than once in a thousand times. */
function byChance(tries: number): number {
  let term = 0.95 ** tries, sum = term, most = 0;
  while (sum < 0.999) {
    term *= (tries - most) / (most + 1) * 0.05 / 0.95;
    sum += term;
    most++;
  }
  return most;
}
