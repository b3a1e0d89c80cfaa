/**
 * `deno task restore F`: fills an empty database from a backup.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { count } from "../lib/report/text.ts";
import { restore } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { common, database, databaseOption, main, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  file: z.string().min(1).describe("a file that deno task backup wrote").meta({
    metavar: "F",
    positional: true,
  }),
  ...databaseOption,
  ...common,
});

async function run(options: z.output<typeof schema>, setting: Setting): Promise<number> {
  await using db = await database(options, setting);
  const made = await setting.stage(
    "Restore",
    (say) => restore(db, options.file, { folder: `${ROOT}/sql`, notice: say }),
  );
  const rows = made.tables.reduce((sum, { rows }) => sum + rows, 0);
  setting.print(
    options.json
      ? json({ file: options.file, ...made })
      : `${db.description} is as it was at ${made.madeAt}: ${
        count(rows)
      } rows of ${made.tables.length} tables, each compared`,
  );
  return EXIT.done;
}

if (import.meta.main) {
  await main({ name: "restore", summary: "fill an empty database from a backup", schema, run });
}
