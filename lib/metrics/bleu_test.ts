import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { bleu, bleuCounts, bleuOf, type BleuOptions, corpusBleu, sentenceBleu } from "./bleu.ts";
import { expander, golden, type GoldenText, near } from "./golden.ts";
import { tokenize, type Tokenizer } from "./tokenizers.ts";

type Counts = readonly [number, number, readonly number[], readonly number[]];
interface Golden {
  readonly version: string;
  readonly long: readonly string[];
  readonly settings: readonly BleuOptions[];
  readonly tokenizers: readonly Tokenizer[];
  readonly cases: readonly (readonly [GoldenText, readonly GoldenText[], readonly number[]])[];
  readonly corpora: readonly (readonly [readonly number[], BleuOptions, number, string, Counts | null])[];
  readonly tokens: readonly (readonly [string, readonly (readonly string[])[]])[];
}

const { version, long, settings, tokenizers, cases, corpora, tokens } = golden<Golden>("bleu");
const text = expander(long);

Deno.test("sentenceBleu() equals sacrebleu on every golden case", () => {
  equal(cases.length >= 200, true);
  for (const [prediction, references, wanted] of cases) {
    settings.forEach((setting, i) =>
      near(
        sentenceBleu(text(prediction), references.map(text), setting),
        wanted[i]!,
        JSON.stringify([prediction, references, setting]),
      )
    );
  }
});

Deno.test("corpusBleu() equals sacrebleu, its signature included, with equal and varying numbers of references", () => {
  for (const [rows, setting, wanted, signature] of corpora) {
    const predictions = rows.map((row) => text(cases[row]![0]));
    const references = rows.map((row) => cases[row]![1].map(text));
    const score = corpusBleu(predictions, references, setting);
    near(score.value, wanted, JSON.stringify([rows, setting]));
    equal(score.signature.replace(/version:.*/, `version:${version}`), `bleu|${signature}`);
  }
});

Deno.test("corpusOf() of BLEU is that of the segments that are named, as often as they are", () => {
  const some = cases.filter(([, references]) => references.length > 0).slice(0, 40);
  const predictions = some.map(([prediction]) => text(prediction));
  const references = some.map(([, references]) => references.map(text));
  for (const setting of [{}, { smooth: "floor", effectiveOrder: true }, { lowercase: true }] as const) {
    const of = bleu(setting).corpusOf!(predictions, references);
    for (const places of [[0], predictions.map((_, i) => i), [3, 3, 7, 39, 12, 3]]) {
      const same = corpusBleu(
        places.map((place) => predictions[place]!),
        places.map((place) => references[place]!),
        setting,
      );
      equal(of(places), same.value, JSON.stringify([setting, places]));
    }
  }
});

Deno.test("bleuCounts() adds up to sacrebleu's counts", () => {
  for (const [rows, setting, , , wanted] of corpora) {
    if (wanted === null) continue;
    const all = rows.map((row) => bleuCounts(text(cases[row]![0]), cases[row]![1].map(text), setting));
    const sum = (of: (counts: typeof all[number]) => number) =>
      all.reduce((sum, counts) => sum + of(counts), 0);
    const orders = [0, 1, 2, 3];
    deepEqual([
      sum(({ length }) => length),
      sum(({ referenceLength }) => referenceLength),
      orders.map((n) => sum(({ correct }) => correct[n]!)),
      orders.map((n) => sum(({ total }) => total[n]!)),
    ], wanted);
  }
});

Deno.test("tokenize() cuts where sacrebleu cuts", () => {
  for (const [text, wanted] of tokens) {
    deepEqual(tokenizers.map((name) => tokenize(text, name)), wanted, text);
  }
});

Deno.test("bleuOf() refuses a smoothing value that could leave [0, 1]", () => {
  const counts = { length: 2, referenceLength: 2, correct: [1, 0, 0, 0], total: [2, 1, 0, 0] };
  const check = (options: BleuOptions) => throws(() => bleuOf(counts, options), RangeError);
  check({ smooth: "floor", smoothValue: 1.5 });
  check({ smooth: "floor", smoothValue: -0.1 });
  check({ smooth: "add-k", smoothValue: NaN });
  check({ smooth: "add-k", smoothValue: Infinity });
});
