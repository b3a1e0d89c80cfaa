/**
 * `deno task report [EXPERIMENT|latest]`: an experiment as one HTML page for readers who open no notebook; with
 * `--compare A B`, two of them side by side.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { htmlComparison, htmlReport } from "../lib/report/mod.ts";
import { type Database, readExperiment } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { reportArtifact } from "./artifacts.ts";
import { common, database, databaseOption, found, main, type Setting, writeFile } from "./setting.ts";

export const schema = z.strictObject({
  experiment: z.string().default("latest").describe("its id, the beginning of it, or latest")
    .meta({ metavar: "ID", positional: true }),
  compare: z.string().optional().describe("puts this one beside the other: --compare A B").meta({
    metavar: "ID",
  }),
  output: z.string().optional().describe("file to write; QUINTET_HOME/reports/ID.html unless given")
    .meta({ metavar: "F.html" }),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

async function run(options: Options, setting: Setting): Promise<number> {
  await using db = await database(options, setting);
  const { ids, page } =
    await (options.compare === undefined ? one(db, options) : two(db, options.compare, options));
  const path = options.output ?? `${setting.home}/reports/${ids.join("_")}.html`;
  await setting.run.task("write_report", "1", () => writeFile(path, page));
  const [id, other] = ids;
  const document = other === undefined ? { experiment_id: id } : { experiment_ids: ids };
  setting.run.artifact(reportArtifact(ids, path));
  setting.print(options.json ? json({ ...document, report: path }) : path);
  return EXIT.done;
}

async function one(db: Database, { experiment }: Options) {
  const { id } = await found(db, experiment);
  return { ids: [id], page: htmlReport(await readExperiment(db, id)) };
}

async function two(db: Database, first: string, { experiment }: Options) {
  const a = await found(db, first), b = await found(db, experiment);
  if (a.id === b.id) {
    throw new UsageError(`Cannot compare experiment ${a.id} with itself: name two, as in --compare A B`);
  }
  return {
    ids: [a.id, b.id],
    page: htmlComparison(await readExperiment(db, a.id), await readExperiment(db, b.id)),
  };
}

if (import.meta.main) {
  await main({
    name: "report",
    flow: "report",
    summary: "an experiment, or two side by side, as an HTML page",
    schema,
    run,
  });
}
