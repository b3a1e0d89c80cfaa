import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { expander, golden, type GoldenText } from "../metrics/golden.ts";
import { COLUMNS, FEATURE_VERSION, features, textCounts } from "./features.ts";
import { ABBREVIATIONS, sentences, STARTERS } from "./sentences.ts";
import { words } from "./words.ts";

interface Golden {
  readonly version_of_features: number;
  readonly long: readonly string[];
  readonly abbreviations: readonly string[];
  readonly starters: readonly string[];
  readonly cases: readonly (readonly [text: GoldenText, counts: readonly number[]])[];
  readonly words:
    readonly (readonly [text: string, sentences: readonly string[], words: readonly string[]])[];
  readonly demos: readonly (readonly [
    pairs: readonly (readonly [string, string])[],
    columns: readonly number[],
  ])[];
}

const wanted = golden<Golden>("features");
const text = expander(wanted.long);

Deno.test("sentences() and words() are those of NLTK", () => {
  deepEqual([...ABBREVIATIONS], wanted.abbreviations);
  deepEqual([...STARTERS], wanted.starters);
  for (const [text, ofPunkt, ofTreebank] of wanted.words) {
    deepEqual(sentences(text), ofPunkt);
    deepEqual(words(text), ofTreebank);
  }
});

Deno.test("textCounts() counts as Python does", () => {
  ok(wanted.cases.length >= 200);
  for (const [recipe, counts] of wanted.cases) {
    deepEqual(Object.values(textCounts(text(recipe))), counts, JSON.stringify(recipe));
  }
});

const numbers = (texts: readonly string[]) =>
  Promise.resolve(texts.map((text) => Float32Array.from({ length: 384 }, (_, i) => text.length * 1000 + i)));

Deno.test("features() gives a number for each column, in their order", async () => {
  equal(FEATURE_VERSION, wanted.version_of_features); // another meaning of a column needs new golden numbers and a new version
  const row = await features({ systemPrompt: "Do it.", outputPrompt: "Only?", demos: [] }, numbers);
  deepEqual([...row], [
    ...[6, 3, 1, 0, 1, 0, 0],
    ...Array.from({ length: 20 }, (_, i) => 6000 + i),
    ...[5, 2, 1, 0, 0, 1, 1],
    ...Array.from({ length: 20 }, (_, i) => 5000 + i),
    ...[0, 0, 0, 0],
  ]);
  equal(row.length, COLUMNS.length);
  equal(new Set(COLUMNS).size, COLUMNS.length);
  deepEqual(COLUMNS.filter((name) => !/^(?:system|output)_embedding_\d+$/.test(name)), [
    ..."system_length system_words system_paragraphs system_bullets system_commands system_questions".split(
      " ",
    ),
    ..."system_constraints output_length output_words output_paragraphs output_bullets output_commands".split(
      " ",
    ),
    ..."output_questions output_constraints demo_count demo_mean_length demo_balance calibrated".split(" "),
  ]);
});

Deno.test("features() counts demos, their length and how evenly answers are spread", async () => {
  for (const [pairs, columns] of wanted.demos) {
    const demos = pairs.map(([question, answer]) => ({ question, answer }));
    const row = await features({ systemPrompt: "", outputPrompt: "", demos }, numbers);
    columns.forEach((wanted, i) => {
      const column = COLUMNS.indexOf("demo_count") + i, got = row[column]!;
      ok(
        Math.abs(got - wanted) <= 1e-12,
        `${COLUMNS[column]} of ${JSON.stringify(pairs)}: got ${got}, wanted ${wanted}`,
      );
    });
  }
});

Deno.test("features() tells whether a prompt has a bias, not how large it is", async () => {
  const calibrated = async (bias?: Record<string, number>) => {
    const prompt = { systemPrompt: "", outputPrompt: "", demos: [], ...bias ? { bias } : {} };
    return (await features(prompt, numbers))[COLUMNS.indexOf("calibrated")];
  };
  deepEqual([await calibrated(), await calibrated({}), await calibrated({ yes: 0, no: 2.5 })], [0, 1, 1]);
});

Deno.test("features() refuses an embedding that is too short", async () => {
  await rejects(
    features(
      { systemPrompt: "", outputPrompt: "", demos: [] },
      (texts) => Promise.resolve(texts.map(() => new Float32Array(19))),
    ),
    { name: "RangeError", message: "Cannot use an embedding as it must have 20 numbers or more: got 19" },
  );
});
