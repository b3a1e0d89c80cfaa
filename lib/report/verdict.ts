/**
 * What an experiment came to, in words for a reader who knows nothing of it. A failure is said as plainly as a success.
 *
 * @module
 */
import type { ExperimentRecord, ExperimentRow } from "../store/overview.ts";
import { best, claimsBefore, resumable, unanswered } from "./rows.ts";
import { count, metricName, modelName, percent, plural } from "./text.ts";

/** What happened, in a headline and a sentence. */
export interface Verdict {
  /** `good` and `bad` are significant; `even` is not; `open` is no claim. */
  readonly tone: "good" | "bad" | "even" | "open";
  readonly title: string;
  readonly text: string;
}

/** What the claim says, or why there is none. */
export function verdict(record: ExperimentRecord): Verdict {
  const { experiment: { improvement, significant, before, after, test_n } } = record;
  if (improvement === null) return withoutClaim(record);
  const [old, now] = [scoreOf(record, before), scoreOf(record, after)];
  const metric = capital(metricOf(record));
  const moved = improvement > 0 ? "rose" : improvement < 0 ? "fell" : "stayed the same:";
  const change = `${metric} ${moved} from ${old} to ${now} on ${
    plural(test_n ?? 0, "question")
  } that the search never saw.`;
  if (before === after) {
    if (record.trials.length === 1) {
      return {
        tone: "even",
        title: "Nothing was searched",
        text: `${whyUnsearched(record.experiment)} The prompt to begin with was kept. ${metric}: ${old} on ${
          plural(test_n ?? 0, "question")
        }.`,
      };
    }
    return {
      tone: "even",
      title: "No better prompt was found",
      text:
        `None of the prompts that were tried was ahead of the one to begin with by more than luck might be, so it was ` +
        `kept. ${refusedUnseen(record)}${metric}: ${old} on ${
          plural(test_n ?? 0, "question")
        } that the search never saw.`,
    };
  }
  if (!significant) {
    return {
      tone: "even",
      title: "No significant improvement",
      text: `${change} A difference of this size can come from chance alone.`,
    };
  }
  return improvement > 0
    ? {
      tone: "good",
      title: "The new prompt is better",
      text: `${change} Chance alone would hardly do that.${tries(record.experiment)}`,
    }
    : { tone: "bad", title: "The new prompt is worse", text: `${change} Keep the prompt to begin with.` };
}

/** That chance had more tries than one, where a run went on after a claim. */
function tries(experiment: ExperimentRow): string {
  const earlier = claimsBefore(experiment);
  return earlier === 0
    ? ""
    : ` But the run had made ${
      plural(earlier, "claim")
    } on its test questions before it went on to this one, so chance had ${
      count(earlier + 1)
    } tries: see whether it holds on others.`;
}

/** That proposals were too long to be tried, where some were. */
function refusedUnseen({ trials }: ExperimentRecord): string {
  const long = trials.filter(({ reason }) => reason?.startsWith("over-long")).length;
  return long === 0
    ? ""
    : `${count(long)} of ${plural(trials.length - 1, "proposal")} were too long to be tried. `;
}

/** Why no prompt was tried against the one to begin with, and what to give. */
function whyUnsearched({ stop_reason, config }: ExperimentRow): string {
  const { max_calls: calls, calls_to_search: needed } = config;
  if (stop_reason === "iterations") return "No iteration was allowed (--max-iterations 0).";
  if (stop_reason !== "budget") return "No prompt was tried.";
  if (typeof calls === "number" && typeof needed === "number" && calls < needed) {
    return `${
      plural(calls, "call")
    } cannot try one prompt against another: with what is kept back for the test ` +
      `questions that takes ${
        count(needed)
      } at least (--max-calls ${needed}), and hundreds to find a good one.`;
  }
  return "The budget ended the search before one prompt was tried against another: give it a higher cap.";
}

function withoutClaim(record: ExperimentRecord): Verdict {
  const { experiment: { kind, status }, trials, metrics } = record;
  const [measured] = metrics;
  if (kind === "evaluate" && measured) {
    return {
      tone: "open",
      title: `${capital(metricOf(record))}: ${scored(measured.metric, measured.value)}`,
      text: `Of one prompt, on ${count(measured.n)} ${measured.split} ${
        measured.n === 1 ? "question" : "questions"
      }.`,
    };
  }
  const leader = best(trials);
  const sofar = leader?.validation == null
    ? "No prompt was scored."
    : leader.index === 0
    ? "No prompt has beaten the one to begin with so far."
    : `The best prompt so far scores ${scored(metricOf(record), leader.validation)} on ${
      plural(leader.questions_seen, "validation question")
    }. It was chosen on these questions, so this is no claim.`;
  const title = {
    running: "Still running: no claim yet",
    interrupted: "Interrupted before the claim",
    failed: "The run failed",
    finished: "No claim could be made",
  }[status];
  return {
    tone: "open",
    title,
    text: status === "finished" ? `No test question was answered under both prompts. ${sofar}` : sofar,
  };
}

/** The metric's name, as far as it is known. */
export const metricOf = ({ metrics: [measured], experiment: { config } }: ExperimentRecord): string =>
  metricName(measured?.metric ?? (typeof config.metric === "string" ? config.metric : "score"));

/** With a capital at the beginning, for the beginning of a sentence. */
export const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A score in its metric's unit: a share of right answers in percent, anything else in points of 100. */
export const scored = (metric: string, value: number): string =>
  /^exact.match$/i.test(metric) ? `${percent(value)} %` : percent(value);

/** The test score of a version. */
export function scoreOf(record: ExperimentRecord, version: number | null): string {
  const measured = record.metrics.find((row) => row.split === "test" && row.version === version);
  return measured ? scored(measured.metric, measured.value) : "an unknown score";
}

/** How the run ended, in words. */
export function ending(record: Pick<ExperimentRecord, "experiment" | "bill">): string {
  const { kind, status, stop_reason, config, trials } = record.experiment;
  const limit = (name: string) => typeof config[name] === "number" ? config[name] : undefined;
  if (status === "failed") return "An error ended the run; what was found until then is kept.";
  if (status === "running") return "The run had not ended when this was written.";
  if (status === "finished" && unanswered(record)) {
    return `Not one call was answered${stop_reason === "budget" ? " before the budget was spent" : ""}.`;
  }
  switch (stop_reason) {
    case "target": {
      const target = limit("threshold");
      return `The target${
        target === undefined ? "" : ` of ${percent(target)} points`
      } was reached on the validation questions.`;
    }
    case "patience": {
      const patience = limit("patience");
      return `The search stopped as ${
        patience === undefined ? "several" : patience
      } iterations in a row brought nothing better.`;
    }
    case "iterations": {
      const most = limit("max_iterations");
      return `All ${most === undefined ? "" : `${most} `}iterations that were allowed were run.`;
    }
    case "budget":
      if (kind === "evaluate") return "The budget was spent before every question was answered.";
      if (trials === 1) return "The budget was too small to begin with the search.";
      return "The budget was spent before the target was reached.";
    case "interrupted":
      return `The run was interrupted; ${
        resumable(record.experiment) ? "it can be resumed, and " : ""
      }nothing that was paid for is lost.`;
    default:
      return "The run is finished.";
  }
}

/** Whom the dollars leave out: models whose price nobody knows, a line each. The embedded one has none. */
export function withoutPrice({ bill }: Pick<ExperimentRecord, "bill">): string[] {
  const models = bill.filter((row) => row.cost_usd === 0 && row.prompt_tokens > 0 && row.model !== "local")
    .map(({ model }) => model);
  return [...new Set(models)].map((model) => `without ${modelName(model, 200)}, whose price is not known`);
}
