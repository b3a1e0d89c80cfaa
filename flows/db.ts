/**
 * `deno task db test-connection`: whether a database can be used, step by step. `deno task db create-migration NAME`: a new
 * file in sql/.
 *
 * @module
 */
import { z } from "zod";
import { EXIT, UsageError } from "../lib/command/mod.ts";
import { DatabaseError, draftMigration, openDatabase, probe, status } from "../lib/store/mod.ts";
import { json } from "../lib/text.ts";
import { common, databaseOption, main, ROOT, type Setting } from "./setting.ts";

const schema = z.strictObject({
  words: z.array(z.string()).default([]).describe("test-connection, or create-migration and a name_like_this")
    .meta({ metavar: "COMMAND …", positional: true }),
  ...databaseOption,
  ...common,
});

type Options = z.output<typeof schema>;

async function run(options: Options, setting: Setting): Promise<number> {
  const [command, ...rest] = options.words;
  if (command === "test-connection" && rest.length === 0) return await testConnection(options, setting);
  if (command === "create-migration" && rest.length === 1) {
    return await createMigration(rest[0]!, options, setting);
  }
  throw new UsageError(
    `Cannot run deno task db as a command is needed: test-connection, or create-migration NAME: got ${
      JSON.stringify(options.words.join(" "))
    }`,
  );
}

async function testConnection(
  { database: url, json: asJson }: Options,
  { home, print, tell }: Setting,
): Promise<number> {
  await using db = await openDatabase({ home, ...url ? { url } : {}, notice: tell });
  const seen = await probe(db);
  const rows = await status(db, `${ROOT}/sql`);
  const count = (wanted: string) => rows.filter(({ state }) => state === wanted).length;
  const refused = rows.find(({ problem }) => problem)?.problem;
  const schema = { applied: count("applied"), pending: count("pending"), refused: refused ?? null };
  if (asJson) print(json({ database: db.description, ...seen, schema }));
  else {
    print([
      `database    ${db.description}`,
      `server      PostgreSQL ${seen.version}, encoding ${seen.encoding}, as ${seen.user}`,
      `transport   ${seen.tls ? `TLS (${seen.tls})` : "no TLS"}`,
      `round trip  ${seen.round_trip_ms.toFixed(1)} ms, a commit ${seen.commit_ms.toFixed(1)} ms`,
      `connections ${seen.connections} of ${seen.max_connections}`,
      `may migrate ${seen.may_create ? "yes" : "no: grant it create on its schema"}`,
      `schema      ${schema.applied} applied, ${schema.pending} pending${
        schema.pending ? ": deno task migrate" : ""
      }`,
    ].join("\n"));
  }
  if (refused) throw new DatabaseError(refused);
  return seen.may_create ? EXIT.done : EXIT.database;
}

async function createMigration(name: string, { json: asJson }: Options, { print }: Setting): Promise<number> {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new UsageError(
      `Cannot create a migration as its name must be like add_mood_to_prompts: got ${JSON.stringify(name)}`,
    );
  }
  const file = await draftMigration(`${ROOT}/sql`, name);
  print(asJson ? json({ file }) : `${file}\nWrite it, then: deno task migrate`);
  return EXIT.done;
}

if (import.meta.main) {
  await main({ name: "db", summary: "test-connection, or create-migration NAME", schema, run });
}
