/**
 * BLEU against sacrebleu, on the same texts in one run: `deno task bench bleu`.
 *
 * @module
 */
import { metric } from "../lib/metrics/mod.ts";
import { random } from "../lib/random.ts";
import { beside } from "./beside.ts";
import type { Bench } from "./row.ts";
import { paragraphPairs, sentencePairs } from "./texts.ts";

/** Sentence and corpus BLEU, on 1000 pairs of sentences and on 200 of paragraphs. */
export const bench: Bench = (tools) => {
  const texts = {
    sentences: sentencePairs(1000, random("sentences")),
    paragraphs: paragraphPairs(200, random("paragraphs")),
  };
  const { score, corpus } = metric("bleu");
  const contests = Object.entries(texts).flatMap(([kind, pairs]) => {
    const predictions = pairs.map(([prediction]) => prediction);
    const references = pairs.map(([, reference]) => [reference]);
    return [{
      name: `bleu, ${kind}`,
      items: pairs.length,
      work: () => predictions.reduce((sum, prediction, i) => sum + score(prediction, references[i]!), 0),
    }, {
      name: `bleu, a corpus of ${kind}`,
      items: pairs.length,
      work: () => corpus(predictions, references).value,
    }];
  });
  return beside(tools, { script: "bleu.py", texts, peer: "sacrebleu 2.6.0", unit: "pairs/s", contests });
};
