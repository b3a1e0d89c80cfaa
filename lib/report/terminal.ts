/**
 * An experiment in a terminal: a line in a list, or a dozen lines of result.
 *
 * @module
 */
import type { ExperimentRecord, ExperimentRow } from "../store/overview.ts";
import { fate, resumable, stuck } from "./rows.ts";
import { measurementOf, resultOf, type Scored } from "./result.ts";
import {
  aligned,
  biasTerms,
  count,
  dollars,
  duration,
  moment,
  percent,
  plural,
  points,
  probability,
  term,
  visible,
} from "./text.ts";
import { ending, verdict, withoutPrice } from "./verdict.ts";

/** The verdict, before and after, the prompt and the bill. */
export function resultText(record: ExperimentRecord): string {
  const { baseline, best, improvement, calls, tokens, error, ...result } = resultOf(record);
  const beforeAndAfter = (before: Scored | null, after: Scored | null) =>
    before && after
      ? `${percent(before.score)} -> ${percent(after.score)} of 100 on ${plural(after.n, "question")}`
      : after
      ? `${percent(after.score)} of 100 on ${plural(after.n, "question")}`
      : "not measured";
  const { title, text } = verdict(record);
  const { before, after } = record.experiment;
  const claim = improvement && before !== after &&
    `${points(improvement.mean)} points, 95 % interval ${improvement.ci95.map(points).join(" to ")}, ` +
      probability(improvement.p_value);
  const bias = biasTerms(best?.prompt.bias);
  return [
    title,
    text,
    "",
    ...claim ? [row("difference", claim)] : [],
    row("test", beforeAndAfter(baseline.test, best?.test ?? null)),
    row("validation", beforeAndAfter(baseline.validation, best?.validation ?? null)),
    ...best === null ? [] : [
      row("prompt", `by ${best.operator}, ${plural(best.prompt.demos.length, "demo")}`),
      row("  system", quoted(best.prompt.system_prompt)),
      row("  output", quoted(best.prompt.output_prompt)),
      ...bias.length > 0 ? [row("  bias", quoted(bias.join(", ")))] : [],
      row("  id", term(best.prompt_id)),
    ],
    row(
      "calls",
      [
        `${count(calls.total)}: ${count(calls.primary)} primary, ${count(calls.optimizer)} optimizer`,
        ...calls.grader > 0 ? [`${count(calls.grader)} grader`] : [],
        ...calls.cached > 0 ? [`${count(calls.cached)} read back`] : [],
        ...calls.lost > 0
          ? [`${count(calls.lost)} ${result.status === "running" ? "under way" : "lost"}`]
          : [],
      ].join(", "),
    ),
    row(
      "cost",
      `${dollars(result.cost_usd)}, ${count(tokens.prompt + tokens.completion)} tokens, ${
        duration(result.seconds)
      }`,
    ),
    ...withoutPrice(record).map((line) => row("", line)),
    row("experiment", result.experiment_id),
    ...why(error),
    "",
    ending(record) +
    (resumable(record.experiment)
      ? `\nGo on with: deno task optimize --resume ${result.experiment_id.slice(0, 8)}` +
        (stuck(record) ? " --retry-errors" : "")
      : ""),
  ].join("\n");
}

/** Every version of the prompt, a line each, with what `evaluate --prompt` takes and what became of it. */
export function trialsText({ trials }: ExperimentRecord): string {
  const cells = trials.map((trial) => [
    `#${trial.index}`,
    term(trial.prompt_id),
    term(trial.operator, 24),
    trial.parent === null ? "" : `from #${trial.parent}`,
    trial.validation === null ? "" : `${percent(trial.validation)} (n=${trial.questions_seen})`,
    fate(trial),
    term(trial.reason),
  ]);
  return [
    "Versions of the prompt, with the validation score and why they were kept or not; score one of them with deno task evaluate --prompt ID",
    ...aligned(cells).map((line) => `  ${line}`),
  ].join("\n");
}

/** A measurement, in a few lines. */
export function measurementText(record: ExperimentRecord): string {
  const { score, n, split, signature, ci95, calls, cost_usd, seconds, experiment_id, status, error } =
    measurementOf(record);
  if (score === null) return [`${UNSCORED[status]}. Experiment ${experiment_id}`, ...why(error)].join("\n");
  return [
    `${percent(score)} of 100 on ${plural(n, `${split} question`)}${
      ci95 ? `, 95 % interval ${ci95.map(percent).join(" to ")}` : ""
    }`,
    `by ${signature}`,
    [
      plural(calls.total - calls.cached, "call"),
      ...calls.cached > 0 ? [`${count(calls.cached)} read back`] : [],
      ...[dollars(cost_usd), duration(seconds), `experiment ${experiment_id}`],
    ].join(", "),
    ...withoutPrice(record),
  ].join("\n");
}

/** What there is to say of a measurement that has no score. */
const UNSCORED: Readonly<Record<ExperimentRow["status"], string>> = {
  running: "Still running: no score yet",
  interrupted: "Interrupted before there was a score",
  failed: "The run failed",
  finished: "No question was answered",
};

/** One line of the list of experiments. */
export function experimentLine(
  { id, status, kind, dataset, started_at, seconds, improvement, significant, calls }: ExperimentRow,
): string {
  const gain = improvement === null
    ? ""
    : `${points(improvement)} points${significant ? "" : ", not significant"}`;
  return [
    id.slice(0, 8),
    moment(started_at),
    kind.padEnd(8),
    status.padEnd(11),
    visible(dataset).slice(0, 20).padEnd(20),
    plural(calls, "call").padStart(12),
    duration(seconds).padStart(12),
    gain,
  ].join("  ").trimEnd();
}

const row = (name: string, text: string): string => `  ${name.padEnd(12)}${text}`;

/** What a run failed with. */
const why = (error: string | null): string[] =>
  error === null ? [] : [row("error", term(error.replace(/\s+/g, " "), 500))];

/** One line of a prompt. */
function quoted(text: string): string {
  const line = visible(text).replace(/\s+/g, " ").trim();
  return line === "" ? "(nothing)" : line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
