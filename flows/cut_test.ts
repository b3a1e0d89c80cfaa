/**
 * `deno task optimize` is killed at every point of `lib/cut.ts`, as by a power cut, and resumed: nothing is lost.
 *
 * One call is in flight at a time, so that what a kill costs is known to the call: nothing, or the one whose answer was
 * not written yet, which has an intent row and counts with all that was reserved for it. Where trials and scores are kept
 * there may be such a call or none.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { EXIT } from "../lib/command/mod.ts";
import { POINTS } from "../lib/cut.ts";
import { openDatabase, type Queryable } from "../lib/store/mod.ts";
import { serverProcesses } from "../lib/store/server.ts";
import { testDatabase } from "../lib/store/testing.ts";
import {
  answer,
  BESIDE,
  COSTS,
  type Cut,
  cutsOf,
  OPTIONS,
  QUESTIONS,
  roleOf,
  undisturbed,
  type Whole,
} from "./faults/small_run.ts";
import { each, essence, modelServer, place, printed, run, start } from "./testing.ts";

/**
 * Runs, is killed at the first cut, resumes, is killed at the second, and so on, and comes to its end: as if it had not
 * been killed, and without asking for anything twice but what was in flight.
 */
async function survive(
  cuts: readonly Cut[],
  { whole, env, questions }: { whole: Whole; env: Readonly<Record<string, string>>; questions: string },
): Promise<Whole> {
  let hanging: PromiseWithResolvers<void> | undefined;
  await using server = modelServer(async (request) => {
    await hanging?.promise;
    return answer(request);
  });
  let kept = false; // the experiment is in the database
  const optimize = (cut: Record<string, string> = {}) =>
    run("optimize", [
      ...kept ? ["--resume", "latest"] : ["--dataset", questions, ...server.models, ...OPTIONS],
      "--json",
    ], { env: { ...env, ...cut } });
  for (const [name, nth = 1] of cuts) {
    if (name.startsWith("heartbeat")) hanging = Promise.withResolvers();
    const { code, stderr } = await optimize({ QUINTET_CUT: `${name}#${nth}` });
    hanging?.resolve();
    hanging = undefined;
    equal(code, 137, `the run did not come by "${name}" ${nth} times: ${stderr}`);
    kept ||= POINTS.indexOf(name) >= POINTS.indexOf("experiment: begun");
  }
  const ended = await optimize();
  equal(ended.code, 0, ended.stderr);
  const left = { result: printed(ended), asked: server.asked.map(({ request }) => request) };
  equalButFor(cuts, left, whole);
  return left;
}

function equalButFor(cuts: readonly Cut[], { result, asked }: Whole, whole: Whole): void {
  const what = cuts.map(([name, nth = 1]) => `${name}#${nth}`).join(", ");
  const least = (kind: "lost" | "again") => cuts.reduce((sum, [name]) => sum + (COSTS[name]?.[kind] ?? 0), 0);
  const most = cuts.filter(([name]) => BESIDE.includes(name)).length;
  const cost = (kind: "lost" | "again", came: number) =>
    ok(came >= least(kind) && came <= least(kind) + most, `${what}: ${kind} ${came}`);
  deepEqual(essence(result), essence(whole.result), what);
  cost("lost", result.calls.lost);
  const [texts, theirs] = [asked, whole.asked].map((all) => all.map((request) => JSON.stringify(request)));
  deepEqual(new Set(texts), new Set(theirs), what);
  cost("again", texts!.length - theirs!.length);
}

/** A lost call counts with all the tokens that were reserved for it. */
async function requireCounted(db: Queryable, { result }: Whole, whole: Whole): Promise<void> {
  const { rows: [intents] } = await db.query<{ lost: number; tokens: number }>(
    "select count(*) as lost, coalesce(sum(reserved_tokens), 0)::bigint as tokens from calls where state = 'sent'",
  );
  deepEqual(
    { lost: result.calls.lost, tokens: result.tokens.completion - whole.result.tokens.completion },
    intents,
  );
}

Deno.test("optimize survives a kill at every point, through DATABASE_URL and on the embedded server", async () => {
  await using at = await place();
  await Deno.writeTextFile(at.questions, QUESTIONS);
  const { questions } = at;
  const whole = await undisturbed(questions, at.env);
  const order = whole.asked.map(roleOf);
  deepEqual([order.length, order.at(-1)], [118, "grader"]);
  const alone = cutsOf(whole);
  const remote = async (cuts: readonly Cut[]) => {
    const bare = cuts[0]![0].startsWith("migration");
    await using db = await testDatabase(bare ? {} : { folder: "sql" });
    const home = await Deno.makeTempDir({ prefix: "quintet-flow-" });
    try {
      const env = { QUINTET_HOME: home, DATABASE_URL: db.url };
      await requireCounted(db, await survive(cuts, { whole, env, questions }), whole);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  };

  // One run that is killed at one point after the other. It is the server's only user, so each kill leaves an orphan.
  const chain: readonly Cut[] = POINTS.flatMap((name): Cut[] =>
    name === "call: settled" ? [[name, 3], [name, 20], [name, 10]] : [[name]]
  );
  const embedded = async () => {
    const home = `${at.folder}/alone`;
    const left = await survive(chain, { whole, env: { QUINTET_HOME: home }, questions });
    deepEqual(await serverProcesses(home), []);
    await using db = await openDatabase({ home });
    await requireCounted(db, left, whole);
  };
  // The database's clock goes back an hour at every look.
  const backwards = async () => {
    await using db = await testDatabase({ folder: "sql" });
    await db.query(`
      create sequence looks;
      create function public.now() returns timestamptz volatile language sql
        return pg_catalog.now() - nextval('looks') * interval '1 hour'`);
    const home = `${at.folder}/backwards`;
    const url = `${db.url}&options=-c%20search_path%3Dpublic,pg_catalog`;
    const { result } = await survive([["call: settled", 30]], {
      ...{ whole, env: { QUINTET_HOME: home, DATABASE_URL: url }, questions },
    });
    ok(result.seconds > 0 && result.seconds < 60, `${result.seconds}`);
    const { rows } = await db.query("select ended_at < started_at as back from experiments");
    deepEqual(rows, [{ back: true }]);
    await Deno.stat(`${home}/reports/${result.experiment_id}.html`);
  };

  await each([embedded, backwards, ...alone.map((cuts) => () => remote(cuts))], (test) => test());

  const missing = (cuts: readonly Cut[]) => POINTS.filter((point) => !cuts.some(([name]) => name === point));
  deepEqual(missing(chain), []);
  deepEqual(missing(alone.flat()).filter((name) => !name.startsWith("server: ")), []);
});

Deno.test("optimize --resume refuses what another process runs, and goes on at once when that is dead", async () => {
  await using at = await place();
  await Deno.writeTextFile(at.questions, QUESTIONS);
  const middle = Promise.withResolvers<void>(), killed = Promise.withResolvers<void>();
  await using server = modelServer(async (request, n) => {
    if (n === 30) {
      middle.resolve();
      await killed.promise;
    }
    return answer(request);
  });
  const first = start("optimize", ["--dataset", at.questions, ...server.models, ...OPTIONS], at);
  await Promise.race([middle.promise, first.ended]);
  const resume = () => run("optimize", ["--resume", "latest", "--json"], at);
  const refused = async () => {
    const { code, stdout, stderr } = await resume();
    deepEqual([code, stdout], [EXIT.usage, ""], stderr);
    match(stderr, /^Cannot go on with experiment \S{36} as another process runs it: wait until .*\n$/);
  };
  await refused();
  const { rows: ended } = await at.db.query<{ pid: number }>(
    `select pid, pg_terminate_backend(pid)
       from pg_stat_activity
      where datname = current_database() and application_name = 'quintet'`,
  );
  const pids = ended.map(({ pid }) => pid);
  for (let back = 0; back === 0; await delay(50)) { // a lock of a new connection, within a beat
    const { rows } = await at.db.query(
      `select from pg_locks
        where locktype = 'advisory' and granted and pid <> all ($1)
          and database = (select oid from pg_database where datname = current_database())`,
      [pids],
    );
    back = rows.length;
  }
  await refused(); // its connections are back
  equal(server.asked.length, 30);
  first.kill("SIGKILL");
  killed.resolve();
  const resumed = await resume();
  equal(resumed.code, EXIT.done, resumed.stderr);
  equal(printed(resumed).calls.lost, 1);
  await first.ended;
});
