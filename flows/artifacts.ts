/**
 * What Prefect's pages show of a result: markdown and tables.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { biasDiff, demoDiff, wordDiff } from "../lib/report/prompt_diff.ts";
import { resultOf } from "../lib/report/result.ts";
import { best as bestOf } from "../lib/report/rows.ts";
import { resultText } from "../lib/report/terminal.ts";
import { visible } from "../lib/report/text.ts";
import type { ExperimentRecord, MetaModelRow, TrialRow } from "../lib/store/mod.ts";
import type { Run } from "./registration.ts";

type Artifact = Parameters<Run["artifact"]>[0];

/** Text of a model as markdown that stays text: a fence longer than any inside. */
export const fenced = (text: string, language = ""): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
};

/** Result, trials, what became of the prompt, and where the report is. */
export function artifactsOf(record: ExperimentRecord, report: string): Artifact[] {
  const { trials, ...result } = resultOf(record);
  const [seed] = record.trials, best = bestOf(record.trials) ?? seed;
  return [
    { key: "result", type: "markdown", data: fenced(resultText(record)), description: "What came of it" },
    {
      ...{ key: "trials", type: "table" as const, description: "Every prompt that was proposed" },
      data: trials.map(({ index, operator, parent, validation, accepted, reason }) => ({
        ...{ index, operator, parent, accepted, reason: visible(reason) },
        ...{ score: validation?.score ?? null, questions: validation?.n ?? 0 },
      })),
    },
    ...seed && best
      ? [{
        ...{
          key: "prompt-diff",
          type: "markdown" as const,
          description: "From the seed prompt to the best one",
        },
        data: fenced(promptDiff(seed, best), "diff"),
      }]
      : [],
    reportArtifact([result.experiment_id], report),
  ];
}

/** Where the report is, of one experiment or of two side by side. */
export const reportArtifact = (ids: readonly string[], path: string): Artifact => ({
  ...{ key: "report", type: "markdown", description: "The report" },
  data: `[Report of experiment ${ids.join(" and ")}](${pathToFileURL(path).href}), ` +
    `or \`deno task report ${ids.length > 1 ? `--compare ${ids.join(" ")}` : ids[0]}\``,
});

/** What was removed and what was added, a line each. */
function promptDiff(before: TrialRow, after: TrialRow): string {
  const sign = { same: " ", removed: "-", added: "+", kept: " ", moved: " " };
  const lines = (kind: keyof typeof sign, text: string) =>
    text.split("\n").map((line) => `${sign[kind]} ${line}`);
  const texts = (["system_prompt", "output_prompt"] as const).flatMap((part) => [
    `@@ ${part} @@`,
    ...wordDiff(before[part], after[part]).flatMap(({ kind, text }) => lines(kind, text)),
  ]);
  const demos = demoDiff(before.demos, after.demos).flatMap(({ kind, demo: { question, answer } }) =>
    lines(kind, `${question}\n  ${answer}`)
  );
  const bias = biasDiff(before.bias, after.bias).flatMap(({ kind, text }) => lines(kind, text));
  return [...texts, "@@ demos @@", ...demos, ...bias.length > 0 ? ["@@ bias @@", ...bias] : []].join("\n");
}

/** What a meta-model is worth. */
export const metaModelArtifact = (row: MetaModelRow, used: boolean): Artifact => ({
  ...{ key: "meta-model", type: "table", description: `Meta-model ${row.id}: ${used ? "used" : "not used"}` },
  data: [{ name: "held out", ...row }, { name: `${row.crossValidation.folds} folds`, ...row.crossValidation }]
    .map(
      ({ name, prompts, rmse, meanRmse, r2, rankCorrelation }) => ({
        ...{ name, prompts, rmse, r2 },
        ...{ rmse_of_the_mean: meanRmse, rank_correlation: rankCorrelation },
      }),
    ),
});
