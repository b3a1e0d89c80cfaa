import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { migrateAtOnce, start } from "./chaos.ts";
import { DatabaseError } from "./database_error.ts";
import { type Database, openDatabase } from "./db.ts";
import { fingerprint, migrate, status } from "./migrate.ts";
import { testDatabase } from "./testing.ts";

type Files = Record<string, string>;

const FILES: Files = {
  "0001_first.sql": "create table first (n int); -- it's; fine",
  "0002_second.sql": "create table second (n int);\ninsert into second values (2);\n",
  "0003_third.sql": "create table third (n int);",
};

async function withFolder(files: Files, act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "quintet-" });
  try {
    await write(folder, files);
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function write(folder: string, files: Files): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) await Deno.remove(`${folder}/${name}`);
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
}

async function tables(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' order by 1",
  );
  return rows.map(({ name }) => name);
}

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("migrate() applies what is new, in order, and then nothing", () =>
  withFolder({ ...FILES, "README.md": "not SQL" }, async (folder) => {
    await using db = await testDatabase();
    const lines: string[] = [];
    await Deno.remove(`${folder}/0003_third.sql`);
    deepEqual(await migrate(db, folder, { notice: (line) => lines.push(line) }), [
      "0001_first.sql",
      "0002_second.sql",
    ]);
    deepEqual(lines, ["Applied 0001_first.sql", "Applied 0002_second.sql"]);
    await write(folder, FILES);
    deepEqual(await migrate(db, folder), ["0003_third.sql"]);
    deepEqual(await migrate(db, folder), []);
    deepEqual(await tables(db), ["first", "quintet_migrations", "second", "third"]);
    deepEqual((await db.query("select n from second")).rows, [{ n: 2 }]);
    const { rows } = await db.query<{ sha256: string; chain: string }>(
      "select sha256, chain from quintet_migrations",
    );
    equal(rows[0]!.sha256, await sha256(FILES["0001_first.sql"]!));
    equal(rows[1]!.chain, await sha256(`${rows[0]!.chain}\n0002_second.sql\n${rows[1]!.sha256}`));
    equal(rows[2]!.chain, await fingerprint(folder));
  }));

Deno.test("status() tells applied, pending and refused files apart, and changes nothing", () =>
  withFolder(FILES, async (folder) => {
    await using db = await testDatabase();
    const states = async () => (await status(db, folder)).map(({ name, state }) => [name, state]);
    deepEqual((await states()).map(([, state]) => state), ["pending", "pending", "pending"]);
    deepEqual(await tables(db), []);
    await migrate(db, folder);
    await write(folder, { ...FILES, "0002_second.sql": "-- changed", "0004_fourth.sql": "select 4" });
    deepEqual(await states(), [
      ["0001_first.sql", "applied"],
      ["0002_second.sql", "refused"],
      ["0003_third.sql", "applied"],
      ["0004_fourth.sql", "pending"],
    ]);
    const [first, second] = await status(db, folder);
    ok(first!.appliedAt instanceof Date);
    match(second!.problem!, /was edited after it was applied/);
  }));

Deno.test("migrate() does not mind how lines end, nor a byte order mark", () =>
  withFolder(FILES, async (folder) => {
    await using db = await testDatabase();
    await migrate(db, folder);
    await write(folder, {
      ...FILES,
      "0002_second.sql": `\ufeff${FILES["0002_second.sql"]!.replaceAll("\n", "\r\n")}`,
    });
    deepEqual(await migrate(db, folder), []);
  }));

const [ONE, TWO, THREE] = Object.values(FILES) as [string, string, string];
const first = { "0001_first.sql": ONE };
const second = { "0002_second.sql": TWO };
const third = { "0003_third.sql": THREE };
/** What was done, the files then, the file named, expected and got content (none when undefined). */
const tampers: [string, Files, RegExp, string | undefined, string | undefined][] = [
  [
    "edited",
    { ...first, "0002_second.sql": "changed", ...third },
    /0002_second.sql was edited/,
    TWO,
    "changed",
  ],
  ["missing", { ...first, ...third }, /0002_second.sql is missing/, TWO, undefined],
  [
    "reordered",
    { ...first, "0002_third.sql": THREE, "0003_second.sql": TWO },
    /0002_third.sql was applied as 0003_third.sql: the order was changed/,
    TWO,
    THREE,
  ],
  [
    "renumbered",
    { ...first, ...second, "0004_third.sql": THREE },
    /0004_third.sql was renumbered: it was applied as 0003_third.sql/,
    THREE,
    THREE,
  ],
  [
    "given a number twice",
    { ...first, ...second, "0002_again.sql": "again", ...third },
    /0002_again.sql has the same number as 0002_second.sql/,
    TWO,
    "again",
  ],
  [
    "copied",
    { ...first, ...second, ...third, "0004_copy.sql": TWO },
    /0004_copy.sql is a copy of 0002_second.sql/,
    undefined,
    TWO,
  ],
  [
    "renamed",
    { ...first, "0002_other.sql": TWO, ...third },
    /0002_other.sql was renamed: it was applied as 0002_second.sql/,
    TWO,
    TWO,
  ],
  [
    "put in before",
    { ...first, "0002_new.sql": "new", "0003_second.sql": TWO, "0004_third.sql": THREE },
    /0002_new.sql was put in before 0002_second.sql/,
    TWO,
    "new",
  ],
  [
    "replaced",
    { ...first, "0002_new.sql": "new", ...third },
    /0002_new.sql took the place of 0002_second.sql/,
    TWO,
    "new",
  ],
  [
    "of newer code",
    { ...first, ...second },
    /database is newer than this code: it has 0003_third.sql/,
    THREE,
    undefined,
  ],
];
Deno.test("migrate() names what was done to applied files, with both hashes, and runs nothing", () =>
  withFolder(FILES, async (folder) => {
    await using db = await testDatabase();
    await migrate(db, folder);
    for (const [what, files, message, expected, got] of tampers) {
      await write(folder, { "0005_new.sql": "create table never (n int)", ...files });
      if (what === "of newer code") await Deno.remove(`${folder}/0005_new.sql`);
      const hash = async (text: string | undefined, none: string) =>
        text === undefined ? none : await sha256(text);
      const hashes = `expected sha256 ${await hash(expected, "none")}, got ${await hash(
        got,
        "no such file",
      )}: `;
      await rejects(migrate(db, folder), (error: Error) => {
        ok(error instanceof DatabaseError, String(error));
        match(error.message, message);
        ok(error.message.includes(hashes), error.message);
        return true;
      }, what);
    }
    ok(!(await tables(db)).includes("never"));
    await write(folder, FILES);
    await db.query("update quintet_migrations set sha256 = 'forged' where number = 2");
    await rejects(
      migrate(db, folder),
      /its row of 0002_second.sql was changed: expected chain sha256 \w{64}, got \w{64}/,
    );
  }));

const folders: [string, Files, RegExp][] = [
  ["no files", {}, /it has no 0001_….sql/],
  ["a file without number", { "first.sql": "" }, /must be called 0001_like_this.sql: got first.sql/],
  ["a gap", { ...first, ...third }, /0003_third.sql comes after 0001_first.sql/],
  ["a start other than 0001", second, /0002_second.sql comes after nothing/],
  [
    "a number twice",
    { ...first, "0001_other.sql": "" },
    /0001_first.sql has the same number as 0001_other.sql/,
  ],
  ["the same content twice", { ...first, "0002_copy.sql": ONE }, /0001_first.sql is a copy of 0002_copy.sql/],
];
for (const [what, files, message] of folders) {
  Deno.test(`migrate() refuses a folder with ${what}`, () =>
    withFolder(files, async (folder) => {
      await using db = await testDatabase();
      await rejects(migrate(db, folder), message);
      deepEqual((await tables(db)).filter((name) => name !== "quintet_migrations"), []);
    }));
}

Deno.test("migrate() refuses files it cannot read", () =>
  withFolder({}, async (folder) => {
    await using db = await testDatabase();
    await rejects(migrate(db, `${folder}/nowhere`), /DatabaseError: Cannot read the migrations in .*nowhere/);
    await Deno.writeFile(`${folder}/0001_latin.sql`, new Uint8Array([0xe9]));
    await rejects(migrate(db, folder), /DatabaseError: Cannot read .*0001_latin.sql as UTF-8/);
  }));

const alone = [
  "create index concurrently i on first (n)",
  "create unique index concurrently i on first (n)",
  "drop index\n  concurrently i",
  "reindex table concurrently first",
  "reindex (verbose) database postgres",
  "vacuum",
  "VACUUM (analyze) first",
  "create database other",
  "drop database other",
  "alter system set work_mem = '1MB'",
  "create tablespace t location '/x'",
  "cluster",
  "alter table p detach partition q concurrently",
  "begin",
  "commit",
  "/* why */ rollback",
  "start transaction",
  "create table a (n int); commit; create table b (n int)",
];
Deno.test("migrate() refuses what cannot be in a transaction, or would end it, before it applies anything", async () => {
  await using db = await testDatabase();
  for (const sql of alone) {
    await withFolder({ ...first, "0002_alone.sql": sql }, async (folder) => {
      const message = /DatabaseError: Cannot apply 0002_alone.sql as each file is one transaction/;
      await rejects(migrate(db, folder), message, sql);
    });
  }
  deepEqual(await tables(db), []);
});

Deno.test("migrate() is not misled by what only looks like such a statement", () =>
  withFolder({
    "0001_looks.sql": `
      -- vacuum; commit;
      /* begin; */
      create table looks (vacuum text default 'a; commit; ''vacuum''', "commit" text, e text default E'\\'; commit; ');
      create function answer() returns int language plpgsql as $$ begin return 42; end $$;
      create function twice() returns int language plpgsql as $body$ begin commit; end; $body$;
      create function standard() returns int begin atomic select 1; select 2; end;
      create index on looks ("commit");
      analyze looks;
    `,
  }, async (folder) => {
    await using db = await testDatabase();
    deepEqual(await migrate(db, folder), ["0001_looks.sql"]);
    deepEqual((await db.query("select answer(), standard()")).rows, [{ answer: 42, standard: 2 }]);
  }));

Deno.test("migrate() rolls a failing file back, keeps those before, and says where it failed", () =>
  withFolder(
    { ...first, "0002_fails.sql": "create table half (n int);\n\nselect nothing;" },
    async (folder) => {
      await using db = await testDatabase();
      await rejects(migrate(db, folder), {
        code: "42703",
        message: /^Cannot apply 0002_fails.sql, line 3: column "nothing"/,
      });
      deepEqual(await tables(db), ["first", "quintet_migrations"]);
      await write(folder, { ...first, "0002_fails.sql": "create table half (n int);" });
      deepEqual(await migrate(db, folder), ["0002_fails.sql"]); // it had not been applied, so it may change
    },
  ));

/** A migration that takes as long as there is a table `brake`. */
const BRAKED = `
  create table slow (n int);
  do $$ begin
    while exists (select from pg_class where relname = 'brake') loop perform pg_sleep(0.02); end loop;
  end $$;`;
const BRAKES = "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

Deno.test("migrate() waits for another one, and goes on when its connection is lost meanwhile", () =>
  withFolder({ "0001_slow.sql": BRAKED }, async (folder) => {
    await using db = await testDatabase();
    await using other = await openDatabase({ url: db.url });
    await db.query("create table brake (n int)");
    const migrating = migrate(db, folder);
    while ((await other.query(BRAKES)).rowCount === 0);
    let waits = () => {};
    const told = new Promise<void>((resolve) => waits = resolve);
    const waiting = migrate(other, folder, {
      notice: (line) => line === "Waiting for another process that migrates the database" && waits(),
    });
    await told;
    const terminate = `
      select pg_terminate_backend(pid)
        from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory'`;
    equal((await db.query(terminate)).rowCount, 1);
    await db.query("drop table brake");
    deepEqual(await migrating, ["0001_slow.sql"]);
    deepEqual(await waiting, []);
  }));

Deno.test("migrate() that is killed leaves nothing half done, and no lock", () =>
  withFolder({ ...first, "0002_slow.sql": BRAKED }, async (folder) => {
    await using db = await testDatabase();
    await db.query("create table brake (n int)");
    await using child = start({ act: "migrate", url: db.url, folder });
    while ((await db.query(BRAKES)).rowCount === 0);
    await child.kill();
    await db.query("drop table brake");
    deepEqual(await migrate(db, folder), ["0002_slow.sql"]);
    deepEqual(await tables(db), ["first", "quintet_migrations", "slow"]);
  }));

Deno.test("migrate() applies each file once when eight processes start at the same moment, twice", async () => {
  for (let round = 0; round < 2; round++) {
    await withFolder(FILES, async (folder) => {
      await using db = await testDatabase();
      const { passed, applied, complaints } = await migrateAtOnce({ url: db.url }, { folder, processes: 8 });
      equal(passed, 8, complaints);
      deepEqual(applied.sort(), Object.keys(FILES));
      deepEqual(await tables(db), ["first", "quintet_migrations", "second", "third"]);
    });
  }
});

Deno.test("migrate() refuses a server or a database that will not do", () =>
  withFolder(FILES, async (folder) => {
    await using db = await testDatabase();
    const old: Database = {
      ...db,
      query: <Row>(sql: string, params?: readonly unknown[]) =>
        db.query<Row>(sql.replace(/current_setting\('server_version(_num)?'\)/g, "14::text"), params),
    };
    await rejects(
      migrate(old, folder),
      /DatabaseError: .* must be 15 or newer: it is 14: upgrade the server/,
    );
    const name = `${/test_\w+/.exec(db.url)![0]}_ascii`;
    await db.query(
      `create database ${name} template template0 encoding 'SQL_ASCII' locale_provider libc locale 'C'`,
    );
    {
      await using ascii = await openDatabase({ url: db.url.replace(/test_\w+/, name) });
      await rejects(migrate(ascii, folder), /DatabaseError: .* must be UTF8: it is SQL_ASCII/);
    }
    await db.query(`drop database ${name} with (force)`);
  }));
