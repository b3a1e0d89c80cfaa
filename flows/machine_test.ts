/**
 * What a machine may do to `deno task optimize`: a message that says what to do, a documented exit code, and no torn file.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { ROOT } from "./setting.ts";
import { modelServer, parity, parityQuestions, place, printed, run, said } from "./testing.ts";

/** Whether file systems may be mounted here, in a namespace; containers often forbid it. */
const namespaces = Deno.build.os === "linux" &&
  await new Deno.Command("unshare", { args: ["--user", "--map-root-user", "--mount", "true"] }).output()
    .then(({ success }) => success, () => false);

Deno.test("optimize says when a disk is full or read-only, and goes on when there is room", async () => {
  const folder = await Deno.makeTempDir({ prefix: "quintet-flow-" });
  await Deno.chmod(folder, 0o755);
  try {
    for (const name of ["home", "small", "frozen"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/parity.jsonl`, parityQuestions());
    await using server = modelServer(async (request, n) => {
      if (n === 50) {
        await Deno.writeTextFile(`${folder}/fill`, "");
        while (!(await Deno.stat(`${folder}/full`).catch(() => null))) {
          await new Promise((go) => setTimeout(go, 10));
        }
      }
      return parity(request);
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
    const args = ["--dataset", `${folder}/parity.jsonl`, ...server.models, "--max-iterations", "2"];
    const { code, stderr } = await new Deno.Command("unshare", {
      args: ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", ...args],
      cwd: folder,
      env: { ROOT, DENO: Deno.execPath(), QUINTET_HOME: `${folder}/home`, DATABASE_URL: "" },
    }).output();
    if (!namespaces) return void equal(code, 1); // unshare says why
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
    equal(
      await read("codes"),
      `${EXIT.database}\n${EXIT.usage}\n${EXIT.usage}\n`,
      new TextDecoder().decode(stderr),
    );
    match(
      await read("full-disk"),
      /^.*No space left on device.*: the disk is full: make room, then resume$/m,
    );
    match(await read("small-disk"), /^Cannot write \S*small\/report\.html: no space left on device/m);
    equal(await read("left"), "");
    const result = JSON.parse(await read("result"));
    deepEqual([result.status, result.improvement.significant], ["finished", true]);
    match(
      await read("read-only"),
      /^Cannot use \S*frozen\S* as it must be writable: .*: set QUINTET_HOME .*\n$/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("optimize gets along with few files, and loses nothing where they are too few", async () => {
  if (Deno.build.os === "windows") return; // there is no such limit
  await using at = await place();
  await using server = modelServer(parity);
  const ended = await run("optimize", [
    ...[
      "--dataset",
      at.questions,
      ...server.models,
      "--max-iterations",
      "1",
      "--concurrency",
      "64",
      "--json",
    ],
  ], { ...at, within: ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"] });
  ok([EXIT.done, EXIT.usage].includes(ended.code as 0), ended.stderr);
  if (ended.code === EXIT.usage) {
    match(said(ended), /^Cannot write \S+: .*: write it with `deno task report \S+`\n$/m);
  }
  const { status, calls } = printed(ended);
  deepEqual([status, calls.lost], ["finished", 0]);
});
