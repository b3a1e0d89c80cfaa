/**
 * The embedded PostgreSQL: a real server that the first process starts, all share, and the last one stops.
 *
 * The scheme, all of it under `home/postgres`:
 * - `gate.lock` is held by whoever starts or stops the server, and only meanwhile; `users.lock` is held shared by every
 *   process for as long as it uses the server. The kernel drops both with the process, whatever kills it.
 * - To open: take the gate, share `users.lock`, connect. Nobody there: lay out the programs, make the cluster, start it.
 * - To close: take the gate, let go of `users.lock`, try to take it alone. Got it: this was the last user; stop the server.
 * - A cluster is made in `draft-…` and renamed to `data`, so what is called `data` is whole. Drafts are thrown away.
 * - Users killed before they could close leave an orphan: the next one finds it by connecting, and the last one stops it.
 * - A server that was killed is started again by whoever calls `ensure()` first. Its left-over children are ended before,
 *   and its `postmaster.pid` removed when that process is not ours (gone, a zombie, or a stranger under the same number):
 *   every process of the server has `quintet-<device>-<inode of the directory>` in its command line.
 * - Only a Unix socket, in a directory nobody else may enter; on Windows loopback TCP with a password instead. The server
 *   gets the socket's directory relative to its own and a client with a long path goes through a short link, so paths may
 *   be of any length and all containers that see the directory meet at the same socket.
 * - PostgreSQL refuses to run as root. Root runs it as the user `nobody`, or where that cannot be, in a user namespace.
 *
 * macOS and Windows branches are written from the manuals and have not been run.
 *
 * ```ts
 * import { openServer } from "./server.ts";
 * import pg from "pg";
 *
 * const home = await Deno.makeTempDir();
 * {
 *   await using server = await openServer({ home });
 *   const client = new pg.Client(server.connection());
 *   await client.connect();
 *   await client.query("select 1");
 *   await client.end();
 * } // nobody else uses it: it is stopped here
 * await Deno.remove(home, { recursive: true });
 * ```
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
// @ts-types="@types/pg"
import pg from "pg";
import { point } from "../cut.ts";
import { DatabaseError, mendOf } from "./database_error.ts";
import { processesOf, runsAs } from "./processes.ts";
import { type FindOptions, findPrograms } from "./programs.ts";
import { barrier, give, namespacesWork, ownDirectory, run, waysToCreate, wayToStart } from "./run_as.ts";

/** How to reach a server, as `pg.Client` takes it. */
export interface Connection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password?: string;
  readonly ssl: false;
}

export interface ServerOptions extends Pick<FindOptions, "path" | "load"> {
  /** The directory that holds the database, as `QUINTET_HOME`; made when it is not there. */
  home: string;
  /** Told what is waited for, a line each time. @default {() => {}} */
  notice?: (line: string) => void;
  /** Settings of PostgreSQL over those of this file; they count when this process is the one that starts the server. */
  settings?: Readonly<Record<string, string>>;
  /** Listen on 127.0.0.1 with a password, not on a Unix socket. @default {Deno.build.os === "windows"} */
  loopback?: boolean;
}

/** A use of the server. It runs at least until `close()`. */
export interface Server extends AsyncDisposable {
  /** Where all of it lies. */
  readonly directory: string;
  /** How to reach it now; another port after `ensure()` is possible with `loopback`. */
  connection(): Connection;
  /** Resolves when the server answers, starting it again if it went away. Throws a DatabaseError when it cannot. */
  ensure(): Promise<void>;
  /** Ends this use; the last use stops the server. */
  close(): Promise<void>;
}

/**
 * Starts or joins the server under `home`. A process that leaves by `Deno.exit` without `close()` still lets the server
 * be stopped; one that is killed leaves it to the next. Signals are left to the caller.
 */
export async function openServer(options: ServerOptions): Promise<Server> {
  const { notice = () => {}, loopback = Deno.build.os === "windows" } = options;
  const directory = await foundation(options.home, notice);
  const place: Place = { directory, tag: await tagOf(directory), loopback, notice, options };
  const alias = loopback ? undefined : await shortAlias(`${directory}/socket`);
  let entered = false;
  let reach: Connection;
  let bringing: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  async function underGate<T>(act: () => Promise<T>): Promise<T> {
    using _gate = await enter(directory, notice);
    entered = true;
    try {
      return await act();
    } finally {
      entered = false;
    }
  }

  const users = await openLock(`${directory}/users.lock`);
  async function bring(): Promise<void> {
    reach = await bringUp(place, users, alias?.socket ?? `${directory}/socket`);
  }
  async function leave(): Promise<void> {
    globalThis.removeEventListener("unload", farewell);
    await bringing?.catch(() => {});
    try {
      await underGate(async () => {
        await users.unlock(); // to close it is not enough: a child that is being spawned has it open, too, until it runs
        users.close();
        using all = await openLock(`${directory}/users.lock`);
        if (await all.tryLock(true)) await stop(place);
      });
    } finally {
      alias?.remove();
    }
  }
  function farewell(): void { // the event loop is over here
    alias?.remove();
    users.unlockSync();
    users.close();
    for (let tries = 0; tries < 200 && !entered; tries++) {
      using gate = Deno.openSync(`${directory}/gate.lock`, LOCK);
      if (gate.tryLockSync(true)) {
        using all = Deno.openSync(`${directory}/users.lock`, LOCK);
        if (all.tryLockSync(true)) tellToStop(place);
        return;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }

  globalThis.addEventListener("unload", farewell);
  try {
    await underGate(async () => {
      await users.lock(false);
      await bring();
    });
  } catch (error) {
    await leave().catch(() => {});
    throw error;
  }
  return {
    directory,
    connection: () => reach,
    ensure: () => bringing ??= underGate(bring).finally(() => bringing = undefined),
    close: () => closing ??= leave(),
    [Symbol.asyncDispose]: () => closing ??= leave(),
  };
}

/** The processes of the server under `home`, the one that rules them first; none when it does not run. Not on Windows. */
export async function serverProcesses(home: string): Promise<number[]> {
  const directory = `${home}/postgres`;
  if (!(await exists(directory))) return [];
  const first = parseInt(await Deno.readTextFile(`${directory}/data/postmaster.pid`).catch(() => ""));
  return processesOf(await tagOf(directory)).sort((a, b) => a === first ? -1 : b === first ? 1 : a - b);
}

async function tagOf(directory: string): Promise<string> {
  const { dev, ino } = await Deno.stat(directory);
  return `quintet-${dev}-${ino}`;
}

interface Place {
  readonly directory: string;
  /** In the command line of every process of this server. */
  readonly tag: string;
  readonly loopback: boolean;
  readonly notice: (line: string) => void;
  readonly options: ServerOptions;
}

/** Settings for a server beside a 1.3 GB model on a laptop, where a crash of anything must lose nothing. */
function settings({ tag, loopback, options }: Place, major: number, port: number): Record<string, string> {
  const linux = Deno.build.os === "linux";
  return {
    cluster_name: tag,
    ...(loopback
      ? { listen_addresses: "127.0.0.1", unix_socket_directories: "" }
      : { listen_addresses: "", unix_socket_directories: "../socket", unix_socket_permissions: "0700" }),
    port: String(port),
    max_connections: "100",
    shared_buffers: "32MB",
    huge_pages: "off",
    fsync: "on",
    full_page_writes: "on",
    synchronous_commit: "on",
    ...(Deno.build.os === "darwin" ? { wal_sync_method: "fsync_writethrough" } : {}), // else it stays in the drive's cache
    // the latter ends what a killed process had asked for, and its locks
    ...(linux ? { recovery_init_sync_method: "syncfs", client_connection_check_interval: "1s" } : {}),
    wal_level: "minimal",
    max_wal_senders: "0",
    min_wal_size: "32MB",
    max_wal_size: "256MB",
    max_logical_replication_workers: "0",
    max_parallel_workers_per_gather: "0",
    ...(major >= 18 ? { io_method: "sync" } : {}), // three processes fewer
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off",
    log_error_verbosity: "terse", // a row's values stay out of the log
    ...options.settings,
  };
}

/** The server's superuser; the socket's directory, or the password, is what keeps others out. */
const USER = "quintet";
const DATABASE = "postgres";
const LOCK = { read: true, write: true, create: true };
/** A Unix socket's path may have 104 bytes on macOS, 108 on Linux, with the 0 at the end. */
const SOCKET_PATH_LIMIT = 103;
const LOG_LIMIT = 1 << 20;

// ---- starting ----

/** Gives the way to reach the server, which answers now. To be called under the gate, holding `users` shared. */
async function bringUp(place: Place, users: Deno.FsFile, socket: string): Promise<Connection> {
  const { directory, notice } = place;
  let began = performance.now();
  let told = false;
  for (let launches = 0;;) {
    const reach = await readReach(place, socket);
    const state = reach === undefined ? "down" : await probe(reach);
    if (state === "up") return reach!;
    if (state === "down" && postmaster(place) === 0) {
      if (++launches > 3) {
        throw failure(`Cannot keep the database in ${directory} running`, await logSince(directory, 0));
      }
      await launch(place, users).catch((error) => {
        throw error instanceof DatabaseError
          ? error
          : failure(`Cannot start the database in ${directory}`, error.message);
      });
      began = performance.now();
      continue;
    }
    await delay(20);
    const waited = performance.now() - began;
    if (waited > 1000 && !told) {
      told = true;
      notice(`Waiting for the database in ${directory} to answer`);
    }
    if (waited > (state === "down" ? 60_000 : 600_000)) {
      throw new DatabaseError(
        `Cannot reach the database in ${directory}: its process ${postmaster(place)} does not answer: ` +
          `end it, and see ${directory}/server.log`,
      );
    }
  }
}

/** Whether somebody answers: a connection that hangs means a server that is busy, none at all that there is no server. */
async function probe(reach: Connection): Promise<"up" | "busy" | "down"> {
  const client = new pg.Client({
    ...reach,
    connectionTimeoutMillis: 5000,
    application_name: "quintet probe",
  });
  client.on("error", () => {}); // of a connection that has served
  try {
    await client.connect();
    await client.end();
    return "up";
  } catch (error) {
    await client.end().catch(() => {});
    const { code, message } = error as { code?: string; message: string };
    if (code === "ENOENT" || code === "ECONNREFUSED") return "down";
    if (code === "53300") return "up"; // too many connections
    if (code === "57P03" || code === "ECONNRESET" || code === "EPIPE" || !code) return "busy";
    throw new DatabaseError(
      `Cannot connect to the database at ${reach.host}: ${message}: run as the user it belongs to, or set QUINTET_HOME`,
    );
  }
}

/** Starts the server; makes the cluster first when there is none. */
async function launch(place: Place, users: Deno.FsFile): Promise<void> {
  const { directory, notice } = place;
  const data = `${directory}/data`;
  await sweep(directory);
  if (await exists(data)) await refuseElsewhere(place, users);
  else {
    notice(`Making the database in ${directory}`);
    await create(place);
  }
  const way = await wayToStart(data);
  const major = Number(await Deno.readTextFile(`${data}/PG_VERSION`));
  const programs = await findPrograms(directory, { ...place.options, major });
  await endAll(place.tag); // children of a dead postmaster, or a start whose process was killed
  if (Deno.build.os !== "windows") { // stale, as no such process lives; Windows' server sees that itself
    for (const stale of ["data/postmaster.pid", "socket/.s.PGSQL.5432.lock"]) {
      await remove(`${directory}/${stale}`);
    }
  }

  const log = `${directory}/server.log`;
  if (await size(log) > LOG_LIMIT) await Deno.rename(log, `${log}.old`);
  const before = await size(log);
  (await Deno.open(log, { append: true, create: true })).close();
  await give(log, way);
  if (!place.loopback) await ownDirectory(`${directory}/socket`, way);
  const port = place.loopback ? freePort() : 5432;
  if (place.loopback) await writeReach(place, { port });
  await signHere(place);

  const started = await run(way, directory, `${programs.bin}/pg_ctl`, [
    ...["-D", "data", "-l", "server.log", "-w", "-t", "600", "-o"],
    Object.entries(settings(place, major, port)).map(([name, value]) => `-c ${name}=${value}`).join(" "),
    "start",
  ]);
  point("server: started");
  if (started.success || postmaster(place) > 0) return; // or that start was faster
  throw failure(
    `Cannot start the database in ${directory}`,
    `${started.errors}\n${await logSince(directory, before)}`,
  );
}

/** The last lines the server has written after so many bytes. */
async function logSince(directory: string, bytes: number): Promise<string> {
  const log = await Deno.readFile(`${directory}/server.log`);
  return new TextDecoder().decode(log.subarray(bytes)).trim().split("\n").slice(-8).join("\n");
}

/** Throws away what killed processes left of clusters they were making. */
async function sweep(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.startsWith("draft-")) continue;
    for (const pid of processesOf(name)) tryKill(pid, "SIGKILL");
    await remove(`${directory}/${name}`);
  }
}

/** Makes a cluster: whole, or not at all. */
async function create(place: Place): Promise<void> {
  const { directory, loopback } = place;
  const programs = await findPrograms(directory, place.options);
  const linux = Deno.build.os === "linux";
  const password = crypto.randomUUID();
  const errors = new Set<string>();
  for (const way of await waysToCreate(directory)) {
    const draft = `draft-${crypto.randomUUID()}`; // a name of its own: a killed process leaves an initdb that still writes
    const passwordFile = `${draft}.password`;
    try {
      await ownDirectory(`${directory}/${draft}`, way);
      if (loopback) {
        await Deno.writeTextFile(`${directory}/${passwordFile}`, password, { mode: 0o600 });
        await give(`${directory}/${passwordFile}`, way);
      }
      const made = await run(way, directory, `${programs.bin}/initdb`, [
        ...[
          "-D",
          draft,
          "-U",
          USER,
          "--encoding=UTF8",
          "--data-checksums",
          "--no-instructions",
          "--locale=C",
        ],
        ...(programs.major >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : []),
        ...(programs.major >= 17 && linux ? ["--sync-method=syncfs"] : []), // seconds less, and as safe
        ...(loopback
          ? ["--auth=scram-sha-256", `--pwfile=${passwordFile}`]
          : ["--auth-local=trust", "--auth-host=reject"]),
      ]);
      if (made.success) {
        if (loopback) await writeReach(place, { password });
        point("server: cluster made");
        await Deno.rename(`${directory}/${draft}`, `${directory}/data`);
        return await sync(directory);
      }
      errors.add(made.errors);
    } catch (error) { // this way is closed: no such user may be taken here
      errors.add((error as Error).message);
    } finally {
      for (const left of [draft, passwordFile]) await remove(`${directory}/${left}`);
    }
  }
  throw failure(`Cannot make a database in ${directory}`, [...errors].join("\n"));
}

/** What went wrong, with the line that mends it. */
function failure(wanted: string, said: string): DatabaseError {
  const mend = mendOf(said) ?? "mend that, or set DATABASE_URL";
  return new DatabaseError(`${wanted}: ${said.trim()}\n${mend[0]!.toUpperCase()}${mend.slice(1)}`);
}

/** Another machine on the same network disk: it would start a second server on the same files. */
async function refuseElsewhere(place: Place, users: Deno.FsFile): Promise<void> {
  if (await isHere(place)) return;
  await users.unlock();
  const alone = await users.tryLock(true);
  if (alone) await users.unlock();
  await users.lock(false);
  if (!alone) {
    throw new DatabaseError(
      `Cannot start the database in ${place.directory}: another machine uses it: set QUINTET_HOME to a directory of this machine`,
    );
  }
}

/** Whether this machine was the last to start a server on these data. */
const isHere = async ({ directory }: Place): Promise<boolean> =>
  await Deno.readTextFile(`${directory}/machine`).catch(() => "") === await machine();

/** Says that it is this machine; half a name would be another machine's to all who use it by now. */
async function signHere(place: Place): Promise<void> {
  if (!(await isHere(place))) await writeWhole(`${place.directory}/machine`, await machine());
}

/** The process number of the server on these data, 0 when it does not live: then its file may be there all the same. */
function postmaster({ directory, tag }: Place): number {
  try {
    const pid = parseInt(Deno.readTextFileSync(`${directory}/data/postmaster.pid`));
    return pid > 0 && runsAs(tag, pid) ? pid : 0;
  } catch {
    return 0;
  }
}

// ---- stopping ----

async function stop(place: Place): Promise<void> {
  const pid = postmaster(place);
  point("server: before it is stopped");
  tellToStop(place);
  for (let waited = 0; waited < 60_000 && pid > 0 && runsAs(place.tag, pid); waited += 5) await delay(5);
  await endAll(place.tag);
}

/** Ends whatever runs under `tag` though its postmaster does not. */
async function endAll(tag: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const pids = processesOf(tag);
    if (pids.length === 0) return;
    for (const pid of pids) tryKill(pid, "SIGKILL");
    await delay(5);
  }
}

/** Asks for a fast shutdown. Does not wait: who comes next does, and an exiting process cannot. */
function tellToStop(place: Place): void {
  const { directory } = place;
  if (Deno.build.os !== "windows") {
    const pid = postmaster(place); // 0 too when it runs in another container, which cannot be reached from here
    if (pid > 0) tryKill(pid, "SIGINT");
    return;
  }
  const program = Array.from(Deno.readDirSync(directory)).find(({ name }) => name.startsWith("program-"))
    ?.name;
  const pgCtl = program ? `${directory}/${program}/bin/pg_ctl.exe` : "pg_ctl";
  const args = ["-D", "data", "-m", "fast", "stop"];
  new Deno.Command(pgCtl, { args, cwd: directory, stdin: "null", stdout: "null", stderr: "null" })
    .outputSync();
}

function tryKill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch { /* gone already */ }
}

// ---- where it lies ----

/** `home/postgres`, made and writable. Where only root may walk and no namespace is to be had, a link to /var/lib/quintet. */
async function foundation(home: string, notice: (line: string) => void): Promise<string> {
  const directory = `${home}/postgres`;
  try {
    await Deno.mkdir(home, { recursive: true });
    if (!(await exists(directory))) await found(directory, notice);
    const real = (await follow(directory)).replaceAll("\\", "/");
    if (/["$`\\\n]/.test(real)) {
      throw new DatabaseError(
        `Cannot keep a database in ${real} as PostgreSQL cannot be run from a path with " $ \` or \\: ` +
          "set QUINTET_HOME to another directory",
      );
    }
    for (const lock of ["gate.lock", "users.lock"]) (await openLock(`${real}/${lock}`)).close();
    return real;
  } catch (error) {
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      `Cannot keep a database in ${directory}: ${(error as Error).message}: ` +
        "set QUINTET_HOME to a directory that can be written, or set DATABASE_URL",
      { cause: error },
    );
  }
}

async function follow(directory: string): Promise<string> {
  try {
    return await Deno.realPath(directory);
  } catch (error) {
    throw new DatabaseError(
      `Cannot find the database of ${directory}: it was kept in ${await Deno.readLink(
        directory,
      )}, which is not there: ` +
        "bring that back, or remove the link to begin anew",
      { cause: error },
    );
  }
}

async function found(directory: string, notice: (line: string) => void): Promise<void> {
  const home = await Deno.realPath(directory.slice(0, -"/postgres".length));
  const root = Deno.build.os === "linux" && Deno.uid() === 0;
  if (!root || await barrier(home) === undefined || await namespacesWork()) {
    await Deno.mkdir(directory, { recursive: true, mode: 0o755 });
    if (root) await Deno.chmod(directory, 0o755);
    return;
  }
  const common = "/var/lib/quintet";
  const elsewhere = `${common}/${crypto.randomUUID()}`;
  await Deno.mkdir(elsewhere, { recursive: true });
  for (const path of [common, elsewhere]) await Deno.chmod(path, 0o755); // whatever the umask
  const closed = await barrier(elsewhere);
  if (closed !== undefined) {
    await Deno.remove(elsewhere);
    throw new DatabaseError(
      `Cannot keep a database for root as the user that runs PostgreSQL must be able to walk through ${closed}: ` +
        `chmod o+x ${closed}, or run as an ordinary user, or set DATABASE_URL`,
    );
  }
  try {
    await Deno.symlink(elsewhere, directory);
    notice(
      `Keeping the database in ${elsewhere}: the user that runs PostgreSQL for root cannot walk to ${home}`,
    );
  } catch (error) {
    await Deno.remove(elsewhere);
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error; // another process was first
  }
}

/** A short way to a socket directory with a long path. */
async function shortAlias(socket: string): Promise<{ socket: string; remove(): void } | undefined> {
  if (new TextEncoder().encode(`${socket}/.s.PGSQL.5432`).length <= SOCKET_PATH_LIMIT) return undefined;
  const directory = await Deno.makeTempDir({ prefix: "quintet-" });
  await Deno.symlink(socket, `${directory}/s`);
  return { socket: `${directory}/s`, remove: () => Deno.removeSync(directory, { recursive: true }) };
}

async function readReach({ directory, loopback }: Place, socket: string): Promise<Connection | undefined> {
  const common = { user: USER, database: DATABASE, ssl: false } as const;
  if (!loopback) return { ...common, host: socket, port: 5432 };
  const text = await Deno.readTextFile(`${directory}/loopback.json`).catch(() => "{}");
  const { port, password } = JSON.parse(text);
  return port === undefined ? undefined : { ...common, host: "127.0.0.1", port, password };
}

async function writeReach({ directory }: Place, part: { port?: number; password?: string }): Promise<void> {
  const path = `${directory}/loopback.json`;
  const whole = { ...JSON.parse(await Deno.readTextFile(path).catch(() => "{}")), ...part };
  await writeWhole(path, JSON.stringify(whole), { mode: 0o600 });
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Tells this run of this machine from every other; containers on it are the same. */
const machine = (): Promise<string> =>
  Deno.readTextFile("/proc/sys/kernel/random/boot_id").catch(() => Deno.hostname());

// ---- files ----

/** Puts a text in place of what was at `path`, whole or not at all, whenever the process is killed. */
async function writeWhole(path: string, text: string, options?: Deno.WriteFileOptions): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, text, options);
  await Deno.rename(`${path}.new`, path);
}

/** Waits for the gate. */
async function enter(directory: string, notice: (line: string) => void): Promise<Deno.FsFile> {
  const gate = await openLock(`${directory}/gate.lock`);
  for (let tries = 0; !(await gate.tryLock(true)); tries++) {
    if (tries === 100) {
      notice(`Waiting for another process that starts or stops the database in ${directory}`);
    }
    if (tries === 60_000) {
      gate.close();
      throw new DatabaseError(
        `Cannot enter ${directory}: another process has been starting or stopping the database for ten minutes: end it`,
      );
    }
    await delay(10);
  }
  return gate;
}

const openLock = (path: string) => Deno.open(path, LOCK);
const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);
const size = (path: string) => Deno.stat(path).then(({ size }) => size, () => 0);
const remove = (path: string) => Deno.remove(path, { recursive: true }).catch(() => {});

/** Makes a rename in `directory` last. */
async function sync(directory: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using handle = await Deno.open(directory);
  await handle.sync();
}
