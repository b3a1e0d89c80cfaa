/**
 * The optimizer model rewrites the instruction from what went wrong (Pryzant et al., 2023; GEPA's reflection), and is
 * told which rewrites were tried and refused, so that the same dead end is not bought twice.
 *
 * Only train questions are shown: validation selects, it does not teach.
 *
 * @module
 */
import { sample } from "../../random.ts";
import { json } from "../../text.ts";
import type { Prompt } from "../candidate.ts";
import { placeholders } from "../hygiene.ts";
import { described } from "./instruct.ts";
import { excerpt, readReply, REPLY_FORM, shown } from "./reply.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** Train questions answered for a reflection: three hold a telling failure in a third of all cases, eight in two thirds. */
const PRACTISED = 8;
/** Successes shown beside the failures, so that the rewrite keeps what works. */
const SUCCESSES = 2;
/** Operators by which the optimizer model writes: what others changed says nothing of a rewrite. */
const WRITERS = ["instruct", "reflect"];
/** Rejected attempts shown (AdalFlow keeps 5 and finds it effective). */
const REMEMBERED = 5;

/** Rewrites the parent's instruction and keeps its demos. */
export const reflect: Operator = {
  name: "reflect",
  practises: PRACTISED,
  asks: 1,
  applies: ({ train }) => train.length > 0,
  async propose(
    { parent, train, space, rejected, advice, random, ask, practise, suggest }: Context,
  ): Promise<Proposal> {
    const demonstrated = new Set(parent.prompt.demos.map((demo) => demo.question));
    const unseen = train.filter((example) => !demonstrated.has(example.question));
    const results = await practise(parent, sample(unseen, PRACTISED, random));
    const failures = results.filter((result) => result.score < 1).sort((a, b) => a.score - b.score);
    if (failures.length === 0) {
      return { refused: `nothing to learn from: all ${results.length} train answers were right` };
    }
    const successes = results.filter((result) => result.score === 1).slice(0, SUCCESSES);
    const line = ({ example, answer, score }: (typeof results)[number]) =>
      json({
        question: excerpt(example.question),
        wanted: excerpt(example.references[0]!),
        got: excerpt(answer, 300),
        score,
      });
    const rewrites = new Map(
      rejected.filter(({ operator }) => WRITERS.includes(operator)).map((attempt) =>
        [attempt.prompt.systemPrompt, attempt] as const
      ),
    );
    const earlier = [...rewrites.values()].slice(-REMEMBERED).map(({ prompt, reason }) =>
      `${shown(prompt, 1_000)} - ${reason}`
    );
    const hopeful = (await suggest()).filter(({ predicted }) => predicted > 0);
    const hints = [
      ...advice,
      ...hopeful.length > 0
        ? [`Edits that are expected to help: ${hopeful.map(({ action }) => spoken(action)).join(", ")}.`]
        : [],
    ];
    const completion = await ask([
      {
        role: "system",
        content:
          "You improve prompts for a language model. First find the rule behind the failures, then write a prompt " +
          "that prevents them without losing what works. Write rules that hold for questions not shown; " +
          `do not quote the questions.${kept(parent.prompt)}\n\n${REPLY_FORM}`,
      },
      {
        role: "user",
        content: [
          `The current prompt:\n${shown(parent.prompt)}`,
          `Failures, one JSON object a line:\n${failures.map(line).join("\n")}`,
          successes.length > 0 ? `Successes:\n${successes.map(line).join("\n")}` : "",
          earlier.length > 0 ? `Tried before without success:\n${earlier.join("\n")}` : "",
          hints.length > 0 ? `Hints from measurement:\n${hints.join("\n")}` : "",
          described(space),
        ].filter((part) => part !== "").join("\n\n"),
      },
    ]);
    const reply = readReply(completion);
    if ("refused" in reply) return reply;
    return {
      prompt: { ...parent.prompt, ...reply },
      parents: [parent.index],
      note: `rewritten from ${failures.length} failures of ${results.length}`,
    };
  },
};

/** Said where there are some alone: who is told of placeholders that are not there makes them up. */
function kept({ systemPrompt, outputPrompt }: Prompt): string {
  const names = placeholders(`${systemPrompt}\n${outputPrompt}`);
  return names.length === 0 ? "" : ` Keep ${names.join(", ")} as it is written.`;
}

const spoken = (action: string): string => action.replaceAll("_", " ");
