/**
 * `deno task report [EXPERIMENT|latest]`: an experiment as one HTML page for readers who open no notebook.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { htmlReport } from "../lib/report/mod.ts";
import { readExperiment } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { common, database, databaseOption, found, main, type Setting, writeFile } from "./setting.ts";

export const schema = z.strictObject({
  experiment: z.string().default("latest").describe("its id, the beginning of it, or latest")
    .meta({ placeholder: "ID", positional: true }),
  output: z.string().optional().describe("file to write; QUINTET_HOME/reports/ID.html unless given")
    .meta({ placeholder: "F.html" }),
  ...databaseOption,
  ...common,
});

async function run(options: z.output<typeof schema>, setting: Setting): Promise<number> {
  await using db = await database(options, setting);
  const { id } = await found(db, options.experiment);
  const path = options.output ?? `${setting.home}/reports/${id}.html`;
  await setting.run.task(
    "write_report",
    "1",
    async () => await writeFile(path, htmlReport(await readExperiment(db, id))),
  );
  setting.print(options.json ? json({ experiment_id: id, report: path }) : path);
  return EXIT.done;
}

if (import.meta.main) {
  await main({ name: "report", flow: "report", summary: "an experiment as an HTML page", schema, run });
}
