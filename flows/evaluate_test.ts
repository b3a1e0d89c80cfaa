/** `deno task evaluate` in both its forms, as a process. */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { expander, golden, type GoldenText, near } from "../lib/metrics/golden.ts";
import { messages, type Prompt } from "../lib/optimize/mod.ts";
import { isStorable } from "../lib/text.ts";
import { schema } from "./evaluate.ts";
import {
  type ChatRequest,
  each,
  type Ended,
  modelServer,
  parity,
  place,
  printed,
  run,
  said,
  spent,
  start,
} from "./testing.ts";
import { DATASET } from "./wiring.ts";

/** The document of `evaluate --json`. */
const resultSchema = z.strictObject({
  experiment_id: z.uuid(),
  status: z.enum(["finished", "interrupted"]),
  error: z.null(),
  split: z.enum(["train", "validation", "test"]).nullable(),
  metric: z.string().nullable(),
  signature: z.string().nullable(),
  score: z.number().min(0).max(1).nullable(),
  n: z.int().min(0),
  ci95: z.tuple([z.number(), z.number()]).nullable(),
  calls: z.strictObject({
    primary: z.int(),
    optimizer: z.int(),
    grader: z.int(),
    cached: z.int(),
    failed: z.int(),
    lost: z.int(),
    total: z.int(),
  }),
  tokens: z.strictObject({ prompt: z.int(), completion: z.int() }),
  cost_usd: z.number(),
  seconds: z.number(),
});

const resultOf = (ended: Ended): z.output<typeof resultSchema> => resultSchema.parse(printed(ended));

Deno.test("evaluate scores the prompt that is named, on the split that is named", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const optimized = await run("optimize", ["--dataset", at.questions, ...server.models, "--json"], at);
  const { experiment_id, best } = JSON.parse(optimized.stdout);
  const { rows: [other] } = await at.db.query<
    { id: string; version: number; systemPrompt: string; outputPrompt: string; demos: Prompt["demos"] }
  >(
    `select id, version, system_prompt as "systemPrompt", output_prompt as "outputPrompt", demos
       from prompts
      where jsonb_array_length(demos) between 1 and $1
      order by jsonb_array_length(demos), version limit 1`,
    [best.prompt.demos.length - 1],
  );
  const demos = [{ question: "Is 3 even or odd?", answer: "odd" }, {
    question: "Is 4 even or odd?",
    answer: "even",
  }];
  const file = `${at.folder}/prompt.json`;
  await Deno.writeTextFile(
    file,
    JSON.stringify({ system_prompt: "Even or odd?", output_prompt: "One word.", demos }),
  );

  const questions = (await Deno.readTextFile(at.questions)).split("\n").map((line) => JSON.parse(line));
  /** The share of right answers under a prompt: the model is a function of the request. */
  const share = (prompt: Prompt, split: string): number => {
    const own = questions.filter((row) => row.split === split);
    return own.filter(({ question, answer }) =>
      parity({ model: "parity", messages: messages(prompt, question), max_tokens: 1 }) === answer
    ).length / own.length;
  };
  const talkative = () => "The answer is odd.";

  const rows: {
    args: string[];
    answer?: (request: ChatRequest) => string;
    expected: { split: string; metric: string; n: number; score: number };
  }[] = [
    { args: [], expected: { split: "test", metric: "exact_match", n: 40, score: 0 } },
    {
      args: ["--prompt", file, "--split", "train"],
      expected: {
        split: "train",
        metric: "exact_match",
        n: 24,
        score: share({ systemPrompt: "Even or odd?", outputPrompt: "One word.", demos }, "train"),
      },
    },
    {
      args: ["--prompt", experiment_id],
      expected: { split: "test", metric: "exact_match", n: 40, score: best.test.score },
    },
    {
      args: ["--prompt", `${experiment_id}:0`],
      expected: { split: "test", metric: "exact_match", n: 40, score: 0 },
    },
    {
      args: ["--prompt", `latest:${other!.version}`],
      expected: { split: "test", metric: "exact_match", n: 40, score: share(other!, "test") },
    },
    {
      args: ["--prompt", other!.id],
      expected: { split: "test", metric: "exact_match", n: 40, score: share(other!, "test") },
    },
    { // a word of three is right ("the" does not count) for 15 of 30: precision 1/3, recall 1, F1 1/2
      args: ["--split", "validation", "--metric", "f1"],
      answer: talkative,
      expected: { split: "validation", metric: "f1", n: 30, score: 0.25 },
    },
  ];
  await each(rows, async ({ args, answer = parity, expected }) => {
    await using server = modelServer(answer);
    const asking = ["--dataset", at.questions, "--primary", `openai:parity@${server.url}`, "--json"];
    const ended = await run("evaluate", [...asking, ...args], at);
    equal(ended.code, EXIT.done, ended.stderr);
    const { split, metric, n, score, signature, ci95, calls, tokens } = resultOf(ended);
    deepEqual({ split, metric, n, score }, expected, args.join(" "));
    ok(signature!.startsWith(`${metric}|`));
    ok(ci95![0] <= score! && score! <= ci95![1]);
    const none = { optimizer: 0, grader: 0, cached: 0, failed: 0, lost: 0 };
    deepEqual(calls, { ...none, primary: n, total: server.asked.length });
    deepEqual(tokens, server.tokens);
  });
  ok(share(other!, "test") > 0 && share(other!, "test") < best.test.score); // so no two rows could be mixed up
});

Deno.test("evaluate asks with the bias of a prompt and keeps it, from a file and from the database", async () => {
  await using at = await place();
  await each<[unknown, unknown, unknown]>([
    [{ odd: 0.85, even: -2.1 }, { even: -2.1, odd: 0.85 }, { 0: -2.1, 1: 0.85 }],
    [{}, null, undefined],
    [undefined, null, undefined],
  ], async ([given, expected, sent]) => {
    await using server = modelServer(parity, { tokens: ["even", "odd"] });
    const asking = ["--dataset", at.questions, "--primary", `openai:parity@${server.url}`, "--json"];
    let prompt = `${at.folder}/${crypto.randomUUID()}.json`;
    await Deno.writeTextFile(prompt, JSON.stringify({ system_prompt: "Even or odd?", bias: given }));
    for (const from of ["file", "database"]) {
      const { experiment_id } = resultOf(await run("evaluate", [...asking, "--prompt", prompt], at));
      const { rows: [row] } = await at.db.query<{ id: string; bias: unknown }>(
        "select id, bias from prompts where experiment_id = $1",
        [experiment_id],
      );
      deepEqual(row!.bias, expected, from);
      prompt = row!.id;
    }
    ok(server.asked.length > 0);
    for (const { request } of server.asked) deepEqual(request.logit_bias, sent);
  });
});

Deno.test("evaluate ends with the exit code of what happened, and says what to do", async () => {
  await using at = await place();
  const file = async (name: string, text: string) => {
    await Deno.writeTextFile(`${at.folder}/${name}`, text);
    return `${at.folder}/${name}`;
  };
  const rows: {
    args: string[];
    answer?: (request: ChatRequest, n: number) => string | Response | Promise<string>;
    code: number;
    stderr: RegExp;
    stdout?: RegExp;
  }[] = [
    {
      args: ["--prompt", "nowhere.json"],
      code: EXIT.usage,
      stderr:
        /^Cannot read nowhere\.json as it must be a JSON file with a prompt: no such file or directory\n$/,
    },
    {
      args: ["--prompt", await file("cut.json", '{"system_prompt"')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+cut\.json as it must be a JSON file with a prompt: .*\n$/,
    },
    {
      args: ["--prompt", await file("other.json", '{"system": "Answer."}')],
      code: EXIT.usage,
      stderr:
        /^Cannot read \S+other\.json as it must be \{"system_prompt", .*\}: there is no field "system": did you mean "system_prompt"\?\n$/,
    },
    {
      args: ["--prompt", await file("demo.json", '{"system_prompt": "", "demo": []}')],
      code: EXIT.usage,
      stderr:
        /^Cannot read \S+demo\.json as it must be \{"system_prompt", .*\}: there is no field "demo": did you mean "demos"\?\n$/,
    },
    {
      args: ["--prompt", await file("colour.json", '{"system_prompt": "", "colour": 1}')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+colour\.json as it must be .*\}: there is no field "colour"\n$/,
    },
    {
      args: [
        "--prompt",
        await file(
          "hint.json",
          '{"system_prompt": "", "demos": [{"question": "1", "answer": "odd", "hint": "2"}]}',
        ),
      ],
      code: EXIT.usage,
      stderr: /^Cannot read \S+hint\.json as it must be .*\}: demos\.0: there is no field "hint"\n$/,
    },
    {
      args: ["--prompt", await file("nul.json", '{"system_prompt": "a\\u0000"}')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+nul\.json .*: system_prompt: must have no NUL .*\n$/,
    },
    {
      args: ["--prompt", await file("list.json", '{"system_prompt": "", "bias": ["even"]}')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+list\.json .* "bias"\?: \{"answer": nats\}\}: bias: .*\n$/,
    },
    {
      args: ["--prompt", await file("word.json", '{"system_prompt": "", "bias": {"even": "less"}}')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+word\.json .*: bias\.even: .* expected number, received string\n$/,
    },
    {
      args: ["--prompt", await file("much.json", '{"system_prompt": "", "bias": {"even": -100.5}}')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+much\.json .*: bias\.even: .*>=-100\n$/,
    },
    {
      args: ["--prompt", await file("key.json", '{"system_prompt": "", "bias": {"a\\u0000": 1}}')],
      code: EXIT.usage,
      stderr: /^Cannot read \S+key\.json .*: bias\..*\n$/,
    },
    {
      args: ["--prompt", "latest:99"],
      code: EXIT.usage,
      stderr: /^Cannot find the prompt "latest:99": `deno task show ID` has them\n$/,
    },
    {
      args: ["--prompt", "0123456789"],
      code: EXIT.usage,
      stderr: /^Cannot find the prompt "0123456789": .*\n$/,
    },
    {
      args: ["--max-calls", "9"],
      code: EXIT.budget,
      stderr: /^9 of 40 questions were answered\.\n$/,
      stdout: /^0\.0 of 100 on 9 test questions, /,
    },
    {
      args: [],
      answer: (request, n) => n === 7 ? new Response("too long", { status: 400 }) : parity(request),
      code: EXIT.done,
      stderr: /^1 of 40 calls failed, .* 400: too long\n39 of 40 questions were answered\.\n$/,
      stdout: /^0\.0 of 100 on 39 test questions, /,
    },
    { // a cap that is not met ends nothing
      args: ["--max-tokens", "10000000"],
      answer: (request, n) => n === 7 ? new Response("too long", { status: 400 }) : parity(request),
      code: EXIT.done,
      stderr: /^1 of 40 calls failed, .*\n39 of 40 questions were answered\.\n$/,
      stdout: /^0\.0 of 100 on 39 test questions, /,
    },
    {
      args: ["--metric", "judge"],
      answer: grading(() => '{"score": 7}'),
      code: EXIT.done,
      stderr: /^$/,
      stdout: /^70\.0 of 100 on 40 test questions, /,
    },
    {
      args: ["--metric", "judge"],
      answer: grading((question) => /0 even/.test(question) ? "Ten\u001b[2J!" : '{"score": 7}'),
      code: EXIT.done,
      stderr:
        /^openai:parity\S+ gave 4 of 40 answers no grade that can be read: each must be {"score": N}, got "Ten\\u001b\[2J!"\n36 of 40 questions were answered and graded\.\n$/,
      stdout: /^70\.0 of 100 on 36 test questions, /,
    },
    {
      args: ["--metric", "judge", "--max-calls", "60"],
      answer: grading((question) => /0 even/.test(question) ? "Ten!" : '{"score": 7}'),
      code: EXIT.budget,
      stderr:
        /^openai:parity\S+ gave \d of 20 answers no grade .*\n1\d of 40 questions were answered and graded\.\n$/,
      stdout: /^70\.0 of 100 on 1\d test questions, /,
    },
    {
      args: ["--metric", "judge"],
      answer: grading(() => "Ten\u001b[2J!"),
      code: EXIT.provider,
      stderr:
        /^Cannot score by the grades of openai:parity\S+ as none of 40 could be read: .* got "Ten\\u001b\[2J!": begin anew with .*--optimizer.*--metric\)\n$/,
    },
    {
      args: [],
      answer: spent,
      code: EXIT.provider,
      stderr:
        /^Cannot score anything as openai:parity\S+ said nothing in any of 1\d answers: .* --answer-tokens 2048\n$/,
    },
    {
      args: [],
      answer: (request, n) => n % 4 === 0 ? spent(request) : parity(request),
      code: EXIT.done,
      stderr:
        /^openai:parity\S+ said nothing in 10 of 40 answers: its 256 tokens ran out first .* --answer-tokens 2048\n$/,
      stdout: /^0\.0 of 100 on 40 test questions, /,
    },
    {
      args: [],
      answer: () => new Response("no", { status: 400 }),
      code: EXIT.provider,
      stderr: /^40 of 40 calls failed, .* 400: no\n$/,
      stdout: /^No question was answered\./,
    },
    {
      args: ["--max-seconds", "2"],
      answer: () => new Promise<string>((resolve) => setTimeout(() => resolve("late"), 8_000)),
      code: EXIT.provider,
      stderr: /^8 of 8 calls failed, the last one with: no answer came within 2 s: .*\n$/,
      stdout: /^No question was answered\./,
    },
    {
      args: [],
      answer: () => new Response("no", { status: 403 }),
      code: EXIT.provider,
      stderr: /^Cannot ask .* it wants a valid key: set OPENAI_API_KEY .*\n$/,
    },
  ];
  await each(rows, async ({ args, answer = parity, code, stderr, stdout = /^$/ }) => {
    await using server = modelServer(answer);
    const asking = ["--dataset", at.questions, "--primary", `openai:parity@${server.url}`];
    const ended = await run("evaluate", [...asking, ...args], at);
    equal(ended.code, code, ended.stderr);
    match(said(ended), stderr);
    match(ended.stdout, stdout);
    if (code === EXIT.usage) equal(server.asked.length, 0);
  });
});

/** Answers as `parity`, and grades the answer to a question as `grade` does. */
const grading = (grade: (question: string) => string) => (request: ChatRequest): string => {
  const [{ role, content }] = request.messages as [ChatRequest["messages"][0]];
  if (role !== "system" || !content.startsWith("You grade answers.")) return parity(request);
  return grade(JSON.parse(request.messages.at(-1)!.content).question);
};

Deno.test("evaluate ends in good order when it is told to, and goes on with the same command", async () => {
  await using at = await place();
  const middle = Promise.withResolvers<void>();
  await using server = modelServer(async (request, n) => {
    if (n === 20) middle.resolve();
    if (n >= 20 && n < 30) await new Promise((resolve) => setTimeout(resolve, 300));
    return parity(request);
  });
  const args = ["--dataset", at.questions, ...server.models, "--json"];
  const flow = start("evaluate", args, at);
  await Promise.race([middle.promise, flow.ended]);
  flow.kill("SIGTERM");
  const ended = await flow.ended;
  equal(ended.code, EXIT.interrupted, ended.stderr);
  match(said(ended), /^Go on with the same command: .*\n$/m);
  const { status, calls } = resultOf(ended);
  const before = server.asked.length;
  deepEqual([status, calls.total], ["interrupted", before]);
  ok(before < 40);

  const again = resultOf(await run("evaluate", args, at));
  equal(server.asked.length, 40);
  deepEqual([again.n, again.calls.cached, again.calls.primary], [40, before, 40 - before]);
});

Deno.test("evaluate counts no answer that is read back against its cap", async () => {
  await using at = await place();
  await using server = modelServer((request) =>
    /Is 3007 /.test(request.messages.at(-1)!.content)
      ? new Response("too long", { status: 400 })
      : parity(request)
  );
  const args = ["--dataset", at.questions, ...server.models];
  const rows: [args: string[], line: RegExp][] = [
    [[], /^40 calls, \$0, /m],
    [["--max-calls", "5"], /^1 call, 39 read back, \$0, /m],
  ];
  for (const [more, line] of rows) {
    const ended = await run("evaluate", [...args, ...more], at);
    equal(ended.code, EXIT.done, ended.stderr);
    match(ended.stdout, line);
    match(said(ended), /\n39 of 40 questions were answered\.\n$/);
  }
  equal(server.asked.length, 41);
});

Deno.test("evaluate takes no answer of another model behind the same name", async () => {
  await using at = await place();
  let size = 1;
  await using server = modelServer(() => size === 1 ? "even" : "odd", {
    list: () => ({ data: [{ id: "model.gguf", meta: { size } }] }),
  });
  const args = ["--dataset", at.questions, ...server.models, "--json"];
  const rows: [size: number, asked: number, cached: number][] = [[1, 40, 0], [1, 40, 40], [2, 80, 0], [
    1,
    80,
    40,
  ]];
  for (const [now, asked, cached] of rows) {
    size = now;
    const result = resultOf(await run("evaluate", args, at));
    deepEqual([server.asked.length, result.calls.cached], [asked, cached]);
  }
});

Deno.test("evaluate --fresh reads nothing back", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const args = ["--dataset", at.questions, ...server.models, "--json"];
  for (const [more, asked] of [[[], 40], [["--fresh"], 80], [["--fresh"], 120], [[], 120]] as const) {
    equal((await run("evaluate", [...args, ...more], at)).code, EXIT.done);
    equal(server.asked.length, asked);
  }
});

Deno.test("two runs of evaluate that ask the same at once pay each question once, and come to the same score", async () => {
  await using at = await place();
  const both = Promise.withResolvers<void>();
  await using server = modelServer(async (request, n) => {
    if (n > 8) both.resolve(); // one alone has eight requests in flight
    await both.promise;
    return parity(request);
  });
  const args = ["--dataset", at.questions, ...server.models, "--concurrency", "8", "--json"];
  const [one, other] = await Promise.all([1, 2].map(async () => resultOf(await run("evaluate", args, at))));
  equal(server.asked.length, 40);
  equal(one!.calls.primary + other!.calls.primary, 40);
  for (const { calls, score } of [one!, other!]) {
    deepEqual([calls.cached + calls.primary, calls.total, score], [40, 40, one!.score]);
  }
});

/** What `evaluate --predictions --json` prints for each metric. */
const scoresSchema = z.strictObject({
  n: z.int(),
  scores: z.record(
    z.string(),
    z.strictObject({
      score: z.number(),
      n: z.int(),
      ci95: z.tuple([z.number(), z.number()]),
      signature: z.string(),
    }),
  ),
});

Deno.test("evaluate --predictions gives the numbers of sacrebleu, rouge_score and SQuAD", async () => {
  await using at = await place();
  type Row = readonly [prediction: string, references: readonly string[]];
  const bleu = golden<{
    long: string[];
    cases: [GoldenText, GoldenText[]][];
    corpora: [number[], Record<string, unknown>, number][];
  }>("bleu");
  const rouge = golden<{ types: string[]; cases: [GoldenText, GoldenText[], number[][][]][] }>("rouge");
  const f1 = golden<{ cases: [GoldenText, GoldenText[], number[]][] }>("f1");
  const text = expander(bleu.long);
  const row = ([prediction, references]: readonly [GoldenText, readonly GoldenText[], ...unknown[]]): Row => [
    text(prediction),
    references.map(text),
  ];
  const storable = (one: readonly [GoldenText, readonly GoldenText[], ...unknown[]]) =>
    row(one).flat().every(isStorable);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  const [members, , sacrebleu] = bleu.corpora.find(([members, setting, value]) =>
    members.length > 3 && Object.keys(setting).length === 0 && value > 0.1 && value < 0.9 &&
    members.every((i) => storable(bleu.cases[i]!))
  )!;
  const rouges = rouge.cases.filter(storable);
  const f1s = f1.cases.filter(storable);
  ok(rouges.length > 200 && f1s.length > 200);
  const rougeOf = (type: string) =>
    mean(rouges.map(([, , scores]) => scores[0]![rouge.types.indexOf(type)]![2]!));

  const rows: { rows: Row[]; args: string[]; expected: Record<string, number> }[] = [
    {
      rows: members.map((i) => row(bleu.cases[i]!)),
      args: ["--metrics", "bleu"],
      expected: { bleu: sacrebleu },
    },
    {
      rows: rouges.map(row),
      args: ["--metrics", "rouge1,rouge2, rougeL"],
      expected: Object.fromEntries(["rouge1", "rouge2", "rougeL"].map((type) => [type, rougeOf(type)])),
    },
    {
      rows: f1s.map(row),
      args: ["--metric", "f1"],
      expected: { f1: mean(f1s.map(([, , [score]]) => score!)) },
    },
    {
      rows: [["Paris", ["paris", "Paname"]], ["rome", ["Rome"]], ["Bern", ["Basel"]], ["Oslo", ["Oslo"]]],
      args: ["--metrics", "exact_match", "--ignore-case"],
      expected: { exact_match: 3 / 4 },
    },
    {
      rows: Array.from({ length: 12 }, (_, i) => [`The answer is ${i}.`, [`The answer is ${i}.`]]),
      args: ["--metrics", "rougeLsum,bleu,exact_match"], // right in all, which proves no more than twelve do
      expected: { rougeLsum: 1, bleu: 1, exact_match: 1 },
    },
  ];
  await each(rows, async ({ rows, args, expected }) => {
    const path = `${at.folder}/${Object.keys(expected)[0]}.jsonl`;
    const lines = rows.map(([prediction, references]) => JSON.stringify({ prediction, references }));
    await Deno.writeTextFile(path, lines.join("\n"));
    const ended = await run("evaluate", ["--predictions", path, ...args, "--json"], at);
    equal(ended.code, EXIT.done, ended.stderr);
    equal(ended.stderr, "");
    const { n, scores } = scoresSchema.parse(JSON.parse(ended.stdout));
    equal(n, rows.length);
    deepEqual(Object.keys(scores), Object.keys(expected));
    for (const [name, wanted] of Object.entries(expected)) {
      near(scores[name]!.score, wanted, name);
      ok(scores[name]!.signature.startsWith(`${name}|`));
      equal(scores[name]!.n, rows.length);
      const { score, ci95: [low, high] } = scores[name]!;
      ok(0 <= low && low <= score && score <= high && high <= 1 && low < high, `${name}: ${low}, ${high}`);
    }
  });
});

Deno.test("evaluate refuses what its other form takes, where somebody gave that", async () => {
  await using at = await place();
  const texts = `${at.folder}/texts.jsonl`;
  await Deno.writeTextFile(texts, '{"prediction": "a", "references": ["a"]}');
  const config = async (name: string, values: Record<string, unknown>) => {
    await Deno.writeTextFile(`${at.folder}/${name}.json`, JSON.stringify(values));
    return ["--config", `${at.folder}/${name}.json`];
  };
  const scored = ["--predictions", texts];
  const { metrics } = schema.parse({});
  const rows: [args: string[], env: Record<string, string>, refused?: RegExp, scores?: string[]][] = [
    [["--metrics", "f1"], {}, /^Cannot use --metrics without --predictions as .* --metric\n$/],
    [["--metrics", metrics.join(), "--dataset", at.questions], {}, /^Cannot use --metrics without /],
    [
      [...scored, "--dataset", at.questions],
      {},
      /^Cannot use --dataset with --predictions as .*: leave either out\n$/,
    ],
    [[...scored, "--split", "test"], {}, /^Cannot use --split with /],
    [[...scored, "--prompt", "latest"], {}, /^Cannot use --prompt with /],
    [scored, { QUINTET_SPLIT: "train", QUINTET_DATASET: at.questions }],
    [
      await config("both", { predictions: texts, prompt: "latest" }),
      {},
      /^Cannot use "prompt" in \S+both\.json with /,
    ],
    [[...scored, "--metric", "f1", "--metrics", "bleu"], {}, /^Cannot use --metric with --metrics: /],
    [await config("filled", { predictions: texts, dataset: DATASET, split: "test", metrics }), {}],
    [[...scored, "--metric", "f1"], { QUINTET_SPLIT: "test", QUINTET_PRIMARY: "local" }, undefined, ["f1"]],
    [[...scored, "--metrics", "bleu"], { QUINTET_METRIC: "f1" }, undefined, ["bleu"]],
    [scored, { QUINTET_METRIC: "f1" }, undefined, ["f1"]],
    [[...scored, "--metric", "f1"], { QUINTET_METRICS: "bleu" }, undefined, ["f1"]],
    [[...scored, "--metrics", "f1"], { QUINTET_IGNORE_CASE: "true" }, undefined, ["f1"]],
    ...[
      "--primary=openai:nosuch",
      "--max-calls=3",
      "--temperature=1",
      "--seed=2",
      "--database=x",
      "--optimizer=x",
    ]
      .map((arg): typeof rows[number] => [
        [...scored, arg],
        {},
        new RegExp(`^Cannot use ${arg.replace(/=.*/, "")} with --predictions as `),
      ]),
    [
      await config("asking", { predictions: texts, concurrency: 9 }),
      {},
      /^Cannot use "concurrency" in \S+ with /,
    ],
    [
      [...scored, "--metrics", "f1,bleu", "--ignore-numbers"],
      {},
      /^Cannot use --ignore-… to score by f1, bleu: they are options of exact_match\n$/,
    ],
  ];
  await each(rows, async ([args, env, refused, scores = metrics]) => {
    const ended = await run("evaluate", [...args, "--json"], { env: { ...at.env, ...env } });
    equal(ended.code, refused ? EXIT.usage : EXIT.done, ended.stderr);
    match(ended.stderr, refused ?? /^$/);
    if (refused) equal(ended.stdout, "");
    else deepEqual(Object.keys(printed(ended).scores), scores);
  });
});

Deno.test("evaluate --predictions says which line, field or metric is wrong", async () => {
  await using at = await place();
  const path = `${at.folder}/texts.jsonl`;
  const good = '{"prediction": "a b", "references": ["a b"]}';
  const rows: [lines: string[], args: string[], code: number, stdout: RegExp, stderr: RegExp][] = [
    [
      [good],
      [],
      EXIT.done,
      /^exact_match +100\.0 +exact_match\|.*\nf1 +100\.0 +[^]*\nrougeL +100\.0 +rougeL\|.*\n$/,
      /^$/,
    ],
    [[good], ["--metrics", "f1,blue"], EXIT.usage, /^$/, /^Cannot score by "blue": metrics are .*bleu.*\n$/],
    [
      [good],
      ["--metrics", ","],
      EXIT.usage,
      /^$/,
      /^Cannot score by no metric: --metrics takes some of .*\n$/,
    ],
    [
      [good, '{"prediction": "a"}'],
      [],
      EXIT.usage,
      /^$/,
      /^Cannot read \S+texts\.jsonl as line 2 must have "references": .*\n$/,
    ],
    [[good, good, "{"], [], EXIT.usage, /^$/, /^Cannot read \S+texts\.jsonl as line 3 must .*\n$/],
    [
      [good, '{"prediction": 1, "references": "a"}'],
      [],
      EXIT.usage,
      /^$/,
      /as line 2 must have text in "prediction": got 1\n$/,
    ],
    [
      [],
      [],
      EXIT.usage,
      /^$/,
      /^Cannot read \S+texts\.jsonl as it must hold at least one prediction: got none\n$/,
    ],
  ];
  for (const [lines, args, code, stdout, stderr] of rows) {
    await Deno.writeTextFile(path, lines.join("\n"));
    const ended = await run("evaluate", ["--predictions", path, ...args], at);
    equal(ended.code, code, ended.stderr);
    match(ended.stdout, stdout);
    match(ended.stderr, stderr);
  }
});
