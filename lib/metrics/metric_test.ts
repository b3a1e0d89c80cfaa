import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { near } from "./golden.ts";
import { metric, metricNames } from "./metric.ts";

const words = fc.array(fc.constantFrom("the", "a cat", "Dog.", "1,5", "ran", "é", "\n", "-", "中文"), {
  maxLength: 12,
});
const text = fc.oneof(words.map((list) => list.join(" ")), fc.string({ unit: "binary" }));

Deno.test("every metric stays in [0, 1], whatever the order of the references", () => {
  for (const name of metricNames) {
    const { score } = metric(name);
    fc.assert(fc.property(text, fc.array(text, { minLength: 1, maxLength: 4 }), (prediction, references) => {
      const value = score(prediction, references);
      ok(value >= 0 && value <= 1);
      equal(score(prediction, references.toReversed()), value);
    }));
  }
});

Deno.test("every metric gives 1 to a text that is among its references", () => {
  for (const name of metricNames) {
    fc.assert(fc.property(words, text, (list, other) => {
      const own = `two cats ${list.join(" ")}`;
      equal(metric(name).score(own, [other, own]), 1);
    }));
  }
});

Deno.test("corpus() is the mean of score(), except for BLEU", () => {
  const predictions = ["the cat sat on the mat", "a dog", ""];
  const references = [["the cat sat on a mat", "cat"], ["a dog"], ["x"]];
  for (const name of metricNames.filter((name) => name !== "bleu")) {
    const { score, corpus } = metric(name);
    const mean = predictions.reduce((sum, prediction, i) => sum + score(prediction, references[i]!), 0) / 3;
    equal(corpus(predictions, references).value, mean);
  }
  const bleu = Math.exp(1 - 9 / 8) * (7 / 8 * 4 / 6 * 2 / 4 * 1 / 3) ** 0.25;
  near(metric("bleu").corpus(predictions, references).value, bleu, "corpus BLEU");
});

Deno.test("signatures carry every option, and the number of references where it is known", () => {
  const check = (name: string, options: Record<string, unknown>, wanted: string) =>
    equal(metric(name, options).signature, `${wanted}|version:0.1.0`);
  check("exact_match", {}, "exact_match|case:mixed|punct:yes|numbers:yes|regexes:no");
  check(
    "exact_match",
    { ignoreCase: true, ignoreNumbers: true, regexesToIgnore: ["a|b"] },
    [
      "exact_match|case:lc|punct:yes|numbers:no",
      String.raw`regexes:["a\u007cb"]`,
    ].join("|"),
  );
  check("f1", {}, "f1|case:lc|tok:squad|empty:0");
  check("f1", { noAnswer: true }, "f1|case:lc|tok:squad|empty:1");
  check("bleu", {}, "bleu|case:mixed|eff:yes|tok:13a|smooth:exp");
  check("bleu", { smooth: "floor" }, "bleu|case:mixed|eff:yes|tok:13a|smooth:floor[0.10]");
  check(
    "bleu",
    { smooth: "add-k", smoothValue: 0.001 },
    "bleu|case:mixed|eff:yes|tok:13a|smooth:add-k[0.001]",
  );
  check("rougeL", { stemmer: true }, "rougeL|case:lc|tok:alnum|stem:porter");
  equal(
    metric("f1").corpus(["a"], [["b", "c"]]).signature,
    "f1|nrefs:2|case:lc|tok:squad|empty:0|version:0.1.0",
  );
  equal(
    metric("f1").corpus(["a", "b"], [["b", "c"], ["d"]]).signature,
    "f1|nrefs:var|case:lc|tok:squad|empty:0|version:0.1.0",
  );
});

Deno.test("metric() names what exists when asked for something else", () => {
  deepEqual(metricNames, ["exact_match", "f1", "bleu", "rouge1", "rouge2", "rougeL", "rougeLsum"]);
  const check = (name: string, options: Record<string, unknown>, error: object) =>
    throws(() => metric(name, options), error);
  check("blue", {}, {
    name: "RangeError",
    message:
      'Cannot find the metric as it must be one of exact_match, f1, bleu, rouge1, rouge2, rougeL, rougeLsum: got "blue"',
  });
  check("toString", {}, { name: "RangeError" });
  check("rouge1", { stem: true }, {
    name: "RangeError",
    message: 'Cannot set up rouge1 as its options are stemmer: got "stem"',
  });
  check("bleu", { constructor: 1 }, { name: "RangeError" });
  check("bleu", { smooth: "expo" }, {
    name: "TypeError",
    message: 'Cannot set up bleu as smooth must be one of exp, floor, add-k, none: got "expo"',
  });
  check("bleu", { smoothValue: "1" }, { name: "TypeError" });
  check("bleu", { smooth: "floor", smoothValue: 2 }, { name: "RangeError" });
  check("exact_match", { ignoreCase: "yes" }, { name: "TypeError" });
  check("exact_match", { regexesToIgnore: "a" }, { name: "TypeError" });
  check("exact_match", { regexesToIgnore: ["("] }, { name: "SyntaxError" });
});

Deno.test("every metric refuses what it cannot score", () => {
  const lone = "a\ud83d";
  for (const name of metricNames) {
    const { score, corpus } = metric(name);
    const check = (of: () => unknown, error: new () => Error, message: RegExp) =>
      throws(of, (thrown: Error) => thrown instanceof error && message.test(thrown.message));
    check(() => score(1 as never, ["a"]), TypeError, /a prediction must be a string: got number/);
    check(() => score("a", "a" as never), TypeError, /references must be a list of strings: got string/);
    check(() => score("a", [null as never]), TypeError, /a reference must be a string: got null/);
    check(() => score(lone, ["a"]), TypeError, /character 1 is a lone surrogate/);
    check(() => score("a", ["b", lone]), TypeError, /a reference must be well-formed/);
    check(() => score("a", []), RangeError, /at least one reference: got none/);
    check(() => corpus([], []), RangeError, /at least one prediction: got none/);
    check(() => corpus(["a"], []), RangeError, /got 1 predictions and 0 lists of references/);
    check(() => corpus(["a", "b"], [["a"], []]), RangeError, /at least one reference/);
    check(() => corpus(["a"], ["a"] as never), TypeError, /references must be a list/);
    check(() => corpus("a" as never, [["a"]]), TypeError, /must be lists: got string and a list/);
  }
});
