/**
 * How the search went: who came from whom, the score against the calls, what each operator earned, every trial.
 *
 * @module
 */
import { html } from "hono/html";
import type { TrialRow } from "../../store/overview.ts";
import { lineage, operatorGains, scoreAgainstCalls } from "../charts.ts";
import { ancestry, earned, fate } from "../rows.ts";
import { count, percent, plural, points, term } from "../text.ts";
import { figure, type Html, quoted, table, trialNumber } from "./parts.ts";

/** A reason or a note. */
const words = (text: string): Html => quoted(text, 320, 160);
const indices = (trials: readonly TrialRow[]): ReadonlySet<number> =>
  new Set(trials.map(({ index }) => index));

/** The search; nothing where there was none. Of the trials those that are `shown` are drawn and listed. */
export function search(trials: readonly TrialRow[], shown = trials): Html | string {
  if (trials.length === 0) return "";
  const raced = trials.some(({ validation, index }) => validation !== null && index > 0);
  const rest = shown.length === trials.length ? "" : html`
    <p
      class="note">${count(shown.length)} of ${count(
        trials.length,
      )} trials: those that led to the best prompt, those that were kept, and the newest; <code>deno task export</code> has all.</p>
  `;
  return html`${origin(shown, rest)}${raced ? html`${score(shown)}${operators(trials)}` : ""}${
    list(shown, rest)
  }`;
}

function origin(trials: readonly TrialRow[], rest: Html | string): Html {
  const key =
    `${rest === "" ? "All " : ""}${
      plural(trials.length, "trial")
    }, an iteration a row. A filled dot was kept, a ring was dropped in ` +
    "the race, a cross was refused before a question was asked. Lines lead to what a trial was made from, dashed ones " +
    "to a second parent.";
  return html`<section id="lineage" aria-labelledby="lineage-title">
<h2 id="lineage-title">Where the best prompt comes from</h2>
${path(trials)}${
    trials.length === 1 ? "" : figure(
      (options) => lineage(trials, options),
      html`${key} <a href="#trials">Why, for each of them</a>.`,
    )
  }${rest}</section>`;
}

function score(trials: readonly TrialRow[]): Html {
  const key =
    `Each dot is a trial; the larger, the more validation questions it saw (${
      seen(trials)
    }). The line is the ` +
    `best prompt so far, bars are 95 % intervals. ${
      unseen(trials)
    }These questions selected the prompt, so its score ` +
    "here is too high by a little; the claim is made on other ones.";
  return html`<section id="score" aria-labelledby="score-title">
<h2 id="score-title">Score against calls</h2>
${figure((options) => scoreAgainstCalls(trials, options), key)}</section>`;
}

/** The line from the seed prompt to the best one, in words. */
function path(trials: readonly TrialRow[]): Html {
  const listed = indices(trials);
  return html`<ol class="path">${
    ancestry(trials).map((trial) =>
      html`<li><b>${trialNumber(trial.index, listed)} ${term(trial.operator)}</b> ${standing(trial)}${
        trial.index === 0 ? "" : html`<div>${words(trial.metadata.note ?? "")}</div>`
      }<div>${words(trial.reason)}</div></li>`
    )
  }</ol>`;
}

const standing = ({ validation, questions_seen }: TrialRow): Html | string =>
  validation === null
    ? ""
    : html`<span>${percent(validation)} on ${plural(questions_seen, "validation question")}</span>`;

function seen(trials: readonly TrialRow[]): string {
  const counts = trials.flatMap(({ questions_seen }) => questions_seen > 0 ? [questions_seen] : []);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? count(least) : `${count(least)} to ${count(most)}`;
}

function unseen(trials: readonly TrialRow[]): string {
  const refused = trials.filter((trial) => fate(trial) === "refused").length;
  return refused === 0
    ? ""
    : `${plural(refused, "trial")} without a question asked ${refused === 1 ? "is" : "are"} not drawn. `;
}

function operators(trials: readonly TrialRow[]): Html {
  const rows = earned(trials);
  const key =
    "Each dot is a trial's gain against its parent on the validation questions that both answered; larger dots " +
    "are several trials, named ones were kept. The tick is the mean, the band the middle half.";
  const note =
    "Gains in points of 100, against the parent. Refused: before a question was asked. Earned: the gains that " +
    "were kept, as what is dropped costs its answers and no more. Answers are those to validation questions; calls that " +
    "an operator made for its proposals are not counted here.";
  return html`<section id="operators" aria-labelledby="operators-title">
<h2 id="operators-title">What each operator earned</h2>
${rows.some(({ gains }) => gains.length > 0) ? figure((options) => operatorGains(rows, options), key) : ""}${
    table({
      id: "operator-table",
      label: "What each operator earned",
      columns: ["Operator", "Trials", "Refused", "Kept", "Answers", "Mean gain", "Earned", "per 100 answers"],
      rows: rows.map(({ operator, trials, refused, kept, answers, mean, earned, perAnswer }) => {
        const numbers = [
          ...[trials, refused, kept.length, answers].map(count),
          mean === null ? "–" : points(mean),
          points(earned),
          points(100 * perAnswer),
        ];
        return html`<tr><th scope="row">${term(operator)}</th>${
          numbers.map((n) => html`<td class="n">${n}</td>`)
        }</tr>`;
      }),
    })
  }<p class="note">${note}</p></section>`;
}

function list(trials: readonly TrialRow[], rest: Html | string): Html {
  const listed = indices(trials), title = rest === "" ? "All trials" : "Trials";
  const note =
    "From: the parents, and the gain against the first of them on the questions that both answered. " +
    "Validation: the mean score, and its 95 % interval. Below a trial's number is the beginning of its prompt's id: " +
    "deno task evaluate --prompt takes it.";
  return html`<section id="trials-section" aria-labelledby="trials-title">
<h2 id="trials-title">${title}</h2>
${
    table({
      id: "trials",
      label: title,
      columns: ["Trial", "Operator", "From", "Validation", "Questions", "Outcome"],
      rows: trials.map((trial) => row(trial, listed)),
    })
  }${rest}<p class="note">${note}</p></section>`;
}

function row(trial: TrialRow, listed: ReadonlySet<number>): Html {
  const { index, iteration, parent, metadata, validation, validation_low, validation_high, gain } = trial;
  const parents = parent === null ? [] : [parent, ...(metadata.parents ?? []).slice(1)];
  const note = index === 0 ? "" : html`<div class="sub">${words(metadata.note ?? "")}</div>`;
  const name = html`<code title="${term(trial.prompt_id)}">${term(trial.prompt_id.slice(0, 8))}</code>`;
  const interval = `${percent(validation_low ?? 0)} to ${percent(validation_high ?? 1)}`;
  return html`
    <tr id="trial-${index}" class="${fate(trial)}">
      <th scope="row">#${index}<span>iteration ${iteration}</span>${name}</th>
      <td>${term(trial.operator)}${note}</td>
      <td>${parents.map((parent, i) =>
        html`${i > 0 ? ", " : ""}${trialNumber(parent, listed)}`
      )}${gain === null ? "" : html`<span>${points(gain)}</span>`}</td>
      <td class="n">${validation === null ? "–" : html`${percent(validation)}<span>${interval}</span>`}</td>
      <td class="n">${count(trial.questions_seen)}</td>
      <td><b>${fate(trial)}</b><div class="sub">${words(trial.reason)}</div></td>
    </tr>
  `;
}
