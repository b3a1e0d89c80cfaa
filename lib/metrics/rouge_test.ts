import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { expander, golden, type GoldenText, near } from "./golden.ts";
import { lcsLength, markLcs } from "./lcs.ts";
import { metric } from "./metric.ts";
import { stem } from "./porter_stemmer.ts";
import { type Rouge, rougeL, rougeLsum, rougeN, rougeTokens } from "./rouge.ts";

type Triple = readonly [precision: number, recall: number, fmeasure: number];
interface Golden {
  readonly long: readonly string[];
  readonly types: readonly string[];
  /** Scores by stemmer (without, with) and type. */
  readonly cases: readonly (readonly [GoldenText, readonly GoldenText[], readonly (readonly Triple[])[]])[];
  readonly stems: readonly (readonly [string, string])[];
  readonly tokens: readonly (readonly [string, readonly (readonly string[])[]])[];
}

const { long, types, cases, stems, tokens } = golden<Golden>("rouge");
const text = expander(long);

Deno.test("rouge1, rouge2, rougeL and rougeLsum equal rouge_score on every golden case", () => {
  equal(cases.length >= 200, true);
  for (const [prediction, references, wanted] of cases) {
    [false, true].forEach((stemmer, s) =>
      types.forEach((type, t) => {
        const got = metric(type, { stemmer }).score(text(prediction), references.map(text));
        near(got, wanted[s]![t]![2], `${type} ${stemmer} ${JSON.stringify([prediction, references])}`);
      })
    );
  }
});

Deno.test("precision and recall equal rouge_score's where there is one reference", () => {
  const functions: ((...texts: [string, string, { stemmer: boolean }]) => Rouge)[] = [
    (...texts) => rougeN(1, ...texts),
    (...texts) => rougeN(2, ...texts),
    rougeL,
    rougeLsum,
  ];
  for (const [prediction, [reference, ...others], wanted] of cases) {
    if (others.length > 0) continue;
    [false, true].forEach((stemmer, s) =>
      functions.forEach((rouge, t) => {
        const { precision, recall, fmeasure } = rouge(text(prediction), text(reference!), { stemmer });
        [precision, recall, fmeasure].forEach((share, i) =>
          near(share, wanted[s]![t]![i]!, JSON.stringify(prediction))
        );
      })
    );
  }
});

Deno.test("stem() equals NLTK's PorterStemmer", () => {
  equal(stems.length >= 2000, true);
  deepEqual(stems.map(([word]) => [word, stem(word)]), stems);
});

Deno.test("rougeTokens() cuts where rouge_score cuts", () => {
  for (const [text, wanted] of tokens) {
    deepEqual([false, true].map((stemmer) => rougeTokens(text, { stemmer })), wanted, text);
  }
});

Deno.test("lcsLength() and markLcs() agree, beyond 32 tokens too", () => {
  const sequence = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 120 });
  fc.assert(fc.property(sequence, sequence, (a, b) => {
    const marks = new Uint8Array(a.length);
    markLcs(a, b, marks);
    const common = a.filter((_, i) => marks[i]);
    equal(common.length, lcsLength(a, b));
    let at = -1;
    for (const token of common) equal((at = b.indexOf(token, at + 1)) >= 0, true);
  }));
});
