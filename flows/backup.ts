/**
 * `deno task backup [F]`: the whole database in one file.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { count } from "../lib/report/text.ts";
import { backup } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { common, database, databaseOption, main, type Setting } from "./setting.ts";

const schema = z.strictObject({
  file: z.string().min(1).optional().describe("where to; a new file in backups/ of QUINTET_HOME unless given")
    .meta({ metavar: "F", positional: true }),
  ...databaseOption,
  ...common,
});

async function run(options: z.output<typeof schema>, setting: Setting): Promise<number> {
  await using db = await database(options, setting);
  const file = options.file ?? `${setting.home}/backups/${newName(new Date())}`;
  const made = await setting.stage("Backup", (say) => backup(db, file, { notice: say }));
  const { size } = await Deno.stat(file);
  const rows = made.tables.reduce((sum, { rows }) => sum + rows, 0);
  setting.print(
    options.json
      ? json({ file, bytes: size, ...made })
      : `${file}\n${
        count(rows)
      } rows of ${made.tables.length} tables at ${made.madeAt}, schema ${made.schema}, ` +
        `${count(size)} bytes\nTo get it back: deno task restore ${file}`,
  );
  return EXIT.done;
}

/** The time, for who looks for it, and a name of its own, as two may be made in one second, also of two databases. */
const newName = (now: Date): string =>
  `${now.toISOString().replace(/\..*/, "").replaceAll(":", "")}-${crypto.randomUUID().slice(0, 8)}.gz`;

if (import.meta.main) await main({ name: "backup", summary: "the whole database in one file", schema, run });
