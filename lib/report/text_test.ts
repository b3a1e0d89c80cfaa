import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import * as text from "./text.ts";

Deno.test("visible() shows what cannot be seen", () => {
  const check = (given: string, expected: string) => equal(text.visible(given), expected);
  check("", "");
  check(
    "plain\ttext,\nÜber 漢字 हिन्दी \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩‍🚀 ❤️",
    "plain\ttext,\nÜber 漢字 हिन्दी \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩‍🚀 ❤️",
  );
  check("one\r\ntwo\rthree", "one\ntwo␍three");
  check("a\0b\u001b[31m\u0007\b", "a␀b␛[31m␇␈");
  check("\u007f\u0085\u009b", "⟨U+007F⟩⟨U+0085⟩⟨U+009B⟩");
  check("\u202eabc\u2066\u2069\u061c", "⟨U+202E⟩abc⟨U+2066⟩⟨U+2069⟩⟨U+061C⟩");
  check("\u200b\u00ad\u2060\ufeff\u3164", "⟨U+200B⟩⟨U+00AD⟩⟨U+2060⟩⟨U+FEFF⟩⟨U+3164⟩");
  check("\u2028\u2029", "⟨U+2028⟩⟨U+2029⟩");
  check("\u{e0041}\u{e0100}", "⟨U+E0041⟩⟨U+E0100⟩");
  check("\ud83d \udc00 \ud83d\ude00 \uffff", "⟨U+D83D⟩ ⟨U+DC00⟩ 😀 ⟨U+FFFF⟩");
});

Deno.test("visible() leaves nothing for a second pass, and text that UTF-8 can hold", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), (given) => {
    const once = text.visible(given);
    equal(text.visible(once), once);
    equal(once.isWellFormed(), true);
  }));
});

Deno.test("shortened() cuts by the bytes of a page, between characters", () => {
  const check = (given: string, most: number, shown: string, rest: string) =>
    deepEqual(text.shortened(given, most), { shown, rest });
  check("abc", 3, "abc", "");
  check("abc", 2, "ab", "c");
  check("<b>", 8, "<b", ">"); // 4 + 1 + 4
  check("é漢😀", 8, "é漢", "😀"); // 2 + 3 + 4
  check("😀", 3, "", "😀");
  check("", 0, "", "");
  check("\ud83d", 2, "", "\ud83d");
});

Deno.test("discreet() takes out what gives access", () => {
  const check = (given: string, expected: string) => equal(text.discreet(given), expected);
  check("openai:gpt-x@https://user:pw@host/v1", "openai:gpt-x@https://host/v1");
  check("GET https://host/v1?key=canary failed", "GET https://host/v1 failed");
  check("postgresql://reader:canary@localhost/quintet", "postgresql://localhost/quintet");
  check('{"Authorization":"Bearer canary.canary"}', '{"Authorization":"Bearer …"}');
  check("Incorrect API key provided: sk-canary0123456789abcdef.", "Incorrect API key provided: ….");
  check("What is 2 + 2? Ask me@example.com", "What is 2 + 2? Ask me@example.com");
});

Deno.test("numbers are written for readers", () => {
  const rows: [string, string][] = [
    [text.percent(0.12345), "12.3"],
    [text.percent(1), "100.0"],
    [text.points(0.5), "+50.0"],
    [text.points(-0.0312), "−3.1"],
    [text.points(-0.0001), "0.0"],
    [text.points(0), "0.0"],
    [text.count(1234567), "1,234,567"],
    [text.plural(1, "trial"), "1 trial"],
    [text.plural(0, "trial"), "0 trials"],
    [text.probability(0), "p < 0.001"],
    [text.probability(0.0496), "p = 0.0496"],
    [text.probability(0.625), "p = 0.63"],
    [text.probability(1), "p = 1.00"],
    [text.dollars(0), "$0"],
    [text.dollars(0.00001234), "$0.000012"],
    [text.dollars(0.061), "$0.061"],
    [text.dollars(1234.5), "$1,234.50"],
    [text.duration(8.25), "8.3 s"],
    [text.duration(59.96), "1 min 00 s"],
    [text.duration(3725), "1 h 02 min"],
    [text.latency(0.4), "0 ms"],
    [text.latency(999.6), "1 s"],
    [text.latency(1234.5), "1.23 s"],
    [text.latency(123456), "123 s"],
    [text.moment(new Date(Date.UTC(2026, 10, 23, 9, 5, 59))), "2026-11-23 09:05 UTC"],
    [text.metricName("rougeL"), "ROUGE-L"],
    [text.metricName("constructor"), "constructor"],
  ];
  for (const [actual, expected] of rows) equal(actual, expected);
});

Deno.test("biasTerms() says what is added to each answer, in their order", () => {
  const check = (bias: Readonly<Record<string, number>> | null, expected: string[]) =>
    deepEqual(text.biasTerms(bias), expected);
  check(null, []);
  check({}, []);
  check({ number: 0.849, abbreviation: -2.1 }, ["abbreviation −2.10", "number +0.85"]);
  check({ "two\nlines\u202e": -0.001 }, ["two lines⟨U+202E⟩ 0.00"]);
});

Deno.test("featureName() says what a feature is", () => {
  const rows: [string, string, string][] = [
    ["system_words", "words of the system prompt", "system: words"],
    ["output_embedding_12", "meaning 12 of the output prompt", "output: meaning 12"],
    ["demo_mean_length", "mean length of the demos", "demos: mean length"],
    ["anything else", "anything else", "anything else"],
  ];
  for (const [name, long, short] of rows) {
    deepEqual([text.featureName(name), text.featureName(name, { short: true })], [long, short]);
  }
});
