/**
 * The report of an experiment: one HTML page that needs nothing but itself.
 *
 * It is a function of the rows alone, without clock and chance: two renderings are the same bytes. Everything in the
 * rows is escaped and what cannot be seen in it is made visible, as most of it was written by a model.
 *
 * ```ts ignore
 * await Deno.writeTextFile("report.html", htmlReport(await readExperiment(db, id)));
 * ```
 *
 * @module
 */
import type { ExperimentRecord } from "../store/overview.ts";
import { framed } from "./frame.ts";
import { cost } from "./sections/cost.ts";
import { learned } from "./sections/learned.ts";
import { prompt } from "./sections/prompt.ts";
import { questions } from "./sections/questions.ts";
import { reproduce } from "./sections/reproduce.ts";
import { result } from "./sections/result.ts";
import { search } from "./sections/search.ts";
import { chief } from "./rows.ts";
import { moment, term } from "./text.ts";
import { verdict } from "./verdict.ts";

/** What a report is given beside the rows. */
export interface ReportOptions {
  /** Printed when given. */
  readonly generatedAt?: Date;
}

/** The page for `record`: under 2 MB for 2,000 test questions and any number of trials. */
export function htmlReport(record: ExperimentRecord, { generatedAt }: ReportOptions = {}): string {
  const { experiment, trials, bill } = record, shown = chief(record);
  return framed({
    title: `${term(experiment.dataset)}: ${verdict(record).title}`,
    about: `report ${experiment.id.slice(0, 8)}, ${moment(experiment.started_at)}`,
    first: result(record),
    sections: [
      ["prompt", "Prompt", prompt(record)],
      ["lineage", "Search", search(trials, shown)],
      ["questions", "Questions", questions(record)],
      ["learned", "Learned", learned(record, shown)],
      ["cost", "Cost", cost(bill, experiment)],
      ["reproduce", "Reproduce", reproduce(record)],
    ],
    generatedAt,
  });
}
