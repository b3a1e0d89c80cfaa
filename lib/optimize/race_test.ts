import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import type { Example } from "../dataset/example.ts";
import { random } from "../random.ts";
import type { Candidate } from "./candidate.ts";
import { DECIDING, heats, missing, race } from "./race.ts";
import { candidate } from "./search.ts";

const questions = (n: number): Example[] =>
  Array.from({ length: n }, (_, i) => ({ id: `${i}`, question: `${i}?`, references: ["yes"] }));

/** A runner that is right on the questions whose number `right` accepts, and silent where that says null. */
const runner = (
  index: number,
  right: (i: number) => boolean | null,
): Candidate & { right: (i: number) => boolean | null } => ({
  ...candidate(index, {
    prompt: { systemPrompt: `${index}`, outputPrompt: "", demos: [] },
    operator: "test",
    parents: [],
    note: "",
  }),
  right,
});

async function run(runners: ReturnType<typeof runner>[], n: number, most = Infinity) {
  let asked = 0;
  const all = questions(n);
  const [incumbent, ...challengers] = runners;
  const verdicts = await race(incumbent!, challengers, {
    questions: all,
    course: { block: 10, alpha: 0.1 },
    random: random(1),
    affordable: () => most - asked,
    heat: (running, questions) => {
      asked += missing(running, questions);
      for (const { results, right } of running as typeof runners) {
        for (const example of questions) {
          const is = right(Number(example.id));
          if (is !== null) {
            results.set(example.id, { example, answer: "", score: is ? 1 : 0, completion: "" });
          }
        }
      }
      return Promise.resolve();
    },
  });
  return {
    asked,
    verdicts,
    of: (index: number) => verdicts.find(({ candidate }) => candidate.index === index)!,
  };
}

const never = () => false;
const always = () => true;
const third = (i: number) => i % 3 === 0;

Deno.test("heats() doubles the block until the split is through", () => {
  const rows: [number, number, number[]][] = [
    [100, 10, [10, 20, 40, 80, 100]],
    [80, 10, [10, 20, 40, 80]],
    [10, 10, [10]],
    [7, 10, [7]],
    [1, 10, [1]],
    [21, 10, [10, 20, 21]],
  ];
  for (const [n, block, expected] of rows) deepEqual(heats(n, block), expected);
});

Deno.test("race() drops the hopeless after one block, the incumbent when that is sure, and then is over", async () => {
  const { of } = await run([runner(0, third), runner(1, never), runner(2, always), runner(3, never)], 80);
  equal(of(2).won, true);
  match(of(2).reason, /^better than trial 0 by 65\.0 points on 20 questions$/);
  for (const loser of [1, 3]) {
    equal(of(loser).won, false);
    equal(of(loser).candidate.results.size, 10);
  }
});

Deno.test("race() sees the whole split while it is undecided", async () => {
  const { of } = await run([runner(0, third), runner(1, (i) => third(i) || i % 10 === 1)], 80);
  match(of(1).reason, /^better than trial 0 by \d\.\d points on 80 questions$/);
});

Deno.test("race() keeps the incumbent when nobody is ahead", async () => {
  const { verdicts } = await run([runner(0, third), runner(1, third), runner(2, third)], 40);
  deepEqual(verdicts.map(({ won }) => won), [false, false]);
});

Deno.test("race() does not take luck on few questions for a better prompt", async () => {
  const rows: [ahead: number, behind: number, n: number, won: boolean][] = [
    [6, 0, 6, true],
    [4, 0, 6, true],
    [1, 0, 10, false],
    [2, 0, 10, false],
    [3, 0, 10, true],
    [5, 3, 10, false],
    [4, 1, 20, true],
    [8, 6, 80, true],
    [8, 7, 40, false],
  ];
  for (const [ahead, behind, n, won] of rows) {
    const wins = runner(1, (i) => i < ahead), loses = runner(0, (i) => i >= ahead && i < ahead + behind);
    const { of } = await run([loses, wins], n);
    equal(of(1).won, won, `${ahead} to ${behind} of ${n}: ${of(1).reason}`);
  }
});

Deno.test("race() cannot be won on fewer questions than DECIDING, and on so many by winning them all", async () => {
  for (const [n, won] of [[DECIDING - 1, false], [DECIDING, true]] as const) {
    const { of } = await run([runner(0, () => false), runner(1, () => true)], n);
    equal(of(1).won, won, of(1).reason);
  }
});

Deno.test("race() cannot be won by parts of points on fewer questions than DECIDING, wherever scores are missing", async () => {
  const scored = (index: number, score: number, n: number) => ({ ...runner(index, always), score, n });
  for (const [n, won] of [[1, false], [2, false], [DECIDING - 1, false], [DECIDING, true]] as const) {
    const [incumbent, challenger] = [scored(0, 0.8, 20), scored(1, 0.9, n)];
    const [verdict] = await race(incumbent, [challenger], {
      questions: questions(20),
      course: { block: 10, alpha: 0.1 },
      random: random(1),
      affordable: () => incumbent.results.size > 0 ? -1 : Infinity, // the money ended among the grades
      heat(runners, asked) {
        for (const { results, score, n } of runners as (typeof challenger)[]) {
          for (const example of asked.slice(0, n)) {
            results.set(example.id, { example, answer: "", score, completion: "" });
          }
        }
        return Promise.resolve();
      },
    });
    equal(verdict!.won, won, verdict!.reason);
  }
});

Deno.test("race() costs far less than seeing everything", async () => {
  const runners = [
    runner(0, third),
    ...Array.from({ length: 8 }, (_, i) => runner(i + 1, (q) => (q + i) % 4 === 0)),
  ];
  const { asked } = await run(runners, 160);
  equal(asked < 9 * 160 / 2, true, `${asked} answers`);
});

Deno.test("race() begins no heat it cannot pay for, and decides by what was seen", async () => {
  const { asked, of } = await run([runner(0, never), runner(1, always), runner(2, third)], 100, 45);
  equal(asked <= 45, true);
  equal(of(1).won, true);
});

Deno.test("race() without a single affordable heat says so", async () => {
  const { verdicts } = await run([runner(0, never), runner(1, always)], 100, 5);
  deepEqual(verdicts.map(({ won, reason }) => ({ won, reason })), [
    { won: false, reason: "not raced: the budget ended" },
  ]);
});

Deno.test("race() without challengers has nothing to say", async () => {
  deepEqual((await run([runner(0, never)], 20)).verdicts, []);
});

Deno.test("race() drops who leaves clearly more questions without a score than others do", async () => {
  const silent = (share: number) => (i: number) => i % 10 < 10 * share ? null : true;
  const { of } = await run([runner(0, third), runner(1, silent(0.4)), runner(2, silent(0.1))], 80);
  equal(of(1).reason, "no score for 4 of 10 questions");
  equal(of(2).won, true);
  const alike = await run([runner(0, (i) => silent(0.3)(i) && third(i)), runner(1, silent(0.3))], 80);
  equal(alike.of(1).won, true);
  // the incumbent is out after ten questions, and has no score for those that come then
  const late = (i: number) => i >= 10 && i % 2 === 0 ? null : true;
  const rivals = [runner(2, (i) => i % 20 !== 0), runner(3, never), runner(4, never)];
  const after = await run([runner(0, never), runner(1, late), ...rivals], 80);
  equal(after.of(1).won, false);
  match(after.of(1).reason, /^no score for \d+ of \d+ questions$/);
});
