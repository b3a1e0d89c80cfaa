import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { biasDiff, demoDiff, type Piece, wordDiff } from "./prompt_diff.ts";

const marked = (pieces: readonly Piece[]) =>
  pieces.map(({ kind, text }) => kind === "same" ? text : kind === "added" ? `{+${text}+}` : `[-${text}-]`)
    .join("");

Deno.test("wordDiff() marks words", () => {
  const check = (before: string, after: string, expected: string) =>
    equal(marked(wordDiff(before, after)), expected);
  check("", "", "");
  check("Same.", "Same.", "Same.");
  check("", "New words.", "{+New words.+}");
  check("Old words.", "", "[-Old words.-]");
  check("Answer in one word.", "Answer in one short word.", "Answer in one {+short +}word.");
  check("one two three four", "one 2 3 four", "one [-two three-]{+2 3+} four");
  check(
    "You are a helpful assistant.",
    "Sort questions by the kind of answer they want.",
    "[-You are a helpful assistant.-]{+Sort questions by the kind of answer they want.+}",
  );
  check("line one\nline two", "line one\nline 2\n", "line one\nline [-two-]{+2\n+}");
});

Deno.test("wordDiff() holds both texts, whatever they are", () => {
  const words = fc.array(fc.constantFrom("a", "b", "c", " ", "\n", ".", "naïve", "漢字", "<i>"), {
    maxLength: 30,
  }).map((w) => w.join(""));
  fc.assert(fc.property(words, words, (before, after) => {
    const pieces = wordDiff(before, after);
    const only = (kind: Piece["kind"]) =>
      pieces.filter((p) => p.kind === "same" || p.kind === kind).map((p) => p.text).join("");
    equal(only("removed"), before);
    equal(only("added"), after);
  }));
});

Deno.test("wordDiff() takes texts with thousands of changes for unlike", () => {
  const text = (word: string) => Array.from({ length: 6000 }, (_, i) => `${word}${i}`).join(" ");
  ok(wordDiff(text("a"), text("b")).length === 2);
});

Deno.test("demoDiff() tells kept, moved, added and removed", () => {
  const demos = (letters: string) =>
    [...letters].map((question) => ({ question, answer: question.toUpperCase() }));
  const check = (before: string, after: string, expected: string[]) =>
    deepEqual(
      demoDiff(demos(before), demos(after)).map(({ kind, demo, before, after }) =>
        `${demo.question} ${kind} ${before}>${after}`
      ),
      expected,
    );
  check("", "", []);
  check("", "ab", ["a added null>1", "b added null>2"]);
  check("ab", "", ["a removed 1>null", "b removed 2>null"]);
  check("ab", "ab", ["a kept 1>1", "b kept 2>2"]);
  check("abc", "xabc", ["x added null>1", "a kept 1>2", "b kept 2>3", "c kept 3>4"]);
  check("abcd", "bcda", ["b kept 2>1", "c kept 3>2", "d kept 4>3", "a moved 1>4"]);
  check("abc", "axc", ["a kept 1>1", "x added null>2", "c kept 3>3", "b removed 2>null"]);
  check("aa", "a", ["a kept 1>1", "a removed 2>null"]);
});

Deno.test("biasDiff() tells what each answer's bias was, and is", () => {
  type Given = Parameters<typeof biasDiff>[0];
  const check = (before: Given, after: Given, expected: string) =>
    equal(marked(biasDiff(before, after)), expected);
  check(null, null, "");
  check({ b: 1, a: -2.1 }, { a: -2.1, b: 1 }, "a −2.10b +1.00");
  check(null, { a: -2.1 }, "{+a −2.10+}");
  check({ a: -2.1 }, null, "[-a −2.10-]");
  check({ a: 1, b: 1 }, { b: 2, constructor: 3 }, "[-a +1.00-][-b +1.00-]{+b +2.00+}{+constructor +3.00+}");
  check({ a: 1.001 }, { a: 1.002 }, "[-a +1.00-]{+a +1.00+}"); // a change that two digits do not show
});
