/**
 * The notebooks as users run them: in Deno's kernel, on a database that real searches of the embedded model have made.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { isBare, type Notebook, shownAs, whole } from "../lib/notebook/mod.ts";
import { available, NOTEBOOKS } from "./notebooks.ts";
import { ROOT } from "./setting.ts";
import { each, modelServer, parity, place, printed, run, start } from "./testing.ts";

const read = async (path: string) => JSON.parse(await Deno.readTextFile(path));
const NAMES = await available();
const sourcesOf = ({ cells }: Notebook, type: string) =>
  cells.filter(({ cell_type }) => cell_type === type).map(({ source }) => whole(source));

Deno.test("there are six notebooks; as committed they have no outputs", async () => {
  deepEqual(NAMES.map((name) => name.slice(0, 2)), ["01", "02", "03", "04", "05", "06"]);
  for (const name of NAMES) {
    const notebook: Notebook & { metadata: { kernelspec: { name: string } } } = await read(
      `${NOTEBOOKS}/${name}.ipynb`,
    );
    equal(isBare(notebook), true, `${name} has outputs: clear them`);
    equal(notebook.metadata.kernelspec.name, "deno");
    const prose = sourcesOf(notebook, "markdown"), code = sourcesOf(notebook, "code");
    match(prose[0]!, /^# .*\?\n/, `${name} asks no question`);
    equal(prose.at(-1), "## Answer");
    match(code[0]!, /const errors = watchErrors\(\);/);
    match(code.at(-1)!, /await bench\.close\(\);\nawait errors\.assertNone\(\);$/);
    for (const [, from] of code.join("\n").matchAll(/\bfrom "([^"]+)"/g)) {
      match(from!, /^(?:nodejs-polars|node:path|\.\.\/lib\/[a-z]+\/mod\.ts|\.\.\/lib\/random\.ts)$/, name);
    }
  }
});

Deno.test("the kernel's deno.json and lock file say what the project's say, and nodejs-polars", async () => {
  const [ours, theirs] = [await read(`${ROOT}/deno.json`), await read(`${NOTEBOOKS}/deno.json`)];
  const { "nodejs-polars": polars, ...imports } = theirs.imports;
  match(polars, /^npm:nodejs-polars@\d+\.\d+\.\d+$/);
  deepEqual(imports, ours.imports);
  for (const key of ["nodeModulesDir", "unstable", "compilerOptions"]) deepEqual(theirs[key], ours[key]);

  const locked = async (path: string): Promise<Record<string, { integrity: string }>> =>
    (await read(path)).npm;
  const [own, other] = [await locked(`${ROOT}/deno.lock`), await locked(`${NOTEBOOKS}/deno.lock`)];
  ok(Object.keys(other).some((name) => name.startsWith("nodejs-polars@")));
  ok(!Object.keys(own).some((name) => name.startsWith("nodejs-polars"))); // the first command would download it
  const shared = Object.keys(other).filter((name) => name in own);
  ok(shared.length > 20);
  for (const name of shared) equal(other[name]!.integrity, own[name]!.integrity, name);
});

Deno.test("notebooks are formatted", async () => { // `deno fmt --check` of 2.9.6 says of every notebook that it is not
  const folder = await Deno.makeTempDir();
  try {
    for (const name of NAMES) await Deno.copyFile(`${NOTEBOOKS}/${name}.ipynb`, `${folder}/${name}.ipynb`);
    await Deno.copyFile(`${NOTEBOOKS}/deno.json`, `${folder}/deno.json`);
    const args = ["fmt", "--quiet", "--ext", "ipynb", ...NAMES.map((name) => `${name}.ipynb`)];
    equal((await new Deno.Command(Deno.execPath(), { args, cwd: folder, stderr: "null" }).output()).code, 0);
    for (const name of NAMES) {
      const [ours, formatted] = await Promise.all(
        [NOTEBOOKS, folder].map((where) => Deno.readTextFile(`${where}/${name}.ipynb`)),
      );
      equal(ours, formatted, `format it with \`deno fmt notebooks/${name}.ipynb\``);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What each must show: forms of outputs, and the figure of its claim. */
const CLAIMS: Readonly<Record<string, { tables: number; pictures: number; texts: readonly RegExp[] }>> = {
  "01_explore_data": {
    tables: 2,
    pictures: 3,
    texts: [
      /^Questions of question_types \(408 rows × 5 columns\)\n/,
      /^Splits \(3 rows × 4 columns\)\n/,
      /^question_types has 408 questions with 6 different answers\. Always saying “\w+” scores 1[67]\.\d %: /,
    ],
  },
  "02_prompt_features": {
    tables: 2,
    pictures: 2,
    texts: [
      /^Scored prompts \(\d{2,} rows × 7 columns\)\n/,
      /^By question set \(2 rows × 5 columns\)\n/,
      /^Of \d{2,} prompts in 2 contexts, \d+ of \d+ features that vary go with the score/,
    ],
  },
  "03_meta_model": {
    tables: 3,
    pictures: 4,
    texts: [
      /^What there is to learn from \(1 row × 3 columns\)\n.*\n +\d+ +2 +58$/,
      /^Cross-validation: \d+ of 100 rounds · rmse 0\.\d+$/,
      /^\d folds, \d+ trees \(2 rows × 4 columns\)\n/,
      /^From \d{2,} prompts the score of an unseen one is predicted with an error of \d+\.\d points; .* is not used: it (?:has seen too few searches .*\(\d, it takes 6\)|does not beat)/,
    ],
  },
  "04_policy": {
    tables: 2,
    pictures: 3,
    texts: [
      /^Environment \(1 row × 3 columns\)\n/,
      /^PPO: 1,536 of 1,536 edits · mean return -?\d\.\d+$/,
      /^After 1536 edits the policy adds -?\d+\.\d points \(.*\) to what is expected of a prompt; edits by chance add/,
    ],
  },
  "05_experiments": {
    tables: 5,
    pictures: 4,
    texts: [
      /^Searches, oldest first \(3 rows × 8 columns\)\n/,
      /^The same in numbers \(3 rows × 7 columns\)\n/,
      /^By role, over all these searches \([12] rows? × 5 columns\)\n/,
      /^3 searches were compared; \d of them claim/,
    ],
  },
  "06_write_your_own": {
    tables: 3,
    pictures: 2,
    texts: [
      /^Questions \(48 rows × 2 columns\)\n/,
      /^Search: \d+ of 100 calls · best score \d+\.\d · \$0\.0000 · test$/,
      /^With 48 questions, a metric and an operator of your own the search made \d+ trials with \d+ calls and ended for its/,
    ],
  },
};

Deno.test("every notebook answers its question on searches of the embedded model, and is a page that opens offline", async (t) => {
  await using own = await place();
  const [pages, outputs] = [`${own.folder}/pages`, `${own.folder}/outputs`];
  const ended = await run("notebooks", [
    ...["--html", pages, "--output", outputs, "--param", "calls=100", "--json"],
  ], { env: own.env });
  equal(ended.code, EXIT.done, ended.stderr);
  const rows: { name: string; problems: string[] }[] = printed(ended);
  deepEqual(rows.map(({ name, problems }) => [name, problems]), NAMES.map((name) => [name, []]));

  for (const name of NAMES) {
    await t.step(name, async () => {
      const notebook: Notebook = await read(`${outputs}/${name}.ipynb`);
      const { tables, pictures, texts } = CLAIMS[name]!;
      const plain = shownAs(notebook, "text/plain");
      for (const text of texts) {
        ok(plain.some((shown) => text.test(shown)), `${text} is not in\n${plain.join("\n\n")}`);
      }
      equal(shownAs(notebook, "image/svg+xml").length, pictures);
      equal(shownAs(notebook, "text/html").filter((html) => html.includes("<table")).length, tables);
      for (const drawn of shownAs(notebook, "image/svg+xml")) {
        ok(!/NaN|Infinity|undefined/.test(drawn), drawn);
      }

      const page = await Deno.readTextFile(`${pages}/${name}.html`);
      match(
        page,
        /<meta content="default-src 'none'; style-src 'unsafe-inline'; [^"]*" http-equiv="Content-Security-Policy"/,
      );
      deepEqual(page.match(/<(?:script|link|iframe|object|embed|img)\b|\bsrc=|url\(|@import/g), null);
      equal(page.match(/<svg/g)!.length >= pictures, true);
      match(page, /<h2 id="Answer">|<h2[^>]*>Answer/);
    });
  }
});

Deno.test("the notebook on the meta-model says of a single search what train-meta-model says", async () => {
  await using own = await place();
  await using server = modelServer(parity);
  const search = ["--dataset", own.questions, ...server.models, "--max-calls", "700", "--threshold", "1"];
  equal((await run("optimize", search, own)).code, EXIT.done);
  const outputs = `${own.folder}/outputs`;
  const ended = await run("notebooks", ["--only", "03", "--output", outputs, "--json"], own);
  equal(ended.code, EXIT.done, ended.stderr);
  const trained = await run("train_meta_model", [], own);
  const [, verdict] = trained.stdout.match(/^It (.*)\. `deno task optimize` goes on without it\.$/m)!;
  const plain = shownAs(await read(`${outputs}/03_meta_model.ipynb`), "text/plain");
  ok(plain.some((shown) => shown.endsWith(`is not used: it ${verdict}.`)), `${verdict}\n${plain.join("\n")}`);
});

Deno.test("a notebook that is ended by the user is no fault, nor are the searches before it", {
  ignore: Deno.build.os !== "linux", // elsewhere processes are not found
}, async () => {
  await each(["flows/optimize.ts", "execute.py"], async (program) => {
    await using own = await place();
    await using server = modelServer(parity);
    if (program === "execute.py") { // there is something to look into
      const search = ["--dataset", own.questions, ...server.models, "--max-calls", "400"];
      equal((await run("optimize", search, own)).code, EXIT.done);
    }
    const flow = start("notebooks", ["--only", "05", "--json"], own);
    const over = flow.ended.then(() => true);
    const pause = () => new Promise<false>((resolve) => setTimeout(resolve, 100, false));
    while (!await runs(program, own.home) && !await Promise.race([over, pause()]));
    flow.kill("SIGINT");
    const { code, stdout, stderr } = await flow.ended;
    deepEqual([code, stdout], [EXIT.interrupted, "[]\n"], stderr);
    ok(!stderr.includes("fault of Quintet"), stderr);
  });
});

/** Whether a program of a home runs. */
async function runs(program: string, home: string): Promise<boolean> {
  const said = (path: string) => Deno.readTextFile(`/proc/${path}`).catch(() => "");
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || !(await said(`${name}/cmdline`)).includes(program)) continue;
    if ((await said(`${name}/environ`)).includes(`QUINTET_HOME=${home}`)) return true;
  }
  return false;
}

Deno.test("a wrong name or parameter of a notebook is a mistake of usage", async () => {
  await using own = await place();
  const check = async (args: string[], message: RegExp) => {
    const { code, stderr } = await run("notebooks", args, { env: own.env });
    deepEqual([code, message.test(stderr)], [EXIT.usage, true], stderr);
  };
  const { stdout: help } = await run("notebooks", ["--help"]);
  match(help, /^ {2}--only NAME,NAME .*\n {2}--param NAME=VALUE,… /m); // several words would be refused
  await check(["--only", "07"], /Cannot run the notebook "07" as there is none of that name/);
  await check(["--only", "05_experimants"], /did you mean 05_experiments\?/);
  await check(
    ["--only", "05", "--param", "calls=9"],
    /Cannot set the parameter calls as no notebook that is run has it: there are runs/,
  );
  await check(["--param", "calls"], /Cannot read --param "calls" as it must be NAME=VALUE/);
});

Deno.test("lab starts JupyterLab with the project's kernel on loopback, and ends it", async () => {
  await using own = await place();
  const before = await homeFiles();
  const ended = await run("lab", ["--check", "--json", "--port", "18888"], { env: own.env });
  equal(ended.code, EXIT.done, ended.stderr);
  const { url, kernels } = printed(ended);
  deepEqual(kernels, ["deno"]);
  match(url, /^http:\/\/127\.0\.0\.1:\d+\/lab\/tree\/notebooks\/01_explore_data\.ipynb\?token=[0-9a-f]{48}$/);
  await fetch(url).then(() => ok(false, "it still answers"), () => {});
  deepEqual(await homeFiles(), before); // nothing of Jupyter in the user's home
});

/** What Jupyter would leave there. */
async function homeFiles(): Promise<string[]> {
  const home = Deno.env.get("HOME") ?? "/";
  const places = [".jupyter", ".local/share/jupyter", ".ipython", "Library/Jupyter"];
  const found = await Promise.all(
    places.map((path) => Deno.stat(`${home}/${path}`).then(() => [path], () => [])),
  );
  return found.flat();
}
