/**
 * `deno task export ID --format jsonl|csv|json`: what is known of an experiment, for other programs.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { type Exported, exportText, type Format, FORMATS } from "../lib/report/export.ts"; // from mod.ts would come the charts, which take their time
import { COLUMNS, exported, type Table, TABLES } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import {
  common,
  database,
  databaseOption,
  found,
  main,
  requireWritableFile,
  type Setting,
  writeFile,
  writeOut,
} from "./setting.ts";

const schema = z.strictObject({
  experiment: z.string().default("latest").describe("its id, the beginning of it, or latest")
    .meta({ metavar: "ID", positional: true }),
  format: z.enum(FORMATS).optional().describe("jsonl unless given: a row a line"),
  tables: z.array(z.enum(TABLES)).default([...TABLES]).describe(
    `some of ${TABLES.join(",")}; all unless given`,
  ).meta({ metavar: "T,T" }),
  output: z.string().optional().describe("file to write; stdout unless given").meta({ metavar: "F" }),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

async function run(options: Options, setting: Setting): Promise<number> {
  const format = formatOf(options);
  const tables = TABLES.filter((table) => options.tables.includes(table));
  if (tables.length === 0) {
    throw new UsageError(`Cannot export nothing: give --tables some of ${TABLES.join(", ")}`);
  }
  if (options.output !== undefined) {
    await requireWritableFile(options.output, "name another file with --output");
  }
  await using db = await database(options, setting);
  const { id } = await found(db, options.experiment);
  const counts: Partial<Record<Table, number>> = Object.fromEntries(tables.map((table) => [table, 0]));
  const counted = async function* (): AsyncGenerator<Exported> {
    for await (const row of exported(db, id, tables)) {
      counts[row.table]! += 1;
      yield row;
    }
  };
  const text = exportText(counted(), {
    format,
    columns: new Map(tables.map((table) => [table, COLUMNS[table]])),
  });
  if (options.output === undefined) await writeOut(text);
  else {
    await writeFile(options.output, text);
    setting.print(
      options.json
        ? json({ experiment_id: id, output: options.output, format, rows: counts })
        : options.output,
    );
  }
  return EXIT.done;
}

/** With `--json` stdout has one document: what was exported, or what was written where. */
function formatOf({ format, json, output }: Options): Format {
  if (!json || output !== undefined) return format ?? "jsonl";
  if (format === undefined || format === "json") return "json";
  throw new UsageError(
    `Cannot print ${format} with --json as that is one JSON document: leave one out, or name a file with --output`,
  );
}

if (import.meta.main) {
  await main({
    name: "export",
    summary: "trials, scores, answers and calls of an experiment, for other programs",
    schema,
    run,
  });
}
