/**
 * Says what form an answer takes: the labels there are, words of the question, a number, a length.
 * Derived from train answers alone, without a model.
 *
 * @module
 */
import { pick } from "../../random.ts";
import { json } from "../../text.ts";
import type { AnswerSpace } from "../answer_space.ts";
import type { Prompt } from "../candidate.ts";
import type { Context, Operator, Proposal, Situation } from "./operator.ts";

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

/** Replaces the output prompt by another way to say the form of an answer, one that is not known to come of this parent. */
export const constrainOutput: Operator = {
  name: "constrain_output",
  practises: 0,
  asks: 0,
  applies: (situation) => untried(situation).length > 0,
  propose(context: Context): Promise<Proposal> {
    const { parent, random } = context;
    const others = untried(context);
    if (others.length === 0) return Promise.resolve({ refused: "every way to say the form was tried" });
    const prompt = pick(others, random);
    return Promise.resolve({
      prompt,
      parents: [parent.index],
      note: prompt.outputPrompt === ""
        ? "says nothing of the form"
        : `says the form: ${json(prompt.outputPrompt)}`,
    });
  },
};

/** The parent with each other way to say the form, but for those that are known. */
const untried = ({ parent: { prompt }, space, known }: Situation): Prompt[] =>
  outputPrompts(space).filter((outputPrompt) => outputPrompt !== prompt.outputPrompt)
    .map((outputPrompt) => ({ ...prompt, outputPrompt }))
    .filter((prompt) => !known(prompt));
