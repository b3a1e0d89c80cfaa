import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { exactMatch, type ExactMatchOptions } from "./exact_match.ts";
import { expander, golden, type GoldenText } from "./golden.ts";
import { metric } from "./metric.ts";
import { pythonRegex } from "./python_regex.ts";

interface Golden {
  readonly long: readonly string[];
  readonly settings: readonly ExactMatchOptions[];
  readonly cases: readonly (readonly [GoldenText, readonly GoldenText[], readonly number[]])[];
  readonly subjects: readonly string[];
  readonly patterns: readonly (readonly [string, readonly string[]])[];
}

const { long, settings, cases, subjects, patterns } = golden<Golden>("exact_match");
const text = expander(long);

Deno.test("exact_match equals Evaluate's formula on every golden case", () => {
  equal(cases.length >= 200, true);
  const metrics = settings.map((setting) => metric("exact_match", { ...setting }));
  for (const [prediction, references, wanted] of cases) {
    const got = metrics.map(({ score }) => score(text(prediction), references.map(text)));
    deepEqual(got, wanted, JSON.stringify([prediction, references]));
  }
});

Deno.test("exactMatch() follows the examples of Evaluate's metric card", () => {
  const references = ["the cat", "theater", "YELLING", "agent007"];
  const predictions = ["cat?", "theater", "yelling", "agent"];
  const check = (options: ExactMatchOptions, wanted: number) =>
    equal(
      metric("exact_match", { ...options }).corpus(predictions, references.map((text) => [text])).value,
      wanted,
    );
  const ignored = { ignoreCase: true, ignorePunctuation: true };
  check({}, 0.25);
  check({ regexesToIgnore: ["the ", "yell"], ...ignored }, 0.5);
  check({ regexesToIgnore: ["the ", "yell", "YELL"], ...ignored }, 0.75);
  check({ regexesToIgnore: ["the ", "yell", "YELL"], ...ignored, ignoreNumbers: true }, 1);
});

Deno.test("pythonRegex() removes what Python's re.sub removes", () => {
  for (const [pattern, wanted] of patterns) {
    const got = subjects.map((subject) => subject.replace(pythonRegex(pattern), ""));
    deepEqual(got, wanted, pattern);
  }
});

Deno.test("pythonRegex() refuses what is wrong or has no equal, by name", () => {
  const check = (pattern: string, message: RegExp) =>
    throws(() => exactMatch("a", "b", { regexesToIgnore: [pattern] }), (error: Error) => {
      equal(error.name, "SyntaxError");
      return message.test(error.message);
    });
  check("(", /Cannot read "\(" as it must be a pattern of Python's re/);
  check("a)", /must be a pattern/);
  check("*", /must be a pattern/);
  check("[a", /its \[ is never closed/);
  check("[z-a]", /must be a pattern/);
  check("\\", /as \\ has no equal/);
  check("\\q", /as \\q has no equal/);
  check("\\N{DASH}", /as \\N has no equal/);
  check("(?>a)", /as \(\?> has no equal/);
  check("(?x) a", /as \(\?x has no equal/);
  check("(a)(?(1)b|c)", /as \(\?\( has no equal/);
});
