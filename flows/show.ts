/**
 * `deno task show [ID]`: lists the experiments, or says how one of them went.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { measurementOf, resultOf } from "../lib/report/result.ts"; // from mod.ts would come the charts, which take their time
import { experimentLine, measurementText, resultText, trialsText } from "../lib/report/terminal.ts";
import { type ExperimentRecord, listExperiments, readExperiment } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { common, database, databaseOption, found, main, type Setting } from "./setting.ts";

const schema = z.strictObject({
  experiment: z.string().optional().describe(
    "one experiment with every version of its prompt: its id, the beginning of it, or latest",
  ).meta({
    metavar: "ID",
    positional: true,
  }),
  limit: z.int().min(1).default(1000).describe("experiments in the list at most"),
  ...databaseOption,
  ...common,
});

async function show(options: z.output<typeof schema>, setting: Setting): Promise<number> {
  await using db = await database(options, setting);
  if (options.experiment !== undefined) {
    const { id, kind } = await found(db, options.experiment);
    const record = await readExperiment(db, id);
    const [document, text] = kind === "evaluate"
      ? [measurementOf, measurementText]
      : [resultOf, (record: ExperimentRecord) => `${resultText(record)}\n\n${trialsText(record)}`];
    setting.print(options.json ? json(document(record)) : text(record));
    return EXIT.done;
  }
  const experiments = await listExperiments(db, options.limit);
  if (options.json) setting.print(json(experiments));
  else if (experiments.length === 0) {
    setting.print("There are no experiments yet: deno task optimize makes one.");
  } else setting.print(experiments.map(experimentLine).join("\n"));
  return EXIT.done;
}

if (import.meta.main) await main({ name: "show", summary: "what experiments there are", schema, run: show });
