/**
 * ROUGE against rouge_score, on the same texts in one run: `deno task bench rouge`.
 *
 * @module
 */
import { metric } from "../lib/metrics/mod.ts";
import { random } from "../lib/random.ts";
import { beside } from "./beside.ts";
import type { Bench } from "./row.ts";
import { paragraphPairs, sentencePairs } from "./texts.ts";

/** ROUGE-1, 2, L and Lsum, without and with the stemmer, on 200 pairs of sentences and on 20 of paragraphs. */
export const bench: Bench = (tools) => {
  const texts = {
    sentences: sentencePairs(200, random("sentences")),
    paragraphs: paragraphPairs(20, random("paragraphs")),
  };
  const contests = Object.entries(texts).flatMap(([kind, pairs]) =>
    ["rouge1", "rouge2", "rougeL", "rougeLsum"].flatMap((type) =>
      [false, true].map((stemmer) => {
        const { score } = metric(type, { stemmer });
        return {
          name: `${type}${stemmer ? " with stemmer" : ""}, ${kind}`,
          items: pairs.length,
          work: () => pairs.reduce((sum, [prediction, reference]) => sum + score(prediction, [reference]), 0),
        };
      })
    )
  );
  return beside(tools, { script: "rouge.py", texts, peer: "rouge_score 0.1.2", unit: "pairs/s", contests });
};
