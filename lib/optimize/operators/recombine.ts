/**
 * Takes the instruction of one parent and the demos of another, or mixes the demos of both (GEPA's merge without the
 * need for a common ancestor; EvoPrompt's crossover on lists instead of words).
 *
 * @module
 */
import { integer, pick, shuffle } from "../../random.ts";
import { type Candidate, type Demo, isSame, meanScore, type Prompt } from "../candidate.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** How many of the best others are considered as second parent. */
const MATES = 4;

/** Crosses the parent with one of the best other candidates. */
export const recombine: Operator = {
  name: "recombine",
  practises: 0,
  asks: 0,
  applies: ({ parent, pool }) => pool.some(isMate(parent)),
  propose({ parent, pool, limits, calibrates, random }: Context): Promise<Proposal> {
    const mate = pick(mates(parent, pool), random);
    const [a, b] = [parent.prompt, mate.prompt];
    const children: { prompt: Prompt; note: string }[] = [
      { prompt: { ...a, demos: b.demos }, note: `demos of trial ${mate.index}` },
      { prompt: { ...b, demos: a.demos }, note: `instruction of trial ${mate.index}` },
      { prompt: { ...a, outputPrompt: b.outputPrompt }, note: `output prompt of trial ${mate.index}` },
    ];
    if (a.demos.length > 0 && b.demos.length > 0) {
      const size = Math.min(limits.demos, Math.max(a.demos.length, b.demos.length) + integer(3, random));
      const mixed = union(a.demos, b.demos);
      children.push({
        prompt: { ...a, demos: shuffle(mixed, random).slice(0, size) },
        note: `demos mixed with those of trial ${mate.index}`,
      });
    }
    const fresh = children.filter(({ prompt }) =>
      !pool.some((known) => isSame(known.prompt, prompt, calibrates))
    );
    if (fresh.length === 0) {
      return Promise.resolve({ refused: `nothing new to make with trial ${mate.index}` });
    }
    return Promise.resolve({ ...pick(fresh, random), parents: [parent.index, mate.index] });
  },
};

const isMate = (parent: Candidate) => ({ index, results }: Candidate): boolean =>
  index !== parent.index && results.size > 0;

const mates = (parent: Candidate, pool: readonly Candidate[]): Candidate[] =>
  pool.filter(isMate(parent))
    .map((mate) => ({ mate, score: meanScore(mate) }))
    .sort((a, b) => b.score - a.score || a.mate.index - b.mate.index)
    .slice(0, MATES)
    .map(({ mate }) => mate);

/** The demos of both, each question once. */
function union(a: readonly Demo[], b: readonly Demo[]): Demo[] {
  const questions = new Set(a.map((demo) => demo.question));
  return [...a, ...b.filter((demo) => !questions.has(demo.question))];
}
