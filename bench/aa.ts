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
import { random } from "../lib/random.ts";
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

  const pairs = quick ? 1 : 50;
  rows.push(row(`embedded model, temperature ${TEMPERATURE}`, await alike(db, pairs, tools), pairs));
  return rows;
};

/** Measures one prompt twice on the same questions, with other draws, and compares: how many of `pairs` end in a claim. */
async function alike(db: Database, pairs: number, { python, quick, log }: Tools): Promise<number> {
  await using primary = await openLocal({ python: await python("local"), context: 2048 });
  const dataset = await questionTypes({ train: DEMOS, validation: 1, test: quick ? 5 : 30 });
  const demos = dataset.train.map(({ question, references }) => ({ question, answer: references[0]! }));
  const measured = async (seed: number) => {
    const [{ seedPrompt, ...setup }, around] = await begun(db, { kind: "evaluate", dataset, primary, seed });
    const prompt = { ...seedPrompt, demos };
    const measurement = await runMeasurement(
      { ...setup, prompt, split: "test", temperature: TEMPERATURE },
      around,
    );
    return measurement!;
  };
  let [claims, differing, score] = [0, 0, 0];
  for (let pair = 0; pair < pairs; pair++) {
    const [a, b] = [await measured(2 * pair + 1), await measured(2 * pair + 2)];
    if (compare(a, b, random(pair)).significant) claims++;
    differing += a.results.filter(({ answer }, i) => answer !== b.results[i]!.answer).length / a.n / pairs;
    score += (a.value + b.value) / 2 / pairs;
    log(`${claims} claims of ${pair + 1} pairs`);
  }
  log(`mean score ${score.toFixed(2)}, ${(100 * differing).toFixed(0)} % of answers differ within a pair`);
  return claims;
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
