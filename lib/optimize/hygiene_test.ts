import { match, strictEqual as equal } from "node:assert/strict";
import type { Prompt } from "./candidate.ts";
import { placeholders, readable, refusal } from "./hygiene.ts";
import { candidate } from "./search.ts";

const seedPrompt: Prompt = { systemPrompt: "Answer for {name}.", outputPrompt: "", demos: [] };
const validation = [
  {
    id: "v1",
    question: "Which river flows through the old town of the capital of Bohemia today?",
    references: ["x"],
  },
  { id: "v2", question: "Why not?", references: ["x"] },
  { id: "v3", question: "What is 3 + 4?", references: ["x"] },
  ...["Well acted.", "Badly cut.", "A bore."].map((review, i) => ({
    id: `v${4 + i}`,
    question: `Say what the sentiment of the following review is: ${review}`,
    references: ["x"],
  })),
];
const known = [candidate(0, { prompt: seedPrompt, operator: "seed", parents: [], note: "" })];
const limits = { demos: 2, characters: 400 };
const check = (change: Partial<Prompt>) =>
  refusal({ ...seedPrompt, ...change }, { limits, known, seedPrompt, validation });
const demo = (question: string) => ({ question, answer: "a" });

Deno.test("refusal() has nothing against a sound prompt", () => {
  const rows: Partial<Prompt>[] = [
    { systemPrompt: "Answer for {name} in one word." },
    { outputPrompt: "One word." },
    { demos: [demo("Which river flows through Vienna?")] },
    { systemPrompt: "{name}: an Error is a mistake; why not?" },
    { systemPrompt: "{name}, you know every river that flows through an old town." },
    { systemPrompt: "{name}, say what the sentiment of the following review is, in one word." },
    { systemPrompt: "{name}:\nException: mails of invoices are billing.\nError reports are bugs." },
    { systemPrompt: `{name}: never say "I'm sorry, but I can't help with that."` },
    {
      systemPrompt: "{name}:\n- rate limit exceeded: technical\n- what speaks of an invalid API key: account",
    },
    { demos: [demo("What is 3 - 4?")] },
    { outputPrompt: "Write {city}: {number} sold." },
  ];
  for (const row of rows) equal(check(row), null, JSON.stringify(row));
});

Deno.test("refusal() names the reason", () => {
  const rows: [Partial<Prompt>, RegExp][] = [
    [{}, /^duplicate of trial 0$/],
    [{ systemPrompt: "{name} " + "very ".repeat(100) }, /^over-long: \d+ characters where 418 are allowed$/],
    [{ demos: [demo("a?"), demo("b?"), demo("c?")] }, /^over-long: 3 demos where 2 are allowed$/],
    [{ systemPrompt: "Answer." }, /^lost the placeholder \{name\}$/],
    [{ systemPrompt: "{name}, answer this: {question}" }, /^made up the placeholder \{question\}: /],
    [
      { outputPrompt: "Input: {{ user_input }}, {{user_input}}" },
      /^made up the placeholder \{\{user_input\}\}: /,
    ],
    [{ systemPrompt: "{name}\nTypeError: x is not a function" }, /^error text/],
    [{ systemPrompt: "Error: no model of {name} is loaded" }, /^error text/],
    [{ systemPrompt: "{name}\nTraceback (most recent call last)" }, /^error text/],
    [{ systemPrompt: "{name} Rate limit exceeded, retry later" }, /^error text/],
    [{ systemPrompt: "{name} I'm sorry, but I can't help with that." }, /^error text/],
    [{ systemPrompt: "{name}.\n  I apologize, but I cannot do that" }, /^error text/],
    [{ systemPrompt: "{name}\nInvalid API key" }, /^error text/],
    [{ systemPrompt: "{name} <think>So the user wants" }, /^error text/],
    [
      {
        systemPrompt:
          "{name}: if asked which river flows through the old town of the capital of Bohemia, say Vltava.",
      },
      /^copied the validation question "v1"$/,
    ],
    [{ demos: [demo("why NOT")] }, /^copied the validation question "v2"$/],
    [{ demos: [demo("What is  3 + 4")] }, /^copied the validation question "v3"$/],
  ];
  for (const [change, reason] of rows) match(check(change) ?? "nothing", reason, JSON.stringify(change));
});

Deno.test("refusal() takes prompts that differ in their bias alone for one where the search fits it, and only there", () => {
  const tried = candidate(1, {
    ...{ operator: "calibrate", parents: [0], note: "" },
    prompt: { ...seedPrompt, outputPrompt: "One word.", bias: { a: 1 } },
  });
  const against = (change: Partial<Prompt>, calibrates: boolean) =>
    refusal({ ...seedPrompt, ...change }, {
      ...{ limits, seedPrompt, validation, calibrates },
      known: [...known, tried],
    });
  const outputPrompt = "One word.";
  equal(against({ outputPrompt, bias: { a: 2 } }, true), "duplicate of trial 1");
  equal(against({ outputPrompt, bias: { a: 2 } }, false), null);
  equal(against({ outputPrompt, bias: { a: 1 } }, false), "duplicate of trial 1");
  equal(against({ outputPrompt }, true), null); // said as likely as the model has it
});

Deno.test("refusal() bears in a prompt what the seed prompt has", () => {
  for (const part of ["systemPrompt", "outputPrompt"] as const) {
    for (const text of ["Use <think> tags.", "Answer {question}.", validation[0]!.question]) {
      const seedPrompt: Prompt = { systemPrompt: "", outputPrompt: "", demos: [], [part]: text };
      const proposed = { ...seedPrompt, demos: [demo("Which river flows through Vienna?")] };
      equal(refusal(proposed, { limits, known: [], seedPrompt, validation }), null, text);
    }
  }
});

Deno.test("placeholders() finds single and double braces once", () => {
  const rows: [string, string][] = [
    ["{a} {{b}} {a}", "{a} {{b}}"],
    ["{ a } {1} {}", ""],
    ["{user.name}", "{user.name}"],
  ];
  for (const [text, expected] of rows) equal(placeholders(text).join(" "), expected);
});

Deno.test("readable() is what a database can keep", () => {
  const rows: [Partial<Prompt>, boolean][] = [
    [{}, true],
    [{ systemPrompt: "a\0" }, false],
    [{ outputPrompt: "\ud800" }, false],
    [{ demos: [{ question: "?", answer: "\udc00" }] }, false],
    [{ systemPrompt: "😀" }, true],
  ];
  for (const [change, expected] of rows) equal(readable({ ...seedPrompt, ...change }), expected);
});
