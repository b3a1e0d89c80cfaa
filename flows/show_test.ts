/** What reads and minds the database: show, report, export, migrate. */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { testDatabase } from "../lib/store/testing.ts";
import { ROOT } from "./setting.ts";
import { each, type Ended, modelServer, parity, place, printed, run, said } from "./testing.ts";

Deno.test("show, report and export give back what was run", async () => {
  await using at = await place();
  await using server = modelServer(parity);
  const empty = await run("show", [], at);
  deepEqual([empty.code, empty.stdout], [
    EXIT.done,
    "There are no experiments yet: deno task optimize makes one.\n",
  ]);

  const password = "sesame-4711";
  const [, user, database, query] = /^postgresql:\/\/(.*)@\/(.*)\?(.*)$/.exec(at.env.DATABASE_URL)!;
  // a password that this server does not ask for
  const withPassword = { ...at.env, DATABASE_URL: `postgresql://${user}:${password}@/${database}?${query}` };
  const asking = ["--dataset", at.questions, ...server.models, "--json"];
  const first = printed(await run("optimize", [...asking, "--max-calls", "60"], { env: withPassword }));
  const second = printed(await run("optimize", [...asking, "--max-calls", "30", "--seed", "2"], at)); // asks what is not known
  const measured = printed(await run("evaluate", asking, { env: withPassword }));
  const ids = [measured, second, first].map(({ experiment_id }) => experiment_id);
  const page = `${at.folder}/pages/one.html`;

  await each<[string, string[], (ended: Ended) => void | Promise<void>]>([
    ["show", ["--json"], (ended) => {
      const list = printed(ended);
      deepEqual(list.map(({ id }: { id: string }) => id), ids); // newest first
      deepEqual(
        list.map(({ kind, status, dataset, calls }: Record<string, unknown>) => ({
          kind,
          status,
          dataset,
          calls,
        })),
        [
          {
            kind: "evaluate",
            status: "finished",
            dataset: "parity",
            calls: measured.calls.total - measured.calls.cached,
          },
          {
            kind: "optimize",
            status: "finished",
            dataset: "parity",
            calls: second.calls.total - second.calls.cached,
          },
          { kind: "optimize", status: "finished", dataset: "parity", calls: first.calls.total },
        ],
      );
      ok(
        list.every(({ started_at }: { started_at: string }) => Date.now() - Date.parse(started_at) < 600_000),
      );
    }],
    ["show", ["--limit", "2"], ({ stdout }) => {
      deepEqual(
        stdout.trim().split("\n").map((line) => line.slice(0, 8)),
        ids.slice(0, 2).map((id) => id.slice(0, 8)),
      );
    }],
    ["show", [ids[2]!.slice(0, 8), "--json"], (ended) => deepEqual(printed(ended), first)],
    ["show", ["--experiment", ids[0]!, "--json"], (ended) => deepEqual(printed(ended), measured)],
    ["show", ["latest"], ({ stdout }) => {
      match(stdout, new RegExp(`^ +experiment +${ids[1]}$`, "m"));
      match(stdout, /^ +prompt +by /m);
      const { best, trials } = second;
      match(stdout, new RegExp(`^ +id +${best.prompt_id}$`, "m"));
      for (const { index, prompt_id, operator } of trials) {
        match(stdout, new RegExp(`^ +#${index} +${prompt_id} +${operator} `, "m"));
      }
    }],
    ["report", ["--json"], async (ended) => {
      const { experiment_id, report } = printed(ended);
      deepEqual([experiment_id, report], [ids[1], `${at.home}/reports/${ids[1]}.html`]);
      ok((await Deno.readTextFile(report)).includes(ids[1]!));
    }],
    ["report", ["--compare", ids[2]!, ids[1]!, "--json"], async (ended) => {
      const { experiment_ids, report } = printed(ended);
      deepEqual(experiment_ids, [ids[2], ids[1]]);
      equal(report, `${at.home}/reports/${ids[2]}_${ids[1]}.html`);
      const page = await Deno.readTextFile(report);
      match(page, /<th scope="row">Difference<\/th>/);
      ok(!page.includes(password));
    }],
    ["export", [], ({ stdout }) => {
      const rows = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      deepEqual([...new Set(rows.map(({ table }) => table))], [
        "experiment",
        "trials",
        "scores",
        "answers",
        "calls",
      ]);
      equal(rows[0].id, ids[1]);
      equal(rows[0].config.versions.deno, Deno.version.deno);
      equal(rows.filter(({ table }) => table === "trials").length, second.trials.length);
    }],
    ["export", [ids[2]!, "--json"], (ended) => {
      const { experiment, trials, calls, answers } = printed(ended);
      deepEqual([experiment.id, trials.length], [ids[2], first.trials.length]);
      equal(calls.length, first.calls.total);
      ok(answers.some(({ split }: { split: string }) => split === "test"));
    }],
    ["export", [ids[2]!, "--format", "csv", "--tables", "answers"], ({ stdout }) => {
      match(stdout, /^version,prompt_id,split,example,question,reference_texts,answer,score\r\n0,"/);
    }],
    [
      "export",
      [ids[0]!, "--output", `${at.folder}/pages/all.json`, "--format", "json", "--json"],
      async (ended) => {
        const { experiment_id, output, format, rows } = printed(ended);
        deepEqual([experiment_id, format, rows.experiment, rows.trials], [ids[0], "json", 1, 0]);
        const { answers } = JSON.parse(await Deno.readTextFile(output));
        equal(answers.length, rows.answers);
      },
    ],
    ["report", [ids[0]!.slice(0, 9), "--output", page], async ({ stdout }) => {
      equal(stdout, `${page}\n`);
      ok((await Deno.readTextFile(page)).includes(ids[0]!));
    }],
  ], async ([flow, args, check]) => {
    const ended = await run(flow, args, { env: withPassword });
    equal(ended.code, EXIT.done, ended.stderr);
    ok(!(ended.stdout + ended.stderr).includes(password));
    await check(ended);
  });
  const html = await Deno.readTextFile(page);
  ok(!html.includes(password));
  const [, command] = html.match(/<pre><code>deno task evaluate([^<]*)/)!;
  const { stdout: help } = await run("evaluate", ["--help"]);
  for (const [flag] of command!.matchAll(/--[a-z-]+/g)) ok(help.includes(`  ${flag}`), flag);

  await each<[string, string[], RegExp]>([
    ["show", ["0123456789"], /^Cannot find experiment "0123456789": `deno task show` lists what there is\n$/],
    ["report", ["0123456789"], /^Cannot find experiment "0123456789": .*\n$/],
    [
      "report",
      ["--compare", "latest"],
      /^Cannot compare experiment \S+ with itself: name two, as in --compare A B\n$/,
    ],
    ["report", ["--compare", "0123456789"], /^Cannot find experiment "0123456789": .*\n$/],
    ["export", ["0123456789"], /^Cannot find experiment "0123456789": .*\n$/],
    ["export", ["--format", "csv", "--json"], /^Cannot print csv with --json as that is one JSON document: /],
    [
      "export",
      ["--format", "xlsx"],
      /^Cannot read --format as it must be one of jsonl, csv, json: got "xlsx"\n$/,
    ],
    [
      "export",
      ["--tables", "prompts"],
      /^Cannot read --tables as each of the list must be one of experiment, /,
    ],
    ["export", ["--output", `${page}/x.csv`], /^Cannot use \S+one\.html as it must be writable: /],
    ["report", ["--output", `${page}/x.html`], /^Cannot write \S+one\.html\/x\.html: .*\n$/],
  ], async ([flow, args, stderr]) => {
    const ended = await run(flow, args, at);
    deepEqual([ended.code, ended.stdout], [EXIT.usage, ""]);
    match(said(ended), stderr);
  });
});

Deno.test({
  name: "where stdout is full, a line says so, and what is kept",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using at = await place();
    await using server = modelServer(parity);
    const asking = ["--dataset", at.questions, ...server.models, "--max-calls", "30"];
    const page = `${at.folder}/page.html`;
    const full = "Cannot write to stdout: no space left on device: make room there, or send it elsewhere";
    const kept = "; the result is kept: `deno task show \\S{36}` prints it";
    for (
      const [flow, args, told] of [
        ["optimize", [...asking, "--report", page], `Report: ${page}\n${full}${kept}\n$`],
        [
          "optimize",
          [...asking, "--report", "/dev/full"],
          `\n${full}${kept}\nCannot write /dev/full: no space .*\n$`,
        ],
        ["evaluate", asking, `^${full}${kept}\n$`],
        ["show", ["--json"], `^${full}\n$`],
        ["export", [], `^${full}\n$`],
        ["show", ["--help"], `^${full}\n$`],
      ] as const
    ) {
      const ended = await run(flow, args, { ...at, within: ["sh", "-c", 'exec "$@" > /dev/full', "sh"] });
      equal(ended.code, EXIT.usage, ended.stderr);
      match(said(ended), new RegExp(told));
    }
    match(await Deno.readTextFile(page), /^<!doctype html>/);
    const untold = await run("show", [], { ...at, within: ["sh", "-c", 'exec "$@" > /dev/full 2>&1', "sh"] });
    equal(untold.code, EXIT.usage);
  },
});

Deno.test({
  name: "report and export write to pipes, and replace what a link leads to",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using at = await place();
    await using server = modelServer(parity);
    const [kept, link, pipe] = ["kept", "link", "pipe"].map((name) => `${at.folder}/${name}`) as [
      string,
      string,
      string,
    ];
    await Deno.symlink(kept, link);
    const asking = ["--dataset", at.questions, ...server.models, "--max-calls", "30"];
    const { experiment_id: id } = printed(await run("optimize", [...asking, "--report", link, "--json"], at));
    match(await Deno.readTextFile(kept), /^<!doctype html>/);
    for (
      const [flow, args, text] of [
        ["report", [], /^<!doctype html>[^]*<\/html>\s*$/],
        ["export", ["--tables", "experiment"], new RegExp(`^{"table":"experiment","id":"${id}".*}\n$`)],
      ] as const
    ) {
      await Deno.writeTextFile(kept, "as it was");
      await Deno.chmod(kept, 0o640);
      const linked = await run(flow, [...args, "--output", link], at);
      deepEqual([linked.code, linked.stdout], [EXIT.done, `${link}\n`], linked.stderr);
      equal(await Deno.readLink(link), kept);
      match(await Deno.readTextFile(kept), text);
      equal((await Deno.stat(kept)).mode! & 0o777, 0o640);

      await new Deno.Command("mkfifo", { args: [pipe] }).output();
      const [piped, read] = await Promise.all([
        run(flow, [...args, "--output", pipe], at),
        new Deno.Command("timeout", { args: ["60", "cat", pipe] }).output(),
      ]);
      deepEqual([piped.code, piped.stdout], [EXIT.done, `${pipe}\n`], piped.stderr);
      ok((await Deno.lstat(pipe)).isFifo);
      equal(new TextDecoder().decode(read.stdout), await Deno.readTextFile(kept));
      await Deno.remove(pipe);
    }
    deepEqual((await Array.fromAsync(Deno.readDir(at.folder))).map(({ name }) => name).sort(), [
      ...["kept", "link", "parity.jsonl"],
    ]);
  },
});

Deno.test("migrate applies what is missing, says how it stands, and refuses what was changed", async () => {
  await using db = await testDatabase();
  const env = { DATABASE_URL: db.url };
  const names = [...Deno.readDirSync(`${ROOT}/sql`)].map(({ name }) => name).sort();
  const migrations = async (...args: string[]) => {
    const ended = await run("migrate", [...args, "--json"], { env });
    const { applied, migrations } = printed(ended);
    const states = migrations.map(({ name, state }: Record<string, string>) => [name, state]);
    return { code: ended.code, applied, states };
  };
  const all = (state: string) => names.map((name) => [name, state]);
  deepEqual(await migrations("--status"), { code: EXIT.done, applied: [], states: all("pending") });
  deepEqual(await migrations(), { code: EXIT.done, applied: names, states: all("applied") });
  deepEqual(await migrations(), { code: EXIT.done, applied: [], states: all("applied") });

  const edited = await Deno.makeTempDir();
  for (const name of names) await Deno.copyFile(`${ROOT}/sql/${name}`, `${edited}/${name}`);
  await Deno.writeTextFile(`${edited}/${names[1]}`, "-- edited\n", { append: true });
  await using other = await testDatabase({ folder: edited });
  await Deno.remove(edited, { recursive: true });
  const told = await run("migrate", ["--status"], { env: { DATABASE_URL: other.url } });
  equal(told.code, EXIT.database, told.stderr);
  match(told.stdout, new RegExp(`^applied +${names[0]}\nrefused +${names[1]} .*sha256`));
  const refused = await run("migrate", [], { env: { DATABASE_URL: other.url } });
  deepEqual([refused.code, refused.stdout], [EXIT.database, ""]);
  match(said(refused), new RegExp(`${names[1]}.* expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}`));
});
