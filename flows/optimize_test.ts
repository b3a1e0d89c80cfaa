/**
 * `deno task optimize` as users and their scripts see it: real processes, a real database, and a model server that keeps
 * its own count.
 */
import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  strictEqual as equal,
} from "node:assert/strict";
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { messages } from "../lib/optimize/mod.ts";
import { findExperiment } from "../lib/store/mod.ts";
import { flowRunServer } from "./prefect_testing.ts";
import {
  type ChatRequest,
  each,
  type Ended,
  filesWith,
  type ModelServer,
  modelServer,
  parity,
  parityQuestions,
  type Place,
  place,
  printed,
  run,
  said,
  spent,
  start,
} from "./testing.ts";

const scored = z.strictObject({ score: z.number().min(0).max(1), n: z.int().min(1) });
const split = { validation: scored.nullable(), test: scored.nullable() };

/** The document of `optimize --json`, which other tools rely on. */
const resultSchema = z.strictObject({
  experiment_id: z.uuid(),
  status: z.enum(["finished", "interrupted", "failed"]),
  stop_reason: z.enum(["target", "patience", "iterations", "budget", "interrupted", "unreadable"]).nullable(),
  error: z.string().nullable(),
  baseline: z.strictObject(split),
  best: z.strictObject({
    prompt_id: z.uuid(),
    prompt: z.strictObject({
      system_prompt: z.string(),
      output_prompt: z.string(),
      demos: z.array(z.strictObject({ question: z.string(), answer: z.string() })),
      bias: z.record(z.string(), z.number()).optional(),
    }),
    operator: z.string(),
    ...split,
  }),
  improvement: z.strictObject({
    mean: z.number(),
    ci95: z.tuple([z.number(), z.number()]),
    p_value: z.number().min(0).max(1),
    significant: z.boolean(),
  }).nullable(),
  calls: z.strictObject({
    primary: z.int().min(0),
    optimizer: z.int().min(0),
    grader: z.int().min(0),
    cached: z.int().min(0),
    failed: z.int().min(0),
    lost: z.int().min(0),
    total: z.int().min(0),
  }),
  tokens: z.strictObject({ prompt: z.int().min(0), completion: z.int().min(0) }),
  cost_usd: z.number().min(0),
  seconds: z.number().min(0),
  trials: z.array(z.strictObject({
    index: z.int().min(0),
    prompt_id: z.uuid(),
    operator: z.string(),
    parent: z.int().min(0).nullable(),
    validation: scored.nullable(),
    questions_seen: z.int().min(0),
    accepted: z.boolean(),
    reason: z.string().min(1),
  })).min(1),
});
type Result = z.output<typeof resultSchema>;

/** The one document on stdout. */
const resultOf = (ended: Ended): Result => resultSchema.parse(printed(ended));

Deno.test("optimize --json prints one document, which is what happened", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const report = `${at.folder}/deep/report.html`;
  const ended = await run("optimize", [
    ...["--dataset", at.questions, ...server.models, "--report", report, "--json", "--seed", "8"],
  ], at);
  equal(ended.code, EXIT.done, ended.stderr);
  const result = resultOf(ended);

  const count = { primary: server.count("parity"), optimizer: server.count("writer") };
  ok(count.optimizer > 0);
  deepEqual(result.calls, { ...count, grader: 0, cached: 0, failed: 0, lost: 0, total: server.asked.length });
  deepEqual(result.tokens, server.tokens);
  deepEqual([result.status, result.stop_reason], ["finished", "target"]);
  deepEqual(result.trials.map(({ index }) => index), result.trials.map((_, i) => i));
  ok(result.trials.some(({ accepted, index }) => accepted && index > 0));

  // the model is a function of the request, so the scores can be computed again from the prompt alone
  const rows = (await Deno.readTextFile(at.questions)).split("\n").map((line) => JSON.parse(line));
  const { system_prompt, output_prompt, demos } = result.best.prompt;
  const prompt = { systemPrompt: system_prompt, outputPrompt: output_prompt, demos };
  for (const name of ["validation", "test"] as const) {
    const own = rows.filter(({ split }) => split === name);
    const right = own.filter(({ question, answer }) => {
      const request = { model: "parity", messages: messages(prompt, question), max_tokens: 1 };
      return parity(request) === answer;
    });
    deepEqual(result.best[name], { score: right.length / own.length, n: own.length });
  }
  deepEqual(result.baseline.test, { score: 0, n: 40 });
  equal(result.improvement?.mean, result.best.test?.score);
  equal(result.improvement?.significant, true);

  const { rows: calls } = await at.db.query<{ role: string; n: number }>(
    "select role, count(*) as n from calls where state = 'answered' group by role",
  );
  deepEqual(Object.fromEntries(calls.map(({ role, n }) => [role, n])), count);
  const { rows: [kept] } = await at.db.query(
    `select (select count(*) from trials t where t.experiment_id = x.id) as trials, config ->> 'database' as database
       from experiments x
      where id = $1`,
    [result.experiment_id],
  );
  deepEqual(kept, { trials: result.trials.length, database: null });
  const shown = await run("show", [result.experiment_id.slice(0, 8), "--json"], at);
  deepEqual(JSON.parse(shown.stdout), result);

  match(said(ended), new RegExp(`^Report: ${report}$`, "m"));
  const page = await Deno.readTextFile(report);
  ok(page.startsWith("<!doctype html>") && page.includes(result.experiment_id));
  ok(!page.includes(at.db.url));

  // the command that the report gives does the same again, and asks nothing twice
  const command = page.match(/<pre><code>deno task optimize ([^<]*)<\/code>/)![1]!;
  const args = command.replaceAll("\\\n", " ").trim().split(/\s+(?=--)/).flatMap((flag) =>
    flag.split(/ (.*)/, 2).map((word) => word.replace(/^(?:'|&#39;)(.*?)(?:'|&#39;)$/, "$1"))
  );
  const again = resultOf(await run("optimize", [...args, "--json"], at));
  equal(server.asked.length, result.calls.total);
  deepEqual(again.calls, {
    primary: 0,
    optimizer: 0,
    grader: 0,
    cached: result.calls.total,
    failed: 0,
    lost: 0,
    total: result.calls.total,
  });
  deepEqual(unpaid(again), unpaid(result));
});

Deno.test("optimize says when the budget is too small to search, and the least that is not", async () => {
  await using at = await place();
  await using server = modelServer(parity, { tokens: ["even", "odd"] });
  const told = async (calls: number) => {
    const ended = await run("optimize", [
      ...["--dataset", at.questions, ...server.models, "--max-calls", `${calls}`],
    ], at);
    equal(ended.code, EXIT.budget, ended.stderr);
    return ended.stdout;
  };
  const little = await told(15);
  match(
    little,
    /^Nothing was searched\n15 calls cannot try one prompt against another: .*\(--max-calls \d+\)/,
  );
  match(little, /^The budget was too small to begin with the search\.$/m);
  ok(!/^ +difference/m.test(little));
  const least = Number(/--max-calls (\d+)/.exec(little)![1]);
  match(await told(least - 1), /^Nothing was searched\n/);
  ok(!(await told(least)).startsWith("Nothing was searched"));
});

/** What does not depend on who paid, nor on the clock, nor on names. */
const unpaid = ({ experiment_id: _, seconds: __, calls: ___, tokens: ____, ...result }: Result) => ({
  ...result,
  best: { ...result.best, prompt_id: null },
  trials: result.trials.map((trial) => ({ ...trial, prompt_id: null })),
});

Deno.test("optimize never asks more often than --max-calls allows, retries too", async () => {
  await using at = await place();
  const everyOtherBusy = (request: ChatRequest, n: number) =>
    n % 2 === 0 ? new Response("busy", { status: 429, headers: { "retry-after-ms": "1" } }) : parity(request);
  await each(
    [[1, parity], [2, parity], [7, parity], [200, parity], [400, everyOtherBusy]] as const,
    async ([cap, answer]) => {
      await using server = modelServer(answer);
      const ended = await run(
        "optimize",
        ["--dataset", at.questions, ...server.models, "--max-calls", `${cap}`, "--json"],
        at,
      );
      const result = resultOf(ended);
      ok(server.asked.length > 0 && server.asked.length <= cap, `${server.asked.length} of ${cap}`);
      if (answer === everyOtherBusy) equal(server.asked.length, cap); // the plan counts answers, the cap requests
      equal(result.calls.total, server.asked.length);
      equal(result.stop_reason, "budget");
      equal(ended.code, EXIT.budget);
      equal(result.best.prompt.system_prompt, "You are a helpful assistant.");
    },
  );
});

Deno.test("optimize keeps to its caps over processes that are killed, with many calls in flight", async () => {
  const rows: [flag: string, cap: number, concurrency: number][] = [
    ["--max-calls", 400, 64], // more than three kills can cost
    ["--max-tokens", 60_000, 16],
    ["--max-tokens", 90_000, 256],
  ];
  await each(rows, async ([flag, cap, concurrency]) => {
    await using at = await place();
    let [killAt, kill] = [0, () => {}];
    await using server = modelServer((request, n) => {
      if (n === killAt) kill();
      return n % 5 === 0
        ? new Response("busy", { status: 429, headers: { "retry-after-ms": "1" } })
        : parity(request);
    });
    const args = ["--dataset", at.questions, ...server.models, flag, `${cap}`];
    let ended: Ended | undefined;
    for (const more of [20, 30, 10, Infinity]) {
      killAt = server.asked.length + more;
      const flow = start("optimize", [
        ...ended ? ["--resume", "latest"] : [...args, "--concurrency", `${concurrency}`],
        "--json",
      ], at);
      kill = () => flow.kill("SIGKILL");
      ended = await flow.ended;
      equal(ended.code, more === Infinity ? EXIT.budget : 137, ended.stderr);
    }
    const { calls, tokens, stop_reason } = resultOf(ended!);
    const spent = flag === "--max-calls" ? calls.total : tokens.prompt + tokens.completion;
    const served = flag === "--max-calls"
      ? server.asked.length
      : server.tokens.prompt + server.tokens.completion;
    ok(served <= spent && spent <= cap, `${flag} ${cap}: ${served} served, ${spent} counted`);
    const begun = 1.5 * concurrency; // on the wire, or answered and not yet kept
    ok(calls.total - server.asked.length <= calls.lost && calls.lost <= 3 * begun);
    equal(stop_reason, "budget");
  });
});

Deno.test("optimize ends with the exit code of what happened, and says what to do", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  await using refusing = modelServer(() =>
    Response.json({ error: { message: "no such knob" } }, { status: 400 })
  );
  await using thinking = modelServer(spent);
  await using hung = modelServer(() => new Promise((resolve) => setTimeout(() => resolve("late"), 8_000)));
  const broken = `${at.folder}/broken.jsonl`;
  await Deno.writeTextFile(broken, '{"question": "Is 1 odd?", "answer": "yes"}\n{"question": "Is 2 odd?"}\n');
  const few = `${at.folder}/few.jsonl`;
  await Deno.writeTextFile(few, parityQuestions({ train: 10, validation: 3, test: 10 }));
  const questions = ["--dataset", at.questions];
  const asking = [...questions, ...server.models];
  const password = "sesame-4711";

  const rows: {
    what: string;
    args: readonly string[];
    env?: Record<string, string>;
    code: number;
    stderr?: RegExp;
    stdout?: RegExp;
  }[] = [
    {
      what: "a flag that is none",
      args: ["--thresold", "0.5"],
      code: EXIT.usage,
      stderr: /^Cannot use --thresold .* did you mean --threshold\?\n$/,
    },
    {
      what: "no such question set",
      args: ["--dataset", "nowhere.jsonl"],
      code: EXIT.usage,
      stderr: /^Cannot read nowhere\.jsonl as there is no such file\n$/,
    },
    {
      what: "a broken question set",
      args: ["--dataset", broken],
      code: EXIT.usage,
      stderr: /^Cannot read \S*broken\.jsonl as line 2 must have "answer": got .*Is 2 odd.*\n$/,
    },
    {
      what: "too few questions to decide by",
      args: ["--dataset", few],
      code: EXIT.usage,
      stderr: /^Cannot search with 3 validation questions, as .* or at least 4 whose split is validation\n$/,
    },
    {
      what: "dollars for a model of unknown price",
      args: [...asking, "--max-usd", "1"],
      code: EXIT.usage,
      stderr: /^Cannot keep to --max-usd as the price of openai:parity.* is not known.* --allow-unpriced\n$/,
    },
    {
      what: "a model that is none",
      args: [...questions, "--primary", "gpt-4"],
      code: EXIT.usage,
      stderr: /^Cannot open the model "gpt-4": it must be local, openai:NAME.*\n$/,
    },
    {
      what: "a model without its key",
      args: [...questions, "--primary", "openai:gpt-4o-mini"],
      code: EXIT.usage,
      stderr: /^Cannot open the model "openai:gpt-4o-mini" without a key: set OPENAI_API_KEY\n$/,
    },
    {
      what: "a key that cannot be one",
      args: asking,
      env: { OPENAI_API_KEY: "sk-…pasted" },
      code: EXIT.usage,
      stderr: /^Cannot use the API key as .*\n$/,
    },
    {
      what: "a home that cannot be written",
      args: asking,
      env: { QUINTET_HOME: `${broken}/home`, DATABASE_URL: "" },
      code: EXIT.usage,
      stderr: /^Cannot use \S*broken\.jsonl\/home\S* as it must be writable: .*: set QUINTET_HOME .*\n$/,
    },
    {
      what: "a report that cannot be written",
      args: [...asking, "--report", `${broken}/report.html`],
      code: EXIT.usage,
      stderr: /^Cannot use \S*broken\.jsonl as it must be writable: .*--report\n$/,
    },
    {
      what: "a database that is not there",
      args: asking,
      env: { DATABASE_URL: `postgresql://ada:${password}@127.0.0.1:1/quintet` },
      code: EXIT.database,
      stderr: /^Cannot reach the database .*postgresql:\/\/ada@127\.0\.0\.1:1\/quintet: .* DATABASE_URL\n$/,
    },
    {
      what: "a database URL that is none",
      args: [...asking, "--database", `mysql://ada:${password}@127.0.0.1/quintet`],
      code: EXIT.database,
      stderr: /^Cannot use DATABASE_URL as it must look like postgresql:.*\n$/,
    },
    {
      what: "a provider that refuses every call",
      args: [...questions, ...refusing.models, "--max-iterations", "1"],
      code: EXIT.provider,
      stderr:
        /^Send .* --retry-errors\nCannot go on as openai:parity\S+ refused each of 10 requests, the last one so: Cannot ask .* it answered 400: no such knob\n$/m,
      stdout: /^$/,
    },
    {
      what: "a model that gives no grade",
      args: [...asking, "--metric", "judge"],
      code: EXIT.provider,
      stderr:
        /(?<!Go on with[^]*)^Cannot score by the grades of openai:writer\S+ as none of 10 could be read: each must be {"score": N}, got "<system_prompt>\\u000a.*": begin anew with another model that grades \(--optimizer\), or with a metric \(--metric\)\n$/m,
      stdout: /^$/,
    },
    {
      what: "a model that thinks until its tokens are spent",
      args: [...questions, ...thinking.models],
      code: EXIT.provider,
      stderr:
        /^Cannot score anything as openai:parity\S+ said nothing in any of 10 answers: its 256 tokens ran out first \(thinking takes them, too\): begin anew with --answer-tokens 2048\n$/m,
      stdout: /^$/,
    },
    {
      what: "a provider that takes calls and does not answer before the seconds are spent",
      args: [...questions, ...hung.models, "--max-seconds", "2"],
      code: EXIT.provider,
      stderr:
        /^(\d+) of \1 calls failed, the last one with: no answer came within 2 s: see that .* or raise --max-seconds$/m,
      stdout: /^No claim could be made\n[^]*^Not one call was answered before the budget was spent\.$/m,
    },
    {
      what: "a cap that is met",
      args: [...asking, "--max-calls", "7"],
      code: EXIT.budget,
      stdout: /^ +prompt +by seed, 0 demos\n +system +You are a helpful assistant\.\n/m,
    },
    {
      what: "a target that is required and not reached",
      args: [...asking, "--threshold", "1", "--max-iterations", "1", "--require-target"],
      code: EXIT.target,
      stdout: /^ +prompt +by demonstrate, \d+ demos\n/m,
    },
  ];
  await each(rows, async ({ what, args, env = {}, code, stderr, stdout }) => {
    const ended = await run("optimize", args, { env: { ...at.env, ...env } });
    equal(ended.code, code, `${what}: ${ended.stderr}`);
    if (stderr) match(said(ended), stderr, what);
    match(ended.stdout, stdout ?? (code === EXIT.provider ? /^No claim could be made\n/ : /^$/), what);
    ok(!(ended.stdout + ended.stderr).includes(password), what);
  });
});

Deno.test("optimize keeps a key to itself when the provider refuses it in the middle", async () => {
  const key = "sk-canary-0123456789";
  await using at = await place();
  const { home } = at;
  await using server = modelServer((request, n) =>
    n < 100
      ? parity(request)
      : Response.json({ error: { message: `Incorrect API key provided: ${key}` } }, { status: 401 })
  );
  const ended = await run("optimize", ["--dataset", at.questions, ...server.models, "--json"], {
    env: { QUINTET_HOME: home, OPENAI_API_KEY: key },
  });
  equal(ended.code, EXIT.provider, ended.stderr);
  const result = resultOf(ended);
  equal(result.status, "failed");
  match(said(ended), new RegExp(`^Go on with: deno task optimize --resume ${result.experiment_id}$`, "m"));
  match(said(ended), /^Cannot ask .* it wants a valid key: set OPENAI_API_KEY .*\n$/m);

  ok(server.asked.every(({ authorization }) => authorization === `Bearer ${key}`));
  ok(!(ended.stdout + ended.stderr).includes(key));
  const [, database = home] = /embedded PostgreSQL in (\S+)/.exec(ended.stderr) ?? []; // elsewhere where home is root's own
  for (const folder of [home, database]) deepEqual(await filesWith(folder, key), []);
  notEqual((await filesWith(database, "Is 1007 even or odd?")).length, 0); // the database's files were among those read
});

Deno.test("optimize says that it waits for its provider, for how long yet, and why, and goes on", async () => {
  const key = "sk-canary-9876543210";
  await using at = await place();
  await using server = modelServer((request, n) =>
    n > 8
      ? parity(request)
      : Response.json({ error: { message: `no room, ${key}\u001b[31m` } }, { status: 503 })
  );
  const ended = await run("optimize", [
    ...["--dataset", at.questions, ...server.models, "--max-iterations", "1", "--json"],
  ], { env: { ...at.env, OPENAI_API_KEY: key } });
  equal(ended.code, EXIT.done, ended.stderr);
  match(
    ended.stderr,
    /^· Search {2}waiting [1-5] s for openai:parity, as it answered 503: no room, \[key\]\\u001b\[31m/m,
  );
  ok(!(ended.stdout + ended.stderr).includes(key));
  equal(resultOf(ended).best.test!.n, 40);
});

Deno.test("optimize ends in good order when it is told to, and goes on where it was cut off", async () => {
  const asking = ({ questions }: Place, { models }: ModelServer) => [
    ...["--dataset", questions, ...models, "--max-iterations", "2"],
  ];
  await using reference = await place();
  await using instant = modelServer(parity);
  const whole = resultOf(
    await run("optimize", [...asking(reference, instant), "--json"], reference),
  );
  ok(whole.calls.total > 200);

  await each(["SIGINT", "SIGTERM", "SIGKILL"] as const, async (signal) => {
    await using at = await place();
    const middle = Promise.withResolvers<void>();
    await using server = modelServer(async (request, n) => {
      if (n === 150) middle.resolve();
      if (n >= 150 && n < 170) await new Promise((resolve) => setTimeout(resolve, 300)); // so that calls are in flight
      return parity(request);
    });
    const json = signal === "SIGTERM" ? [] : ["--json"];
    const flow = start("optimize", [...asking(at, server), ...json], at);
    await Promise.race([middle.promise, flow.ended]);
    flow.kill(signal);
    const told = performance.now();
    const ended = await flow.ended;
    ok(performance.now() - told < 10_000);
    const before = server.asked.length;
    const { id, stored, lost } = await standing(at);

    if (signal === "SIGKILL") {
      equal(ended.stdout, "");
      ok(lost <= 8, `${lost} calls in flight`);
    } else {
      equal(ended.code, EXIT.interrupted, ended.stderr);
      deepEqual([lost, stored.size], [0, before]); // what was in flight came to its end
      match(said(ended), /^Ending: calls in flight may finish/m);
      if (signal === "SIGINT") {
        match(said(ended), new RegExp(`^Go on with: deno task optimize --resume ${id}$`, "m"));
        const result = resultOf(ended);
        deepEqual([result.experiment_id, result.status, result.stop_reason], [
          id,
          "interrupted",
          "interrupted",
        ]);
        equal(result.calls.total, before);
        ok(result.best.validation!.n > 0);
      } else {
        match(ended.stdout, /^Interrupted before the claim\n/);
        match(ended.stdout, new RegExp(`^Go on with: deno task optimize --resume ${id.slice(0, 8)}$`, "m"));
        match(ended.stdout, /^ +prompt +by \w+, \d+ demos\n/m);
      }
    }

    const resumed = await run("optimize", ["--resume", id, "--json"], at);
    equal(resumed.code, EXIT.done, resumed.stderr);
    const result = resultOf(resumed);
    const after = server.asked.slice(before).map(({ request }) => JSON.stringify(request.messages));
    deepEqual(after.filter((request) => stored.has(request)), []); // nothing that was stored is asked again
    const twice = server.asked.length - whole.calls.total;
    ok(twice >= 0 && twice <= lost, `${twice} asked twice, ${lost} cut off`);
    deepEqual(result.calls, { ...whole.calls, lost, total: whole.calls.total + lost });
    deepEqual(unpaid(result), unpaid(whole));
  });
});

/** How the one experiment of a place stands in the database: its id, the requests whose answers are kept, calls cut off. */
async function standing({ db }: Place): Promise<{ id: string; stored: ReadonlySet<string>; lost: number }> {
  for (;;) { // the server may still be at the last statement of a process that was killed
    const { rows } = await db.query(
      "select from pg_stat_activity where application_name = 'quintet' and datname = current_database()",
    );
    if (rows.length === 0) break;
  }
  const { rows: [row] } = await db.query<{ id: string; lost: number; requests: ChatRequest[] }>(
    `select id, (select count(*) from calls where state = 'sent') as lost,
            (select jsonb_agg(request) from completions) as requests
       from experiments`,
  );
  const { id, lost, requests } = row!;
  const stored = requests.map(({ messages }) =>
    JSON.stringify(messages.map(({ role, content }) => ({ role, content })))
  );
  return { id, lost, stored: new Set(stored) };
}

Deno.test("optimize --resume refuses what would make it another run", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const asking = ["--dataset", at.questions, ...server.models, "--max-calls", "30", "--json"];
  const [optimized, evaluated] = await Promise.all([
    run("optimize", asking, at),
    run("evaluate", asking, at),
  ]);
  const result = resultOf(optimized);
  const id = result.experiment_id;
  const asked = server.asked.length;
  const { rows: [other] } = await at.db.query<{ id: string }>(
    `insert into experiments (kind, dataset_id, seed, config, started_at)
     select 'optimize', dataset_id, 1, '{"metric": "exact_match", "primary": "local"}', '2020-01-01' from experiments limit 1
     returning id`,
  );

  const rows: [string[], number, RegExp][] = [
    [["--resume", "0000000000"], EXIT.usage, /^Cannot find experiment "0000000000": `deno task show` .*\n$/],
    [["--resume", id.slice(0, 4)], EXIT.usage, /^Cannot find experiment /],
    [
      ["--resume", id, "--seed", "2"],
      EXIT.usage,
      /^Cannot resume \S+ with another --seed: it began with 1, got 2: leave that out, .*\n$/,
    ],
    [
      ["--resume", JSON.parse(evaluated.stdout).experiment_id],
      EXIT.usage,
      /^Cannot resume \S+ as it is no optimization but an evaluation\n$/,
    ],
    [
      ["--resume", other!.id],
      EXIT.usage,
      /^Cannot resume \S+ as it was begun by a program of its own: run that again\n$/,
    ],
    [ // told before a call is paid for, and not kept
      ["--resume", id, "--report", `${at.questions}/report.html`, "--max-calls", "60"],
      EXIT.usage,
      /^Cannot use \S*parity\.jsonl as it must be writable: .*: name another file with --report\n$/,
    ],
  ];
  /** One after the other, as one process at a time runs an experiment, and the second changes what is kept with it. */
  const resumed: typeof rows = [
    [["--resume", id, "--seed", "1", "--json"], EXIT.budget, /^Report: /],
    [["--resume", "latest", "--json", "--require-target"], EXIT.target, /^Report: /],
  ];
  const check = async ([args, code, stderr]: typeof rows[number]) => {
    const ended = await run("optimize", args, at);
    equal(ended.code, code, ended.stderr);
    match(said(ended), stderr);
    if (code === EXIT.usage) equal(ended.stdout, "");
    else deepEqual(unpaid(resultOf(ended)), unpaid(result));
  };
  await each(rows, check);
  for (const row of resumed) await check(row);
  equal(server.asked.length, asked);
});

Deno.test("optimize --resume finds its answers whatever is said of the weights, and refuses others than it began with", async () => {
  await using at = await place();
  const rows: [before: number | undefined, after: number | undefined, code: number][] = [
    [1, 1, EXIT.budget],
    [1, undefined, EXIT.budget], // such as a server that starts yet
    [undefined, 1, EXIT.budget],
    [1, 2, EXIT.provider],
  ];
  for (const [before, after, code] of rows) {
    let size = before;
    await using server = modelServer(parity, {
      list: () => size && { data: [{ id: "writer" }, { id: "parity", meta: { size } }] },
    });
    const begun = await run("optimize", [
      "--dataset",
      at.questions,
      ...server.models,
      "--max-calls",
      "60",
      "--json",
    ], at);
    const asked = server.asked.length;
    size = after;
    const ended = await run("optimize", ["--resume", resultOf(begun).experiment_id, "--json"], at);
    deepEqual([ended.code, server.asked.length], [code, asked], ended.stderr);
    if (code === EXIT.budget) deepEqual(unpaid(resultOf(ended)), unpaid(resultOf(begun)));
    else {
      const why =
        /^Cannot go on as openai:parity\S+ has other weights than when this experiment began \(size 2 instead of size 1\): /;
      match(said(ended), why);
    }
  }
});

Deno.test("optimize --fresh asks what others paid for, and --resume finds what it was answered", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const args = ["--dataset", at.questions, ...server.models, "--max-calls", "60", "--json"];
  const first = resultOf(await run("optimize", args, at)), asked = server.asked.length;
  const fresh = resultOf(await run("optimize", [...args, "--fresh"], at));
  deepEqual([server.asked.length, fresh.calls.cached], [2 * asked, 0]);
  const resumed = resultOf(await run("optimize", ["--resume", fresh.experiment_id, "--json"], at));
  deepEqual(unpaid(resumed), unpaid(fresh));
  equal(server.asked.length, 2 * asked);
  const ended = await run("optimize", ["--resume", first.experiment_id, "--fresh", "--json"], at);
  equal(ended.code, EXIT.usage);
  match(said(ended), /^Cannot resume \S+ with another --fresh: it began with false, got true: /);
});

Deno.test("optimize --resume refuses less than a finished run was given, and less than one that was cut off has spent", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const asking = ["--dataset", at.questions, ...server.models, "--json"];
  const whole = resultOf(
    await run(
      "optimize",
      [...asking, "--max-calls", "200", "--max-iterations", "2", "--threshold", "0.8"],
      at,
    ),
  );
  ok(whole.improvement!.significant && whole.calls.total > 100);
  const { experiment_id: id } = whole;
  const asked = server.asked.length;
  const refused = async (id: string, args: string[], why: RegExp, env = {}) => {
    const ended = await run("optimize", ["--resume", id, ...args, "--json"], { env: { ...at.env, ...env } });
    equal(ended.code, EXIT.usage, ended.stderr);
    match(said(ended), why);
    equal(ended.stdout, "");
  };
  const rows: [args: string[], why: RegExp][] = [
    [
      ["--max-calls", "10"],
      /^Cannot resume \S{8} with less --max-calls: it has finished with 200, got 10: give /,
    ],
    [
      ["--max-calls", "199"],
      /it has finished with 200, got 199: .*leave that out, or begin a new experiment without --resume\n$/,
    ],
    [["--max-tokens", "100000000"], /less --max-tokens: it has finished with no such limit, got 100000000: /],
    [["--max-seconds", "1000"], /less --max-seconds: it has finished with no such limit, got 1000: /],
    [["--max-usd", "5", "--allow-unpriced"], /less --max-usd: it has finished with no such limit, got 5: /],
    [["--threshold", "0.1"], /less --threshold: it has finished with 0\.8, got 0\.1: /],
    [["--max-iterations", "0"], /less --max-iterations: it has finished with 2, got 0: /],
    [["--patience", "1"], /less --patience: it has finished with 3, got 1: /],
  ];
  for (const [args, why] of rows) await refused(id, args, why);
  await refused(id, [], /with less QUINTET_MAX_CALLS: it has /, { QUINTET_MAX_CALLS: "10" });
  const same = [
    "--max-calls",
    "200",
    "--max-iterations",
    "2",
    "--threshold",
    "0.8",
    "--patience",
    "3",
    "--json",
  ];
  deepEqual(unpaid(resultOf(await run("optimize", ["--resume", id, ...same], at))), unpaid(whole));
  equal(server.asked.length, asked);
  const claimsBefore = async () => (await findExperiment(at.db, id)).config.claims_before;
  equal(await claimsBefore(), undefined); // it could only come to the same
  const more = [
    "--max-calls",
    "400",
    "--max-iterations",
    "3",
    "--threshold",
    "1",
    "--patience",
    "4",
    "--json",
  ];
  ok(resultOf(await run("optimize", ["--resume", id, ...more], at)).trials.length >= whole.trials.length);
  equal(await claimsBefore(), 1);
  match((await run("show", [id], at)).stdout, /But the run had made 1 claim on its test questions before /);

  let cutAt = 66;
  await using slow = modelServer(async (request, n) => {
    if (n === cutAt) flow.kill("SIGTERM");
    if (n > cutAt - 6 && n <= cutAt) await new Promise((resolve) => setTimeout(resolve, 1_200));
    return parity(request);
  });
  let flow = start("optimize", [
    ...[
      "--dataset",
      at.questions,
      ...slow.models,
      "--system-prompt",
      "Answer.",
      "--max-calls",
      "900",
      "--json",
    ],
  ], at);
  const cut = resultOf(await flow.ended);
  const spent = slow.asked.length, tokens = slow.tokens.prompt + slow.tokens.completion;
  deepEqual([cut.status, cut.calls.total], ["interrupted", spent]);
  const low: [string, number, number][] = [["--max-calls", spent, spent - 1], [
    "--max-tokens",
    tokens,
    tokens - 1,
  ]];
  for (const [flag, had, got] of low) {
    await refused(
      cut.experiment_id,
      [flag, `${got}`],
      new RegExp(`less ${flag}: it has spent ${had}, got ${got}: `),
    );
  }
  await refused(
    cut.experiment_id,
    ["--max-seconds", "1"],
    /less --max-seconds: it has spent [\d.]+, got 1: /,
  );
  const ended = await run("optimize", [
    ...[
      "--resume",
      cut.experiment_id,
      "--max-calls",
      "200",
      "--max-iterations",
      "1",
      "--threshold",
      "0.5",
      "--json",
    ],
  ], at);
  const { status, calls } = resultOf(ended);
  equal(status, "finished", ended.stderr);
  ok(calls.total <= 200 && slow.asked.length <= 200);

  cutAt = slow.asked.length + 8; // on its way to more, which has a result to lose
  const further = ["--max-calls", "900", "--max-iterations", "9", "--threshold", "1", "--json"];
  flow = start("optimize", ["--resume", cut.experiment_id, ...further], at);
  equal(resultOf(await flow.ended).status, "interrupted");
  const less: typeof rows = [
    [["--max-iterations", "0"], /less --max-iterations: it has finished with 1, got 0: /],
    [["--threshold", "0.4"], /less --threshold: it has finished with 0\.5, got 0\.4: /],
    [["--max-calls", "199"], /less --max-calls: it has (?:finished with 200|spent 2\d\d), got 199: /],
  ];
  for (const [args, why] of less) await refused(cut.experiment_id, args, why);
});

Deno.test("optimize goes on with what it chose when Prefect starts its flow run again, and when it is asked for the same", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const [, primary, , optimizer] = server.models;
  const parameters = {
    dataset: at.questions,
    primary,
    optimizer,
    max_calls: 60,
    surrogate: true,
    policy: true,
  };
  await using prefect = flowRunServer(parameters);
  const env = { ...at.env, PREFECT_API_URL: prefect.url, PREFECT__FLOW_RUN_ID: crypto.randomUUID() };
  for (const attempt of [1, 2]) {
    prefect.attempts = attempt;
    const ended = await run("optimize", ["--json"], { env });
    equal(ended.code, EXIT.budget, ended.stderr);
  }
  const asked = server.asked.length;
  Object.assign(prefect, { attempts: 3, parameters: { ...parameters, seed: 2 } });
  const other = await run("optimize", [], { env });
  const id = env.PREFECT__FLOW_RUN_ID;
  equal(other.code, EXIT.usage);
  match(
    other.stderr,
    new RegExp(`^Cannot resume ${id.slice(0, 8)} with another "seed" in the parameters of `, "m"),
  );

  const again = await run("optimize", ["--resume", id, "--surrogate", "--policy", "--json"], at);
  equal(again.code, EXIT.budget, again.stderr);
  const { rows: [kept] } = await at.db.query<Record<string, unknown>>(
    "select config ->> 'meta_model' as meta_model, config ->> 'surrogate' as surrogate from experiments",
  );
  deepEqual(kept, { meta_model: null, surrogate: "true" });
  equal(server.asked.length, asked);
});
