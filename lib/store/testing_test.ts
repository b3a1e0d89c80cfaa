import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { openDatabase } from "./db.ts";
import { fingerprint } from "./migrate.ts";
import { testDatabase } from "./testing.ts";

async function withFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "quintet-" });
  try {
    // its own content, so that no run before has made this template
    await Deno.writeTextFile(
      `${folder}/0001_only.sql`,
      `create table only_${crypto.randomUUID().replaceAll("-", "")} (n int)`,
    );
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("testDatabase() gives each test a database of its own and drops it after", async () => {
  let url: string;
  {
    await using db = await testDatabase();
    await using other = await testDatabase();
    await db.query("create table mine (n int)");
    await rejects(other.query("select from mine"), { code: "42P01" });
    url = db.url;
  }
  await rejects(openDatabase({ url, openWaitMs: 0 }), /does not exist/);
});

Deno.test("testDatabase() makes one template of a folder, for all that ask at once", () =>
  withFolder(async (folder) => {
    const databases = await Promise.all(Array.from({ length: 6 }, () => testDatabase({ folder })));
    for (const db of databases) {
      deepEqual((await db.query("select name from quintet_migrations")).rows, [{ name: "0001_only.sql" }]);
    }
    const template = (await fingerprint(folder)).slice(0, 16);
    const { rows } = await databases[0]!.query("select datname from pg_database where datname like $1", [
      `%${template}`,
    ]);
    deepEqual(rows, [{ datname: `template_${template}` }]);
    await Promise.all(databases.map((db) => db.close()));
  }));
