/** The database's commands, as the processes that users start. */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { testDatabase } from "../lib/store/testing.ts";
import { ROOT } from "./setting.ts";
import { freshClone, modelServer, parity, place, printed, run } from "./testing.ts";

Deno.test("backup and restore give back an experiment with all that is known of it", async () => {
  await using own = await place();
  await using server = modelServer(parity);
  await using other = await testDatabase();
  const searched = await run("optimize", [
    ...[
      "--dataset",
      own.questions,
      ...server.models,
      "--max-calls",
      "600",
      "--max-iterations",
      "2",
      "--json",
    ],
  ], own);
  equal(searched.code, 0, searched.stderr);
  const file = `${own.folder}/deep/er/all.gz`;
  const made = printed(await run("backup", [file, "--json"], own));
  const calls = made.tables.find(({ table }: { table: string }) => table === "calls");
  equal(calls.rows, server.asked.length);

  const elsewhere = { ...own, env: { ...own.env, DATABASE_URL: other.url } };
  const restored = printed(await run("restore", [file, "--json"], elsewhere));
  deepEqual(restored.tables, made.tables);
  const shown = (where: typeof own) => run("show", ["latest", "--json"], where).then(printed);
  deepEqual(await shown(elsewhere), await shown(own));

  const again = await run("restore", [file], elsewhere);
  equal(again.code, 2);
  match(again.stderr, /as it must be empty: \w+ has rows/);
  const named = await Promise.all(
    [1, 2, 3].map(async () => printed(await run("backup", ["--json"], own)).file),
  );
  for (const file of named) ok(file.startsWith(`${own.home}/backups/`));
  equal(new Set(named).size, 3, "each is a new file");
});

Deno.test("db test-connection says how a database can be used", async () => {
  await using own = await place();
  await using empty = await testDatabase();
  const seen = printed(
    await run("db", ["test-connection", "--json"], { env: { ...own.env, DATABASE_URL: empty.url } }),
  );
  equal(seen.may_create, true);
  equal(seen.schema.applied, 0);
  ok(seen.schema.pending > 0 && seen.round_trip_ms > 0 && seen.commit_ms > 0);
  const { rows } = await empty.query("select from pg_tables where schemaname = 'public'");
  equal(rows.length, 0, "it changes nothing");

  const away = await run("db", ["test-connection"], {
    env: { ...own.env, DATABASE_URL: "postgresql://u:s3cret@127.0.0.1:1/x" },
  });
  equal(away.code, 5);
  ok(!`${away.stdout}${away.stderr}`.includes("s3cret"));
  for (const words of [[], ["create-migration"], ["drop"], ["test-connection", "now"]]) {
    equal((await run("db", words, own)).code, 2, words.join(" "));
  }
});

Deno.test("db create-migration begins the next file, which migrates as it is", async () => {
  await using own = await place();
  const root = await freshClone(own.folder);
  const names = (await Array.fromAsync(Deno.readDir(`${ROOT}/sql`))).map(({ name }) => name).sort();
  const next = String(names.length + 1).padStart(4, "0");
  const { file } = printed(await run("db", ["create-migration", "add_mood", "--json"], { ...own, root }));
  equal(file, `${root}/sql/${next}_add_mood.sql`);
  equal((await run("migrate", [], { ...own, root })).code, 0);
  const wrong = await run("db", ["create-migration", "Add Mood"], { ...own, root });
  equal(wrong.code, 2);
  match(wrong.stderr, /its name must be like add_mood_to_prompts/);
});
