/**
 * Every command of the README, run as it stands there. What a reader is to bring (a key, a server, a file) is put in its
 * place; the environment keeps runs and benchmarks short.
 *
 * @module
 */
import { match, ok, strictEqual as equal } from "node:assert/strict";
import { testDatabase } from "../lib/store/testing.ts";
import { type ChatRequest, modelServer, place, printed, run } from "./testing.ts";
import { ROOT } from "./setting.ts";

const README = await Deno.readTextFile(`${ROOT}/README.md`);

/** Commands that would end in running this test again, change the files of the project, or have a test as long as this one. */
const PART_OF_THIS = ["test", "check", "fmt", "db create-migration add_mood", "faults", "faults --quick"];

/** All that follows `deno task`, in the order of the README, each once. */
const COMMANDS = [...README.matchAll(/^(?:npx -y deno@2\.9\.6|deno) task .*$|`deno task [^`]+`/gm)]
  .map(([text]) => text.replaceAll("`", "").replace(/^.* task /, ""))
  .filter((command, i, all) => all.indexOf(command) === i && !PART_OF_THIS.includes(command));

const BENCHMARK = /^bench ([a-z][a-z-]*)$/;

/** Says what its last worked example says. */
const parrot = ({ messages }: ChatRequest) =>
  messages.findLast(({ role }) => role === "assistant")?.content ?? "That is hard to say.";

Deno.test("the README opens with the two commands, and names every task", async () => {
  const [first] = README.match(/```sh\n([\s\S]*?)```/) ?? [];
  equal(first, "```sh\nnpx -y deno@2.9.6 task optimize\nnpx -y deno@2.9.6 task test\n```");
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  for (const task of Object.keys(tasks)) match(README, new RegExp(`deno task ${task}\\b`));
});

Deno.test("the README's links lead somewhere", async () => {
  for (const [, target] of README.matchAll(/\]\(([^)]+)\)/g)) {
    ok(await Deno.stat(`${ROOT}/${target}`).then(() => true, () => false), `there is no ${target}`);
  }
});

Deno.test("every command of the README does what it says", async (t) => {
  await using own = await place();
  await using server = modelServer(parrot);
  await using second = await testDatabase();
  await Deno.writeTextFile(
    `${own.folder}/predictions.jsonl`,
    JSON.stringify({ prediction: "the cat sat", references: ["the cat sat", "a cat sat"] }),
  );
  for (const command of COMMANDS) {
    const [, benchmark] = command.match(BENCHMARK) ?? [];
    if (benchmark) { // `bench --quick` runs them all
      ok(await Deno.stat(`${ROOT}/bench/${benchmark.replaceAll("-", "_")}.ts`));
      continue;
    }
    await t.step(command, async () => {
      const brought = (command.endsWith(" A B") ? command.replace("A B", await twoOf(own.env)) : command)
        .replaceAll(/openai:[\w.-]+(@\S+)?/g, (name) => `${name.split("@")[0]}@${server.url}`)
        .replaceAll(/ (predictions\.jsonl|report\.html|pages|answers\.csv|quintet\.gz)/g, ` ${own.folder}/$1`)
        .replace(/postgresql:\S+/, second.url)
        .replace(/^(lab|notebooks)$/, "$1 --check") // the one would wait for Ctrl-C, the other has a test of its own
        .replace(/--max-usd \S+/, "$& --allow-unpriced");
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "--quiet", ...words(brought)],
        cwd: ROOT,
        env: {
          ...command === "optimize" || command.includes("--resume")
            ? {}
            : { QUINTET_PRIMARY: `openai:parrot@${server.url}` },
          ...command.includes("--max-calls") || command.includes("--resume")
            ? {}
            : { QUINTET_MAX_CALLS: "24" },
          ...own.env,
          QUINTET_QUICK: "true",
        },
        stdin: "null",
      }).output().then(({ code, ...output }) => ({
        code,
        stdout: new TextDecoder().decode(output.stdout),
        stderr: new TextDecoder().decode(output.stderr),
      }));
      const capped = /optimize|sweep|evaluate/.test(command) && code === 3; // the environment's cap is a user's
      ok(code === 0 || capped, `exit code ${code}\n${stderr}`);
      ok(stdout.trim() !== "", stderr);
    });
  }
});

/** The ids of two experiments, as a reader finds them. */
async function twoOf(env: Record<string, string>): Promise<string> {
  const experiments = printed(await run("show", ["--json"], { env }));
  return experiments.slice(0, 2).map(({ id }: { id: string }) => id).join(" ");
}

/** As a shell splits them. */
const words = (command: string): string[] =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
