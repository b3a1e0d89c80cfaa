/**
 * The optimizer model proposes an instruction from examples of the task (Zhou et al., 2023, "APE"; MIPROv2's grounded
 * proposer): it sees questions with their references, a kind of prompt to aim for, and no results.
 *
 * @module
 */
import { pick, sample } from "../../random.ts";
import { json } from "../../text.ts";
import type { AnswerSpace } from "../answer_space.ts";
import { excerpt, readReply, REPLY_FORM } from "./reply.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** Examples shown. */
const SHOWN = 8;

/** Kinds of prompt to aim for: without a push, proposals look alike (MIPROv2 calls them tips). */
const AIMS = [
  "Be short: two sentences at most.",
  "Be precise: define each answer there can be and when it applies.",
  "Give the role of an expert in this very task, then the rule to follow.",
  "State the rule first, then the exceptions, then the form of the answer.",
  "Forbid the likely mistakes by name.",
];

/** Writes a new instruction and keeps the parent's demos. */
export const instruct: Operator = {
  name: "instruct",
  practises: 0,
  asks: 1,
  applies: ({ train }) => train.length > 0,
  async propose({ parent, train, space, random, ask }: Context): Promise<Proposal> {
    const aim = pick(AIMS, random);
    const examples = sample(train, SHOWN, random)
      .map(({ question, references }) =>
        json({ question: excerpt(question), answer: excerpt(references[0]!) })
      );
    const completion = await ask([
      {
        role: "system",
        content: "You write prompts for a language model. You are shown examples of a task and write the " +
          `instruction under which a model that has not seen them answers rightly.\n\n${REPLY_FORM}`,
      },
      {
        role: "user",
        content: `Examples of the task, one JSON object a line:\n${examples.join("\n")}\n\n` +
          `${described(space)} ${aim} Do not repeat the examples.`,
      },
    ]);
    const reply = readReply(completion);
    if ("refused" in reply) return reply;
    return {
      prompt: { ...parent.prompt, ...reply },
      parents: [parent.index],
      note: `instruction from examples: ${aim}`,
    };
  },
};

/** What is known of the answers, in a sentence. */
export function described(space: AnswerSpace): string {
  switch (space.kind) {
    case "labels":
      return `Every answer is one of ${json(space.labels)}.`;
    case "extract":
      return "Every answer is copied from the question word for word.";
    case "number":
      return "Every answer is a number alone.";
    case "text":
      return `Answers have about ${space.words.median} words, ${space.words.most} at most.`;
  }
}
