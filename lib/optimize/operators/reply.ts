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

/** The instructions in a reply, or why it has none. Of several, the last are meant: what comes before is a draft. */
export function readReply(
  completion: Completion,
): { readonly systemPrompt: string; readonly outputPrompt: string } | { readonly refused: string } {
  if (completion.finish === "length") {
    return { refused: "truncated reply: the optimizer model ran out of tokens" };
  }
  const systemPrompt = inside(completion.text, "system_prompt");
  if (!systemPrompt) {
    return { refused: `reply without <system_prompt>: ${json(completion.text.slice(0, 80))}` };
  }
  const outputPrompt = inside(completion.text, "output_prompt") ?? opened(completion.text, "output_prompt") ??
    "";
  return { systemPrompt, outputPrompt };
}

/** What stands in the last pair of a tag. Not by one pattern: that would try each of a million opening tags. */
function inside(text: string, tag: string): string | undefined {
  const to = last(text, `</${tag}>`);
  const from = to && last(text.slice(0, to.index), `<${tag}>`);
  return from && unwrapped(text.slice(from.index + from[0].length, to.index));
}

/** The paragraph after a tag that was never closed: it is the last thing in the form that is asked for. */
function opened(text: string, tag: string): string | undefined {
  const from = last(text, `<${tag}>`);
  return from &&
    unwrapped(text.slice(from.index + from[0].length).trim().split(/\n\s*\n|\n\s*```/, 1)[0]!);
}

/** Some models write tags in capitals. */
const last = (text: string, tag: string): RegExpExecArray | undefined =>
  text.matchAll(new RegExp(tag, "gi")).reduce<RegExpExecArray | undefined>((_, match) => match, undefined);

/** A text without the signs of Markdown around the whole of it: a fence, or those that made its tags bold. */
function unwrapped(text: string): string {
  const whole = text.trim();
  const [, fenced, bold] = /^(?:```\w*\n([^]*?)\n```|\*\*\n([^]*)\n\*\*)$/.exec(whole) ?? [];
  return (fenced ?? bold ?? whole).trim();
}

/** A prompt as the optimizer model sees it, with `most` characters of each text. */
export const shown = ({ systemPrompt, outputPrompt, demos }: Prompt, most = Infinity): string =>
  json({
    system_prompt: excerpt(systemPrompt, most),
    output_prompt: excerpt(outputPrompt, most),
    worked_examples: demos.length,
  });

/**
 * Both ends of a text: eight long documents, or a reply that was refused as over-long, would fill the context, and what is
 * asked of a document mostly stands below it.
 */
export function excerpt(text: string, most = 2_000): string {
  if (text.length <= most) return text;
  const half = Math.floor(most / 2);
  return `${text.slice(0, half)} […] ${text.slice(-half)}`;
}
