/**
 * How the optimizer model is asked for a prompt, and how its reply is read.
 *
 * Everything that came from data or from a model is shown as JSON strings, so that no text can close a quotation and
 * speak as the instruction. A reply that was cut off or lacks the tags is no prompt.
 *
 * @module
 */
import type { Completion } from "../../llm/model.ts";
import type { Prompt } from "../candidate.ts";

/** The form asked of the optimizer model. */
export const REPLY_FORM = `Reply in exactly this form, with nothing before or after:
<system_prompt>
the new system prompt
</system_prompt>
<output_prompt>
one line that follows every question and says what form the answer takes; may be empty
</output_prompt>`;

/** The instructions in a reply, or why it has none. */
export function readReply(
  completion: Completion,
): { readonly systemPrompt: string; readonly outputPrompt: string } | { readonly refused: string } {
  if (completion.finish === "length") {
    return { refused: "truncated reply: the optimizer model ran out of tokens" };
  }
  const part = (tag: string) =>
    completion.text.match(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`))?.[1]?.trim();
  const [systemPrompt, outputPrompt] = [part("system_prompt"), part("output_prompt") ?? ""];
  if (!systemPrompt) {
    return { refused: `reply without <system_prompt>: ${JSON.stringify(completion.text.slice(0, 80))}` };
  }
  return { systemPrompt, outputPrompt };
}

/** A prompt as the optimizer model sees it. */
export const shown = ({ systemPrompt, outputPrompt, demos }: Prompt): string =>
  JSON.stringify({ system_prompt: systemPrompt, output_prompt: outputPrompt, worked_examples: demos.length });
