/**
 * The search for a better prompt.
 *
 * ```ts
 * import { optimize } from "./mod.ts";
 * import { random } from "../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * // A "model" that answers rightly once it has seen four worked examples.
 * const examples = Array.from({ length: 20 }, (_, i) => ({ id: `${i}`, question: `What is ${i} + 1?`, references: [`${i + 1}`] }));
 * const search = optimize({
 *   seedPrompt: { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
 *   train: examples.slice(0, 10),
 *   validation: examples.slice(10),
 *   random: random(1),
 *   answer: (prompt, { references: [right] }) =>
 *     Promise.resolve({ text: prompt.demos.length >= 4 ? right! : "Let me think.", completion: "" }),
 *   score: (answer, { references }) => references.includes(answer) ? 1 : 0,
 *   ask: () => Promise.resolve({ text: "I cannot.", finish: "stop", usage: null }),
 * });
 * let next = await search.next();
 * while (!next.done) next = await search.next();
 * equal(next.value.stopReason, "target");
 * ```
 *
 * @module
 */
export { type AnswerSpace, answerSpace } from "./answer_space.ts";
export { probesFor } from "./calibration.ts";
export {
  type Bias,
  type Candidate,
  type Demo,
  meanScore,
  messages,
  type Prompt,
  type Result,
  toDemo,
} from "./candidate.ts";
export { LIMITS, type Limits, placeholders, refusal } from "./hygiene.ts";
export { optimize } from "./loop.ts";
export type { Policy } from "./operators/edit.ts";
export type { Context, Operator, Proposal, Situation } from "./operators/operator.ts";
export { COURSE, type Course, DECIDING } from "./race.ts";
export {
  type Answer,
  type Options,
  type Outcome,
  type Step,
  type StepName,
  Stop,
  type StopReason,
  type Surrogate,
  type Trial,
} from "./search.ts";
