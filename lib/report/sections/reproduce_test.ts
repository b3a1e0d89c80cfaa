import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { apprentice, author, MIGRATIONS } from "../../experiment/testing.ts";
import type { Message } from "../../llm/model.ts";
import { type ExperimentRecord, findExperiment, readExperiment } from "../../store/mod.ts";
import { testDatabase } from "../../store/testing.ts";
import { RECORD } from "../testing.ts";
import { command, reproduce } from "./reproduce.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Runs a line of a report in a shell, where `deno task NAME` is this project's. */
async function shell(line: string, env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", `deno() { shift; name=$1; shift; "$DENO" run -A "flows/$name.ts" "$@"; }\n${line}`],
    cwd: ROOT,
    env: { ...env, DENO: Deno.execPath(), NO_COLOR: "1" },
  }).output();
  ok(code === 0 || code === 3, new TextDecoder().decode(stderr)); // 3: the budget ended it
  return new TextDecoder().decode(stdout);
}

/** An OpenAI-compatible server that answers as the apprentice, and rewrites as the author. */
function modelServer() {
  let requests = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    if (!request.url.endsWith("/chat/completions")) return new Response(null, { status: 404 });
    requests++;
    const { messages }: { messages: Message[] } = await request.json();
    const isAuthor = messages[0]!.content.includes("<output_prompt>");
    return Response.json({
      choices: [{
        message: { role: "assistant", content: (isAuthor ? author : apprentice)(messages) },
        finish_reason: "stop",
      }],
      usage: { prompt_tokens: 20, completion_tokens: 5 },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    requests: () => requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("the command of a report runs the experiment again, and nothing is asked twice", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  await using server = modelServer();
  const home = await Deno.makeTempDir();
  const file = `${home}/what's asked.jsonl`;
  const lines = (await Deno.readTextFile(`${ROOT}/data/tasks/question_types.jsonl`)).split("\n");
  const unsplit = lines.slice(0, 160).map((line) => line.replace(/"split": "\w+", /, ""));
  await Deno.writeTextFile(file, unsplit.join("\n"));
  await Deno.writeTextFile(
    `${home}/what's asked.card.json`,
    JSON.stringify({
      metricOptions: { ignoreCase: true },
      outputPrompt: "Say one word.",
      metric: "exact_match",
    }),
  );
  const env = { DATABASE_URL: db.url, QUINTET_HOME: home, OPENAI_API_KEY: "canary" };
  const prompt = `It's "so" $HOME \`id\` \\ *\n--seed 9; № 漢字`;
  const searching =
    "--seed 3 --no-ignore-case --ignore-punctuation --max-calls 150 --threshold 0.55 --answer-tokens 12";
  const scoring = "--seed 3 --split validation --metric f1 --temperature 0.5";
  const rows: [string, string, string[]][] = [
    ["optimize", "max_calls", [...searching.split(" "), "--system-prompt", prompt, "--output-prompt", ""]],
    ["evaluate", "split", scoring.split(" ")],
  ];
  for (const [name, known, given] of rows) {
    const args = ["--dataset", file, "--primary", `openai:rule@${server.url}`, "--json", ...given];
    const quoted = args.map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`).join(" ");
    const run = async (line: string) => {
      const { experiment_id } = JSON.parse(await shell(line, env));
      return {
        record: await readExperiment(db, experiment_id),
        config: (await findExperiment(db, experiment_id)).config,
      };
    };
    const first = await run(`deno task ${name} ${quoted}`);
    ok(known in first.config && first.record.metrics.length > 0);
    const requests = server.requests();
    const { text, changed } = command(first.record.experiment);
    deepEqual(changed, []);
    const second = await run(`${text} --json`);
    /** Not what was wished for: what came of that is in metric_options, meta_model and policy_model. */
    const isKept = ([name]: [string, unknown]) => !/^(ignore_\w+|surrogate|policy)$/.test(name);
    const of = ({ record: { trials, metrics, answers, experiment }, config }: typeof first) => ({
      config: Object.fromEntries(Object.entries(config).filter(isKept)),
      trials: trials.map(({ prompt_id: _, ...trial }) => trial),
      metrics,
      answers,
      claim: [experiment.stop_reason, experiment.improvement, experiment.ci_low, experiment.p_value],
    });
    deepEqual(of(second), of(first));
    equal(server.requests(), requests);
    ok(!text.includes("canary"));

    const help = await shell(`deno task ${name} --help`, env);
    for (const [flag] of text.matchAll(/(?<=^ {2})--[\w-]+/gm)) {
      ok([flag, flag.replace("--no-", "--")].some((known) => help.includes(`  ${known}`)), flag);
    }
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("command() gives every setting back, and only by flags of its flow", () => {
  const rows: [Partial<ExperimentRecord["experiment"]>, string[]][] = [
    [{ config: {} }, ["--dataset kinds.jsonl"]],
    [{ config: { dataset: "a b.csv", output_prompt: "" } }, ["--dataset 'a b.csv'", "--output-prompt ''"]],
    [{ config: { allow_unpriced: true, max_usd: 0.5 } }, [
      "--allow-unpriced",
      "--dataset kinds.jsonl",
      "--max-usd 0.5",
    ]],
    [{ config: { allow_unpriced: false, temperature: 0 } }, ["--dataset kinds.jsonl", "--temperature 0"]],
    [
      { config: { metric: "exact_match", metric_options: { ignoreCase: true, ignorePunctuation: false } } },
      ["--dataset kinds.jsonl", "--ignore-case", "--no-ignore-punctuation", "--metric exact_match"],
    ],
    [{ config: { metric: "bleu", metric_options: { ignoreCase: true } } }, [
      "--dataset kinds.jsonl",
      "--metric bleu",
    ]],
    [
      {
        config: {
          concurrency: 8,
          json: true,
          report: "r.html",
          resume: "x",
          config: "f",
          database: "d",
          $x: 1,
          seed: 2,
        },
      },
      ["--dataset kinds.jsonl"],
    ],
    [
      {
        kind: "evaluate",
        config: { split: "train", prompt: "p.json", system_prompt: "S", threshold: 1, patience: 3 },
      },
      ["--dataset kinds.jsonl", "--prompt p.json", "--split train"],
    ],
  ];
  for (const [row, flags] of rows) {
    const { kind = "optimize" } = row;
    const { text, changed } = command({ ...RECORD.experiment, ...row });
    equal(text, [`deno task ${kind}`, ...flags, "--seed 7"].join(" \\\n  "));
    deepEqual(changed, []);
  }
});

Deno.test("reproduce() gives no command for a search that none began", () => {
  const rows: [Partial<ExperimentRecord["experiment"]>, boolean][] = [
    [{}, true],
    [{ config: { metric: "nearness", system_prompt: "a\r\nb" } }, false],
    [{ kind: "evaluate", config: {} }, true],
  ];
  for (const [row, can] of rows) {
    const page = String(reproduce({ ...RECORD, experiment: { ...RECORD.experiment, ...row } }));
    equal(page.includes("<pre><code>deno task "), can);
    equal(page.includes("begun by a program of its own"), !can);
    equal(page.includes("not shown as it was"), false);
  }
});

Deno.test("command() names what cannot be shown as it was", () => {
  const shown = (system_prompt: string) => {
    const experiment = { ...RECORD.experiment, config: { system_prompt, max_iterations: 10 } };
    return { ...command(experiment), page: String(reproduce({ ...RECORD, experiment })) };
  };
  for (const whole of ["One line.", "x".repeat(12_000), "two\nlines\tand a tab", "§ 漢字 😀"]) {
    const { text, changed, page } = shown(whole);
    deepEqual([changed, text.includes(`'${whole}'`) || whole.startsWith("xx"), /not shown/.test(page)], [
      [],
      true,
      false,
    ]);
  }
  for (
    const lossy of ["x".repeat(20_001), "a\u001b[31m", "a\r\nb", "of https://me:secret@host/", "\u202eab"]
  ) {
    const { changed, page } = shown(lossy);
    deepEqual(changed, ["--system-prompt"]);
    match(page, /not shown as it was: --system-prompt/);
  }
});
