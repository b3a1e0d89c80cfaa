/**
 * Processes that are killed while they write, and a count of what was lost: test support, and what `bench/kill` runs longer.
 *
 * @module
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Task } from "./chaos_child.ts";
import { openDatabase } from "./db.ts";
import { serverProcesses } from "./server.ts";
import { pick, type Random } from "../random.ts";

/** A process at work on a task. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The lines it has said so far; only whole ones. */
  readonly said: readonly string[];
  /** What it wrote to stderr so far. */
  complaints(): string;
  /** Resolves when it has said `count` lines, rejects when it ends before. */
  says(count: number): Promise<void>;
  /** Lets it end by itself; gives its exit code. */
  finish(): Promise<number>;
  /** Ends it by SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
}

/** Who runs the process, and how, when not as this one. */
export interface StartOptions {
  readonly program?: string;
  readonly args?: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: Record<string, string>;
  readonly script?: string;
}

/** Starts a process on `task`, which is another than a Task where it is another script's. */
export function start<Work = Task>(task: Work, options: StartOptions = {}): Child {
  const { program = Deno.execPath(), args = [], script = `${import.meta.dirname}/chaos_child.ts`, ...rest } =
    options;
  const project = script.replace(/lib\/[^/]*\/[^/]*$/, "");
  const process = new Deno.Command(program, {
    args: [...args, "run", "-A", "--quiet", "--no-check", "--config", `${project}deno.json`, script],
    cwd: project, // another user may not walk to where this process stands: the spawn would fail
    ...rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = process.stdin.getWriter();
  input.write(new TextEncoder().encode(`${JSON.stringify(task)}\n`)).catch(() => {}); // it may be dead already

  const said: string[] = [];
  let complaints = "";
  let wake = () => {};
  let over = false;
  const listening = (async () => {
    let rest = "";
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      said.push(...lines);
      wake();
    }
  })();
  const minding = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) complaints += text;
  })();
  const ended = Promise.all([process.status, listening, minding]).then(([{ code }]) => {
    over = true;
    wake();
    return code;
  });

  async function finish(): Promise<number> {
    await input.close().catch(() => {});
    return await ended;
  }
  async function kill(): Promise<void> {
    try {
      process.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
    await finish();
  }
  return {
    pid: process.pid,
    said,
    complaints: () => complaints,
    async says(count) {
      while (said.length < count) {
        if (over) throw new Error(`process ${process.pid} said only ${said.length} lines: ${complaints}`);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    finish,
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

export interface KillOptions {
  /** Where the embedded server has its data. */
  home: string;
  rounds: number;
  /** Chooses whom to kill, and when. */
  random: Random;
  /** Processes that write. @default {3} */
  writers?: number;
}

/** What came of the killing. */
export interface KillReport {
  readonly rounds: number;
  /** Rows a writer had been told are committed. */
  readonly acknowledged: number;
  /** Of these, rows that are not there any more. */
  readonly lost: number;
  /** Rows whose content is not what was written. */
  readonly wrong: number;
  /** Milliseconds from each kill until every writer, killed ones started anew, had two further rows acknowledged. */
  readonly recoveryMs: readonly number[];
  /** Server processes left when the last writer had ended. */
  readonly left: number;
}

/**
 * Lets processes write to the embedded server and ends some of them by SIGKILL, round by round: a writer, the server's
 * first process, or all of both. Nothing acknowledged may be lost, and nothing may be left running at the end.
 */
export async function killRounds({ home, rounds, random, writers = 3 }: KillOptions): Promise<KillReport> {
  {
    await using db = await openDatabase({ home });
    await makeTable(db);
  }
  let started = 0;
  const acknowledged = new Map<string, readonly string[]>();
  const write = () => {
    const writer = `writer ${started++}`;
    const child = start({ act: "write", home, writer });
    acknowledged.set(writer, child.said);
    return child;
  };
  const children = Array.from({ length: writers }, write);
  const recoveryMs: number[] = [];
  try {
    await Promise.all(children.map((child) => child.says(1)));
    for (let round = 0; round < rounds; round++) {
      await delay(50 + 400 * random());
      const victims = (["writer", "server", "all"] as const)[round % 3];
      const began = performance.now();
      if (victims !== "writer") {
        for (const pid of (await serverProcesses(home)).slice(0, victims === "all" ? undefined : 1)) {
          try {
            Deno.kill(pid, "SIGKILL");
          } catch { /* it ended with its parent */ }
        }
      }
      const doomed = victims === "server" ? [] : victims === "all" ? [...children] : [pick(children, random)];
      await Promise.all(doomed.map(async (child) => {
        await child.kill();
        children[children.indexOf(child)] = write();
      }));
      await Promise.all(children.map((child) => child.says(child.said.length + 2)));
      recoveryMs.push(performance.now() - began);
    }
    for (const child of children) {
      const code = await child.finish();
      if (code !== 0) throw new Error(`a writer gave up with ${code}: ${child.complaints()}`);
    }
  } finally {
    await Promise.all(children.map((child) => child.kill()));
  }
  const left = (await serverProcesses(home)).length;

  await using db = await openDatabase({ home });
  const { rows } = await db.query<{ writer: string; n: number; content: string }>("select * from chaos");
  const there = new Set(rows.map(({ writer, n }) => `${writer}/${n}`));
  const said = Array.from(acknowledged, ([writer, numbers]) => numbers.map((n) => `${writer}/${n}`)).flat();
  return {
    rounds,
    acknowledged: said.length,
    lost: said.filter((key) => !there.has(key)).length,
    wrong: rows.filter(({ writer, n, content }) => content !== `${writer}/${n}`.padEnd(200, ".")).length,
    recoveryMs,
    left,
  };
}

/** The table that writers write to, empty. */
export async function makeTable(db: { query(sql: string): Promise<unknown> }): Promise<void> {
  await db.query(`
    drop table if exists chaos;
    create table chaos (
      writer  text not null,
      n       int  not null,
      content text not null,
      primary key (writer, n)
    )`);
}

/** Starts `processes` migrations at the same moment; gives how many ended well, and which files each applied. */
export async function migrateAtOnce(
  where: { url?: string; home?: string },
  { folder, processes }: { folder: string; processes: number },
): Promise<{ passed: number; applied: string[]; complaints: string }> {
  const children = Array.from({ length: processes }, () => start({ act: "migrate", ...where, folder }));
  const codes = await Promise.all(children.map((child) => child.finish()));
  return {
    passed: codes.filter((code) => code === 0).length,
    applied: children.flatMap(({ said }) => said.flatMap((line) => JSON.parse(line) as string[])),
    complaints: children.map((child) => child.complaints()).join(""),
  };
}

/** What lies between two ends of a connection. */
export interface Weather {
  /** Milliseconds by which each piece is held back; pieces stay in order. */
  readonly latencyMs?: () => number;
  /** Drawn for each connection: after how many bytes, of those sent or of those received, it breaks, and how. */
  readonly breaks?: () => Break | undefined;
}

/** The end of a connection: `reset` by a packet that says so, or `silent`, open for ever with nothing coming through. */
export interface Break {
  /** Bytes. */
  readonly after: number;
  /** Pieces before them: a small answer is one. @default {0} */
  readonly spared?: number;
  readonly of: "sent" | "received";
  readonly how: "reset" | "silent";
}

/** A proxy to a server; disposing of it closes what is open. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** How new connections are received, and how many there were, and how many broke by themselves. */
  readonly state: { swallowNew: boolean; accepted: number; broken: number };
  /** From now on nothing comes through what is open. */
  fallSilent(): void;
}

/** A TCP proxy to a Unix socket, or to a port of this machine, that can fall silent and has its weather. */
export async function proxy(
  target: { readonly path: string } | { readonly port: number },
  { latencyMs, breaks }: Weather = {},
): Promise<Proxy> {
  const open = new Set<{ silent: boolean; ends: readonly Socket[] }>();
  const state = { swallowNew: false, accepted: 0, broken: 0 };
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    state.accepted++;
    const server = connect({ ...target, allowHalfOpen: true });
    const line = { silent: state.swallowNew, ends: [client, server] };
    open.add(line);
    const end = breaks?.();
    const pump = (from: Socket, to: Socket, direction: Break["of"]) => {
      let bytes = 0, pieces = 0, held = Promise.resolve();
      const pass = (act: () => void) => { // after what came before, and later than it came
        const ms = latencyMs?.() ?? 0;
        if (!latencyMs) return act();
        const late = delay(ms);
        held = held.then(() => late).then(act);
      };
      from.on("data", (piece: Uint8Array) => {
        if (line.silent) return;
        const counts = end?.of === direction && pieces++ >= (end.spared ?? 0);
        const left = counts ? Math.max(0, end.after - bytes) : Infinity;
        if (counts) bytes += piece.length;
        const whole = left > piece.length;
        pass(() => {
          if (line.silent || to.destroyed) return;
          if (!to.write(whole ? piece : piece.subarray(0, left), () => whole || breakDown())) {
            from.pause();
            to.once("drain", () => from.resume());
          }
        });
      });
      from.on("end", () => line.silent || pass(() => to.end()));
      from.on("error", () => {});
      from.on("close", () => {
        if (!line.silent) pass(() => to.destroy());
        if (line.ends.every(({ destroyed }) => destroyed)) open.delete(line);
      });
    };
    const breakDown = () => {
      if (line.silent || client.destroyed) return;
      state.broken++;
      if (end!.how === "silent") line.silent = true;
      else for (const each of line.ends) each.resetAndDestroy();
    };
    pump(client, server, "sent");
    pump(server, client, "received");
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    state,
    fallSilent: () => open.forEach((line) => line.silent = true),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const { ends } of open) for (const each of ends) each.destroy();
      await closed;
    },
  };
}

/** The URL of a database on a Unix socket, by way of its proxy. */
export function throughProxy(url: string, port: number, rest = ""): string {
  const [, user, name] = /^postgresql:\/\/(.*)@\/(.*)\?/.exec(url)!;
  return `postgresql://${user}@127.0.0.1:${port}/${name}?sslmode=disable${rest}`;
}

/** Where such a URL leads. */
export const socketOf = (url: string) => ({
  path: `${decodeURIComponent(url.split("host=")[1]!)}/.s.PGSQL.5432`,
});
