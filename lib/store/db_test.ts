import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
// @ts-types="@types/pg"
import pg from "pg";
import { makeTable, proxy, socketOf, throughProxy } from "./chaos.ts";
import { DatabaseError } from "./database_error.ts";
import { type Database, openDatabase, type Queryable } from "./db.ts";
import { openServer, type Server, serverProcesses } from "./server.ts";
import { testDatabase } from "./testing.ts";

// ---- values ----

const moment = new Date("2026-11-23T12:34:56.789Z");
const values: [string, unknown[] | undefined, unknown][] = [
  ["1::int8", undefined, 1],
  ["9007199254740991::int8", undefined, Number.MAX_SAFE_INTEGER],
  ["array[1, null, -2]::int8[]", undefined, [1, null, -2]],
  ["count(*)", undefined, 1],
  ["0.10::numeric", undefined, "0.10"],
  ["array[1.50]::numeric[]", undefined, ["1.50"]],
  ["0.1::float8", undefined, 0.1],
  ["$1::timestamptz", [moment], moment],
  ["'2026-11-23 12:34:56.789+00'::timestamptz", undefined, moment],
  ["'2026-11-23'::date", undefined, "2026-11-23"],
  ["array['2026-11-23'::date]", undefined, ["2026-11-23"]],
  ["'2026-11-23 01:02:03'::timestamp", undefined, "2026-11-23 01:02:03"],
  ["$1::jsonb", [{ a: [1, "ü", null] }], { a: [1, "ü", null] }],
  ["$1::jsonb", [JSON.stringify([1, 2])], [1, 2]],
  ["$1::text[]", [['a "b"', "c,d", null]], ['a "b"', "c,d", null]],
  ["$1::text", ["😀 \\u0000 'x'"], "😀 \\u0000 'x'"],
  ["$1::text", [undefined], null],
  ["$1::uuid", ["0198b5f0-0000-7000-8000-000000000000"], "0198b5f0-0000-7000-8000-000000000000"],
];
Deno.test("query() maps values both ways", async () => {
  await using db = await testDatabase();
  for (const [expression, params, expected] of values) {
    const { rows, rowCount } = await db.query<{ value: unknown }>(`select ${expression} as value`, params);
    deepEqual(rows, [{ value: expected }], expression);
    equal(rowCount, 1);
  }
  const { rows: [bytes] } = await db.query<{ value: Uint8Array }>("select $1::bytea as value", [
    new Uint8Array([0, 255]),
  ]);
  deepEqual([...bytes!.value], [0, 255]);
  await rejects(
    db.query("select 9007199254740993::int8"),
    /RangeError: Cannot read an int8 .* got 9007199254740993/,
  );
  await rejects(db.query("select $1::text", ["a\0"]), /RangeError: Cannot store parameter \$1/);
  deepEqual((await db.query("select 1 as one; select 2 as two")).rows, [{ two: 2 }]);
  const { rows } = await db.query("select 1 as one");
  deepEqual(rows, [{ one: 1 }]); // the connection has stayed usable
});

// ---- transactions ----

async function table(db: Database): Promise<void> {
  await db.query("create table numbers (n int primary key)");
}

async function numbers(db: Queryable): Promise<number[]> {
  return (await db.query<{ n: number }>("select n from numbers order by n")).rows.map(({ n }) => n);
}

Deno.test("transaction() commits whole or not at all, and runs once when nothing is lost", async () => {
  await using db = await testDatabase();
  await table(db);
  let runs = 0;
  equal(
    await db.transaction(async (tx) => {
      runs++;
      await tx.query("insert into numbers values (1)");
      await tx.query("insert into numbers values (2)");
      return "done";
    }),
    "done",
  );
  await rejects(
    db.transaction(async (tx) => {
      runs++;
      await tx.query("insert into numbers values (3)");
      await tx.query("insert into numbers values (1)"); // there already
    }),
    { code: "23505" },
  );
  await rejects(
    db.transaction(async (tx) => {
      runs++;
      await tx.query("insert into numbers values (4)");
      throw new TypeError("mine");
    }),
    { name: "TypeError", message: "mine" },
  );
  equal(runs, 3);
  deepEqual(await numbers(db), [1, 2]);
});

Deno.test("transaction() does not pass a swallowed failure off as a commit", async () => {
  await using db = await testDatabase();
  await table(db);
  await rejects(
    db.transaction(async (tx) => {
      await tx.query("insert into numbers values (1)");
      await tx.query("select 1 / 0").catch(() => {});
    }),
    /Cannot commit a transaction as one of its statements failed/,
  );
  deepEqual(await numbers(db), []);
});

Deno.test("transaction() runs again after a deadlock", async () => {
  await using db = await testDatabase();
  await table(db);
  await db.query("insert into numbers values (1), (2)");
  let runs = 0;
  let waiting = 2;
  const lockBoth = (first: number, second: number) =>
    db.transaction(async (tx) => {
      runs++;
      await tx.query("set local deadlock_timeout = '20ms'");
      await tx.query("select from numbers where n = $1 for update", [first]);
      waiting--;
      while (waiting > 0) await delay(1); // both have their first
      await tx.query("select from numbers where n = $1 for update", [second]);
    });
  await Promise.all([lockBoth(1, 2), lockBoth(2, 1)]);
  equal(runs, 3);
});

Deno.test("query() throws a conflict that does not go away", async () => {
  await using db = await testDatabase();
  await db.query("create sequence tries");
  const conflict = `do $$ begin
    perform nextval('tries');
    raise exception 'again' using errcode = '40001';
  end $$`;
  await rejects(db.query(conflict), { code: "40001" });
  deepEqual((await db.query("select last_value from tries")).rows, [{ last_value: 6 }]);
});

Deno.test("query() says what to do when the disk of the server is full", async () => {
  await using db = await testDatabase();
  const full = "do $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$";
  await rejects(db.query(full), (error: Error) => {
    ok(error instanceof DatabaseError);
    match(error.message, /could not extend file.*the disk is full: make room, then resume/);
    return true;
  });
});

// ---- lost connections ----

/** Ends all connections to the database of `db` but the one that does it. */
const TERMINATE = `
  select count(pg_terminate_backend(pid))
    from pg_stat_activity
   where datname = current_database() and pid <> pg_backend_pid()`;

Deno.test("query() and transaction() survive pg_terminate_backend between any two statements", async () => {
  await using db = await testDatabase();
  await using other = await openDatabase({ url: db.url });
  await table(db);
  let runs = 0;
  for (let n = 0; n < 8; n++) {
    await other.query(TERMINATE);
    await db.query("insert into numbers values ($1) on conflict do nothing", [n]);
    let struck = false;
    await db.transaction(async (tx) => {
      runs++;
      const statements = [100 + n, 200 + n, 300 + n];
      for (const [index, number] of statements.entries()) {
        if (index === n % 4 && !struck) {
          struck = true;
          await other.query(TERMINATE);
        }
        await tx.query("insert into numbers values ($1) on conflict do nothing", [number]);
      }
      if (n % 4 === 3 && !struck) { // before the commit
        struck = true;
        await other.query(TERMINATE);
      }
    });
  }
  equal(runs, 16);
  equal((await numbers(db)).length, 8 * 4);
});

Deno.test("query() survives pg_terminate_backend in the middle of statements that run at once", async () => {
  await using db = await testDatabase({ poolSize: 3 });
  await using other = await openDatabase({ url: db.url, poolSize: 1 });
  await table(db);
  const inserts = Array.from(
    { length: 60 },
    (_, n) => db.query("insert into numbers select $1 from pg_sleep(0.005) on conflict do nothing", [n]),
  );
  for (let round = 0; round < 5; round++) {
    await delay(15);
    await other.query(TERMINATE);
  }
  await Promise.all(inserts);
  equal((await numbers(db)).length, 60);
  const { rows: [row] } = await other.query<{ count: number }>(
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  ok(row!.count <= 3);
});

Deno.test("session() keeps its connection to itself and gives it up after", async () => {
  await using db = await testDatabase({ poolSize: 2 });
  const holds = async () =>
    (await db.query<{ held: boolean }>(
      "select count(*) > 0 as held from pg_locks where locktype = 'advisory' and " +
        "database = (select oid from pg_database where datname = current_database())",
    )).rows[0]!.held;
  await db.session(async (session) => {
    await session.query("select pg_advisory_lock(1)");
    equal(await holds(), true);
  });
  while (await holds()) await delay(1); // it goes with its connection
});

Deno.test("session() that had lasted longer than an outage may goes on after a loss, too", async () => {
  await using db = await testDatabase({ waitMs: 200 });
  await using other = await openDatabase({ url: db.url });
  let runs = 0;
  await db.session(async (session) => {
    if (++runs > 1) return;
    await delay(300);
    await other.query(TERMINATE);
    await session.query("select");
  });
  equal(runs, 2);
});

Deno.test("an outage is waited for, and longer ones end in a DatabaseError", async () => {
  const home = await Deno.makeTempDir({ prefix: "quintet-" });
  await Deno.chmod(home, 0o755);
  try {
    const lines: string[] = [];
    const server = await openServer({ home });
    const { host, user, database } = server.connection();
    const url = `postgresql://${user}:canary@/${database}?host=${encodeURIComponent(host)}`;
    await using db = await openDatabase({ url, notice: (line) => lines.push(line) });
    await using hasty = await openDatabase({ url, waitMs: 100 });
    await makeTable(db);
    await server.close(); // url users do not count as users of the embedded server: this stops it
    deepEqual(await serverProcesses(home), []);

    const insert = (n: number) =>
      db.query("insert into chaos values ('a', $1, '') on conflict do nothing", [n]);
    const writing = Promise.all([1, 2, 3].map(insert));
    const transaction = db.transaction(async (tx) =>
      void await tx.query("insert into chaos values ('b', 1, '')")
    );
    await rejects(hasty.query("select 1"), (error: Error) => {
      ok(error instanceof DatabaseError);
      match(error.message, /^Cannot reach the database for .* s \(.*\): postgresql:\/\/quintet@\/postgres/);
      ok(!Deno.inspect(error, { depth: 20 }).includes("canary"));
      return true;
    });
    await delay(1500);
    await using _back = await openServer({ home });
    await writing;
    await transaction;
    deepEqual((await db.query("select count(*) from chaos")).rows, [{ count: 4 }]);
    match(lines[0]!, /^Waiting for the database \(/);
    match(lines.at(-1)!, /^The database is back: /);
    ok(!lines.join().includes("canary"));
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("query() notices that nobody is at the other end any more", async () => {
  await using direct = await testDatabase();
  await using silent = await proxy(socketOf(direct.url));
  await using db = await openDatabase({
    url: throughProxy(direct.url, silent.port),
    silenceMs: 200,
    connectTimeoutMs: 300,
  });
  await table(db);
  for (const [n, swallowNew] of [[1, false], [2, true]] as const) {
    await Promise.all([1, 2, 3].map(() => db.query("select pg_sleep(0.01)"))); // connections that will be idle
    silent.fallSilent();
    silent.state.swallowNew = swallowNew;
    const accepted = silent.state.accepted;
    const writing = db.query("insert into numbers values ($1) on conflict do nothing", [n]);
    while (silent.state.accepted < accepted + 2) await delay(5); // somebody has looked, and tried again
    silent.state.swallowNew = false;
    await writing;
  }
  deepEqual(await numbers(direct), [1, 2]);
});

Deno.test("a transaction that loses its connection at every statement in turn is whole in the end", async () => {
  await using direct = await testDatabase();
  await using silent = await proxy(socketOf(direct.url));
  await using db = await openDatabase({ url: throughProxy(direct.url, silent.port), silenceMs: 100 });
  await table(db);
  let silences = 0;
  await db.transaction(async (tx) => {
    const until = silences;
    for (let n = 0; n < 4; n++) {
      if (n === until && silences < 4) {
        silences++;
        silent.fallSilent();
      }
      await tx.query("insert into numbers values ($1) on conflict do nothing", [n]);
    }
  });
  equal(silences, 4);
  deepEqual(await numbers(direct), [0, 1, 2, 3]);
});

Deno.test("a slow statement is not taken for a lost one", async () => {
  await using direct = await testDatabase();
  await using through = await proxy(socketOf(direct.url));
  await using db = await openDatabase({ url: throughProxy(direct.url, through.port), silenceMs: 500 });
  await table(db);
  await db.query("create sequence runs");
  await db.query("select nextval('runs'), pg_sleep(1.2)");
  let second: Promise<unknown>;
  await direct.transaction(async (tx) => {
    await tx.query("insert into numbers values (1)");
    second = db.query("insert into numbers values (1) on conflict do nothing"); // waits for the lock
    await delay(1200);
  });
  await second!;
  deepEqual((await direct.query("select last_value from runs")).rows, [{ last_value: 1 }]);
});

Deno.test("a slow statement on a full server is not taken for a lost one", async () => {
  await using direct = await testDatabase();
  const role = `full_${crypto.randomUUID().replaceAll("-", "")}`;
  await direct.query("create sequence runs");
  await direct.query(`create role ${role} login password '${role}' connection limit 1`);
  try {
    await direct.query(`grant usage on sequence runs to ${role}`);
    const url = direct.url.replace("//quintet@", `//${role}:${role}@`);
    await using db = await openDatabase({ url, silenceMs: 200 });
    await db.query("select nextval('runs'), pg_sleep(1)");
    const other = { url, openWaitMs: 100 };
    await rejects(openDatabase(other), DatabaseError); // it was full all the time
    deepEqual((await direct.query("select last_value from runs")).rows, [{ last_value: 1 }]);
  } finally {
    await direct.query(`drop owned by ${role}`);
    await direct.query(`drop role ${role}`);
  }
});

// ---- the URL ----

Deno.test("openDatabase() does what a URL asks for", async () => {
  await using direct = await testDatabase();
  await using db = await openDatabase({
    url: `${direct.url}&pool_size=2&application_name=canaries&statement_timeout=200&options=-c%20geqo%3Doff`,
  });
  await Promise.all(Array.from({ length: 20 }, () => db.query("select pg_sleep(0.002)")));
  deepEqual(
    (await direct.query("select count(*) from pg_stat_activity where application_name = 'canaries'")).rows,
    [{ count: 2 }],
  );
  deepEqual((await db.query("show geqo")).rows, [{ geqo: "off" }]);
  await rejects(db.query("select pg_sleep(5)"), { code: "57014" });
});

Deno.test("openDatabase() says where and why it cannot connect, without the password", async () => {
  await using direct = await testDatabase();
  await using mute = await proxy(socketOf(direct.url));
  mute.state.swallowNew = true;
  const at = "postgresql://ada:canary@";
  const cases: [string, RegExp][] = [
    [
      `${at}127.0.0.1:1/p?sslmode=disable`,
      /ECONNREFUSED.*postgresql:\/\/ada@127.0.0.1:1\/p: start it, or mend/,
    ],
    [`${at}/p?host=/nowhere`, /ENOENT.*postgresql:\/\/ada@\/p\?host=\/nowhere/],
    [`${at}name.invalid/p`, /name.invalid/],
    [`${at}127.0.0.1:${mute.port}/p?sslmode=disable&connect_timeout=1`, /timeout/i],
    [direct.url.replace("quintet@", "nobody:canary@"), /role "nobody" does not exist/],
    [direct.url.replace("quintet@/test_", "quintet:canary@/not_"), /database "not_.*" does not exist/],
    [`${at}127.0.0.1/p?sslmode=verify-full&sslrootcert=/nowhere.pem`, /sslrootcert cannot be read/],
  ];
  for (const [url, message] of cases) {
    await rejects(openDatabase({ url, openWaitMs: 50 }), (error: Error) => {
      ok(error instanceof DatabaseError, String(error));
      match(error.message, message);
      ok(
        !Deno.inspect(error, { depth: 20 }).split("\n").some((line) =>
          /canary/.test(line) && !/db_test/.test(line)
        ),
      );
      return true;
    });
  }
  await rejects(openDatabase({}), /TypeError: Cannot open a database as url or home must be given/);
});

Deno.test("a closed database says so, and shows no password", async () => {
  await using direct = await testDatabase();
  const db = await openDatabase({ url: direct.url.replace("@", ":canary@") });
  ok(!Deno.inspect(db, { depth: 20, showHidden: true }).includes("canary"));
  match(db.description, /^postgresql:\/\/quintet@\/test_/);
  await db.close();
  await db.close();
  await rejects(db.query("select 1"), /Cannot use the database at .* as it was closed/);
});

Deno.test("close() waits for statements that wait for a connection", async () => {
  await using direct = await testDatabase();
  const db = await openDatabase({ url: direct.url, poolSize: 2 });
  const sleeping = [1, 2, 3, 4, 5].map((n) => db.query("select $1::int8 as n from pg_sleep(0.01)", [n]));
  await db.close();
  deepEqual((await Promise.all(sleeping)).map(({ rows: [row] }) => row!.n), [1, 2, 3, 4, 5]);
});

Deno.test("close() does not wait for connections whose goodbye nobody hears", async () => {
  await using direct = await testDatabase();
  await using silent = await proxy(socketOf(direct.url));
  const db = await openDatabase({ url: throughProxy(direct.url, silent.port) });
  let closing: Promise<void>;
  await db.session(async (session) => {
    await session.query("select");
    silent.fallSilent();
    closing = db.close();
    await session.gone;
    await rejects(session.query("select"), /Cannot use the database at .* as it was closed/);
  });
  await closing!;
});

Deno.test("query() gets the place of a connection whose goodbye nobody hears", async () => {
  await using direct = await testDatabase();
  await using silent = await proxy(socketOf(direct.url));
  await using db = await openDatabase({ url: throughProxy(direct.url, silent.port, "&pool_size=2") });
  const more = Promise.withResolvers<void>();
  const long = db.session(() => more.promise);
  let waiting: Promise<unknown>;
  await db.session(async () => {
    waiting = db.query("select");
    await delay(50); // both places are taken
    silent.fallSilent();
  });
  await waiting!;
  more.resolve();
  await long;
});

// ---- TLS ----

const PASSWORD = "canary @/:#?%&é";

/** A server that takes passwords and TLS, with a certificate of its own authority for localhost. */
async function withTlsServer(act: (server: Server, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "quintet-" });
  await Deno.chmod(directory, 0o755);
  const authority = await certificate("quintet test authority");
  const localhost = await certificate("localhost", authority);
  const client = await certificate("quintet", authority);
  try {
    await (await openServer({ home: directory, loopback: true })).close();
    const data = `${directory}/postgres/data`;
    const { uid, gid } = await Deno.stat(data);
    for (
      const [name, text] of [["server.crt", localhost.certificate], ["server.key", localhost.key], [
        "ca.crt",
        authority.certificate,
      ]]
    ) {
      await Deno.writeTextFile(`${data}/${name}`, text!, { mode: 0o600 });
      await Deno.chown(`${data}/${name}`, uid, gid);
    }
    await Deno.writeTextFile(`${directory}/ca.pem`, authority.certificate);
    await Deno.writeTextFile(`${directory}/client.pem`, client.certificate);
    await Deno.writeTextFile(`${directory}/client.key`, client.key);
    const settings = {
      ssl: "on",
      ssl_cert_file: "server.crt",
      ssl_key_file: "server.key",
      ssl_ca_file: "ca.crt",
    };
    await using server = await openServer({ home: directory, loopback: true, settings });
    await act(server, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("openDatabase() speaks TLS as sslmode says, with a password of all characters", () =>
  withTlsServer(async (server, directory) => {
    const admin = new pg.Client(server.connection());
    await admin.connect();
    await admin.query(`create role ada login password '${PASSWORD}'`);
    await admin.end();
    const { port } = server.connection();
    const at = (host: string, rest: string, password = PASSWORD) =>
      `postgresql://ada:${encodeURIComponent(password)}@${host}:${port}/postgres?${rest}`;
    const ca = `sslrootcert=${directory}/ca.pem`;
    const client = `sslcert=${directory}/client.pem&sslkey=${directory}/client.key`;
    const good: [string, { ssl: boolean; name: string | null }][] = [
      [at("127.0.0.1", ""), { ssl: true, name: null }],
      [at("127.0.0.1", "sslmode=disable"), { ssl: false, name: null }],
      [at("127.0.0.1", "sslmode=require"), { ssl: true, name: null }],
      [at("127.0.0.1", `sslmode=verify-ca&${ca}`), { ssl: true, name: null }],
      [at("127.0.0.1", "sslmode=require&channel_binding=require"), { ssl: true, name: null }],
      [at("localhost", `sslmode=verify-full&${ca}`), { ssl: true, name: null }],
      [at("localhost", `${ca}&${client}`), { ssl: true, name: "/CN=quintet" }],
    ];
    for (const [url, expected] of good) {
      await using db = await openDatabase({ url });
      const { rows } = await db.query(
        "select ssl, client_dn as name from pg_stat_ssl where pid = pg_backend_pid()",
      );
      deepEqual(rows, [expected], db.description);
    }
    const bad: [string, RegExp][] = [
      [at("127.0.0.1", `sslmode=verify-full&${ca}`), /certificate|altnames|host/i],
      [at("localhost", "sslmode=verify-full"), /certificate|issuer/i],
      [at("127.0.0.1", "", "canary2"), /password authentication failed for user "ada"/],
    ];
    for (const [url, message] of bad) {
      await rejects(openDatabase({ url, openWaitMs: 50 }), (error: Error) => {
        ok(error instanceof DatabaseError, String(error));
        match(error.message, message);
        ok(!/canary/.test(Deno.inspect(error, { depth: 20 })));
        return true;
      });
    }
  }));

/** An X.509 certificate (RFC 5280) for `name`, signed by `issuer` or by itself as an authority, with its key, as PEM. */
async function certificate(name: string, issuer?: { name: string; keys: CryptoKeyPair }) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const oid = (...bytes: number[]) => der(0x06, bytes);
  const ecdsaWithSha256 = der(0x30, oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const named = (text: string) =>
    der(0x30, der(0x31, der(0x30, oid(0x55, 0x04, 0x03), der(0x0c, [...new TextEncoder().encode(text)]))));
  const time = (text: string) => der(0x17, [...new TextEncoder().encode(text)]);
  const yes = der(0x01, [0xff]);
  const extension = issuer
    ? der(0x30, oid(0x55, 0x1d, 0x11), der(0x04, der(0x30, der(0x82, [...new TextEncoder().encode(name)])))) // its host name
    : der(0x30, oid(0x55, 0x1d, 0x13), yes, der(0x04, der(0x30, yes))); // may sign
  const body = der(
    0x30,
    der(0xa0, der(0x02, [2])), // version 3
    der(0x02, [1, ...crypto.getRandomValues(new Uint8Array(8))]),
    ecdsaWithSha256,
    named(issuer?.name ?? name),
    der(0x30, time("200101000000Z"), time("491231235959Z")),
    named(name),
    [...new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey))],
    der(0xa3, der(0x30, extension)),
  );
  const signer = (issuer?.keys ?? keys).privateKey;
  const signature = [...new Uint8Array(await crypto.subtle.sign(algorithm, signer, new Uint8Array(body)))];
  const integer = (bytes: number[]) => {
    const digits = bytes.slice(bytes.findIndex((byte) => byte > 0));
    return der(0x02, digits[0]! > 127 ? [0, ...digits] : digits); // or it would be negative
  };
  const whole = der(
    0x30,
    body,
    ecdsaWithSha256,
    der(0x03, [0, ...der(0x30, integer(signature.slice(0, 32)), integer(signature.slice(32)))]),
  );
  const pem = (label: string, bytes: Iterable<number>) =>
    `-----BEGIN ${label}-----\n${
      btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!.join("\n")
    }\n-----END ${label}-----\n`;
  return {
    name,
    keys,
    certificate: pem("CERTIFICATE", whole),
    key: pem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey))),
  };
}

/** One value in DER: tag, length, content. */
function der(tag: number, ...parts: number[][]): number[] {
  const content = parts.flat();
  const length = content.length < 128
    ? [content.length]
    : content.length < 256
    ? [0x81, content.length]
    : [0x82, content.length >> 8, content.length & 255];
  return [tag, ...length, ...content];
}
