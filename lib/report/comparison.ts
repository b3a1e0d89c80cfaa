/**
 * Two runs side by side: one HTML page, like the report of one.
 *
 * Scores of different questions or metrics are shown beside each other, and no more. Where both runs answered the same
 * questions of their test splits, scored in the same way, their best prompts are compared question by question.
 *
 * ```ts ignore
 * await Deno.writeTextFile("compare.html", htmlComparison(await readExperiment(db, a), await readExperiment(db, b)));
 * ```
 *
 * @module
 */
import { html } from "hono/html";
import { random } from "../random.ts";
import { type Comparison, paired } from "../statistics/mod.ts";
import type { ExperimentRecord, TrialRow } from "../store/overview.ts";
import { bestSoFar, type Standing, standings } from "./charts.ts";
import { framed } from "./frame.ts";
import type { ReportOptions } from "./page.ts";
import { compared, type Pair, sharedPairs } from "./rows.ts";
import { figure, type Html, table } from "./sections/parts.ts";
import { difference } from "./sections/prompt.ts";
import { questionSection } from "./sections/questions.ts";
import { commandOf, setting } from "./sections/reproduce.ts";
import { modelOf, TESTS, tile } from "./sections/result.ts";
import { count, dollars, duration, moment, percent, plural, points, probability, term } from "./text.ts";
import { capital, metricOf, scored } from "./verdict.ts";

/** The best prompts of two runs on the questions that both answered; `before` is A, `after` is B. */
export interface Sides {
  readonly pairs: readonly Pair[];
  /** Null where they share no question, or were scored in different ways. */
  readonly comparison: Comparison | null;
  /** Why there is none. */
  readonly because: string | null;
}

/** Compares two runs as far as they can be. Chance is seeded: the same records give the same numbers. */
export function sides(a: ExperimentRecord, b: ExperimentRecord): Sides {
  const pairs = sharedPairs(a, b);
  const none = (because: string): Sides => ({ pairs: [], comparison: null, because });
  const [ours, theirs] = [a, b].map(signaturesOf);
  if (ours !== theirs) return none("they were scored in different ways");
  const both = pairs.filter(({ before, after }) => before !== null && after !== null);
  if (both.length === 0) return none("they share no test question that both answered");
  const comparison = paired(
    both.map(({ before }) => before!.score),
    both.map(({ after }) => after!.score),
    { random: random(1) },
  );
  return { pairs: both, comparison, because: null };
}

const signaturesOf = ({ metrics, experiment: { config } }: ExperimentRecord): string =>
  [...new Set(metrics.filter(({ split }) => split === "test").map(({ signature }) => signature))].sort()
    .join() ||
  String(config.metric);

/** The page that puts `a` and `b` side by side: under 2 MB, as a report is. */
export function htmlComparison(
  a: ExperimentRecord,
  b: ExperimentRecord,
  { generatedAt }: ReportOptions = {},
): string {
  const compared = sides(a, b);
  const { title } = verdictOf(compared);
  return framed({
    title: `A ${a.experiment.id.slice(0, 8)}, B ${b.experiment.id.slice(0, 8)}: ${title}`,
    about: `runs ${a.experiment.id.slice(0, 8)} and ${b.experiment.id.slice(0, 8)}`,
    first: first(a, b, compared),
    sections: [
      ["sides-section", "Facts", sideBySide(a, b)],
      ["score", "Search", searches(a, b)],
      ["prompt", "Prompts", prompts(a, b)],
      [
        "questions",
        "Questions",
        questionSection(compared.pairs, {
          title: "Every test question that both answered",
          answers: ["A", "B"],
          caption:
            "Questions that B's best prompt answers better (won), as well (tied) and worse (lost) than A's.",
        }),
      ],
      ["settings", "Settings", settings(a, b)],
      ["reproduce", "Reproduce", reproduced(a, b)],
    ],
    generatedAt,
  });
}

/** What the comparison says, in a headline and a sentence. */
function verdictOf(
  { comparison, because }: Sides,
): { readonly tone: "good" | "even" | "open"; readonly title: string; readonly text: string } {
  if (comparison === null) {
    return {
      tone: "open",
      title: "Side by side, but not comparable",
      text: `The best prompts of the two runs cannot be compared question by question, as ${because}.`,
    };
  }
  const { mean, significant, n } = comparison;
  const on = `on the ${plural(n, "test question")} that both answered`;
  if (!significant) {
    return {
      tone: "even",
      title: "No significant difference",
      text: `B's best prompt differs from A's by ${points(mean)} points ${on}. Chance alone can do that.`,
    };
  }
  return {
    tone: "good",
    title: mean > 0 ? "The prompt of run B is better" : "The prompt of run A is better",
    text: `B's best prompt scores ${
      points(mean)
    } points against A's ${on}. Chance alone would hardly do that.`,
  };
}

function first(a: ExperimentRecord, b: ExperimentRecord, sides: Sides): Html {
  const { comparison } = sides;
  const { tone, title, text } = verdictOf(sides);
  const name = ({ experiment }: ExperimentRecord): Html =>
    html`<b>${experiment.id.slice(0, 8)}</b> on ${term(experiment.dataset)}, begun ${
      moment(experiment.started_at)
    }`;
  const scores = { a: scoresOf(a), b: scoresOf(b) };
  const measured = [scores.a.before, scores.a.after, scores.b.before, scores.b.after].some(Boolean);
  const shown = comparison && {
    value: comparison.mean,
    low: comparison.ci95[0],
    high: comparison.ci95[1],
  };
  const bill = ({ experiment: { seconds }, bill }: ExperimentRecord) =>
    `${plural(bill.reduce((sum, { calls }) => sum + calls, 0), "call")}, ${
      dollars(bill.reduce((sum, { cost_usd }) => sum + cost_usd, 0))
    } and ${duration(seconds)}`;
  return html`<section id="result" aria-labelledby="verdict">
<p class="kicker">The question: which of two runs found the better prompt? A is ${name(a)}. B is ${
    name(b)
  }.</p>
<h1 id="verdict" class="${tone}">${title}</h1>
<p class="lead">${text}</p>
<p>A took ${bill(a)}; B took ${bill(b)}. <a href="#sides-section">See both side by side</a></p>
${
    comparison === null ? "" : html`<dl class="tiles">
${
      tile(
        "B less A",
        `${points(comparison.mean)} points`,
        "95 % interval",
        comparison.ci95.map(points).join(" to "),
      )
    }${tile("A → B", ...sharedScores(a, sides), `on ${plural(comparison.n, "question")} of both`)}${
      tile(
        comparison.significant ? "Significant" : "Not significant",
        probability(comparison.pValue),
        `${TESTS[comparison.test]}, n = ${count(comparison.n)}`,
        `${comparison.significant ? "below" : "not below"} the limit of 0.05`,
      )
    }
</dl>`
  }${
    measured
      ? figure(
        (options) => standings({ ...scores, difference: shown }, options),
        "Before is the prompt to begin with, after the best one, each on its run's own test questions" +
          `${comparison === null ? "" : "; the difference is on those that both answered"}.`,
      )
      : ""
  }
${
    comparison === null ? "" : html`
      <p
        class="note">Each run's own claim was made as its search ended. This comparison was made afterwards: whoever
      compares many runs finds one that is better by chance.</p>
    `
  }
</section>`;
}

/** Both means on the questions of both, as one text. */
function sharedScores(a: ExperimentRecord, { pairs }: Sides): [string] {
  const mean = (of: (pair: Pair) => number) => pairs.reduce((sum, pair) => sum + of(pair), 0) / pairs.length;
  const metric = metricOf(a);
  return [
    `${scored(metric, mean(({ before }) => before!.score))} → ${
      scored(
        metric,
        mean(({ after }) => after!.score),
      )
    }`,
  ];
}

/** Where a run's prompts stand on its test questions. */
function scoresOf(record: ExperimentRecord): { before: Standing | null; after: Standing | null } {
  const { before, after } = compared(record);
  const standing = (version: number): Standing | null => {
    const row = record.metrics.find((row) => row.split === "test" && row.version === version);
    return row && row.ci_low !== null && row.ci_high !== null
      ? { value: row.value, low: row.ci_low, high: row.ci_high }
      : null;
  };
  return { before: before === after ? null : standing(before), after: standing(after) };
}

/** The facts of both, a line each. */
function sideBySide(a: ExperimentRecord, b: ExperimentRecord): Html {
  const standing = (of: Standing | null) =>
    of === null ? "–" : html`${percent(of.value)}<span>${percent(of.low)} to ${percent(of.high)}</span>`;
  const of = (record: ExperimentRecord): (Html | string)[] => {
    const { experiment, bill } = record;
    const { improvement, ci_low, ci_high, p_value, significant } = experiment;
    const { before, after } = scoresOf(record);
    const total = (pick: (row: ExperimentRecord["bill"][number]) => number) =>
      bill.reduce((sum, row) => sum + pick(row), 0);
    return [
      term(experiment.dataset),
      capital(metricOf(record)),
      modelOf(record, "primary") ?? "–",
      modelOf(record, "optimizer") ?? modelOf(record, "primary") ?? "–", // the primary's, unless another is named
      String(experiment.seed),
      `${experiment.status}${experiment.stop_reason === null ? "" : `: ${experiment.stop_reason}`}`,
      experiment.before === experiment.after ? "–" : standing(before),
      standing(after),
      improvement === null || experiment.before === experiment.after
        ? "–"
        : html`${points(improvement)}<span>${points(ci_low!)} to ${points(ci_high!)}, ${
          probability(p_value!)
        }${significant ? "" : ", not significant"}</span>`,
      count(experiment.trials),
      count(total(({ calls }) => calls)),
      count(total(({ prompt_tokens, completion_tokens }) => prompt_tokens + completion_tokens)),
      dollars(total(({ cost_usd }) => cost_usd)),
      duration(experiment.seconds),
    ];
  };
  const [ours, theirs] = [of(a), of(b)];
  return html`<section id="sides-section" aria-labelledby="sides-title">
<h2 id="sides-title">Side by side</h2>
${
    table({
      id: "sides",
      label: "Both runs side by side",
      columns: ["", "A", "B"],
      rows: FACTS.map((name, i) =>
        html`
          <tr>
            <th scope="row">${name}</th>
            <td>${ours[i]}</td>
            <td>${theirs[i]}</td>
          </tr>
        `
      ),
    })
  }<p class="note">Scores and differences in points of 100, with 95 % intervals, each on its run's own test questions.</p></section>`;
}

const FACTS = [
  ...["Questions", "Metric", "Model that answers", "Model that writes prompts", "Seed", "Ended"],
  ...["Before", "After", "Difference", "Trials", "Calls", "Tokens", "Money", "Time"],
];

function searches(a: ExperimentRecord, b: ExperimentRecord): Html | string {
  const raced = ({ trials }: ExperimentRecord) => trials.some(({ validation }) => validation !== null);
  if (!raced(a) && !raced(b)) return "";
  return html`<section id="score" aria-labelledby="score-title">
<h2 id="score-title">Score against calls</h2>
${
    figure(
      (options) => bestSoFar({ a: a.trials, b: b.trials }, options),
      "The best prompt so far of each run, by its score on validation questions; a dot is where a better one was kept, its bar " +
        "the 95 % interval.",
    )
  }</section>`;
}

function prompts(a: ExperimentRecord, b: ExperimentRecord): Html | string {
  const of = (record: ExperimentRecord): TrialRow | undefined =>
    record.trials.find(({ index }) => index === compared(record).after);
  const [ours, theirs] = [of(a), of(b)];
  if (!ours || !theirs) return "";
  return html`<section id="prompt" aria-labelledby="prompt-title">
<h2 id="prompt-title">From A's best prompt to B's</h2>
<p>Only in <ins>B</ins>, only in <del>A</del>. A's is version ${ours.index}, by ${
    term(ours.operator)
  }; B's is version ${theirs.index}, by ${term(theirs.operator)}.</p>
${
    difference(ours, theirs, {
      added: "only in B",
      removed: "only in A",
      moved: "in both, moved",
      kept: "in both",
    })
  }
</section>`;
}

/** What was configured differently. */
function settings(a: ExperimentRecord, b: ExperimentRecord): Html {
  const of = (
    { experiment: { config, seed, dataset_sha256 } }: ExperimentRecord,
  ): Record<string, unknown> => ({
    ...config,
    seed,
    "dataset, SHA-256": dataset_sha256,
  });
  const [ours, theirs] = [of(a), of(b)];
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort()
    .filter((name) => !["claimed_with", "claims_before", "report"].includes(name)); // what was once, and where it was written
  const other = names.filter((name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]));
  const shown = (values: Record<string, unknown>, name: string) =>
    name in values ? html`<code>${setting(name, values[name])}</code>` : "–";
  return html`<section id="settings" aria-labelledby="settings-title">
<h2 id="settings-title">What was set differently</h2>
${
    other.length === 0 ? html`<p>Nothing: both ran with the same settings.</p>` : table({
      id: "settings-table",
      label: "Settings that differ",
      columns: ["Setting", "A", "B"],
      rows: other.map((name) =>
        html`
          <tr>
            <th scope="row"><code>${term(name)}</code></th>
            <td>${shown(ours, name)}</td>
            <td>${shown(theirs, name)}</td>
          </tr>
        `
      ),
    })
  }</section>`;
}

function reproduced(a: ExperimentRecord, b: ExperimentRecord): Html {
  const one = (name: string, { experiment }: ExperimentRecord) =>
    html`<h3>${name} <span>${experiment.id}</span></h3>
${commandOf(experiment)}`;
  return html`<section id="reproduce" aria-labelledby="reproduce-title">
<h2 id="reproduce-title">How to reproduce them</h2>
${one("A", a)}
${one("B", b)}
<p class="note">The report of each has its hashes and its whole configuration: <code>deno task report ${
    a.experiment.id.slice(0, 8)
  }</code>, <code>deno task report ${b.experiment.id.slice(0, 8)}</code>.</p>
</section>`;
}
