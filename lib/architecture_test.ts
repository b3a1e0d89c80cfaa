/**
 * The house rules of ARCHITECTURE.md as a test: who may import whom, and who alone may know what.
 */
import { deepStrictEqual as deepEqual } from "node:assert/strict";

/** Rooms a room may import; `types:` allows `import type` alone. Files in lib itself are rooms, too. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cut: [],
  random: [],
  nearest: [],
  once: [],
  loopback: ["once"],
  text: [],
  destination: [],
  dataset: ["random", "nearest", "text"],
  metrics: [],
  statistics: ["random"],
  llm: ["cut", "loopback", "nearest", "once", "text", "python"],
  python: [],
  native: ["python"],
  features: ["metrics", "onnx", "python"],
  gbdt: ["native", "random", "statistics"],
  onnx: ["python"],
  rl: ["native", "onnx", "random"],
  command: ["nearest", "text"],
  optimize: ["dataset", "random", "text", "statistics", "types:llm"],
  evaluate: ["dataset", "metrics", "statistics", "random", "text", "types:llm", "types:optimize"],
  store: [
    "cut",
    "destination",
    "text",
    "types:dataset",
    "types:llm",
    "types:optimize",
    "types:evaluate",
    "types:metrics",
    "types:statistics",
  ],
  experiment: ["dataset", "metrics", "statistics", "random", "text", "llm", "optimize", "evaluate", "store"],
  learning: [
    "features",
    "gbdt",
    "random",
    "rl",
    "onnx",
    "optimize",
    "statistics",
    "store",
    "types:dataset",
    "types:native",
  ],
  report: ["random", "statistics", "text", "types:store"],
  notebook: ["features", "llm", "native", "once", "python", "report", "store"],
  prefect: ["loopback", "text"],
};

/** What only some rooms may name in their code: a package, an interface of the runtime, the clock. */
const ALONE: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly rooms: readonly string[];
}[] = [
  { what: "PostgreSQL's driver", pattern: /from "pg"/, rooms: ["store"] },
  { what: "Plot and the DOM", pattern: /from "(?:@observablehq\/plot|linkedom)"/, rooms: ["report"] },
  { what: "Hono", pattern: /from "hono/, rooms: ["report", "api"] },
  { what: "Prefect's API", pattern: /from "openapi-fetch"/, rooms: ["prefect"] },
  { what: "native libraries", pattern: /Deno\.dlopen|Deno\.Unsafe/, rooms: ["native"] },
  // OpenMP reads how its threads wait from there, as its library is loaded; a notebook is given nothing else.
  { what: "the environment", pattern: /Deno\.env/, rooms: ["native", "notebook"] },
  { what: "arguments", pattern: /Deno\.args/, rooms: [] },
  { what: "the end of the process", pattern: /Deno\.exit\b/, rooms: [] },
  { what: "the console", pattern: /\bconsole\./, rooms: ["notebook"] },
  { what: "global chance", pattern: /Math\.random/, rooms: [] },
  { what: "SQL", pattern: /`\s*(?:select|insert into|update|delete from|with \w+ as) /, rooms: ["store"] },
];

const LIB = new URL("./", import.meta.url);

interface Source {
  readonly path: string;
  readonly room: string;
  readonly code: string;
}

async function sources(folder = LIB, { but = TEST_SUPPORT, from = LIB } = {}): Promise<Source[]> {
  const found: Source[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const url = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) found.push(...await sources(url, { but, from }));
    else if (name.endsWith(".ts") && !but.test(name)) {
      const path = url.pathname.slice(from.pathname.length);
      found.push({
        path,
        room: path.split("/")[0]!.replace(/\.ts$/, ""),
        code: await Deno.readTextFile(url),
      });
    }
  }
  return found;
}

/** Tests and what only they import are no part of the house. */
const TEST_SUPPORT = /_test\.ts$|_child\.ts$|_bench\.ts$|^(?:golden|testing|chaos)\.ts$/;

/** The code without comments: an example in a docstring imports what it likes. */
const bare = (code: string): string => code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");

Deno.test("rooms import only what the table allows", async () => {
  const broken: string[] = [];
  for (const { path, room, code } of await sources()) {
    const allowed = MAY_IMPORT[room];
    if (!allowed) broken.push(`${path}: room ${room} is not in the table`);
    for (
      const [, clause, from] of bare(code).matchAll(/^(?:import|export)\s+([^;"]*?)\s*from\s+"(\.[^"]*)"/gm)
    ) {
      const target = new URL(from!, new URL(path, LIB)).pathname.slice(LIB.pathname.length);
      const other = target.split("/")[0]!.replace(/\.ts$/, "");
      if (other === room || allowed?.includes(other)) continue;
      const typesOnly = clause!.startsWith("type ") ||
        /^\{(?:\s*type\s+[\w$]+(?:\s+as\s+\w+)?\s*,?)+\s*\}$/.test(clause!);
      if (typesOnly && allowed?.includes(`types:${other}`)) continue;
      broken.push(`${path}: may not import ${from}`);
    }
  }
  deepEqual(broken, []);
});

Deno.test("only some rooms know some things", async () => {
  const broken = (await sources()).flatMap(({ path, room, code }) =>
    ALONE.filter(({ pattern, rooms }) => !rooms.includes(room) && pattern.test(bare(code)))
      .map(({ what }) => `${path}: ${what}`)
  );
  deepEqual(broken, []);
});

Deno.test("nobody imports a flow", async () => {
  const broken = (await sources()).filter(({ code }) => /from "[^"]*flows\//.test(bare(code))).map((
    { path },
  ) => path);
  deepEqual(broken, []);
});

Deno.test("only evaluate and what hands it on read the test split", async () => {
  const readers = (await sources()).filter(({ code }) => /\bdataset(?:\.test\b|\[)/.test(bare(code)))
    .map(({ room }) => room);
  deepEqual([...new Set(readers)].filter((room) => !["dataset", "evaluate", "store"].includes(room)), []);
});

/** Deno 2.9 gives these of `node:assert/strict` as they are in `node:assert`: with them null equals undefined. */
const LOOSE = /import \{(?:[^}]*,)?\s*(?:equal|deepEqual|notEqual|notDeepEqual)\s*[,}][^;]*from "node:assert/;

Deno.test("nothing is compared loosely, in tests and examples", async () => {
  const imported = (name: string) => LOOSE.test(`import { match, ${name} } from "node:assert/strict";`);
  deepEqual(["equal", "strictEqual as equal", "ok"].map(imported), [true, false, false]);
  const from = new URL("../", LIB);
  const all = await Promise.all(
    ["lib/", "flows/", "bench/", "deploy/"].map((top) => sources(new URL(top, from), { but: /^$/, from })),
  );
  const broken = all.flat().filter(({ code }) => LOOSE.test(code.replaceAll("\n * ", "\n")));
  deepEqual(broken.map(({ path }) => path), []);
});

Deno.test("every room has a table of contents, and it is nothing else", async () => {
  const all = await sources();
  const rooms = [...new Set(all.filter(({ path }) => path.includes("/")).map(({ room }) => room))];
  const lacking = rooms.filter((room) => !all.some(({ path }) => path === `${room}/mod.ts`));
  deepEqual(lacking, []);
  const more = all.filter(({ path, code }) =>
    path.endsWith("/mod.ts") &&
    bare(code).replace(/export (?:type )?(?:\*|\{[^}]*\}) from "[^"]+";/g, "").trim() !== ""
  );
  deepEqual(more.map(({ path }) => path), []);
});

Deno.test("ARCHITECTURE.md names what is there", async () => {
  const text = (await Deno.readTextFile(new URL("ARCHITECTURE.md", LIB))).replace(/^```[\s\S]*?^```/gm, "");
  const names = [...new Set([...text.matchAll(/`([^`\s]+)`/g)].map(([, name]) => name!))];
  const code = (await sources()).map(({ code }) => code).join("\n");
  const paths: string[] = [];
  for (const folder of ["lib", "flows", "bench", "data", "sql", "notebooks", "deploy"]) {
    const root = new URL(`../${folder}/`, LIB);
    paths.push(...(await filesIn(root)).map((path) => `${folder}/${path}`));
  }
  const isThere = (name: string): boolean => {
    if (name === ".venv" || name === "using") return true; // made by the first command; a word of the language
    const path = name.replace(/^\.\.\//, "");
    if (path.endsWith("/")) return paths.some((one) => one.startsWith(path) || one.startsWith(`lib/${path}`));
    if (/\.\w+$/.test(path)) return paths.some((one) => `/${one}`.endsWith(`/${path}`));
    return new RegExp(`\\b${name}\\b`).test(code);
  };
  deepEqual(names.filter((name) => !isThere(name)), []);
  deepEqual(names.length > 50, true);
});

/** Files in `folder`, by their paths from there. */
async function filesIn(folder: URL): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) {
      found.push(...(await filesIn(new URL(`${name}/`, folder))).map((path) => `${name}/${path}`));
    } else found.push(name);
  }
  return found;
}

Deno.test("every room is in ARCHITECTURE.md", async () => {
  const text = await Deno.readTextFile(new URL("ARCHITECTURE.md", LIB));
  const rooms = [
    ...new Set((await sources()).map(({ path, room }) => path.includes("/") ? `${room}/` : `${room}.ts`)),
  ];
  deepEqual(rooms.filter((room) => !text.includes(`\`${room}\``)), []);
});
