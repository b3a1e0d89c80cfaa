/**
 * How the optimizer model is asked for a prompt, and how its reply is read.
 *
 * Everything that came from data or from a model is shown as JSON strings, so that no text can close a quotation and
 * speak as the instruction. A reply that was cut off or lacks the tags is no prompt.
 *
 * @module
 */
import type { Completion } from "../../llm/model.ts";
import { json } from "../../text.ts";
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
  const systemPrompt = inside(completion.text, "system_prompt");
  const outputPrompt = inside(completion.text, "output_prompt") ?? "";
  if (!systemPrompt) {
    return { refused: `reply without <system_prompt>: ${json(completion.text.slice(0, 80))}` };
  }
  return { systemPrompt, outputPrompt };
}

/** What stands in a tag. Not by a pattern: that would try each of a million opening tags. */
function inside(text: string, tag: string): string | undefined {
  const [opening, closing] = [`<${tag}>`, `</${tag}>`];
  const from = text.indexOf(opening), to = text.indexOf(closing, from);
  return from < 0 || to < 0 ? undefined : text.slice(from + opening.length, to).trim();
}

/** A prompt as the optimizer model sees it, with `most` characters of each text. */
export const shown = ({ systemPrompt, outputPrompt, demos }: Prompt, most = Infinity): string =>
  json({
    system_prompt: excerpt(systemPrompt, most),
    output_prompt: excerpt(outputPrompt, most),
    worked_examples: demos.length,
  });

/** The beginning of a text: eight long documents, or a reply that was refused as over-long, would fill the context. */
export const excerpt = (text: string, most = 2_000): string =>
  text.length > most ? `${text.slice(0, most)}…` : text;
