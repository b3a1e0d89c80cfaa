/**
 * The first screen: what was asked, what came of it, how sure that is, what it cost, how it ended.
 *
 * @module
 */
import { html } from "hono/html";
import type { ExperimentRecord } from "../../store/overview.ts";
import { beforeAndAfter } from "../charts.ts";
import { count, discreet, dollars, duration, modelName, plural, points, probability, term } from "../text.ts";
import { claimsBefore, compared } from "../rows.ts";
import { capital, ending, metricOf, scored, scoreOf, verdict, withoutPrice } from "../verdict.ts";
import { figure, type Html, quoted } from "./parts.ts";
import { changed } from "./prompt.ts";

/** The first screen. */
export function result(record: ExperimentRecord): Html {
  const { experiment } = record;
  const { tone, title, text } = verdict(record);
  return html`<section id="result" aria-labelledby="verdict">
<p class="kicker">${task(record)}</p>
<h1 id="verdict" class="${tone}">${title}</h1>
<p class="lead">${text}</p>
${whatChanged(record)}
${experiment.error === null ? "" : html`<div class="error">${quoted(discreet(experiment.error), 4000)}</div>`}
${claim(record)}
<h2 class="small">What it cost and how it ended</h2>
${costs(record)}
<p>${ending(record)}</p>
${asked(record)}
${experiment.improvement === null || experiment.before === experiment.after ? "" : method(record)}
</section>`;
}

/** What was asked, in a sentence. */
function task(record: ExperimentRecord): Html {
  const { kind, dataset } = record.experiment;
  const model = modelOf(record, "primary");
  const who = html`<b>${model ?? "the model"}</b>`,
    what = html`<b>${term(dataset)}</b>`,
    how = html`<b>${metricOf(record)}</b>`;
  return kind === "optimize"
    ? html`The question: which prompt makes ${who} score highest on ${what}, by ${how}?`
    : html`The question: how does ${who} score on ${what} with one prompt, by ${how}?`;
}

/** What is different in the best prompt, in a sentence; nothing where it is the one to begin with. */
function whatChanged(record: ExperimentRecord): Html | string {
  const { before, after } = compared(record);
  const [old, now] = [before, after].map((version) => record.trials.find(({ index }) => index === version));
  if (!old || !now || old === now) return "";
  return html`<p>What changed: ${changed(old, now)}. <a href="#prompt">See the prompt</a></p>`;
}

/** One large number with what it is, line by line. */
export const tile = (name: string, value: string, ...notes: readonly string[]): Html =>
  html`
    <div>
      <dt>${name}</dt>
      <dd><b>${value}</b>${notes.map((note) => html`<span>${note}</span>`)}</dd>
    </div>
  `;

/** The tests as their literature calls them. */
export const TESTS = { "mcnemar": "exact McNemar test", "sign-flip": "sign-flip permutation test" };

/** The claim in numbers and pictures, and how it is made. */
function claim(record: ExperimentRecord): Html | string {
  const { improvement, ci_low, ci_high, p_value, significant, test, test_n, before, after } =
    record.experiment;
  if (improvement === null || ci_low === null || ci_high === null || p_value === null) return "";
  const n = test_n ?? 0;
  const measured = `${capital(metricOf(record))} on ${plural(n, "test question")}`;
  if (before === after) { // one prompt was measured: there is nothing to compare
    return html`<dl class="tiles">${tile("Score", scoreOf(record, before), measured)}</dl>`;
  }
  const standing = (version: number | null) => {
    const row = record.metrics.find((row) => row.split === "test" && row.version === version);
    return row && row.ci_low !== null && row.ci_high !== null
      ? { value: row.value, low: row.ci_low, high: row.ci_high }
      : undefined;
  };
  const [old, now] = [standing(before), standing(after)];
  return html`<dl class="tiles">
${
    tile(
      "Difference",
      `${points(improvement)} points`,
      "95 % interval",
      `${points(ci_low)} to ${points(ci_high)}`,
    )
  }${
    tile(
      "Before → after",
      `${scoreOf(record, before)} → ${scoreOf(record, after)}`,
      measured,
    )
  }${
    tile(
      significant ? "Significant" : "Not significant",
      probability(p_value),
      `${test === null ? "" : `${TESTS[test]}, `}n = ${count(n)}`,
      `${significant ? "below" : "not below"} the limit of 0.05`,
    )
  }
</dl>
${
    old && now
      ? figure(
        (options) =>
          beforeAndAfter({
            before: old,
            after: now,
            difference: { value: improvement, low: ci_low, high: ci_high },
          }, options),
        "",
      )
      : ""
  }`;
}

/** How often the test questions were looked at is part of what a claim is worth. */
function method({ experiment }: ExperimentRecord): Html {
  const earlier = claimsBefore(experiment);
  const end = earlier === 0
    ? "At the end, once,"
    : `At the end, after ${
      plural(earlier, "claim")
    } that it made on the same questions before it went on with more,`;
  return html`
    <p
      class="note">How this claim is made: the test split is locked, the search never reads it. ${end} the prompt
    to begin with and the best prompt answer the same test questions, and their answers are compared question by question (paired).
    The interval is of the mean difference, with 95 % confidence.</p>
  `;
}

function costs({ experiment: { seconds, cached }, bill }: ExperimentRecord): Html {
  const total = (of: (row: ExperimentRecord["bill"][number]) => number) =>
    bill.reduce((sum, row) => sum + of(row), 0);
  const roles = [...Map.groupBy(bill, ({ role }) => role)].map(([role, rows]) =>
    `${count(rows.reduce((sum, row) => sum + row.calls, 0))} ${role}`
  );
  const usd = total((row) => row.cost_usd);
  return html`<dl class="tiles four">
${
    tile(
      "Calls",
      count(total((row) => row.calls)),
      ...roles,
      ...cached > 0 ? [`${count(cached)} more answers were known`] : [],
    )
  }${
    tile(
      "Tokens",
      count(total((row) => row.prompt_tokens + row.completion_tokens)),
      `${count(total((row) => row.prompt_tokens))} read`,
      `${count(total((row) => row.completion_tokens))} written`,
    )
  }${
    tile(
      "Money",
      dollars(usd),
      ...usd > 0 ? ["at the price list of the day"] : [],
      ...withoutPrice({ bill }),
    )
  }${tile("Time", duration(seconds), "of running")}
</dl>`;
}

/** The model that played a role, or was to. */
export function modelOf(
  { bill, experiment: { config } }: ExperimentRecord,
  role: "primary" | "optimizer",
): string | undefined {
  const names = bill.filter((row) => row.role === role).map(({ model }) => model);
  const name = names.length > 0 ? names.join(", ") : config[role];
  return typeof name === "string" ? modelName(name) : undefined;
}

/** What was asked: dataset, metric, models, limits. */
function asked(record: ExperimentRecord): Html {
  const { experiment: { splits, config, dataset }, metrics: [measured] } = record;
  const sizes = (["train", "validation", "test"] as const).flatMap((split) =>
    splits[split] ? [`${count(splits[split])} ${split}`] : []
  );
  const target = typeof config.threshold === "number"
    ? scored(measured?.metric ?? String(config.metric), config.threshold)
    : undefined;
  const rows: [string, Html | string | undefined][] = [
    ["Questions", html`${term(dataset)} <span>(${sizes.join(", ")})</span>`],
    ["Metric", html`${capital(metricOf(record))}${meaning(measured?.metric ?? config.metric)}`],
    ["Model that answers", modelOf(record, "primary")],
    ["Model that writes prompts", modelOf(record, "optimizer")],
    ["Target", target],
  ];
  return html`<h2 class="small">What was asked</h2>
<dl class="facts">${
    rows.filter(([, value]) => value !== undefined).map(([name, value]) =>
      html`
        <dt>${name}</dt>
        <dd>${value}</dd>
      `
    )
  }</dl>`;
}

const MEANINGS: Readonly<Record<string, string>> = {
  exact_match: "the share of answers that equal a reference",
  f1: "how many words answer and reference share",
  bleu: "how many runs of words the answer shares with a reference",
  rouge1: "how many words answer and reference share",
  rouge2: "how many pairs of words answer and reference share",
  rougeL: "the longest run of words in common, gaps allowed",
  rougeLsum: "the longest run of words in common, gaps allowed, line by line",
};

const meaning = (metric: unknown): Html | string =>
  typeof metric === "string" && Object.hasOwn(MEANINGS, metric)
    ? html`<span>: ${MEANINGS[metric]}</span>`
    : "";
