/**
 * `deno task migrate`: brings the database's schema up to date, or says how it stands.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { migrate, openDatabase, status } from "../lib/store/mod.ts";
import { common, databaseOption, main, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  status: z.boolean().default(false).describe("change nothing, say what is applied"),
  ...databaseOption,
  ...common,
});

async function run(options: z.output<typeof schema>, { home, print, tell }: Setting): Promise<number> {
  await using db = await openDatabase({
    home,
    ...options.database ? { url: options.database } : {},
    notice: tell,
  });
  const applied = options.status ? [] : await migrate(db, `${ROOT}/sql`, { notice: tell });
  const rows = await status(db, `${ROOT}/sql`);
  if (options.json) {
    print(
      JSON.stringify({
        applied,
        migrations: rows.map(({ appliedAt, ...row }) => ({ ...row, applied_at: appliedAt })),
      }),
    );
  } else {
    for (const { name, state, problem } of rows) {
      print(`${state.padEnd(8)} ${name}${problem ? `  ${problem}` : ""}`);
    }
  }
  return rows.some(({ state }) => state === "refused") ? EXIT.database : EXIT.done;
}

if (import.meta.main) await main({ name: "migrate", summary: "bring the database up to date", schema, run });
