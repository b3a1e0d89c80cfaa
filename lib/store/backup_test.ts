import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { backup, restore } from "./backup.ts";
import { type Database, openDatabase } from "./db.ts";
import { migrate } from "./migrate.ts";
import { type TestDatabase, testDatabase } from "./testing.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

/** Where files of a test lie. */
async function place() {
  const folder = await Deno.makeTempDir();
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Rows of every kind of value, and what a text can do to a format. */
async function fill(db: Database, rows: number): Promise<void> {
  await db.query(HOSTILE);
  await db.query(
    `insert into completions (key, model, identity, request, text, finish, prompt_tokens)
     select lpad(to_hex(n), 64, '0'), 'm', jsonb_build_object('n', n), '[1, {"a": null}]',
            (array[$1, 'plain', '', chr(92) || '.', $2])[n % 5 + 1] || n, 'stop', nullif(n % 7, 0)
       from generate_series(1, $3) as n`,
    ["\\.\n\\.\r\n\\N\t\\\\ \b\f\v\u0001\u007f\u2028 \ud83d\ude00 'x' \"y\" $1 {a,b}", "ä".repeat(40), rows],
  );
}

const HOSTILE = `
  insert into datasets (id, name, sha256, card, created_at)
    values ('00000000-0000-4000-8000-000000000001', E'\\\\.', repeat('a', 64), '{"k": [1e400, "\\u00e9", {}]}', '0001-01-01 00:00:00.000001 BC'),
           ('00000000-0000-4000-8000-000000000002', E'\\\\N', repeat('b', 64), '{}', 'infinity');
  insert into examples (dataset_id, split, position, key, question, reference_texts)
    select '00000000-0000-4000-8000-000000000001', 'train', n, 'k' || n, E'a\\tb\\n\\\\.\\n' || n,
           array[E'\\\\', '"', '{', '}', ',', '', 'NULL', E'\\n', ' ' || n]
      from generate_series(0, 99) as n;
  insert into experiments (id, kind, dataset_id, seed, config, seconds)
    values ('00000000-0000-4000-8000-000000000003', 'optimize', '00000000-0000-4000-8000-000000000001',
            -9223372036854775808, '{"a": 0.1}', 0.1::float8 + 0.2::float8);
  insert into prompts (id, experiment_id, version, parent_id, operator, system_prompt, output_prompt, demos)
    select ('00000000-0000-4000-9000-' || lpad((999 - n)::text, 12, '0'))::uuid, '00000000-0000-4000-8000-000000000003', n,
           case when n > 0 then ('00000000-0000-4000-9000-' || lpad((1000 - n)::text, 12, '0'))::uuid end, 'o', E'\\\\', '', '[]'
      from generate_series(0, 20) as n;
  insert into prompt_features (prompt_id, version, names, "values")
    select id, 1, array['a', 'b', 'c', 'd', 'e'], array[1e-323, 1.7976931348623157e308, '-0', 'nan', '-infinity']::float8[]
      from prompts;
  insert into rl_models (algorithm, parameters, timesteps, mean_return, onnx, onnx_sha256)
    select 'ppo', '{}', 1, 0.1, string_agg(set_byte('\\x00', 0, n), '' order by n), repeat('c', 64) from generate_series(0, 255) as n;
  insert into calls (id, experiment_id, role, model, key, attempt, reserved_tokens, reserved_usd)
    values (gen_random_uuid(), '00000000-0000-4000-8000-000000000003', 'primary', 'm', repeat('d', 64), 1, 9007199254740993, 0.000000000001)`;

/** Everything in a database but when it was migrated, as its server writes it. */
async function contents(db: Database): Promise<unknown> {
  const { rows: tables } = await db.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
  );
  const all: unknown[] = [];
  for (const { name } of tables.filter(({ name }) => name !== "quintet_migrations")) {
    const { rows } = await db.query(
      `select count(*) as n, md5(string_agg(md5(t::text), '' order by md5(t::text))) as hash from ${name} t`,
    );
    all.push([name, rows[0]]);
  }
  return all;
}

const empty = async (db: Database) => {
  const { rows: [row] } = await db.query<{ n: number }>(
    "select (select count(*) from completions) + (select count(*) from datasets) as n",
  );
  return row!.n === 0;
};

Deno.test("backup() and restore() bring 100,000 rows there and back bit for bit, embedded and by URL", async () => {
  await using own = await place();
  await using first = await testDatabase({ folder: FOLDER });
  await using third = await testDatabase({ folder: FOLDER });
  await fill(first, 100_000);
  const made = await backup(first, `${own.folder}/first.gz`);
  ok(made.tables.some(({ table, rows }) => table === "completions" && rows === 100_000));
  {
    await using second = await openDatabase({ home: `${own.folder}/home` });
    await migrate(second, FOLDER);
    const restored = await restore(second, `${own.folder}/first.gz`, { folder: FOLDER });
    deepEqual(restored, made);
    deepEqual(await contents(second), await contents(first));
    const again = await backup(second, `${own.folder}/second.gz`);
    deepEqual(without(again), without(made));
  }
  await restore(third, `${own.folder}/second.gz`, { folder: FOLDER });
  deepEqual(await contents(third), await contents(first));
  deepEqual((await Array.fromAsync(Deno.readDir(own.folder))).map(({ name }) => name).sort(), [
    "first.gz",
    "home",
    "second.gz",
  ]);
});

Deno.test({
  name: "backup() replaces what a link leads to, and no pipe",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using own = await place();
    await using db = await testDatabase({ folder: FOLDER });
    const [kept, link, pipe] = ["kept.gz", "link.gz", "pipe"].map((name) => `${own.folder}/${name}`) as [
      string,
      string,
      string,
    ];
    await Deno.writeTextFile(kept, "as it was");
    await Deno.chmod(kept, 0o600);
    await Deno.symlink("kept.gz", link);
    const made = await backup(db, link);
    equal(await Deno.readLink(link), "kept.gz");
    equal((await Deno.stat(kept)).mode! & 0o777, 0o600);
    deepEqual(await restore(db, kept, { folder: FOLDER }), made);

    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    for (const path of [pipe, own.folder]) {
      await rejects(backup(db, path), {
        name: "BackupError",
        message:
          `Cannot write ${path} as a backup is a file, whole or not at all, and that is none: name another`,
      });
    }
    ok((await Deno.lstat(pipe)).isFifo);
    deepEqual((await Array.fromAsync(Deno.readDir(own.folder))).map(({ name }) => name).sort(), [
      ...["kept.gz", "link.gz", "pipe"],
    ]);
  },
});

const without = ({ tables }: { tables: readonly { table: string }[] }) =>
  tables.filter(({ table }) => table !== "quintet_migrations");

Deno.test("backup() sees one snapshot, while others write", async () => {
  await using own = await place();
  await using db = await testDatabase({ folder: FOLDER });
  await using other = await testDatabase({ folder: FOLDER });
  await fill(db, 20_000);
  let writing = true;
  let n = 0;
  const writer = (async () => { // a dataset and its example in one commit: a backup with one alone would tear them
    while (writing) {
      await db.query(
        `with d as (insert into datasets (name, sha256) values ('w', encode(sha256($1::text::bytea), 'hex')) returning id)
         insert into examples (dataset_id, split, position, key, question, reference_texts)
         select id, 'test', 0, 'k', 'q', '{r}' from d`,
        [String(n++)],
      );
    }
  })();
  for (let i = 0; i < 3; i++) {
    const { tables } = await backup(db, `${own.folder}/${i}.gz`);
    const of = (name: string) => tables.find(({ table }) => table === name)!.rows;
    equal(of("examples") - 100, of("datasets") - 2);
  }
  writing = false;
  await writer;
  ok(n > 3);
  await restore(other, `${own.folder}/2.gz`, { folder: FOLDER });
});

Deno.test("restore() goes into a later version as if the database had been migrated in place", async () => {
  await using own = await place();
  await using db = await testDatabase({ folder: FOLDER });
  await fill(db, 100);
  const older = await backup(db, `${own.folder}/old.gz`);
  const [next, last] = [`${own.folder}/next`, `${own.folder}/last`];
  await withMigration(FOLDER, next, NEXT);
  await withMigration(next, last, LAST);
  await migrate(db, next);
  await db.query("insert into notes (text) values ('one'), ('two')");
  const newer = await backup(db, `${own.folder}/new.gz`);

  await using current = await testDatabase({ folder: FOLDER });
  await rejects(restore(current, `${own.folder}/new.gz`, { folder: FOLDER }), {
    name: "BackupError",
    message: /its schema is newer: it has \d{4}_later\.sql, here the last is \d{4}_.*: use the newer code$/,
  });
  ok(await empty(current));
  await migrate(current, next);
  await restore(current, `${own.folder}/new.gz`, { folder: next });
  deepEqual(await contents(current), await contents(db));

  await migrate(db, last);
  for (const [backup, schema, notes] of [["new", newer.schema, 2], ["old", older.schema, 0]] as const) {
    if (notes === 0) await db.query("delete from notes");
    await using target = await testDatabase({ folder: last });
    await rejects(restore(target, `${own.folder}/${backup}.gz`, { folder: next }), {
      name: "BackupError",
      message:
        /this code has not the migrations of the database: that has \d{4}_later\.sql, here the last is/,
    });
    ok(await empty(target));
    await rejects(restore(withoutSchemas(target), `${own.folder}/${backup}.gz`, { folder: last }), {
      name: "BackupError",
      message: /older schema.*: permission denied for database: restore as the owner of the database/,
    });
    ok(await empty(target));
    const restored = await restore(target, `${own.folder}/${backup}.gz`, { folder: last });
    equal(restored.schema, schema);
    deepEqual(await contents(target), await contents(db));
    const { rows } = await target.query("insert into notes (text) values ('next') returning id, length");
    deepEqual(rows, [{ id: notes + 1, length: 4 }], "an identity goes on where it was");
    deepEqual((await target.query("select from pg_namespace where nspname ~ '^quintet'")).rows, []);
  }
});

/** The same for a user who may make tables and no schema. */
const withoutSchemas = (db: Database): Database => ({
  ...db,
  session: (act) =>
    db.session((session) =>
      act({
        ...session,
        query: (sql, params) =>
          /^create schema/.test(sql)
            ? Promise.reject(Object.assign(new Error("permission denied for database"), { code: "42501" }))
            : session.query(sql, params),
      })
    ),
});

/** A folder of migrations with one more. */
async function withMigration(from: string, folder: string, text: string): Promise<void> {
  await Deno.mkdir(folder);
  const names = (await Array.fromAsync(Deno.readDir(from))).map(({ name }) => name).sort();
  for (const name of names) await Deno.copyFile(`${from}/${name}`, `${folder}/${name}`);
  const number = String(parseInt(names.at(-1)!) + 1).padStart(4, "0");
  await Deno.writeTextFile(`${folder}/${number}_later.sql`, text);
}

/** Columns with and without a default, rows that are changed, and rows that go. */
const NEXT = `
  alter table datasets add column mood text not null default 'fine', add column n int;
  update datasets set n = octet_length(name);
  alter table datasets alter column n set not null;
  delete from prompt_features;
  create table notes (id bigint generated always as identity primary key, text text not null,
                      length int generated always as (length(text)) stored);`;

const LAST = `
  update datasets set mood = (select count(*) from examples e where e.dataset_id = datasets.id)::text;
  update notes set text = text || '!';
  alter table completions drop column prompt_tokens;`;

Deno.test("restore() refuses what it should not use, by name, and changes nothing", async (t) => {
  await using own = await place();
  await using db = await testDatabase({ folder: FOLDER });
  await using target = await testDatabase({ folder: FOLDER });
  await fill(db, 3000);
  await backup(db, `${own.folder}/good.gz`);
  const good = await Deno.readFile(`${own.folder}/good.gz`);
  const text = await new Response(
    new Blob([good]).stream().pipeThrough(new DecompressionStream("gzip")),
  ).text();
  const packed = async (text: string) =>
    new Uint8Array(
      await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
    );
  const cut = /is cut off or damaged: .*: nothing was changed, use another backup$/;
  const cases: [name: string, bytes: Uint8Array | undefined, message: RegExp][] = [
    ["no file", undefined, /cannot be read: .*not found|No such file/i],
    ["an empty file", new Uint8Array(), cut],
    ["a text", new TextEncoder().encode("select 1;\n"), cut],
    ["another gzip", await packed("hello\nworld\n"), /is no backup: deno task backup makes one$/],
    ["half a file", good.slice(0, good.length / 2), cut],
    ["a file without its last bytes", good.slice(0, -9), cut],
    ["a byte that was changed", good.map((byte, i) => i === good.length >> 1 ? byte ^ 1 : byte), cut],
    ["a row that was changed", await packed(text.replace("plain1", "plane1")), cut],
    ["a row that was left out", await packed(text.replace(/^.*plain1\t.*\n/m, "")), cut],
    ["a count that was changed", await packed(text.replace(/"rows":3000/, '"rows":2999')), cut],
    [
      "a table that was left out",
      await packed(text.replace(/^{"table":"rl_models","columns[^]*?^{"table":"rl_models","rows.*\n/m, "")),
      cut,
    ],
    ["an end that is missing", await packed(text.replace(/^{"end".*\n/m, "")), cut],
    ["more after its end", await packed(text + "x"), cut],
    [
      "another schema",
      await packed(text.replaceAll(/"chain":"./g, '"chain":"x')),
      /its schema is another one: .*: use the code that made it$/,
    ],
    [
      "a table of another schema",
      await packed(text.replaceAll('"table":"rl_models"', '"table":"of_models"')),
      /has no of_models: use the code/,
    ],
    [
      "a column that ends its statement",
      await packed(text.replace('"columns":["id","name"', '"columns":["id\\");drop table calls;--","name"')),
      /has no datasets\.id"\);drop table/,
    ],
  ];
  for (const [name, bytes, message] of cases) {
    await t.step(name, async () => {
      const path = `${own.folder}/${crypto.randomUUID()}.gz`;
      if (bytes) await Deno.writeFile(path, bytes);
      await rejects(restore(target, path, { folder: FOLDER }), { name: "BackupError", message });
      ok(await empty(target));
    });
  }
  await t.step("a database with rows", async () => {
    const before = await contents(db);
    await rejects(restore(db, `${own.folder}/good.gz`, { folder: FOLDER }), {
      message: /as it must be empty: \w+ has rows: name an empty database/,
    });
    deepEqual(await contents(db), before);
  });
  await t.step("any byte changed: refused, or all the same", async () => {
    for (let i = 0; i < 12; i++) {
      const path = `${own.folder}/flipped.gz`;
      const at = Math.floor(good.length * (i + 0.5) / 12);
      await Deno.writeFile(path, good.map((byte, j) => j === at ? byte ^ (1 << i % 8) : byte));
      await rejects(restore(target, path, { folder: FOLDER }), { name: "BackupError" });
      ok(await empty(target));
    }
  });
  await restore(target, `${own.folder}/good.gz`, { folder: FOLDER });
  notEqual(await empty(target), true);
});

Deno.test("restore() leaves an empty or a whole database, wherever it is killed or its connection ended", async () => {
  await using own = await place();
  await using db = await testDatabase({ folder: FOLDER });
  await fill(db, 30_000);
  await backup(db, `${own.folder}/b.gz`);
  const whole = await contents(db);
  const seen = { empty: 0, whole: 0 };
  for (const wait of [0, 60, 150, 400, 900, 60_000]) {
    await using target = await testDatabase({ folder: FOLDER });
    const child = restoring(target, `${own.folder}/b.gz`);
    const ended = child.status;
    await Promise.race([copying(target).then(() => delay(wait)), ended]);
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await ended;
    await gone(target);
    if (await empty(target)) {
      seen.empty++;
      await restore(target, `${own.folder}/b.gz`, { folder: FOLDER }); // and can be filled again
    } else seen.whole++;
    deepEqual(await contents(target), whole);
  }
  ok(seen.empty > 0 && seen.whole > 0, JSON.stringify(seen));

  await using target = await testDatabase({ folder: FOLDER });
  const cut = copying(target).then(() =>
    target.query(
      "select pg_terminate_backend(pid) from pg_stat_progress_copy where datname = current_database()",
    )
  );
  await Promise.all([restore(target, `${own.folder}/b.gz`, { folder: FOLDER }), cut]); // run again by itself
  deepEqual(await contents(target), whole);
});

function restoring(target: TestDatabase, path: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", `${import.meta.dirname}/../../flows/restore.ts`, path],
    env: { DATABASE_URL: target.url },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function copying(db: Database): Promise<void> {
  for (;;) {
    const { rows } = await db.query(
      "select from pg_stat_progress_copy where datname = current_database() and command = 'COPY FROM'",
    );
    if (rows.length > 0) return;
    await delay(2);
  }
}

/** The server has noticed that the process has gone. */
async function gone(db: Database): Promise<void> {
  for (;;) {
    const { rows } = await db.query(
      "select from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'datasets' and l.mode = 'ExclusiveLock'",
    );
    if (rows.length === 0) return;
    await delay(20);
  }
}

Deno.test("backup() names a place that cannot be written to", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await rejects(backup(db, "/proc/none/b.gz"), (error: Error) => {
    match(error.message, /^Cannot write \/proc\/none/);
    return error.name === "BackupError";
  });
});
