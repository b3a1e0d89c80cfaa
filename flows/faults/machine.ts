/**
 * What the machine does to runs: the disk is full, a folder is read-only, the clock jumps.
 *
 * @module
 */
import { match, ok } from "node:assert/strict";
import { EXIT } from "../../lib/command/mod.ts";
import { random } from "../../lib/random.ts";
import { openDatabase } from "../../lib/store/mod.ts";
import { ROOT } from "../setting.ts";
import { each, modelServer, printed, run, said, start } from "../testing.ts";
import type { Fault } from "./arena.ts";
import { type Line, type Outcome, sum, untouched } from "./line.ts";
import { answer, compared, OPTIONS } from "./small_run.ts";

/** Whether file systems may be mounted here, in a namespace; containers often forbid it. */
const namespaces = async (): Promise<boolean> =>
  Deno.build.os === "linux" &&
  await new Deno.Command("unshare", { args: ["--user", "--map-root-user", "--mount", "true"] }).output()
    .then(({ success }) => success, () => false);

const pause = (ms: number) => new Promise((go) => setTimeout(go, ms));

/** A try whose checks are assertions. */
async function tried(what: string, check: () => void | Promise<void>): Promise<Outcome> {
  try {
    await check();
    return { ...untouched, doubt: null };
  } catch (error) {
    return { ...untouched, doubt: null, survived: false, why: `${what}: ${(error as Error).message}` };
  }
}

/**
 * File systems of this run's own, in memory: one that is filled to its last byte during a call, one too small for a report,
 * one that is read-only. The writes fail as on any disk, with ENOSPC and EROFS.
 */
export const disk: Fault = async ({ folder, whole, quick, questions, log }) => {
  const names = {
    full: "experiments whose disk is full (ENOSPC) during a call, resumed when there is room",
    small: "reports that do not fit, written whole or not at all",
    frozen: "runs in a read-only folder, refused before any call",
  };
  if (!await namespaces()) {
    return Object.values(names).map((name): Line => ({
      ...sum(name, []),
      impossible: "no file system can be mounted here",
    }));
  }
  const draws = random("disk");
  const lines: Record<keyof typeof names, Outcome[]> = { full: [], small: [], frozen: [] };
  for (let round = 0; round < (quick ? 1 : 10); round++) {
    const place = `${folder}/disk-${round}`;
    await Deno.mkdir(place);
    await Deno.chmod(place, 0o755);
    for (const name of ["home", "small", "frozen"]) await Deno.mkdir(`${place}/${name}`);
    const at = 1 + Math.floor(whole.asked.length * draws());
    await using server = modelServer(async (request, n) => {
      if (n === at) {
        await Deno.writeTextFile(`${place}/fill`, "");
        while (!(await Deno.stat(`${place}/full`).catch(() => null))) await pause(10);
      }
      return answer(request);
    });
    const script = `
      mount -t tmpfs -o size=400m tmpfs home && mount -t tmpfs -o size=16k tmpfs small && mount -t tmpfs -o ro tmpfs frozen
      (until test -e fill; do sleep 0.02; done; dd if=/dev/zero of=home/ballast bs=64k 2>/dev/null; touch full) &
      optimize() { (cd "$ROOT" && "$DENO" run --quiet -A flows/optimize.ts "$@"); echo $? >> codes; }
      optimize "$@" 2>> full-disk
      rm home/ballast
      optimize --resume latest --json --report "$PWD/small/report.html" > result 2> small-disk
      ls -A small > left
      QUINTET_HOME="$PWD/frozen" optimize "$@" 2> read-only`;
    const { stderr } = await new Deno.Command("unshare", {
      args: [
        ...["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"],
        ...["--dataset", questions, ...server.models, ...OPTIONS],
      ],
      cwd: place,
      env: { ROOT, DENO: Deno.execPath(), QUINTET_HOME: `${place}/home`, DATABASE_URL: "" },
    }).output();
    const read = (name: string) => Deno.readTextFile(`${place}/${name}`);
    const codes = (await read("codes")).trim().split("\n").map(Number);
    const what = `the disk full during call ${at}`;
    const told = new TextDecoder().decode(stderr);
    const result = await read("result");
    const came = compared(
      { result: result === "" ? undefined : JSON.parse(result), asked: server.asked },
      whole,
      what,
    );
    const full = await tried(what, async () => {
      ok(codes[0] === EXIT.database, `exit code ${codes[0]}: ${told}`);
      match(
        await read("full-disk"),
        /^.*No space left on device.*: the disk is full: make room, then resume$/m,
      );
    });
    lines.full.push(full.survived ? came : { ...came, survived: false, why: full.why! });
    lines.small.push(
      await tried("a report that does not fit", async () => {
        ok(codes[1] === EXIT.usage, `exit code ${codes[1]}`);
        match(await read("small-disk"), /^Cannot write \S*small\/report\.html: no space left on device/m);
        ok(await read("left") === "", "a torn file was left");
      }),
    );
    lines.frozen.push(
      await tried("a read-only folder", async () => {
        ok(codes[2] === EXIT.usage, `exit code ${codes[2]}`);
        match(
          await read("read-only"),
          /^Cannot use \S*frozen\S* as it must be writable: .*: set QUINTET_HOME .*$/m,
        );
      }),
    );
    log(what);
  }
  return [
    sum(names.full, lines.full, { mayRepeat: lines.full.length }),
    sum(names.small, lines.small),
    sum(names.frozen, lines.frozen),
  ];
};

/**
 * Two processes whose clocks jump an hour forth and back all the time, and are never the same: one runs an experiment, the
 * other tries to take it over and may not; then each runs one of its own.
 */
export const clock: Fault = async (arena) => {
  const { folder, whole, quick, questions, log } = arena;
  const url = await arena.database("clock");
  const preload = `${import.meta.dirname}/jumping_clock.ts`;
  const env = (start: number) => ({
    ...{ QUINTET_HOME: `${folder}/clock`, DATABASE_URL: url, JUMPING_CLOCK: `${start}` },
  });
  await using db = await openDatabase({ url });
  const rounds = Array.from({ length: quick ? 1 : 10 }, (_, round) => round);
  const outcomes: Outcome[] = [];
  await each(rounds, async (round) => {
    const middle = Promise.withResolvers<void>(), looked = Promise.withResolvers<void>();
    await using models = modelServer(async (request, n) => {
      if (n === 30) {
        middle.resolve();
        await looked.promise;
      }
      await pause(20);
      return answer(request);
    });
    const what = "a clock that jumps an hour";
    const args = ["--dataset", questions, ...models.models, ...OPTIONS, "--json"];
    const first = start("optimize", args, { env: env(1), preload });
    await Promise.race([middle.promise, first.ended]);
    const { rows: [row] } = await db.query<{ id: string }>(
      "select id from experiments where config ->> 'primary' like $1",
      [`%@${models.url}`],
    );
    const taken = await run("optimize", ["--resume", row!.id, "--json"], { env: env(-1), preload });
    looked.resolve();
    const ended = await first.ended;
    const wrong = [
      ...taken.code === EXIT.usage && /as another process runs it/.test(said(taken))
        ? []
        : [`taken over: exit code ${taken.code}: ${taken.stderr}`],
      ...ended.code === EXIT.done ? [] : [`exit code ${ended.code}: ${ended.stderr}`],
    ];
    const result = ended.code === EXIT.done ? printed(ended) : undefined;
    if (result && !(result.seconds > 0 && result.seconds < 600)) wrong.push(`it took ${result.seconds} s`);
    const came = compared({ result, asked: models.asked }, whole, what);
    const why = [came.why, ...wrong.map((each) => `${what}: ${each}`)].filter(Boolean).join("\n");
    outcomes.push({ ...came, survived: came.survived && wrong.length === 0, ...why === "" ? {} : { why } });
    log(`${outcomes.length} of ${rounds.length} runs, ${round}`);
  });
  return [
    sum(
      "runs whose clock jumps an hour forth and back, a second process with another clock after them",
      outcomes,
    ),
  ];
};
