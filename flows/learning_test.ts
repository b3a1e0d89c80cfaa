/**
 * What is learned as users and their scripts see it: real processes, a real database, LightGBM, the sentence model, OpenBLAS.
 */
import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { openLearning } from "./learning.ts";
import {
  type ModelServer,
  modelServer,
  parity,
  type Place,
  place,
  printed,
  run,
  said,
  start,
} from "./testing.ts";

/** Searches of `parity`, one for each seed. */
async function searches({ env, questions }: Place, server: ModelServer, seeds: readonly number[]) {
  for (const seed of seeds) {
    const ended = await run("optimize", [
      ...["--dataset", questions, ...server.models, "--seed", String(seed), "--threshold", "1", "--json"],
      ...["--max-calls", "700", "--no-surrogate", "--no-policy"],
    ], { env });
    equal(ended.code, EXIT.done, ended.stderr);
  }
}

const TRAIN = /^Train another \(`deno task train-meta-model`\), or begin without one: --no-surrogate/m;
const DAMAGED = [
  /Cannot use meta-model [0-9a-f-]{36} as it is not what was kept: its checksum differs/,
  TRAIN,
] as const;
const OTHER = [
  /Cannot use meta-model .* as it goes by features of version 7: these are of \d+/,
  TRAIN,
] as const;
const HARMED = [
  /Cannot use policy [0-9a-f-]{36} as it is not what was kept: its checksum differs/,
  /^Train another \(`deno task train-policy`\), or begin without one: --no-policy/m,
] as const;

Deno.test("what searches have seen is learned from, used by the next, and used again when that is resumed", async () => {
  await using here = await place();
  const list = () => ({ data: ["parity", "writer"].map((id) => ({ id, meta: { size: 1 } })) });
  await using server = modelServer(parity, { list }); // of weights that are known
  const { env, questions, db } = here;

  const early = await run("train_meta_model", [], { env });
  deepEqual([early.code, early.stdout], [EXIT.done, ""]);
  match(
    said(early),
    /^Skipped: a meta-model wants 5 scored prompts or more, there are 0: `deno task optimize`/,
  );
  deepEqual(printed(await run("train_meta_model", ["--json"], { env })), { skipped: true, prompts: 0 });

  await searches(here, server, [1, 2, 3]);
  const model = printed(await run("train_meta_model", ["--json", "--min-data-in-leaf", "3"], { env }));
  ok(!model.used && model.prompts > 20, JSON.stringify(model)); // of three searches nobody can tell
  deepEqual([model.cross_validation.foresight, model.contexts[0].searches], [null, 3]);
  const shown = await run("train_meta_model", ["--boosting", "random_forest", "--min-data-in-leaf", "2"], {
    env,
  });
  equal(shown.code, EXIT.done, shown.stderr);
  match(shown.stdout, /^Meta-model [0-9a-f-]{36}: \d+ prompts/);
  match(shown.stdout, /What it goes by:\n {2}demo_/);

  const edited = await run("train_policy", [
    ...["--dataset", questions, "--timesteps", "256", "--edits", "3", "--json"],
  ], { env });
  match(said(edited), /^Not rewarded by the newest meta-model: it (?:has seen too few|does not beat) .*\.$/m);
  const policy = printed(edited);
  ok(policy.timesteps === 256 && policy.history.length > 0 && policy.best_prompts.length > 0);
  ok(policy.best_prompts.every(({ score }: { score: number }) => score >= 0 && score <= 1));

  const again = ["--dataset", questions, ...server.models, "--seed", "4", "--threshold", "1", "--json"];
  const first = await run("optimize", [
    ...again,
    ...["--max-calls", "200", "--meta-model", model.meta_model_id, "--policy-model", policy.policy_id],
  ], { env });
  equal(first.code, EXIT.budget, first.stderr);
  const { experiment_id: id } = printed(first);
  const kept = async () =>
    (await db.query<{ config: Record<string, unknown> }>("select config from experiments where id = $1", [
      id,
    ]))
      .rows[0]!.config;
  const { surrogate, meta_model, policy: edits, policy_model } = await kept();
  deepEqual([surrogate, meta_model], [true, model.meta_model_id]);
  deepEqual([edits, policy_model], [true, policy.policy_id]);

  const same = [
    "--meta-model",
    model.meta_model_id.slice(0, 8),
    "--policy-model",
    policy.policy_id.slice(0, 8),
  ];
  const resumed = await run("optimize", ["--resume", id, ...same, "--max-calls", "900", "--json"], { env });
  ok([EXIT.done, EXIT.budget].includes(resumed.code as 0), resumed.stderr);
  equal((await kept()).meta_model, model.meta_model_id);
  const { rows: [trials] } = await db.query<{ predicted: number; edited: number; recorded: number }>(
    `select count(t.predicted)::int as predicted,
            (count(distinct p.id) filter (where p.operator = 'edit' and p.metadata ->> 'note' <> 'made no proposal'))::int as edited,
            count(distinct a.result_id)::int as recorded
       from trials t
       join prompts p on p.id = t.prompt_id
       left join rl_actions a on a.result_id = p.id and p.operator = 'edit'
      where t.experiment_id = $1`,
    [id],
  );
  ok(trials!.predicted > 0);
  equal(trials!.recorded, trials!.edited); // every edit is kept

  await db.query( // as good as can be, so that they are chosen
    `update meta_models
        set rmse = 0,
            cross_validation = cross_validation || '{"rmse": 0, "foresight": {"searches": 5, "rankCorrelation": 1, "pValue": 0.03}}',
            contexts = jsonb_set(jsonb_set(contexts, '{0,rmse}', '0'), '{0,rankCorrelation}', '1')`,
  );
  const counts = async () =>
    (await db.query(
      "select (select count(*) from experiments) as begun, (select count(*) from calls) as calls",
    ))
      .rows[0];
  const before = await counts(), asked = server.asked.length;
  for (
    const [table, column, to, flag, message, fix] of [
      [
        "meta_models",
        "model",
        "replace(model, 'leaf_value=', 'leaf_value=9')",
        "--meta-model",
        ...DAMAGED,
      ],
      ["meta_models", "model", "left(model, length(model) / 2)", "--meta-model", ...DAMAGED],
      ["meta_models", "feature_version", "7", "--meta-model", ...OTHER],
      [
        "rl_models",
        "onnx",
        "set_byte(onnx, 100, 255 - get_byte(onnx, 100))",
        "--policy-model",
        ...HARMED,
      ],
    ] as const
  ) {
    const { rows } = await db.query<{ id: string; kept: unknown }>(
      `select id, ${column} as kept from ${table}`,
    );
    await db.query(`update ${table} set ${column} = ${to}`);
    const id = flag === "--meta-model" ? model.meta_model_id : policy.policy_id;
    const other = flag === "--meta-model" ? "--no-policy" : "--no-surrogate";
    const cases = [[flag, id, other], ...flag === "--meta-model" && column === "model" ? [[other]] : []]; // named, and chosen
    for (const args of cases) {
      const refused = await run("optimize", [...again, ...args], { env });
      equal(refused.code, EXIT.usage, refused.stderr);
      match(refused.stderr, message);
      match(refused.stderr, fix);
      equal(refused.stdout, "");
    }
    for (const { id, kept } of rows) {
      await db.query(`update ${table} set ${column} = $2 where id = $1`, [id, kept]);
    }
  }
  deepEqual([await counts(), server.asked.length], [before, asked]); // nothing was begun or asked

  const by = await run("optimize", [...again, "--max-calls", "60"], { env });
  match(said(by), /Surrogate: meta-model [0-9a-f]{8}, as it predicts better than the mean .* of 3 searches/);
  match(
    said(by),
    /Policy: [0-9a-f]{8}, as its edits are expected to add|No policy: the newest edits no better/,
  );

  for (const [flag, what] of [["--meta-model", "meta-model"], ["--policy-model", "policy"]]) {
    const wrong = await run("optimize", [...again, flag!, crypto.randomUUID()], { env });
    equal(wrong.code, EXIT.usage);
    match(wrong.stderr, new RegExp(`Cannot find the ${what} ".*" as none has this id`));
  }
});

Deno.test("an ablation says what meta-model and policy contribute", async () => {
  await using here = await place();
  await using server = modelServer(parity);
  const args = ["--dataset", here.questions, ...server.models, "--seeds", "1", "--lessons", "2"];
  const sizes = ["--max-calls", "300", "--timesteps", "128", "--threshold", "1"];
  const ended = await run("ablate", [...args, ...sizes, "--json"], { env: here.env });
  equal(ended.code, EXIT.done, ended.stderr);
  const { arms, foresight, policy_id } = printed(ended);
  deepEqual(arms.map(({ arm }: { arm: string }) => arm), ["neither", "surrogate", "policy", "both"]);
  equal(arms[0].against_neither, null);
  for (const { test, n, against_neither } of arms.slice(1)) {
    ok(test >= 0 && test <= 1 && against_neither.n === n && against_neither.ci95.length === 2);
  }
  deepEqual(foresight.map(({ searches }: { searches: number }) => searches), [1]);
  ok(policy_id === null || /^[0-9a-f-]{36}$/.test(policy_id));

  const asked = server.asked.length;
  const again = await run("ablate", [...args, ...sizes], { env: here.env });
  equal(again.code, EXIT.done, again.stderr);
  match(again.stdout, /^1 searches of each kind, 300 calls each, locked test split:\n/);
  match(again.stdout, /^both .* p = \d\.\d\d +\S/m);
  ok(server.asked.length - asked < asked, "what was paid for is not asked again");
});

Deno.test("an ablation ends where nothing is answered, and says what was not", async () => {
  await using here = await place();
  await using server = modelServer(() => new Response("no such knob", { status: 400 }));
  const args = ["--dataset", here.questions, ...server.models, "--seeds", "1", "--lessons", "2"];
  const ended = await run("ablate", [...args, "--max-calls", "100"], { env: here.env });
  deepEqual([ended.code, ended.stdout], [EXIT.provider, ""], ended.stderr);
  match(
    said(ended),
    /^Cannot go on as openai:parity\S+ refused each of 10 requests, the last one so: .* 400: no such knob\n$/,
  );
  equal((await here.db.query("select from experiments")).rows.length, 1);
});

Deno.test("an ablation tells of each search what failed in it, and how to go on", async () => {
  await using here = await place();
  const second = Promise.withResolvers<void>();
  let searches = 0;
  await using server = modelServer(async (request, n) => {
    if (n === 7) return new Response("filtered", { status: 400 });
    if (searches > 0) {
      second.resolve();
      await new Promise((resolve) => setTimeout(resolve, 300)); // the signal comes in its middle
    }
    return parity(request);
  });
  const args = ["--dataset", here.questions, ...server.models, "--seeds", "1", "--lessons", "2"];
  const flow = start("ablate", [...args, "--max-calls", "60"], { env: here.env });
  const count = setInterval(async () => {
    const { rows } = await here.db.query("select from experiments where status = 'finished'");
    searches = rows.length;
  }, 20);
  await Promise.race([second.promise, flow.ended]);
  clearInterval(count);
  flow.kill("SIGTERM");
  const ended = await flow.ended;
  equal(ended.code, EXIT.interrupted, ended.stderr);
  const told = said(ended);
  match(told, /^1 of \d+ calls failed, the last one with: .* 400: filtered$/m);
  match(told, /^Go on with the same command: what was answered is read back\.$/m);
  equal(told.match(/calls failed/g)!.length, 1);
});

Deno.test("openLearning() tries again to open what could not be opened", async () => {
  const said: string[] = [];
  const stage = (name: string) => {
    said.push(name);
    return Promise.reject(new Error("offline"));
  };
  await using learning = openLearning({ home: "", stage });
  for (const open of [learning.blas, learning.lightgbm, learning.blas]) await rejects(open(), /offline/);
  deepEqual(said, ["Python packages", "Python packages", "Python packages"]);
});
