/**
 * What changed in the prompt: its texts word by word, its demos place by place.
 *
 * @module
 */
import { html } from "hono/html";
import type { ExperimentRecord, TrialRow } from "../../store/overview.ts";
import { biasDiff, type DemoChange, demoDiff, type Piece, wordDiff } from "../prompt_diff.ts";
import { compared } from "../rows.ts";
import { count, MINUS, plural, shortened, term, visible } from "../text.ts";
import { type Html, quoted } from "./parts.ts";

/** Bytes of a text that are compared and shown. */
const MOST = 24_000;
/** Bytes of each text of a demo. */
const DEMO = 1_000;
/** Demos shown. */
const DEMOS = 100;
/** Answers with a bias shown. */
const BIASES = 200;

/** The prompt before and after; nothing where no prompt is known. */
export function prompt(record: ExperimentRecord): Html | string {
  const { before, after } = compared(record);
  const [old, now] = [before, after].map((version) => record.trials.find(({ index }) => index === version));
  if (!old || !now) return "";
  return html`<section id="prompt" aria-labelledby="prompt-title">
<h2 id="prompt-title">What changed in the prompt</h2>
<p>${
    old === now
      ? "The prompt to begin with is the best one so far; nothing changed."
      : html`From the prompt to begin with to trial <a href="#trial-${now.index}">#${now.index}</a>. <ins>Added</ins> and
<del>removed</del> words are marked.`
  } Score it on other questions: <code>deno task evaluate --prompt ${
    term(now.prompt_id.slice(0, 8))
  }</code></p>
${difference(old, now)}
</section>`;
}

type Prompt = Pick<TrialRow, "system_prompt" | "output_prompt" | "demos" | "bias">;

/** How a demo is called that is in one prompt, or in both. */
type Names = Readonly<Record<DemoChange["kind"], string>>;
const CHANGES: Names = { added: "added", removed: "removed", moved: "moved", kept: "kept" };

/** What makes `now` of `old`, text by text. */
export function difference(old: Prompt, now: Prompt, names = CHANGES): Html {
  const demos = demoDiff(old.demos, now.demos);
  return html`<h3>System prompt</h3>
${text(old.system_prompt, now.system_prompt)}
<h3>Output prompt <span>after each question</span></h3>
${text(old.output_prompt, now.output_prompt)}
<h3>Worked examples (demos) <span>${summary(demos, names)}</span></h3>
${demos.length === 0 ? html`<p class="note">None in either.</p>` : list(demos, names)}${
    bias(biasDiff(old.bias, now.bias))
  }`;
}

/** What is added to each answer; nothing where neither prompt has a bias. */
function bias(pieces: readonly Piece[]): Html | string {
  if (pieces.length === 0) return "";
  const rest = pieces.length - BIASES, held = pieces.filter(({ kind }) => kind !== "removed").length > 1;
  return html`
    <h3>Bias <span>before each answer</span></h3>
    <p>Before it answers, what the model says too often is made less likely (${MINUS}), and what it says too seldom more
    likely (+): by as much as is written behind each answer, on a server that takes <code>logit_bias</code>.${held
      ? " It answers with nothing else, where the server can see to that."
      : ""}</p>
    <p class="diff">${pieces.slice(0, BIASES).map((one, i) =>
      html`${i === 0 ? "" : ", "}${piece(one)}`
    )}</p>${pieces.every(({ kind }) => kind === "same") ? html`<p class="note">Unchanged.</p>` : ""}${rest > 0
      ? html`<p class="note">and ${count(rest)} more.</p>`
      : ""}
  `;
}

/** What changed, in a clause for the first screen: `the system prompt was rewritten, 8 worked examples were added`. */
export function changed(old: Prompt, now: Prompt): string {
  const one = (name: string, before: string, after: string): string[] => {
    if (before === after) return [];
    const way = before === "" ? "added" : after === "" ? "removed" : "rewritten";
    return [`the ${name} was ${way}`];
  };
  const [before, after] = [old.demos.length, now.demos.length];
  const same = JSON.stringify(old.demos) === JSON.stringify(now.demos);
  const demos = same
    ? []
    : before === 0
    ? [`${plural(after, "worked example")} ${after === 1 ? "was" : "were"} added`]
    : after === 0
    ? ["the worked examples were removed"]
    : [`the worked examples were changed (${count(before)} before, ${count(after)} after)`];
  const biases = biasDiff(old.bias, now.bias).every(({ kind }) => kind === "same") ? [] : [
    `the bias of each answer was ${old.bias === null ? "added" : now.bias === null ? "removed" : "changed"}`,
  ];
  const parts = [
    ...one("system prompt", old.system_prompt, now.system_prompt),
    ...one("output prompt", old.output_prompt, now.output_prompt),
    ...demos,
    ...biases,
  ];
  return parts.length === 0
    ? "nothing"
    : parts.length === 1
    ? parts[0]!
    : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

function text(before: string, after: string): Html {
  const [old, now] = [before, after].map((text) => shortened(visible(text.slice(0, MOST + 1)), MOST));
  const pieces = wordDiff(old!.shown, now!.shown);
  const cut = old!.rest + now!.rest !== "";
  return html`<p class="diff">${pieces.length === 0 ? html`<i>empty in both</i>` : pieces.map(piece)}</p>${
    before === after && pieces.length > 0 ? html`<p class="note">Unchanged.</p>` : ""
  }${
    cut
      ? html`<p class="note">Only the beginning: ${count(before.length)} characters before, ${
        count(after.length)
      } after.</p>`
      : ""
  }`;
}

const piece = ({ kind, text }: Piece): Html | string =>
  kind === "added" ? html`<ins>${text}</ins>` : kind === "removed" ? html`<del>${text}</del>` : text;

function summary(demos: readonly DemoChange[], names: Names): string {
  const kinds = Map.groupBy(demos, ({ kind }) => kind);
  return (["added", "removed", "moved", "kept"] as const)
    .flatMap((kind) => kinds.has(kind) ? [`${kinds.get(kind)!.length} ${names[kind]}`] : []).join(", ");
}

function list(demos: readonly DemoChange[], names: Names): Html {
  const rest = demos.length - DEMOS;
  return html`<ol class="demos">${
    demos.slice(0, DEMOS).map(({ kind, demo, before }) =>
      html`
        <li class="${kind}">
          <div><div>${quoted(demo.question, DEMO)}</div><div class="answer">${quoted(
            demo.answer,
            DEMO,
          )}</div><span class="tag">${kind === "moved"
            ? `${names.moved} from ${before}`
            : names[kind]}</span></div>
        </li>
      `
    )
  }</ol>${rest > 0 ? html`<p class="note">and ${count(rest)} more.</p>` : ""}`;
}
