/**
 * The question sets of data/tasks and data/bench: what each promises, and that no question is nearly another one.
 *
 * Two texts are compared by the 5-grams of their characters, lower-cased, punctuation aside: the Jaccard index, the
 * n-grams they share over the n-grams they have together, exactly and for every pair of rows. Capitals share their
 * template by nature, so there the words that more than 2 % of the questions have are dropped first and what is left,
 * the name of the country or region, is compared; a name inside another ("California", "Baja California") sets the
 * limit. So it is with opposites, where the word and its sentence, if it has one, are left. Answers are compared too
 * where they are texts of their own, as headlines are. Equal answers are the point of a set with few of them;
 * elsewhere (two regions with a capital of the same name) the questions differ.
 */
import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Dataset, Example } from "./example.ts";
import { readDataset } from "./read.ts";

const DATA = new URL("../../data/", import.meta.url);

interface Promised {
  readonly rows: readonly [train: number, validation: number, test: number];
  /** No two questions have a Jaccard index of this or more. */
  readonly limit: number;
  /** Whether words that are common in the set are dropped before questions are compared. */
  readonly sharesTemplate?: boolean;
  /** What is true of each row. */
  readonly each: (example: Example) => boolean;
}

const oneOf = (...answers: string[]) => ({ references }: Example) =>
  references.length === 1 && answers.includes(references[0]!);
const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
const sentences = (text: string): number => text.match(/[.!?]["”]?(\s|$)/g)?.length ?? 0;
const oneWord = (text: string): boolean => /^[a-z]+$/.test(text);
/** The word of a row of opposites: in quotation marks, in capitals or at the end. */
const wordAskedOf = ({ question }: Example): string =>
  question.match(/(?<=")\w+(?=")|\b\p{Lu}[\p{Lu}-]+\b|\w+(?=[?.]$)/u)![0].toLowerCase();
const between = (low: number, value: number, high: number): boolean => low <= value && value <= high;

const SETS: Readonly<Record<string, Promised>> = {
  "tasks/capitals": {
    rows: [100, 100, 200],
    limit: 0.65,
    sharesTemplate: true,
    each: ({ question }) => /\bcapital\b.* [\p{Lu}]/u.test(question),
  },
  "tasks/extraction": {
    rows: [100, 100, 200],
    limit: 0.5,
    each: ({ question, references }) => {
      const [text, ask, ...more] = question.split("\n");
      return ask !== undefined && more.length === 0 && references.every((answer) => text!.includes(answer));
    },
  },
  "tasks/headlines": {
    rows: [100, 100, 150],
    limit: 0.5,
    each: ({ question, references }) =>
      references.length === 1 && between(4, references[0]!.split(" ").length, 9) &&
      between(2, sentences(question), 4),
  },
  "tasks/question_types": {
    rows: [102, 102, 204],
    limit: 0.6,
    each: oneOf("abbreviation", "description", "entity", "number", "person", "place"),
  },
  "tasks/topics": {
    rows: [100, 100, 200],
    limit: 0.5,
    each: oneOf("animals", "food", "health", "money", "music", "sport", "travel", "weather"),
  },
  "bench/animals": {
    rows: [102, 102, 300],
    limit: 0.5,
    each: oneOf("amphibian", "bird", "fish", "insect", "mammal", "reptile"),
  },
  "bench/languages": {
    rows: [102, 102, 300],
    limit: 0.5,
    each: (example) =>
      oneOf("Dutch", "French", "German", "Italian", "Polish", "Spanish")(example) &&
      between(4, words(example.question.replace(/['’-]/g, "")).length, 12),
  },
  "bench/opposites": {
    rows: [100, 100, 300],
    limit: 0.65,
    sharesTemplate: true,
    each: (example) =>
      example.references.every(oneWord) && !example.references.includes(wordAskedOf(example)),
  },
  "bench/past_tense": {
    rows: [100, 100, 300],
    limit: 0.5,
    each: ({ question, references }) => references.every(oneWord) && sentences(question) === 1,
  },
  "bench/requests": {
    rows: [102, 102, 300],
    limit: 0.5,
    each: oneOf("alarm", "calendar", "lights", "music", "shopping", "weather"),
  },
  "bench/reviews": {
    rows: [100, 100, 300],
    limit: 0.5,
    each: (example) => oneOf("complaint", "praise")(example) && between(1, sentences(example.question), 2),
  },
};

const FOLDERS = ["tasks", "bench"];

/** The set of a key of `SETS`, its folder included. */
const read = (name: string): Promise<Dataset> =>
  readDataset(fileURLToPath(new URL(`${name}.jsonl`, DATA)), { seed: 1 });

const all = ({ train, validation, test }: Dataset): Example[] => [...train, ...validation, ...test];

for (const [name, { rows, each }] of Object.entries(SETS)) {
  Deno.test(`data/${name} holds what it promises`, async () => {
    const dataset = await read(name);
    deepEqual([dataset.train.length, dataset.validation.length, dataset.test.length], rows);
    deepEqual(all(dataset).filter((example) => !each(example)), []);
    deepEqual(Object.keys(dataset.card).toSorted().filter((key) => key !== "metricOptions"), [
      "licence",
      "metric",
      "origin",
      "systemPrompt",
    ]);
  });
}

Deno.test("A set with few answers balances them", async () => {
  for (
    const name of [
      "tasks/question_types",
      "tasks/topics",
      "bench/animals",
      "bench/languages",
      "bench/requests",
      "bench/reviews",
    ]
  ) {
    const { train, validation, test } = await read(name);
    for (const split of [train, validation, test]) {
      const counts = Object.values(Object.groupBy(split, ({ references }) => references[0]!)).map((of) =>
        of!.length
      );
      ok(Math.max(...counts) - Math.min(...counts) <= 1, `${name}: ${counts}`);
    }
  }
});

Deno.test("A set with open answers asks for none in two splits", async () => {
  const opposites = await read("bench/opposites");
  equal(new Set(all(opposites).map(wordAskedOf)).size, 500);
  const verbs = await read("bench/past_tense");
  ok(new Set(all(verbs).map(({ references }) => references[0]!)).size >= 350);
  const first = ({ references }: Example) => [references[0]!];
  for (
    const [{ train, validation, test }, texts] of [
      [opposites, (example: Example) => [wordAskedOf(example), ...first(example)]],
      [verbs, first],
    ] as const
  ) {
    const [a, b, c] = [train, validation, test].map((split) => new Set(split.flatMap(texts)));
    deepEqual([...a!.intersection(b!), ...a!.intersection(c!), ...b!.intersection(c!)], []);
  }
});

Deno.test("The question sets are what data/README.md says", async () => {
  const lines = (await Deno.readTextFile(new URL("README.md", DATA))).split("\n");
  const told = lines.filter((line) => FOLDERS.some((folder) => line.startsWith(`| \`${folder}/`)));
  const wanted = await Promise.all(
    Object.keys(SETS).map(async (name) => {
      const { train, validation, test, card } = await read(name);
      const bytes = await Deno.readFile(new URL(`${name}.jsonl`, DATA));
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      return `| \`${name}.jsonl\` | ${card.metric} | ${train.length} / ${validation.length} / ${test.length} ` +
        `| ${card.licence} | \`${sha256}\` |`;
    }),
  );
  deepEqual(told, wanted);
});

for (const folder of FOLDERS) {
  Deno.test(`data/${folder} stays under 1 MB and holds nothing else`, async () => {
    const within = new URL(`${folder}/`, DATA);
    const files = await Array.fromAsync(Deno.readDir(within), ({ name }) => `${folder}/${name}`);
    const names = Object.keys(SETS).filter((name) => name.startsWith(`${folder}/`))
      .flatMap((name) => [`${name}.card.json`, `${name}.jsonl`]);
    deepEqual(files.toSorted(), names.toSorted());
    const sizes = await Promise.all(
      files.map(async (file) => (await Deno.stat(new URL(file, DATA))).size),
    );
    ok(sizes.reduce((a, b) => a + b) < 1e6);
  });
}

for (const [name, { limit, sharesTemplate }] of Object.entries(SETS)) {
  Deno.test(`data/${name} has no near-duplicates`, async () => {
    const examples = all(await read(name));
    const questions = examples.map(({ question }) => words(question));
    deepEqual(nearPairs(sharesTemplate ? withoutTemplate(questions) : questions, limit), []);
    if (name === "tasks/headlines") {
      deepEqual(nearPairs(examples.map(({ references }) => words(references[0]!)), limit), []);
    }
  });
}

Deno.test("nearPairs() finds a question that was only touched up", async () => {
  const touches: ((text: string) => string)[] = [
    (text) => `  ${text.toUpperCase()} `,
    (text) => text.replace(/[?.]$/, " …"),
    (text) => text.replace("the ", "a "),
  ];
  for (const [name, { limit, sharesTemplate }] of Object.entries(SETS)) {
    const questions = all(await read(name)).map(({ question }) => question);
    for (const touch of touches) {
      const texts = [...questions, touch(questions[50]!)].map(words);
      const pairs = nearPairs(sharesTemplate ? withoutTemplate(texts) : texts, limit);
      equal(pairs.length, 1, `${name}: ${touch(questions[50]!)}`);
    }
  }
  deepEqual(nearPairs(["a", "b", "c"].map((x) => [x]), 0.01), []);
});

/** The pairs of `texts` with a Jaccard index of at least `limit`, as readable lines. */
function nearPairs(texts: readonly string[][], limit: number): string[] {
  const joined = texts.map((text) => ` ${text.join(" ")} `);
  const grams = joined.map((text) => new Set(ngrams(text, 5)));
  const holders = new Map<string, number[]>(); // n-gram -> texts before the current one
  const pairs: string[] = [];
  grams.forEach((mine, i) => {
    const shared = new Map<number, number>();
    for (const gram of mine) {
      const others = holders.get(gram) ?? [];
      for (const j of others) shared.set(j, (shared.get(j) ?? 0) + 1);
      holders.set(gram, [...others, i]);
    }
    for (const [j, both] of shared) {
      const jaccard = both / (mine.size + grams[j]!.size - both);
      if (jaccard >= limit) pairs.push(`${jaccard.toFixed(2)}:${joined[j]}~${joined[i]}`);
    }
  });
  return pairs;
}

const ngrams = (text: string, n: number): string[] =>
  text.length <= n ? [text] : Array.from({ length: text.length - n + 1 }, (_, i) => text.slice(i, i + n));

/** `texts` without the words that more than 2 % of them have. */
function withoutTemplate(texts: readonly string[][]): string[][] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of new Set(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return texts.map((text) => text.filter((word) => counts.get(word)! <= texts.length / 50));
}
