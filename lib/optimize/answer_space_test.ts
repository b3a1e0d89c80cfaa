import { strictEqual as equal } from "node:assert/strict";
import { answerSpace } from "./answer_space.ts";

Deno.test("answerSpace() tells words of the question from labels, though they are few", () => {
  const rows: [what: string, kind: string, pairs: [question: string, answer: string][]][] = [
    ["names that come again", "extract", [
      ["The prize went to Olga.", "Olga"],
      ["Nobody but Omar knew.", "Omar"],
      ["Olga was asleep.", "Olga"],
      ["It rained while Omar painted.", "Omar"],
    ]],
    ["letters of options", "labels", [
      ["Which is a fruit?\nA) saw\nB) pear", "B"],
      ["Which is a tool?\nA) axe\nB) fig", "A"],
      ["Which is a bird?\nA) oak\nB) owl", "B"],
      ["Which is a fish?\nA) cod\nB) rose", "A"],
    ]],
    ["labels that are listed", "labels", [
      ["Red or blue: the sky?", "blue"],
      ["Red or blue: blood?", "Red"],
      ["Red or blue: the sea?", "blue"],
      ["Red or blue: a ruby?", "Red"],
    ]],
    ["labels of which some questions speak", "labels", [
      ["What food is this?", "food"],
      ["A train?", "travel"],
      ["Bread?", "food"],
      ["A ship?", "travel"],
    ]],
    ["words that never come again", "extract", [["Olga sings.", "Olga"], ["Omar sings.", "Omar"]]],
  ];
  for (const [what, kind, pairs] of rows) {
    const examples = pairs.map(([question, answer], i) => ({ id: `${i}`, question, references: [answer] }));
    equal(answerSpace(examples).kind, kind, what);
  }
});
