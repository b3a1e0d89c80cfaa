/** What all flows share: where options come from, what wrong ones are told, and the help. */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { each, place, run, said } from "./testing.ts";

Deno.test("an option is taken from its flag, else its variable, else the file, else its default", async () => {
  await using at = await place();
  const texts = `${at.folder}/texts.jsonl`;
  await Deno.writeTextFile(texts, '{"prediction": "a", "references": "a"}');
  const file = `${at.folder}/a=b.json`;
  await Deno.writeTextFile(file, JSON.stringify({ predictions: texts, metrics: ["f1"], json: true }));
  const inFile = ["--config", file];
  const inVariables = { QUINTET_PREDICTIONS: texts, QUINTET_METRICS: "bleu", QUINTET_JSON: "1" };

  const rows: [args: string[], env: Record<string, string>, metrics: string[]][] = [
    [
      ["--predictions", texts, "--json"],
      {},
      ["exact_match", "f1", "bleu", "rouge1", "rouge2", "rougeL"],
    ],
    [inFile, {}, ["f1"]],
    [[`--config=${file}`], {}, ["f1"]],
    [[], { QUINTET_CONFIG: file }, ["f1"]],
    [[], inVariables, ["bleu"]],
    [inFile, inVariables, ["bleu"]],
    [[...inFile, "--metrics", "rouge1,rouge2"], inVariables, ["rouge1", "rouge2"]],
  ];
  await each(rows, async ([args, env, metrics]) => {
    const ended = await run("evaluate", args, { env });
    equal(ended.code, EXIT.done, ended.stderr);
    equal(ended.stderr, "");
    deepEqual(Object.keys(JSON.parse(ended.stdout).scores), metrics);
  });
});

Deno.test("a wrong option ends with exit code 2 and words that say what was wanted and from where it came", async () => {
  await using at = await place();
  let files = 0;
  const config = (text: string): string[] => {
    const path = `${at.folder}/config-${files++}.json`;
    Deno.writeTextFileSync(path, text);
    return ["--config", path];
  };
  const rows: [flow: string, args: string[], env: Record<string, string>, stderr: RegExp][] = [
    ["evaluate", ["--splti", "test"], {}, /^Cannot use --splti .* did you mean --split\?\n$/],
    [
      "show",
      ["--limit", "many"],
      {},
      /^Cannot read --limit as it must be a whole number of at least 1: got "many"\n$/,
    ],
    ["show", ["one", "two"], {}, /^Cannot read "two" as a flag was expected: flags begin with --\n$/],
    ["report", ["--output"], {}, /^Cannot read --output as a value must follow: a text is needed\n$/],
    // what comes of a script's variable that was never set is not the same as no option
    ["show", ["--config", ""], {}, /^Cannot read --config as it must be a text that is not empty: got ""\n$/],
    [
      "show",
      ["--database="],
      {},
      /^Cannot read --database as it must be a text that is not empty: got ""\n$/,
    ],
    ["backup", [""], {}, /^Cannot read "" as it must be a text that is not empty: got ""\n$/],
    [
      "migrate",
      [],
      { QUINTET_STATUS: "perhaps" },
      /^Cannot read QUINTET_STATUS as it must be true or false: got "perhaps"\n$/,
    ],
    [
      "optimize",
      [],
      { QUINTET_THRESHOLD: "90" },
      /^Cannot read QUINTET_THRESHOLD as it must be .* at most 1: got 90\n$/,
    ],
    [
      "optimize",
      ["--metric", "accuracy"],
      {},
      /^Cannot read --metric as it must be one of exact_match, .*: got "accuracy"\n$/,
    ],
    [
      "optimize",
      ["--metric", "bleu", "--ignore-case"],
      {},
      /^Cannot use --ignore-… to score by bleu: they are options of exact_match\n$/,
    ],
    [
      "doctor",
      ["--config", "nowhere.json"],
      {},
      /^Cannot read nowhere\.json as it must be a JSON file with options: no such file or directory\n$/,
    ],
    [
      "doctor",
      config("{"),
      {},
      /^Cannot read \S+config-0\.json as it must be a JSON file with options: .*\n$/,
    ],
    [
      "doctor",
      config("[]"),
      {},
      /^Cannot read \S+config-1\.json as it must hold one JSON object: got \[\]\n$/,
    ],
    [
      "show",
      config('{"limits": 3}'),
      {},
      /^Cannot use "limits" in \S+config-2\.json .* did you mean limit\?\n$/,
    ],
    [
      "show",
      config('{"limit": "3"}'),
      {},
      /^Cannot read "limit" in \S+config-3\.json as .* whole number.*: got "3"\n$/,
    ],
    ...["--sweep-max-calls=900", "--workers=3", "--no-policy", "--join=latest"].map((
      arg,
    ): typeof rows[number] => [
      "sweep",
      ["--status", "latest", "--database", "postgresql://127.0.0.1:1/none", arg],
      {},
      new RegExp(
        `^Cannot use ${arg.replace(/=.*/, "")} with --status, which only looks: leave either out\n$`,
      ),
    ]),
    [
      "optimize",
      ["--no-surrogate", "--meta-model", "nosuch"],
      {},
      /^Cannot use --meta-model with --no-surrogate, which goes without: leave either out\n$/,
    ],
    [
      "sweep",
      ["--policy-model", "nosuch"],
      { QUINTET_POLICY: "false" },
      /^Cannot use --policy-model with QUINTET_POLICY, which goes without: leave either out\n$/,
    ],
    [
      "deploy",
      ["--timezone", "Europe/Rome"],
      { PREFECT_API_URL: "http://127.0.0.1:1/api" },
      /^Cannot use --timezone without --schedule, which it is for: give both, or neither\n$/,
    ],
    ["deploy", ["--flow", "sweep"], {}, /^Cannot use --flow without --schedule, /],
    ["bench", ["blue"], {}, /^Cannot run the benchmark "blue": there are (?:.*, )?bleu(?:, .*)?\n$/],
  ];
  await each(rows, async ([flow, args, env, stderr]) => {
    const ended = await run(flow, args, { env: { ...at.env, ...env } });
    equal(ended.code, EXIT.usage, ended.stderr);
    equal(ended.stdout, "");
    match(said(ended), stderr);
  });
});

Deno.test("--help is a flow's options on stdout, whatever else is given", async () => {
  const rows: [flow: string, args: string[], options: string[]][] = [
    ["optimize", ["--help"], ["--dataset F ", "--max-calls N ", "[800]", "--resume ID", "(or DATABASE_URL)"]],
    ["evaluate", ["--max-cals", "--help"], ["--predictions F.jsonl", "--prompt ID|F.json", "[test]"]],
    ["show", ["-h"], ["[--experiment] ID", "--limit N"]],
    ["report", ["--help", "--output"], ["[--experiment] ID", "--output F.html"]],
    ["migrate", ["--help"], ["--status"]],
    ["doctor", ["--help"], ["--database URL"]],
    ["bench", ["--help"], ["[--names] NAME …", "--quick"]],
    ["test", ["--help"], ["[--paths] PATH …", "--filter", "--check"]],
  ];
  await each(rows, async ([flow, args, options]) => {
    const ended = await run(flow, args, { env: { QUINTET_CONFIG: "nowhere.json" } });
    equal(ended.code, EXIT.done, ended.stderr);
    equal(ended.stderr, "");
    match(ended.stdout, new RegExp(`^deno task ${flow}: .+\n\n  `));
    for (const option of [...options, "QUINTET_SOME_NAME", "130 interrupted"]) {
      ok(ended.stdout.includes(option), `${option} in\n${ended.stdout}`);
    }
    ok(ended.stdout.split("\n").every((line) => line.length <= 130), ended.stdout);
  });
});
