import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import type { Benchmark, Row } from "../bench/row.ts";
import { BENCH, questionSets, readSet, TUNING } from "../bench/search/sets.ts";
import { UsageError } from "../lib/command/mod.ts";
import { ROOT } from "./setting.ts";
import { parityQuestions, place, printed, run } from "./testing.ts";

/** What brings half a gigabyte or more. */
const LARGE = /"bench-torch"|"\.venv-search"/;

Deno.test("a benchmark that fetches gigabytes says so, and no other does", async () => {
  const large: string[] = [], said: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/bench`)) {
    if (!name.endsWith(".ts")) continue;
    const source = await Deno.readTextFile(`${ROOT}/bench/${name}`);
    if (!/^export const bench\b/m.test(source)) continue;
    if (LARGE.test(source)) large.push(name);
    const { needs }: Benchmark = await import(`../bench/${name}`);
    if (needs === undefined) continue;
    said.push(name);
    match(needs, /, [\d.]+ GB$/);
  }
  deepEqual(said.sort(), large.sort());
});

Deno.test("`bench search` knows its sets by name, and files by their path", () => {
  deepEqual(
    questionSets(["reviews", "topics", "a b/mine.jsonl", "C:\\yours.CSV"]).map((
      { name, kind },
    ) => [name, kind]),
    [
      ["reviews", "bench"],
      ["topics", "tuning"],
      ["mine", "own"],
      ["yours", "own"],
    ],
  );
  const refused: [sets: string[], message: RegExp][] = [
    [
      ["review"],
      /^Cannot run the question set "review": there are requests, .*, capitals, and files that end in \.jsonl or \.csv$/,
    ],
    [["topics", "my/topics.jsonl"], /^Cannot run two question sets named "topics": rename one$/],
  ];
  for (const [sets, message] of refused) {
    throws(() => questionSets(sets), (error) => error instanceof UsageError && message.test(error.message));
  }
});

Deno.test("`bench search` can score every set that it ships, and refuses one that the peers could not be scored by", async () => {
  for (const set of [...BENCH, ...TUNING]) equal((await readSet(set)).name, set.name);
  await using own = await place();
  const path = `${own.folder}/own.jsonl`;
  await Deno.writeTextFile(path, parityQuestions());
  for (
    const [card, wanted] of [
      [{ metric: "rouge1" }, "rouge1"],
      [{ metric: "exact_match", metricOptions: { ignoreCase: true, ignoreNumbers: true } }, "ignoreNumbers"],
    ] as const
  ) {
    await Deno.writeTextFile(`${own.folder}/own.card.json`, JSON.stringify(card));
    await rejects(readSet({ name: "own", path, kind: "own" }), {
      name: "UsageError",
      message: `Cannot compare searches on ${path} as its card asks for ${wanted}: ` +
        "all are scored by exact_match with ignoreCase and ignorePunctuation at most",
    });
  }
});

Deno.test("`bench search` measures Quintet on a file of questions, and finds the cell that it kept", async () => {
  await using own = await place();
  const path = `${own.folder}/parity.jsonl`;
  await Deno.writeTextFile(path, parityQuestions({ train: 24, validation: 10, test: 6 }));
  const words = [
    "search",
    "--tasks",
    path,
    "--systems",
    "quintet",
    "--seeds",
    "1",
    "--calls",
    "60",
    "--json",
  ];
  const rows: Row[] = printed(await run("bench", words, { env: own.env }));
  deepEqual(rows.slice(0, 1).map(({ name, unit }) => [name, unit]), [
    ["search, parity, 60 calls", "points of 100 on test (own set)"],
  ]);
  const kept = `${own.env.QUINTET_HOME}/bench/search`, cell = `${kept}/parity.quintet.1.60.json`;
  const { count, incumbents, failure } = JSON.parse(await Deno.readTextFile(cell));
  equal(failure, null);
  equal(incumbents.at(-1).test.length, 6);
  ok(count.calls <= 60 && count.calls > 40, `${count.calls} calls`);
  match(await Deno.readTextFile(`${kept}/search.txt`), /^parity +Quintet +1 /m);
  const before = await Deno.stat(cell);
  const again: Row[] = printed(await run("bench", words, { env: own.env }));
  deepEqual(again[0], rows[0]);
  deepEqual((await Deno.stat(cell)).mtime, before.mtime);
});

Deno.test("`bench search` says what is wrong with a budget or a system", async () => {
  await using own = await place();
  const refused: [words: string[], message: RegExp][] = [
    [
      ["--calls", "500,many"],
      /Cannot read --calls as each of the list must be a whole number of at least 1: got "many"/,
    ],
    [
      ["--calls", "0"],
      /Cannot read --calls as each of the list must be a whole number of at least 1: got "0"/,
    ],
    [["--systems", "gpa"], /Cannot run the system "gpa": there are quintet, random, bootstrap, mipro, gepa/],
  ];
  for (const [words, message] of refused) {
    const { code, stderr } = await run("bench", ["search", ...words], { env: own.env });
    equal(code, 2);
    match(stderr, message);
  }
});
