/** What options and card become. */
import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import type { Card, Dataset, Example } from "../lib/dataset/mod.ts";
import { ProviderError } from "../lib/llm/mod.ts";
import { RECORD } from "../lib/report/testing.ts";
import { failures, pauseLine, settled } from "./wiring.ts";

const example = (i: number, answer: string): Example => ({
  id: `${i}`,
  question: `${i}?`,
  references: [answer],
});

const dataset = (card: Card, train = [example(1, "yes")]): Dataset => ({
  ...{ name: "kinds", sha256: "", card, train },
  ...{ validation: [example(-1, "no")], test: [example(-2, "perhaps")] },
});
const options = { dataset: "data/kinds.jsonl", primary: "local" };

Deno.test("settled() prefers flags, then the card, then defaults", () => {
  const card: Card = {
    metric: "exact_match",
    metricOptions: { ignoreCase: true },
    systemPrompt: "Be brief.",
  };
  const { metric, metric_options, system_prompt, output_prompt } = settled(options, dataset(card));
  deepEqual([metric, metric_options, system_prompt, output_prompt], [
    "exact_match",
    { ignoreCase: true },
    "Be brief.",
    "",
  ]);
  const flags = { ...options, ignore_case: false, system_prompt: "" };
  deepEqual(settled(flags, dataset(card)).metric_options, { ignoreCase: false });
  equal(settled(flags, dataset(card)).system_prompt, "");
  deepEqual(settled({ ...options, metric: "f1" }, dataset(card)).metric_options, {});
});

Deno.test("settled() names the card whose metric is wrong", () => {
  const check = (card: Card, message: RegExp) => throws(() => settled(options, dataset(card)), message);
  check(
    { metric: "exactmatch" },
    /^UsageError: Cannot use data\/kinds\.card\.json: Cannot find the metric .* got "exactmatch"$/,
  );
  check({ metric: "exact_match", metricOptions: { case: true } }, /kinds\.card\.json: .*its options are/);
});

Deno.test("settled() makes room for the longest answer of as many questions as a large file has", () => {
  const train = Array.from({ length: 200_000 }, (_, i) => example(i, i === 77_777 ? "x".repeat(100) : "yes"));
  equal(settled(options, dataset({}, train)).answer_tokens, 58);
  equal(settled({ ...options, primary: "openai:x" }, dataset({}, train)).answer_tokens, 256);
});

Deno.test("failures() tells what failed in this experiment, and nothing of another", () => {
  const of = (row: Partial<typeof RECORD.bill[0]>) => ({ ...RECORD, bill: [{ ...RECORD.bill[0]!, ...row }] });
  const busy = new ProviderError("it answered 503: busy");
  const rows: [...Parameters<typeof failures>, text: string | undefined][] = [
    [RECORD, undefined, "1 of 412 calls failed, the last one with: it answered 400: filtered"],
    [
      of({ calls: 9, failed: 2, error: null }),
      busy,
      "2 of 9 calls failed, the last one with: it answered 503: busy",
    ],
    [of({ calls: 9, failed: 2, error: null }), undefined, undefined],
    [of({ calls: 9, failed: 0, error: null }), busy, undefined],
  ];
  for (const [record, last, text] of rows) equal(failures(record, last)?.text, text);
});

Deno.test("pauseLine() says why, and for how long yet", () => {
  const model = "openai:m@http://localhost:1/v1";
  const rows: [ms: number, message: string, line: string][] = [
    [
      29_300,
      "Cannot ask as another worker is asking the same",
      "waiting 30 s for openai:m, as another worker is asking the same",
    ],
    [0, "Cannot ask m as it answered 503: busy", "asking openai:m again, as it answered 503: busy"],
  ];
  for (const [ms, message, line] of rows) equal(pauseLine({ model, ms, error: new Error(message) }), line);
});
