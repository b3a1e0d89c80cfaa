/**
 * The test questions, each with both answers: lost ones first, as they are what a reader must know.
 *
 * @module
 */
import { html } from "hono/html";
import type { ExperimentRecord } from "../../store/overview.ts";
import { wonAndLost } from "../charts.ts";
import { compared, type Outcome, type Pair, pairs } from "../rows.ts";
import { count, percent, plural } from "../text.ts";
import { figure, type Html, quoted, table } from "./parts.ts";

/** Rows shown, and bytes that their texts may take together. */
const ROWS = 2_000;
const BYTES = 800_000;
/** Bytes of one text, whatever the number of rows. */
const [LEAST, MOST] = [80, 8_000];

/** The table of test questions; nothing where none was answered. */
export function questions(record: ExperimentRecord): Html | string {
  const versions = compared(record);
  return questionSection(pairs(record.answers, versions), {
    title: "Every test question",
    answers: versions.before === versions.after ? ["Answer"] : ["Before", "After"],
    caption:
      "Questions that the new prompt answers better (won), as well (tied) and worse (lost) than the one to begin with.",
  });
}

/** The section for pairs of answers, or for single ones, which stand in `after`; nothing where there are none. */
export function questionSection(
  all: readonly Pair[],
  { title, answers, caption }: {
    readonly title: string;
    /** What the columns of answers are called. */
    readonly answers: readonly string[];
    readonly caption: string;
  },
): Html | string {
  if (all.length === 0) return "";
  const two = answers.length === 2;
  const shown = all.slice(0, ROWS);
  const most = Math.min(MOST, Math.max(LEAST, Math.floor(BYTES / (shown.length * (two ? 4 : 3)))));
  const label = (pair: Pair) => two ? pair.outcome : pair.after ? worth(pair.after.score) : "open";
  const kinds = [...Map.groupBy(shown, label)];
  return html`<section id="questions" aria-labelledby="questions-title">
<h2 id="questions-title">${title}</h2>
${two ? outcomes(all, caption) : ""}
<div class="controls" hidden><label>Search <input type="search" id="search" autocomplete="off"></label><label>Show <select id="outcome"><option value="">all ${
    count(shown.length)
  }</option>${
    kinds.map(([kind, own]) => html`<option value="${kind}">${kind} (${count(own.length)})</option>`)
  }</select></label><output id="found" aria-live="polite"></output></div>
${
    table({
      id: "question-table",
      label: title,
      columns: ["Outcome", "Question", "Wanted", ...answers],
      rows: shown.map((pair) => row(pair, label(pair), two ? [pair.before, pair.after] : [pair.after], most)),
    })
  }
${
    all.length > ROWS
      ? html`<p class="note">The first ${count(ROWS)} of ${plural(all.length, "question")}.</p>`
      : ""
  }</section>`;
}

/** Won, tied and lost ones, counted. */
function outcomes(all: readonly Pair[], caption: string): Html {
  const rows = (["won", "tied", "lost"] satisfies Outcome[]).map((outcome) => ({
    outcome,
    questions: all.filter((pair) => pair.outcome === outcome).length,
  }));
  return figure((options) => wonAndLost(rows, options), caption);
}

function row(
  { question, references }: Pair,
  label: string,
  answers: readonly Pair["after"][],
  most: number,
): Html {
  const text = (text: string) => html`<td>${quoted(text, most)}</td>`;
  const answer = (given: Pair["after"]) =>
    given === null
      ? html`<td><i>no answer</i></td>`
      : html`<td>${quoted(given.answer, most)}<span>${worth(given.score)}</span></td>`;
  return html`<tr data-o="${label}"><td><b class="${label}">${label}</b></td>${text(question)}${
    text(references.slice(0, 100).join("\nor "))
  }${answers.map(answer)}</tr>`;
}

/** What an answer was worth: in words where it is all or nothing. */
const worth = (score: number): string => score === 1 ? "right" : score === 0 ? "wrong" : percent(score);
