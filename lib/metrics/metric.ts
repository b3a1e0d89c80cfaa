/**
 * Metrics by name, with their options checked.
 *
 * ```ts
 * import { metric } from "./metric.ts";
 * import { strictEqual as equal, throws } from "node:assert/strict";
 *
 * const { score, corpus, signature } = metric("exact_match", { ignoreCase: true });
 * equal(score("PARIS", ["Paris", "Paname"]), 1);
 * equal(corpus(["PARIS", "Rome"], [["Paris"], ["Roma"]]).value, 0.5);
 * equal(signature, "exact_match|case:lc|punct:yes|numbers:yes|regexes:no|version:0.1.0");
 * throws(() => metric("exact_match", { ignorecase: true }), /its options are regexesToIgnore, ignoreCase/);
 * ```
 *
 * @module
 */
import { bleu, smoothings } from "./bleu.ts";
import { type ExactMatchOptions, normalizer } from "./exact_match.ts";
import { f1, type F1Options } from "./f1.ts";
import { checkCorpus, checkReferences, checkText } from "./input.ts";
import { type Rouge, rougeL, rougeLsum, rougeN, type RougeOptions } from "./rouge.ts";
import type { Metric, Score } from "./score.ts";
import { signature } from "./signature.ts";
import { tokenizers } from "./tokenizers.ts";

/** What an option may be: a check, and the words for it. */
interface Kind {
  readonly words: string;
  is(value: unknown): boolean;
}

/** Its options, and how it is made from them once they are known to be right. */
interface Maker {
  readonly options: Readonly<Record<string, Kind>>;
  make(options: Readonly<Record<string, unknown>>): Metric;
}

const boolean: Kind = { words: "true or false", is: (value) => typeof value === "boolean" };
const number: Kind = { words: "a number", is: (value) => typeof value === "number" };
const strings: Kind = {
  words: "a list of strings",
  is: (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
};
const oneOf = (names: readonly string[]): Kind => ({
  words: `one of ${names.join(", ")}`,
  is: (value) => names.some((name) => name === value),
});

const MAKERS: Readonly<Record<string, Maker>> = {
  exact_match: {
    options: {
      regexesToIgnore: strings,
      ignoreCase: boolean,
      ignorePunctuation: boolean,
      ignoreNumbers: boolean,
    },
    make: exactMatchMetric,
  },
  f1: { options: { noAnswer: boolean }, make: f1Metric },
  bleu: {
    options: {
      tokenize: oneOf(tokenizers),
      smooth: oneOf(smoothings),
      smoothValue: number,
      effectiveOrder: boolean,
      lowercase: boolean,
    },
    make: bleu,
  },
  rouge1: rougeMaker("rouge1", (prediction, reference, options) => rougeN(1, prediction, reference, options)),
  rouge2: rougeMaker("rouge2", (prediction, reference, options) => rougeN(2, prediction, reference, options)),
  rougeL: rougeMaker("rougeL", rougeL),
  rougeLsum: rougeMaker("rougeLsum", rougeLsum),
};

/** The names that `metric` knows. */
export const metricNames: readonly string[] = Object.keys(MAKERS);

/**
 * The metric called `name`. Its `score` is that of the best reference, its `corpus` the mean of `score` (BLEU has its
 * own formula); both throw a TypeError for what is not well-formed text and a RangeError where references are
 * missing. Throws a RangeError for an unknown name or option, a TypeError for a value that the option cannot have.
 */
export function metric(name: string, options: Readonly<Record<string, unknown>> = {}): Metric {
  const maker = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  if (maker === undefined) {
    throw new RangeError(
      `Cannot find the metric as it must be one of ${metricNames.join(", ")}: got ${show(name)}`,
    );
  }
  for (const [option, value] of Object.entries(options)) {
    const kind = Object.hasOwn(maker.options, option) ? maker.options[option] : undefined;
    if (kind === undefined) {
      throw new RangeError(
        `Cannot set up ${name} as its options are ${Object.keys(maker.options).join(", ")}: got ${
          show(option)
        }`,
      );
    }
    if (value !== undefined && !kind.is(value)) {
      throw new TypeError(`Cannot set up ${name} as ${option} must be ${kind.words}: got ${show(value)}`);
    }
  }
  return maker.make(options);
}

const show = (value: unknown): string => JSON.stringify(value) ?? String(value);

function exactMatchMetric(options: ExactMatchOptions): Metric {
  const normalize = normalizer(options);
  const { ignoreCase, ignorePunctuation, ignoreNumbers, regexesToIgnore = [] } = options;
  const settings = {
    case: ignoreCase ? "lc" : "mixed",
    punct: ignorePunctuation ? "no" : "yes",
    numbers: ignoreNumbers ? "no" : "yes",
    regexes: regexesToIgnore.length === 0 ? "no" : JSON.stringify(regexesToIgnore).replaceAll("|", "\\u007c"),
  };
  return ofPairs("exact_match", settings, (a, b) => normalize(a) === normalize(b) ? 1 : 0);
}

function f1Metric(options: F1Options): Metric {
  const settings = { case: "lc", tok: "squad", empty: options.noAnswer ? "1" : "0" };
  return ofPairs("f1", settings, (prediction, reference) => f1(prediction, reference, options));
}

function rougeMaker(
  name: string,
  rouge: (prediction: string, reference: string, options: RougeOptions) => Rouge,
): Maker {
  return {
    options: { stemmer: boolean },
    make: (options: RougeOptions) =>
      ofPairs(
        name,
        { case: "lc", tok: "alnum", stem: options.stemmer ? "porter" : "no" },
        (prediction, reference) => rouge(prediction, reference, options).fmeasure,
      ),
  };
}

/** A metric that compares two texts: the best reference counts, and a corpus has the mean. */
function ofPairs(
  name: string,
  settings: Readonly<Record<string, string>>,
  compare: (prediction: string, reference: string) => number,
): Metric {
  const best = (prediction: string, references: readonly string[]): number =>
    references.reduce((best, reference) => Math.max(best, compare(prediction, reference)), 0);
  return {
    name,
    signature: signature(name, settings),
    score(prediction, references): number {
      checkText(prediction, "a prediction");
      checkReferences(references);
      return best(prediction, references);
    },
    corpus(predictions, references): Score {
      checkCorpus(predictions, references);
      const sum = predictions.reduce((sum, prediction, i) => sum + best(prediction, references[i]!), 0);
      return { value: sum / predictions.length, signature: signature(name, settings, references) };
    },
  };
}
