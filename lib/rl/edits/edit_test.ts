import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { random } from "../../random.ts";
import { act, type Action, ACTIONS } from "./edit.ts";
import { type AnswerSpace, fingerprint, type Prompt, type Task } from "./prompt.ts";

/** What prompts are made of: what edits look for, and what breaks text. */
const fragment = fc.oneof(
  fc.constantFrom(
    ..."Answer the question.|Please answer.|You must choose one.|very |in order to |Thank you!|Could you reply?|etc. |; then "
      .split("|"),
    ..."Options: a, b; c, or d.|1) one 2) two 3) three|- item|1. first|Be brief.|It is so.|Answer:|You are a helpful assistant."
      .split("|"),
    ...'Never guess. Always think. Do not stop. Give a name.|should|briefly |"very good"|`code`|it is important that |{name}|{{ x }}|{|}'
      .split("|"),
    ..."\n|\n\n|\r\n|\r|\t|  |: |, |. |? |… |“|”|'|(|)|yes|no|Ja é|né\u0301e|.".split("|"),
    ..."👨‍👩‍👧|🇩🇪|🇩|e\u0301|\u0301|\u200d|\ufe0f|👍🏽|🏽|नि|한|각|ᄀ|\u0600|\u202e|\u2028|\ufeff|\u0085|中文。|日本。語|ß|İ|\u{1d49c}"
      .split("|"),
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const hostile = fc.array(fragment, { maxLength: 14 }).map((parts) => parts.join(""));
const text = fc.oneof(hostile, fc.tuple(hostile, hostile).map(([a, b]) => `${a}\n\n${b}\n\n${a}`));
const halves = text.map((text) => text + "\ud83d"); // not well-formed
const demo = fc.record({ question: text, answer: text });
const prompt: fc.Arbitrary<Prompt> = fc.record({
  systemPrompt: fc.oneof({ weight: 9, arbitrary: text }, halves),
  outputPrompt: text,
  demos: fc.array(demo, { maxLength: 3 }),
});
const space: fc.Arbitrary<AnswerSpace | undefined> = fc.oneof(
  fc.constantFrom<AnswerSpace | undefined>(
    undefined,
    { kind: "extract" },
    { kind: "number" },
    { kind: "labels", labels: ["no", "yes"] },
    { kind: "text", words: { median: 1, most: 2 } },
    { kind: "text", words: { median: 30, most: 70 } },
  ),
  fc.array(text, { minLength: 1, maxLength: 4 }).map((labels): AnswerSpace => ({ kind: "labels", labels })),
);
const task: fc.Arbitrary<Task> = fc.record({
  train: fc.array(fc.record({ question: text, references: fc.array(text, { maxLength: 2 }) }), {
    maxLength: 4,
  }),
  space,
  limits: fc.record({
    demos: fc.integer({ min: 0, max: 4 }),
    characters: fc.constantFrom(0, 80, 300, 12_000),
  }),
});

const size = ({ systemPrompt, outputPrompt, demos }: Prompt) =>
  `${systemPrompt}\n${outputPrompt}`.length +
  demos.map(({ question, answer }) => question + answer).join("").length;
const graphemes = (text: string) =>
  [...new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text)].map(({ segment }) => segment);
const filledIn = (text: string) => text.match(/\{\{?[^{}\n]{1,80}\}?\}/g) ?? [];
const frozen = (prompt: Prompt): Prompt =>
  Object.freeze({ ...prompt, demos: Object.freeze(prompt.demos.map((demo) => Object.freeze({ ...demo }))) });

/** Runs the property for each action. */
function each(holds: (edit: (prompt: Prompt) => Prompt, prompt: Prompt, task: Task, action: Action) => void) {
  for (const action of ACTIONS) {
    fc.assert(
      fc.property(prompt, task, fc.nat(), (prompt, task, seed) => {
        holds((given) => act(action, given, task, random(seed)), frozen(prompt), task, action);
      }),
      { numRuns: 200 },
    );
  }
}

Deno.test("ACTIONS are the ten, in the order of a policy's outputs", () => {
  deepEqual(ACTIONS, [
    ..."add_constraint remove_text add_example change_tone add_step_by_step add_reasoning_hint".split(" "),
    ..."shorten_prompt clarify_instruction reorder_components format_improvement".split(" "),
  ]);
});

Deno.test("act() gives the same object where it changes nothing, and only there", () => {
  each((edit, prompt) => {
    const edited = edit(prompt);
    equal(fingerprint(edited) === fingerprint(prompt), edited === prompt);
  });
});

Deno.test("act() breaks no character", () => {
  each((edit, prompt, { space }) => {
    const edited = edit(prompt);
    for (const part of ["systemPrompt", "outputPrompt"] as const) {
      if (prompt[part].isWellFormed()) ok(edited[part].isWellFormed());
      const known = new Set(graphemes(prompt[part]));
      for (const label of space?.kind === "labels" ? space.labels : []) {
        graphemes(label).forEach((one) => known.add(one));
      }
      for (const one of graphemes(edited[part])) {
        ok(known.has(one) || /^[\n -~]$/.test(one), JSON.stringify(one));
      }
    }
    for (const { question, answer } of edited.demos.slice(prompt.demos.length)) {
      ok(question.isWellFormed() && answer.isWellFormed());
    }
  });
});

Deno.test("act() loses no placeholder", () => {
  each((edit, prompt) => {
    const edited = edit(prompt);
    for (const part of ["systemPrompt", "outputPrompt"] as const) {
      for (const name of filledIn(prompt[part])) ok(edited[part].includes(name), name);
    }
  });
});

Deno.test("act() keeps to the limits, and makes nothing longer that exceeds them", () => {
  each((edit, prompt, { limits }) => {
    const edited = edit(prompt);
    if (edited === prompt) return;
    ok(size(edited) <= limits.characters || size(edited) < size(prompt));
    ok(
      edited.demos.length <= limits.demos || edited.demos.length < prompt.demos.length ||
        edited.demos === prompt.demos,
    );
  });
});

Deno.test("act() is a function of prompt, task and seed", () =>
  each((edit, prompt) => deepEqual(edit(prompt), edit(prompt))));

Deno.test("act() comes to rest: nothing is said twice", () => {
  const AT_MOST: Partial<Record<Action, number>> = {
    ...{ add_constraint: 2, add_step_by_step: 1, add_reasoning_hint: 2 },
    ...{ shorten_prompt: 1, reorder_components: 1, format_improvement: 1 },
  };
  each((edit, prompt, _, action) => {
    const most = AT_MOST[action];
    if (most === undefined) return;
    let edited = prompt;
    for (let i = 0; i < most; i++) edited = edit(edited);
    equal(edit(edited), edited, JSON.stringify(edited));
  });
});

Deno.test("act() comes to an end on long prompts of what its patterns begin with", () => {
  const parts =
    '“|"|{|a |1) |: x, |very |you must |Please |\n|e\u0301|`|<|. |could you |; |x.|- |thank you |https://'
      .split("|");
  const space: AnswerSpace = { kind: "labels", labels: ["a", "very", "x"] };
  const task: Task = { train: [], space, limits: { demos: 4, characters: 20_000 } };
  for (const part of parts) {
    const prompt = { systemPrompt: part.repeat(12_000 / part.length), outputPrompt: "", demos: [] };
    for (const action of ACTIONS) {
      const edited = act(action, prompt, task, random(1));
      equal(fingerprint(edited) === fingerprint(prompt), edited === prompt);
    }
  }
});
