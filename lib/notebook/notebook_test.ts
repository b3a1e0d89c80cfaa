import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ensurePython } from "../python/mod.ts";
import { occurrences } from "../report/mod.ts";
import { type Bundle, bundleOf } from "./bundle.ts";
import { execute, typeErrors } from "./execute.ts";
import { installKernel } from "./jupyter.ts";
import { live } from "./live.ts";
import type { Notebook } from "./notebook.ts";
import { isBare, program, shownAs } from "./notebook.ts";
import { printing, type Screen, screenHere, show } from "./screen.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");
const VENV = `${ROOT}/.venv`;
const python = await ensurePython({ root: ROOT, group: "notebooks" });
await installKernel(VENV, Deno.execPath());

/** Keeps what it is shown, and how often each name was. */
function recording() {
  const shown: { bundle: Bundle; name: string | undefined; how: "display" | "update" }[] = [];
  const keep = (how: "display" | "update") => async (bundle: Bundle, name?: string) => {
    await Promise.resolve();
    shown.push({ bundle, name, how });
  };
  return { shown, screen: { display: keep("display"), update: keep("update") } satisfies Screen };
}

const code = (source: string) => ({
  cell_type: "code" as const,
  metadata: {},
  source,
  outputs: [],
  execution_count: null,
});
const notebook = (...cells: string[]) => ({
  cells: cells.map((source, i) => ({ id: `c${i}`, ...code(source) })),
  metadata: { kernelspec: { name: "deno", display_name: "Deno", language: "typescript" } },
  nbformat: 4,
  nbformat_minor: 5,
});

async function withNotebook(made: Notebook, use: (path: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "quintet-notebook-test-" });
  try {
    await Deno.writeTextFile(`${folder}/one.ipynb`, JSON.stringify(made));
    await use(`${folder}/one.ipynb`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("bundleOf() shows what is hostile and runs none of it", () => {
  const hostile = ['</td><script>alert("1")</script>', "<img src=x onerror=alert(1)>", "\u202ered\u001b[31m"];
  const { "text/html": html, "text/plain": text } = bundleOf(hostile.map((answer) => ({ answer })), {
    caption: "<b>answers</b>",
  });
  for (const sign of ["<script", "<img", "<b>", "\u202e", "\u001b"]) equal(html.includes(sign), false, html);
  for (const sign of ["\u202e", "\u001b"]) equal(text.includes(sign), false, text);
  match(html, /&lt;script&gt;alert\(&quot;1&quot;\)/);
  match(html, /⟨U\+202E⟩red␛\[31m/);
});

Deno.test("bundleOf() shows each kind of value", () => {
  const cells = (value: unknown) => bundleOf([{ value }])["text/plain"].split("\n")[2]!.trim();
  const rows: [unknown, string][] = [
    [1234567, "1,234,567"],
    [0.123456, "0.1235"],
    [null, "–"],
    [undefined, "–"],
    [12n, "12"],
    [NaN, "NaN"],
    [new Date(0), "1970-01-01 00:00"],
    [["a", 1], '["a",1]'],
    ["a\nb", "a b"],
    ["x".repeat(300), `${"x".repeat(160)}…`],
  ];
  for (const [value, shown] of rows) equal(cells(value), shown);
  equal(bundleOf([])["text/plain"].split("\n")[0], "0 rows × 0 columns");
  const chart = bundleOf(occurrences([{ label: "yes", n: 3 }], { x: "questions" }), { caption: "Answers" });
  match(
    chart["image/svg+xml"]!,
    /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*aria-label="questions: yes 3"/,
  );
  match(chart["text/html"], /<figcaption[^>]*>Answers<\/figcaption><svg/);
  equal(chart["text/plain"], "Answers: questions: yes 3");
});

Deno.test("show() prints text outside the kernel", async () => {
  const printed: string[] = [];
  await show("done", { screen: printing((text) => printed.push(text)) });
  deepEqual(printed, ["done"]);
  equal(typeof screenHere().display, "function"); // Deno.jupyter throws here, and is not asked for
});

Deno.test("live() shows the newest news, the last of them always", async () => {
  const { shown, screen } = recording();
  const run = await live({ title: "Search <1>", of: 200, unit: "calls", screen });
  for (let done = 1; done <= 150; done++) {
    run.tell({ done, cost: "$0.01", doing: "racing", ...done > 50 ? { value: done / 200 } : {} });
    if (done % 50 === 0) await Promise.resolve();
  }
  await run.end();
  equal(shown[0]!.how, "display");
  equal(new Set(shown.map(({ name }) => name)).size, 1);
  ok(shown.length < 20, `${shown.length} for 150`); // as fast as they are shown, and no faster
  const last = shown.at(-1)!;
  equal(last.how, "update");
  equal(last.bundle["text/plain"], "Search <1>: 150 of 200 calls · best score 75.0 · $0.01 · racing");
  match(
    last.bundle["text/html"],
    /Search &lt;1&gt;.*width:75\.0%.*<svg[^>]*aria-label="score 75 points after 150 calls"/,
  );
});

Deno.test("live() fails with what its screen fails with", async () => {
  const screen: Screen = {
    display: () => Promise.resolve(),
    update: () => Promise.reject(new Error("the kernel has gone")),
  };
  const run = await live({ title: "Search", of: 2, unit: "calls", screen });
  run.tell({ done: 1 });
  await rejects(run.end(), /the kernel has gone/);
});

Deno.test("program() finds imports from the notebook's folder", () => {
  const { text } = program(
    notebook('import { a } from "../lib/a.ts";', 'await import("./b.ts");'),
    "file:///p/notebooks/",
  );
  equal(
    text,
    'import { a } from "file:///p/lib/a.ts";\nawait import("file:///p/notebooks/b.ts");\nexport {};\n',
  );
  equal(isBare(notebook("1")), true);
  equal(isBare({ cells: [{ ...code("1"), execution_count: 1 }] }), false);
});

Deno.test("typeErrors() names the cell and the line", async () => {
  const config = `${ROOT}/notebooks/deno.json`;
  await withNotebook(notebook("const a = 1;", "const b = a + 1;\nconst c: string = b;"), async (path) => {
    const [error, ...others] = await typeErrors([path], { deno: Deno.execPath(), config });
    match(error!, /^one, cell 2, line 2: TS2322: Type 'number' is not assignable to type 'string'/);
    deepEqual(others, []);
  });
  await withNotebook(notebook("const a = 1;", "console.log(a);"), async (path) => {
    deepEqual(await typeErrors([path], { deno: Deno.execPath(), config }), []);
  });
});

const WATCH = `import { watchErrors } from "${
  new URL("watch.ts", import.meta.url).href
}";\nconst errors = watchErrors();`;
const LAST = "await errors.assertNone();";

Deno.test("execute() fails for every kind of error", async () => {
  const rows: [name: string, cells: string[], problem: RegExp | null][] = [
    ["no error", [WATCH, "console.log(6 * 7)", LAST], null],
    ["a cell that throws", ["null.x"], /^cell 1: TypeError: Cannot read properties of null/],
    ["a cell that is no code", ["const ="], /^a cell is no code: const =$/],
    [
      "a rejection",
      [WATCH, 'Promise.reject(new Error("lost"));', LAST],
      /^cell 3: AggregateError: 1 error .* lost$/,
    ],
    [
      "a timer",
      [WATCH, 'setTimeout(() => { throw new Error("late") }, 0);', LAST],
      /^cell 3: AggregateError: .* late$/,
    ],
    ["a cell that does not end", ["while (true);"], /timed out|died/i],
  ];
  for (const [name, cells, problem] of rows) {
    await withNotebook(notebook(...cells), async (path) => {
      const { problems, notebook } = await execute(path, {
        python,
        venv: VENV,
        seconds: name.includes("not end") ? 3 : 60,
      });
      if (problem === null) deepEqual(problems, []);
      else match(problems.join("\n"), problem, name);
      equal(notebook.cells.length, cells.length);
    });
  }
});

Deno.test("execute() keeps what the kernel sends after it has said that a cell is over", async () => {
  const cell = (i: number) =>
    `await Deno.jupyter.broadcast("display_data", { data: { "text/plain": "${i}" }, metadata: {} });`;
  const count = 60; // of which one or two come late
  await withNotebook(notebook(...Array.from({ length: count }, (_, i) => cell(i))), async (path) => {
    const { notebook: executed } = await execute(path, { python, venv: VENV });
    deepEqual(shownAs(executed, "text/plain"), Array.from({ length: count }, (_, i) => String(i)));
  });
});

Deno.test("a screen in the kernel shows every form, and replaces what it has shown", async () => {
  const cell = `import { live, show } from "${new URL("mod.ts", import.meta.url).href}";
await show([{ n: 1 }], { caption: "Rows" });
const run = await live({ title: "Run", of: 2, unit: "steps" });
run.tell({ done: 2 });
await run.end();`;
  // Where notebooks are: their deno.json says what imports mean.
  const path = `${ROOT}/notebooks/.screen-${crypto.randomUUID()}.ipynb`;
  try {
    await Deno.writeTextFile(path, JSON.stringify(notebook(cell)));
    const { notebook: executed, problems } = await execute(path, { python, venv: VENV });
    deepEqual(problems, []);
    deepEqual(shownAs(executed, "text/plain"), ["Rows (1 row × 1 column)\nn\n1", "Run: 2 of 2 steps"]);
    equal(shownAs(executed, "text/html").length, 2);
  } finally {
    await Deno.remove(path);
  }
});
