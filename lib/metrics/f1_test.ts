import { strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { f1, f1Tokens } from "./f1.ts";
import { expander, golden, type GoldenText, near } from "./golden.ts";
import { metric } from "./metric.ts";

interface Golden {
  readonly long: readonly string[];
  readonly cases: readonly (readonly [GoldenText, readonly GoldenText[], readonly [number, number]])[];
}

const { long, cases } = golden<Golden>("f1");
const text = expander(long);

Deno.test("f1 equals SQuAD's evaluation on every golden case", () => {
  equal(cases.length >= 200, true);
  const metrics = [metric("f1"), metric("f1", { noAnswer: true })];
  for (const [prediction, references, wanted] of cases) {
    metrics.forEach(({ score, signature }, i) =>
      near(
        score(text(prediction), references.map(text)),
        wanted[i]!,
        `${signature} ${JSON.stringify([prediction, references])}`,
      )
    );
  }
});

Deno.test("f1() of a text with itself is 1, or 0 when nothing of it is left", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    equal(f1(text, text), f1Tokens(text).length > 0 ? 1 : 0);
    equal(f1(text, text, { noAnswer: true }), 1);
  }));
});
