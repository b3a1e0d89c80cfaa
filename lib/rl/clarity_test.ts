import { ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { clarity } from "./clarity.ts";
import type { AnswerSpace, Prompt } from "./edits/prompt.ts";

const labels: AnswerSpace = { kind: "labels", labels: ["no", "yes"] };
const of = (systemPrompt: string, outputPrompt = "", demos = 0): Prompt => ({
  systemPrompt,
  outputPrompt,
  demos: Array.from({ length: demos }, (_, i) => ({ question: `${i}?`, answer: "yes" })),
});
const check = (prompt: Prompt, expected: number, space?: AnswerSpace) =>
  equal(clarity(prompt, space).toFixed(4), expected.toFixed(4), JSON.stringify(prompt));

Deno.test("clarity() is the weighted mean of its six parts", () => {
  const short = 0.2 + 0.1 + 0.1; // short, of short sentences, nothing idle
  check(of(""), 0);
  check(of(" \n"), 0);
  check(of("", "", 2), 0.05);
  check(of("", "", 9), 0.1);
  check(of("You are kind."), short);
  check(of("Answer."), 0.25 + short);
  check(of("- Answer."), 0.25 + short);
  check(of("Answer.", "One word."), 0.5 + short);
  check(of("Answer.", "One word."), 0.375 + short, labels);
  check(of("Answer.", "yes or no"), 0.5 + short, labels);
  check(of("Answer.", "yes"), 0.25 + short, labels);
  check(of("Answer.", "One word.", 4), 1);
  check(of("Answer " + "x ".repeat(39) + "."), 0.25 + 0.2 + 0.1 * 20 / 41 + 0.1); // 41 words
  check(of("Ab cd. ".repeat(80).trim()), 0.2 * 80 / 160 + 0.1 + 0.1); // two words may be repeated
  check(of("Very kind."), 0.2 + 0.1 + 0.1 * 6 / 11);
});

Deno.test("clarity() prefers what says more in fewer words", () => {
  const rising: Prompt[] = [
    of(
      "You are a really very helpful assistant who is always willing to help, and knows about many things. "
        .repeat(9),
    ),
    of("You are a helpful assistant."),
    of("You are a helpful assistant. Answer the question."),
    of("Answer the question.", "Reply with one label only."),
    of("Answer the question.", "Answer with exactly one of: no, yes."),
    of("Answer the question.", "Answer with exactly one of: no, yes.", 2),
  ];
  const values = rising.map((prompt) => clarity(prompt, labels));
  for (const [i, value] of values.entries()) ok(i === 0 || value > values[i - 1]!, String(values));
});

Deno.test("clarity() is in [0, 1] for every prompt", () => {
  const text = fc.string({ unit: "binary" });
  const demo = fc.record({ question: text, answer: text });
  const prompt = fc.record({
    systemPrompt: text,
    outputPrompt: text,
    demos: fc.array(demo, { maxLength: 6 }),
  });
  fc.assert(fc.property(prompt, fc.array(text), (prompt, labels) => {
    const value = clarity(prompt, { kind: "labels", labels });
    ok(value >= 0 && value <= 1 + 1e-12, String(value));
  }));
});
