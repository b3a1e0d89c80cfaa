/**
 * A prompt and where it came from.
 *
 * @module
 */
import type { Message } from "../llm/model.ts";

/** A worked example, sent as a user turn and an assistant turn. */
export interface Demo {
  readonly question: string;
  readonly answer: string;
}

/** What is optimized. */
export interface Prompt {
  readonly systemPrompt: string;
  /** Said after every question: the form the answer should take. */
  readonly outputPrompt: string;
  readonly demos: readonly Demo[];
}

/** The chat that asks `question` under `prompt`. Demos take the same form as the question, so that they show what is asked. */
export function messages(prompt: Prompt, question: string): Message[] {
  const user = (question: string): Message => ({
    role: "user",
    content: prompt.outputPrompt === "" ? question : `${question}\n\n${prompt.outputPrompt}`,
  });
  return [
    ...(prompt.systemPrompt === "" ? [] : [{ role: "system", content: prompt.systemPrompt } as const]),
    ...prompt.demos.flatMap((
      demo,
    ): Message[] => [user(demo.question), { role: "assistant", content: demo.answer }]),
    user(question),
  ];
}
