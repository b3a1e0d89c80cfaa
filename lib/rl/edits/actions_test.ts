import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { random } from "../../random.ts";
import { act, type Action } from "./edit.ts";
import type { AnswerSpace, Prompt, Task } from "./prompt.ts";
import { type Tone, toneOf } from "./wording.ts";
import { worth } from "./structure.ts";

const labels: AnswerSpace = { kind: "labels", labels: ["no", "very good", "yes"] };
const extract: AnswerSpace = { kind: "extract" }, number: AnswerSpace = { kind: "number" };
const short: AnswerSpace = { kind: "text", words: { median: 1, most: 3 } };
const long: AnswerSpace = { kind: "text", words: { median: 40, most: 90 } };

/** A row: the form of the answers, a text, and what becomes of it; null where nothing does. */
type Row = readonly [space: AnswerSpace | undefined, text: string, edited: string | null];

const check = (part: "systemPrompt" | "outputPrompt", action: Action, rows: readonly Row[], times = 1) => {
  for (const [space, text, edited] of rows) {
    const prompt: Prompt = { ...{ systemPrompt: "", outputPrompt: "", demos: [] }, [part]: text };
    const task: Task = { train: [], space, limits: { demos: 8, characters: 4000 } };
    let result = prompt;
    for (let i = 0; i < times; i++) result = act(action, result, task, random(1));
    deepEqual(result, edited === null ? prompt : { ...prompt, [part]: edited });
  }
};

Deno.test("add_constraint says what an answer must be, by the form of the answers", () => {
  check("outputPrompt", "add_constraint", [
    [labels, "", "Answer with exactly one of: no, very good, yes."],
    [labels, "Be brief.", "Be brief. Answer with exactly one of: no, very good, yes."],
    [
      labels,
      "Options: yes | no | very good\nAnswer:",
      "Options: yes | no | very good\nReply with that alone, without explanation.\nAnswer:",
    ],
    [{ kind: "labels", labels: ["a\nb", "c"] }, "", "Answer with one label and nothing else."],
    [
      { kind: "labels", labels: Array.from({ length: 100 }, (_, i) => `label ${i}`) },
      "",
      "Answer with one label and nothing else.",
    ],
    [extract, "", "Answer with the exact words from the text."],
    [number, "", "Answer with a number in digits."],
    [short, "", "Answer in at most 3 words."],
    [
      short,
      "Use no more than two words.",
      "Use no more than two words. Give only the answer, without explanation.",
    ],
    [long, "One word only.", null],
    [undefined, "", "Give only the answer, without explanation."],
    [undefined, "Only the name.", null],
  ]);
  check("outputPrompt", "add_constraint", [
    [
      labels,
      "",
      "Answer with exactly one of: no, very good, yes. Reply with that alone, without explanation.",
    ],
    [short, "", "Answer in at most 3 words. Give only the answer, without explanation."],
  ], 5);
});

Deno.test("add_step_by_step asks for steps, silent ones where an answer is short", () => {
  check("systemPrompt", "add_step_by_step", [
    [long, "Explain.", "Explain. Think step by step, then state the final answer."],
    [undefined, "", "Think step by step, then state the final answer."],
    [labels, "Be brief.", "Be brief. Think step by step in silence, then give the final answer."],
    [labels, "Go step-by-step!", null],
    [number, "- a\n- b", "- a\n- b\n\nThink step by step in silence, then give the final answer."],
  ], 3);
});

Deno.test("add_reasoning_hint says what to look at, then how to decide", () => {
  const doubt = "If in doubt, give the most likely answer.";
  check("systemPrompt", "add_reasoning_hint", [
    [labels, "", "Compare the question with each possible answer before you choose."],
    [extract, "", "First find the part of the text that holds the answer."],
    [number, "", "First work out which quantities are given and which is asked for."],
    [long, "", "First work out what the question asks for, then what you know about it."],
  ]);
  check("systemPrompt", "add_reasoning_hint", [
    [labels, "", `Compare the question with each possible answer before you choose. ${doubt}`],
    [number, "Mind the quantities.", `Mind the quantities. ${doubt}`],
    [number, "Mind the quantities. If unsure, say 0.", null],
  ], 5);
});

Deno.test("change_tone goes from polite to neutral, to imperative, to polite", () => {
  const tones: [string, Tone][] = [
    ["Please answer.", "polite"],
    ["Could you answer? Never lie.", "polite"],
    ["Never lie.", "imperative"],
    ["You must answer.", "imperative"],
    ["Answer.", "neutral"],
    ["The pleaser's mustard.", "neutral"],
  ];
  for (const [text, tone] of tones) equal(toneOf(text), tone, text);
  check("systemPrompt", "change_tone", [
    [undefined, "Could you please answer the question? Thank you very much!", "Answer the question."],
    [undefined, "Please answer. Be brief, please.", "Answer. Be brief."],
    [undefined, "I would like you to choose one. Kindly be brief.", "Choose one. Be brief."],
    [undefined, "You should answer. Try to be brief if possible.", "You must answer. Be brief."],
    [undefined, "Answer the question.", "You must answer the question."],
    [undefined, "You must answer the question. Never lie.", "Please answer the question. Never lie."],
    [undefined, "You must not guess.", "Please do not guess."],
    [undefined, "You should choose one. Never lie.", "Please choose one. Never lie."],
    [undefined, "You will choose one.", "You must choose one."],
    [undefined, "- Use {name}.\n- Never lie.", "- Please use {name}.\n- Never lie."],
    [undefined, "You are a helpful assistant.", null],
    [undefined, "Options: yes, no\nAnswer:", null],
    [undefined, 'Say "please" to {name}, please.', 'Say "please" to {name}.'],
    [{ kind: "labels", labels: ["should"] }, "Is it should?", null],
  ]);
  check("outputPrompt", "change_tone", [[undefined, "Answer.", "Answer."]], 3);
});

Deno.test("shorten_prompt drops fillers and what is said twice", () => {
  check("systemPrompt", "shorten_prompt", [
    [
      labels,
      "It is very important to note that you should answer in order to help.",
      "You should answer to help.",
    ],
    [labels, "Please make sure to give one label. Thank you very much!", "Give one label."],
    [labels, "Your task is to really classify it.", "Classify it."],
    [
      labels,
      'The labels are: very good, "really bad". It is very bad.',
      'The labels are: very good, "really bad". It is bad.',
    ],
    [
      labels,
      "Classify the question. Be brief.\n\nClassify  the question!\nNext.",
      "Classify the question. Be brief.\n\nNext.",
    ],
    [labels, "- Use one label.\n- Use one label.\n\nBe kind.", "- Use one label.\n\nBe kind."],
    [labels, "- Use one label.\n- Be kind to all.\n- Use one label.", "- Use one label.\n- Be kind to all."],
    [
      labels,
      "Fill in {a} here.\nFill in {b} here.\nFill in {a} here.",
      "Fill in {a} here.\nFill in {b} here.",
    ],
    [labels, "One.  Two\n\n\n\nthree.", "One. Two\n\nthree."],
    [labels, "No. No. No.", null],
    [labels, "I like it very much.", null],
    [labels, "Answer with one label.", null],
    [labels, "very\u0301 good", null],
  ]);
  const said = {
    systemPrompt: "Be kind. Answer with one word.",
    outputPrompt: "Answer with one word.",
    demos: [],
  };
  const demo = { question: "q", answer: "a" };
  deepEqual(
    act("shorten_prompt", { ...said, demos: [demo, demo] }, {
      train: [],
      limits: { demos: 1, characters: 1 },
    }, random(1)),
    {
      systemPrompt: "Be kind.",
      outputPrompt: "Answer with one word.",
      demos: [demo],
    },
  );
});

Deno.test("clarify_instruction says the kind of answer, then vague things exactly, then parts long sentences", () => {
  check("systemPrompt", "clarify_instruction", [
    [labels, "Help.", "Help. Each question belongs to one class, and the answer is the name of that class."],
    [extract, "", "The answer is a piece of the text in the question, word for word."],
    [number, "", "The answer is a number."],
    [short, "", "The answer is a name or a short phrase."],
    [long, "", "The answer is a text of about 40 words."],
    [undefined, "", "The answer says exactly what is asked for, and no more."],
    [short, "Use words, only a few words.", "Use words, at most 3 words."],
    [short, "Name it briefly.", "Name it in at most 3 words."],
    [number, "Give a number, units, etc.", "Give a number, units."],
    [number, "Give a number and units as needed.", "Give a number and units."],
    [
      number,
      "Read the whole question from its beginning to its end with great care, and then give the number that it asks for in digits, never in words.",
      "Read the whole question from its beginning to its end with great care. Give the number that it asks for in digits, never in words.",
    ],
    [number, "Give the number.", null],
  ]);
});

const rules =
  "You are a helpful assistant who knows much about many things.\n\nAnswer with exactly one label.\n\nYou like long walks on sunny days at the sea.";

Deno.test("remove_text drops the part of a long prompt that is worth least", () => {
  check("systemPrompt", "remove_text", [
    [labels, rules, "Answer with exactly one label.\n\nYou like long walks on sunny days at the sea."],
    [
      labels,
      `${rules.split("\n\n")[1]}\n${
        rules.split("\n\n")[2]
      }\nAlways choose yes or no or what lies between the two of them.`,
      "Answer with exactly one label.\nAlways choose yes or no or what lies between the two of them.",
    ],
    [
      labels,
      "Answer with exactly one label. You like long walks on sunny days at the sea, and all that is there to see.",
      "Answer with exactly one label.",
    ],
    [labels, "Answer with one label.\n\nBe kind.", null], // not long
    [labels, "word ".repeat(50).trim(), null], // one part
    [labels, `Hello {name}, ${"dear ".repeat(20)}friend.\n\nYou {like} walks.`, null],
  ]);
});

Deno.test("reorder_components puts the most important first and the next last", () => {
  check("systemPrompt", "reorder_components", [
    [
      labels,
      "You are kind.\n\nAnswer with exactly one of: yes, no.\n\nNever guess.\n\nHave fun.",
      "Answer with exactly one of: yes, no.\n\nYou are kind.\n\nHave fun.\n\nNever guess.",
    ],
    [
      labels,
      "You are kind. Answer with exactly one label. Never guess.",
      "Answer with exactly one label. You are kind. Never guess.",
    ],
    [
      labels,
      "You are kind.\n\nThe rules:\n\n- Never guess, only choose exactly one.\n\nSo it is.",
      "The rules:\n\n- Never guess, only choose exactly one.\n\nSo it is.\n\nYou are kind.",
    ],
    [labels, "1. You are kind.\n\n2. Answer with exactly one label.", null],
    [labels, "Answer with exactly one label. You are kind. Never guess.", null],
    [labels, "It is so. Answer with exactly one label.", null],
    [labels, "Be kind", null],
  ]);
});

Deno.test("worth() is more of what the questions speak of, less of greetings", () => {
  const train = [{ question: "Which river flows through Vienna?", references: ["Danube"] }];
  const task: Task = { train, space: labels, limits: { demos: 0, characters: 0 } };
  const falling = [
    "Only fill in {name}.",
    "Always answer yes or no.",
    "Never guess.",
    "A river like the Danube.",
    "A mountain like the Alps.",
    "You are kind.",
  ];
  const values = falling.map((text) => worth(text, task));
  deepEqual(values, values.toSorted((a, b) => b - a));
  equal(new Set(values).size, values.length, String(values));
});

Deno.test("format_improvement makes lists of what is listed in a sentence", () => {
  check("systemPrompt", "format_improvement", [
    [labels, "Options: yes, no, or very good.", "Options:\n- yes\n- no\n- very good"],
    [
      labels,
      "Choose one of: yes, no or maybe. Be brief.",
      "Choose one of:\n- yes\n- no\n- maybe\n\nBe brief.",
    ],
    [
      labels,
      "Check these: the name; the place, if any; the date.",
      "Check these:\n- the name\n- the place, if any\n- the date",
    ],
    [
      labels,
      "Rules: 1) read it, 2) decide, and 3) reply. Be brief.",
      "Rules:\n1. read it\n2. decide\n3. reply\n\nBe brief.",
    ],
    [
      labels,
      "You help. Read it. Decide. Reply with one word. Never guess.",
      "You help.\n- Read it.\n- Decide.\n- Reply with one word.\n- Never guess.",
    ],
    [labels, 'Say: "a, b, c".', null],
    [labels, "Note: first, second, third.", null],
    [labels, "- Options: a, b, c", null],
    [labels, "Read it. Reply.", null],
    [labels, "At 10:30, 11:30, 12:30 and 1. May", null],
  ]);
});

Deno.test("add_example shows examples of train, balanced over their answers, each question once", () => {
  const train = ["a", "a", "a", "b", "b", "c"].map((answer, i) => ({
    question: `Question ${i}?`,
    references: [answer, "x"],
  }));
  for (let seed = 0; seed < 20; seed++) {
    let prompt: Prompt = { systemPrompt: "", outputPrompt: "", demos: [] };
    const chance = random(seed),
      known = new Map(train.map(({ question, references }) => [question, references[0]]));
    for (let n = 1; n <= 6; n++) {
      const before = prompt;
      prompt = act("add_example", prompt, { train, limits: { demos: 6, characters: 4000 } }, chance.fork(n));
      equal(prompt.demos.length, n);
      deepEqual(prompt.demos.slice(0, -1), before.demos);
      if (n === 3) deepEqual(prompt.demos.map(({ answer }) => answer).toSorted(), ["a", "b", "c"]);
    }
    equal(new Set(prompt.demos.map(({ question }) => question)).size, 6);
    for (const { question, answer } of prompt.demos) equal(answer, known.get(question));
    equal(act("add_example", prompt, { train, limits: { demos: 9, characters: 4000 } }, chance), prompt);
  }
});

Deno.test("add_example may show every question whose answer is shown least", () => {
  const train = ["a", "b", "a", "c", "b", "a"].map((answer, i) => ({
    question: `Question ${i}?`,
    references: [answer],
  }));
  const task: Task = { train, limits: { demos: 6, characters: 4000 } };
  const prompt: Prompt = { systemPrompt: "", outputPrompt: "", demos: [{ question: "?", answer: "c" }] };
  const shown = Array.from(
    { length: 100 },
    (_, seed) => act("add_example", prompt, task, random(seed)).demos[1]!.question,
  );
  deepEqual([...new Set(shown)].toSorted(), [0, 1, 2, 4, 5].map((i) => `Question ${i}?`));
});

Deno.test("add_example leaves out what does not fit, has no answer or cannot be kept", () => {
  const prompt: Prompt = { systemPrompt: "Be brief.", outputPrompt: "", demos: [] };
  const rows: [question: string, references: string[], shown: boolean][] = [
    ["Fits?", ["yes"], true],
    ["Too long? ".repeat(10), ["yes"], false],
    ["No answer?", [], false],
    ["Half: \ud83d", ["yes"], false],
    ["NUL?", ["\0"], false],
  ];
  for (const [question, references, shown] of rows) {
    const task: Task = { train: [{ question, references }], limits: { demos: 1, characters: 40 } };
    const { demos } = act("add_example", prompt, task, random(1));
    deepEqual(demos, shown ? [{ question, answer: references[0] }] : []);
  }
  ok(rows.some(([, , shown]) => shown));
});
