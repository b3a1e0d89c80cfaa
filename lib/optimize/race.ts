/**
 * A race: challengers meet the incumbent block by block of validation questions, losers leave early, few see the
 * whole split (successive halving, Jamieson & Talwalkar, 2016, with the paired drops of F-Race, Birattari et al., 2002).
 *
 * Every runner answers the same questions, so each comparison is paired. What was answered in an earlier race is not
 * asked again. The race is bold: it may keep a prompt that is better by luck. A claim is made elsewhere, on test.
 *
 * @module
 */
import type { Example } from "../dataset/example.ts";
import type { Random } from "../random.ts";
import { signFlip } from "../statistics/mod.ts";
import { type Candidate, mean, paired } from "./candidate.ts";

/** How a race is run. */
export interface Course {
  /** Questions of the first heat; each later one doubles what was seen. @default {10} */
  readonly block: number;
  /** One-sided level at which a runner is dropped as worse than the best other. @default {0.1} */
  readonly alpha: number;
}

/** The usual course. */
export const COURSE: Course = { block: 10, alpha: 0.1 };

/** How much surer the race must be to take the incumbent out than a challenger: what it is known for is lost otherwise. */
const CAUTION = 10;
/**
 * Most changes of a prompt make it worse: of the true difference to the incumbent it is believed beforehand that it is normal
 * around -0.05 with a deviation of 0.08. A challenger wins when what is believed afterwards is above 0, which is so when the
 * sum of its leads exceeds their variance times 0.05 / 0.08².
 */
const DOUBT = 0.05 / 0.08 ** 2;
/**
 * Share of questions that a challenger may leave without a score beyond those that the incumbent does, and more by chance: such
 * a question counts for neither, so a prompt whose demos leave long questions no room would win by the short ones.
 */
const SILENT = 0.1;
/** Sign flips drawn where they are too many to count; a race need not know the third digit. */
const FLIPS = 999;

/** How a challenger left the race. */
export interface Verdict {
  readonly candidate: Candidate;
  readonly won: boolean;
  readonly reason: string;
}

/** What the race needs done: answers and scores for all `questions` that a runner has not seen yet. */
export type Heat = (runners: readonly Candidate[], questions: readonly Example[]) => Promise<void>;

/**
 * Races `challengers` against `incumbent` on `questions` in their order. The incumbent runs like any other, and is out
 * once a challenger is clearly better; a last challenger without a rival need run no further. At most one challenger wins:
 * the best one, when it is so far ahead of the incumbent on all they both saw that it is probably better. `affordable` says
 * how many more answers may be asked for; a heat that costs more is not begun, and the race is decided by what was seen.
 */
export async function race(
  incumbent: Candidate,
  challengers: readonly Candidate[],
  { questions, course, random, heat, affordable }: {
    questions: readonly Example[];
    course: Course;
    random: Random;
    heat: Heat;
    affordable: () => number;
  },
): Promise<Verdict[]> {
  if (challengers.length === 0) return [];
  const verdicts: Verdict[] = [];
  let running = [incumbent, ...challengers];
  const drop = (runner: Candidate, reason: string) => {
    running = running.filter((other) => other !== runner);
    if (runner !== incumbent) verdicts.push({ candidate: runner, won: false, reason });
  };
  /** Beside the incumbent, or where that is out, whoever leaves the fewest. */
  const dropSilent = (asked: readonly Example[]) => {
    const beside = running.find((runner) => runner === incumbent) ??
      running.reduce((a, b) => missing([b], asked) < missing([a], asked) ? b : a);
    for (const runner of running.filter((runner) => runner !== incumbent && runner !== beside)) {
      const open = ({ results }: Candidate, { id }: Example) => results.has(id) ? 0 : 1;
      const more = asked.map((question) => open(runner, question) - open(beside, question));
      if (mean(more) > SILENT && signFlip(more, { random, resamples: FLIPS }) / 2 < course.alpha) {
        drop(runner, `no score for ${missing([runner], asked)} of ${asked.length} questions`);
      }
    }
  };
  const ranked = (runners: readonly Candidate[]) => {
    // of thousands of questions most have been seen by nobody, and two are compared many times
    const seen = questions.filter(({ id }) => runners.some(({ results }) => results.has(id)));
    return [...runners].sort((a, b) => difference(b, a, seen) || a.index - b.index);
  };

  for (const [round, seen] of heats(questions.length, course.block).entries()) {
    const asked = questions.slice(0, seen);
    if (missing(running, asked) > affordable()) break;
    await heat(running, asked);
    if (affordable() >= 0) dropSilent(asked);
    if (running.length === 1) break;

    const [best, ...others] = ranked(running);
    for (const runner of others) {
      const [theirs, own] = paired(best!, runner, asked);
      const lead = theirs.map((score, i) => score - own[i]!);
      const alpha = runner === incumbent ? course.alpha / CAUTION : course.alpha;
      if (mean(lead) > 0 && signFlip(lead, { random, resamples: FLIPS }) / 2 < alpha) {
        drop(runner, `behind trial ${best!.index} by ${points(mean(lead))} on ${lead.length} questions`);
      }
    }
    const places = Math.ceil(challengers.length / 2 ** (round + 1));
    const field = ranked(running.filter((runner) => runner !== incumbent));
    for (const runner of field.slice(places)) {
      const gap = difference(field[0]!, runner, asked);
      drop(
        runner,
        `out of the better half after ${seen} questions, ${points(gap)} behind trial ${field[0]!.index}`,
      );
    }
    if (running.length === 1) break;
  }

  const [winner, ...others] = ranked(running.filter((runner) => runner !== incumbent));
  if (winner === undefined) return verdicts;
  for (const other of others) drop(other, `not ahead of trial ${winner.index}`);
  const [before, after] = paired(incumbent, winner, questions);
  const lead = after.map((score, i) => score - before[i]!);
  const gain = mean(lead);
  const doubt = DOUBT * spread(lead);
  const on = `on ${after.length} questions`;
  if (after.length === 0) drop(winner, "not raced: the budget ended");
  else if (gain <= 0) drop(winner, `no better than trial ${incumbent.index} ${on}`);
  else if (lead.length < DECIDING || gain * lead.length <= doubt) {
    drop(winner, `${points(gain)} ahead of trial ${incumbent.index} ${on}: too little to tell from luck`);
  } else {verdicts.push({
      candidate: winner,
      won: true,
      reason: `better than trial ${incumbent.index} by ${points(gain)} ${on}`,
    });}
  return verdicts;
}

/** How many questions have been seen after each heat: the block doubled until the split is through. */
export function heats(questions: number, block: number): number[] {
  const sizes: number[] = [];
  for (let seen = Math.min(block, questions); seen < questions; seen *= 2) sizes.push(seen);
  return [...sizes, questions];
}

/** Answers still to be asked for when `runners` are to see all `questions`. */
export const missing = (runners: readonly Candidate[], questions: readonly Example[]): number =>
  runners.reduce((sum, { results }) => sum + questions.filter(({ id }) => !results.has(id)).length, 0);

/** Variance of leads, with two imagined ones as large as the largest, one to each side: of few questions most are ties. */
function spread(lead: readonly number[]): number {
  const center = mean(lead);
  let sum = 0, largest = 0; // a loop, as a call takes no hundred thousand arguments
  for (const difference of lead) {
    sum += (difference - center) ** 2;
    largest = Math.max(largest, difference ** 2);
  }
  return (sum + 2 * largest) / (lead.length + 2);
}

/**
 * The fewest questions that can decide a race: who wins each of them is believed to be better. Of small leads of one size fewer
 * would be believed, as nothing tells how far such leads lie apart.
 */
export const DECIDING = Array.from({ length: 20 }, (_, i) => i + 1)
  .find((n) => n > DOUBT * spread(Array.from({ length: n }, () => 1)))!;

/** Mean paired difference a - b. */
function difference(a: Candidate, b: Candidate, questions: readonly Example[]): number {
  const [x, y] = paired(a, b, questions);
  return mean(x) - mean(y);
}

const points = (difference: number): string => `${(100 * difference).toFixed(1)} points`;
