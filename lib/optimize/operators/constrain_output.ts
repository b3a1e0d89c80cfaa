/**
 * Says what form an answer takes: the labels there are, words of the question, a number, a length.
 * Derived from train answers alone, without a model.
 *
 * @module
 */
import { pick } from "../../random.ts";
import { json } from "../../text.ts";
import type { AnswerSpace } from "../answer_space.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** Ways to say the form of an answer; `""` says nothing and lets the demos speak. */
export function outputPrompts(space: AnswerSpace): string[] {
  switch (space.kind) {
    case "labels": {
      const list = space.labels.join(", ");
      return [
        `Answer with exactly one of: ${list}.`,
        `Choose one: ${list}. Reply with that alone.`,
        `Options: ${space.labels.join(" | ")}\nAnswer:`,
        "Answer with one label only.",
        "",
      ];
    }
    case "extract":
      return [
        "Answer with the exact words from the text, nothing else.",
        "Copy only the value that is asked for.",
        "Reply with the value alone, as it is written.",
        "",
      ];
    case "number":
      return ["Answer with the number only.", "Reply with digits alone, without words or units.", ""];
    case "text":
      return [
        `Answer in at most ${space.words.most} words.`,
        `Reply with about ${space.words.median} words and nothing else.`,
        "Give only the answer, without explanation.",
        "",
      ];
  }
}

/** Replaces the output prompt by another way to say the form of an answer. */
export const constrainOutput: Operator = {
  name: "constrain_output",
  practises: 0,
  asks: 0,
  applies: () => true,
  propose({ parent, space, random }: Context): Promise<Proposal> {
    const others = outputPrompts(space).filter((text) => text !== parent.prompt.outputPrompt);
    const outputPrompt = pick(others, random);
    return Promise.resolve({
      prompt: { ...parent.prompt, outputPrompt },
      parents: [parent.index],
      note: outputPrompt === "" ? "says nothing of the form" : `says the form: ${json(outputPrompt)}`,
    });
  },
};
