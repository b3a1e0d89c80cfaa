import { strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { isStorable } from "../text.ts";
import { requireStorable } from "./storable.ts";

const texts: [string, boolean][] = [
  ["", true],
  ["plain", true],
  ["naïve 😀 \u0001 \u202e", true],
  ['the six characters "\\u0000"', true],
  ["\0", false],
  ["a\0b", false],
  ["\ud83d", false],
  ["\ude00\ud83d", false],
];
for (const [text, expected] of texts) {
  Deno.test(`isStorable() of ${JSON.stringify(text)} is ${expected}`, () =>
    equal(isStorable(text), expected));
}

const params: [string, unknown[], string | undefined][] = [
  ["nothing", [], undefined],
  ["what is not text", [null, undefined, 1, 1n, true, new Date(), new Uint8Array([0])], undefined],
  ["clean text", ["a", ["b", ["c"]], { d: ["e", { f: "g" }] }], undefined],
  ["a text", [1, "a\0"], "$2 as text must be free of NUL and lone surrogates: it has U+0000"],
  ["half a pair", ["\ud800"], "$1 as text must be free of NUL and lone surrogates: it has a lone surrogate"],
  ["an item", [["a", "b\0"]], "$1[1] as text"],
  ["a value", [{ rows: [{ question: "\0" }] }], "$1.rows[0].question as text"],
  ["a key", [{ "a\0": 1 }], "$1 (a key) as text"],
];
for (const [what, values, message] of params) {
  Deno.test(`requireStorable() ${message ? `names ${what}` : `passes ${what}`}`, () => {
    if (message === undefined) return requireStorable(values);
    throws(() => requireStorable(values), (error: Error) => {
      equal(error.name, "RangeError");
      equal(error.message.includes(`Cannot store parameter ${message}`), true, error.message);
      return true;
    });
  });
}

Deno.test("isStorable() is what a round trip through UTF-8 and JSON keeps, but for NUL", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const back = new TextDecoder().decode(new TextEncoder().encode(text));
    equal(isStorable(text), back === text && !text.includes("\0"));
  }));
});
