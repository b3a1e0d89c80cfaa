import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { integer, pick, random } from "../random.ts";
import { DatasetError } from "./dataset_error.ts";
import { readDataset, type ReadProgress } from "./read.ts";

/** Runs `body` with the path of a file of its own. */
async function withFile<T>(
  name: string,
  content: string | Uint8Array<ArrayBuffer>,
  body: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "dataset" });
  try {
    const path = `${folder}/${name}`;
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const read = (name: string, content: string | Uint8Array<ArrayBuffer>, seed: number | string = 1) =>
  withFile(name, content, (path) => readDataset(path, { seed }));

/** What is said of a file, with `F` for its path. */
const problem = (name: string, content: string | Uint8Array<ArrayBuffer>): Promise<string> =>
  withFile(name, content, async (path) => {
    try {
      await readDataset(path, { seed: 1 });
    } catch (error) {
      ok(error instanceof DatasetError, `${error}`);
      return error.message.replaceAll(path, "F");
    }
    return "nothing";
  });

const A = `{"question": "A?", "answer": "a"}\n`;
const B = `{"question": "B?", "answer": "b"}\n`;
const C = `{"question": "C?", "answer": "c"}\n`;
const row = (question: string, split: string) => JSON.stringify({ question, answer: "x", split }) + "\n";
const SPLIT = row("A?", "train") + row("B?", "validation") + row("C?", "test");
const bytes = (...parts: (string | number[])[]) =>
  new Uint8Array(
    parts.flatMap((part) => typeof part === "string" ? [...new TextEncoder().encode(part)] : part),
  );

const BAD_JSONL: [what: string, content: string | Uint8Array<ArrayBuffer>, message: string][] = [
  ["an empty file", "", "Cannot read F as it must have at least 3 questions: got none"],
  ["blank lines only", "\n  \r\n\t\n", "Cannot read F as it must have at least 3 questions: got none"],
  [
    "text",
    A + "hello\n",
    `Cannot read F as line 2 must be a JSON object: got hello (Unexpected token 'h', "hello" is not valid JSON)`,
  ],
  ["a list", "[1, 2]", "Cannot read F as line 1 must be a JSON object: got [1, 2]"],
  ["null", "null", "Cannot read F as line 1 must be a JSON object: got null"],
  [
    "no question",
    A + `\n{"answer": "b"}`,
    `Cannot read F as line 3 must have "question": got {"answer": "b"}`,
  ],
  [
    "a mistyped question",
    `{"qestion": "A?", "answer": "b"}`,
    `Cannot read F as line 1 must have "question": got {"qestion": "A?", "answer": "b"} (did you mean "question"?)`,
  ],
  [
    "a question that is no text",
    `{"question": 42, "answer": "b"}`,
    `Cannot read F as line 1 must have text in "question": got 42`,
  ],
  [
    "an empty question",
    `{"question": "", "answer": "b"}`,
    `Cannot read F as line 1 must have more than blanks in "question": got ""`,
  ],
  [
    "a blank question",
    `{"question": " \\n\\u00a0", "answer": "b"}`,
    `Cannot read F as line 1 must have more than blanks in "question": got " \\n\\u00a0"`,
  ],
  [
    "no answer",
    `{"question": "A?"}`,
    `Cannot read F as line 1 must have "answer": got {"question": "A?"}`,
  ],
  [
    "no answer in a list",
    `{"question": "A?", "answer": []}`,
    `Cannot read F as line 1 must have at least one "answer": got []`,
  ],
  [
    "an empty answer in a list",
    `{"question": "A?", "answer": ["a", ""]}`,
    `Cannot read F as line 1 must have more than blanks in "answer": got ""`,
  ],
  [
    "a number in a list of answers",
    `{"question": "A?", "answer": ["a", 7]}`,
    `Cannot read F as line 1 must have text in "answer": got 7`,
  ],
  [
    "null for an answer",
    `{"question": "A?", "answer": null}`,
    `Cannot read F as line 1 must have text in "answer": got null`,
  ],
  [
    "one id twice",
    `{"id": "k", "question": "A?", "answer": "a"}\n\n{"id": "k", "question": "B?", "answer": "b"}`,
    `Cannot read F as line 3 must have an "id" of its own: got "k", which is on line 1`,
  ],
  [
    "an id like one that is given",
    `{"id": "row-2", "question": "A?", "answer": "a"}\n${B}`,
    `Cannot read F as line 2 must have an "id" of its own: got "row-2", which is on line 1`,
  ],
  [
    "a long id",
    `{"id": "${"😀".repeat(250)}", "question": "A?", "answer": "a"}\n{"id": "${
      "k".repeat(501)
    }", "question": "A?", "answer": "a"}`,
    `Cannot read F as line 2 must have at most 500 characters in "id": got 501`,
  ],
  [
    "a number for an id",
    `{"id": 1, "question": "A?", "answer": "a"}`,
    `Cannot read F as line 1 must have text in "id": got 1`,
  ],
  [
    "one question in two splits",
    SPLIT + row("  a? ", "test"),
    `Cannot read F as line 4 must not ask in test what line 1 asks in train: got   a? `,
  ],
  [
    "one question with two answers",
    A + B + C + `{"question": "a?", "answer": "z"}`,
    `Cannot read F as line 4 must have the answers of what line 1 asks too: got z, write all right answers into one row`,
  ],
  [
    "an escaped NUL",
    `{"question": "A\\u0000?", "answer": "a"}`,
    `Cannot read F as line 1 must have no NUL in "question": got "A\\u0000?"`,
  ],
  [
    "a NUL as it is",
    `{"question": "A\0?", "answer": "a"}`,
    `Cannot read F as line 1 must be a JSON object: got {"question": "A\\u0000?", "answer": "a"} ` +
    `(Bad control character in string literal in JSON at position 15 (line 1 column 16))`,
  ],
  [
    "an escaped unpaired surrogate",
    `{"question": "A?", "answer": "a\\ud800"}`,
    `Cannot read F as line 1 must have no unpaired surrogate in "answer": got "a\\ud800"`,
  ],
  [
    "an unpaired surrogate as it is",
    bytes(A, `{"question": "`, [0xed, 0xa0, 0x80], `"}\n`),
    `Cannot read F as line 2 must be UTF-8: got {"question": "\ufffd\ufffd\ufffd"}`,
  ],
  [
    "bytes that are not UTF-8",
    bytes(A, `{"question": "\ufffd?", "answer": "a"}\n{"question": "caf`, [0xe9], `"}\n`, C),
    `Cannot read F as line 3 must be UTF-8: got {"question": "caf\ufffd"}`,
  ],
  [
    "UTF-16",
    bytes([0xff, 0xfe, 0x7b, 0x00]),
    "Cannot read F as it must be UTF-8: got UTF-16, save it anew",
  ],
  [
    "an unknown split",
    row("A?", "valid"),
    `Cannot read F as line 1 must have train, validation or test in "split": got "valid" (did you mean "validation"?)`,
  ],
  [
    "a split far from any",
    row("A?", "dev"),
    `Cannot read F as line 1 must have train, validation or test in "split": got "dev"`,
  ],
  [
    "a mistyped split field",
    `{"question": "A?", "answer": "a", "Split": "test"}`,
    `Cannot read F as line 1 must have no "Split" (did you mean "split"?): got {"question": "A?", "answer": "a", "Split": "test"}`,
  ],
  [
    "a split from the second row on",
    A + row("B?", "test"),
    `Cannot read F as line 2 must have no "split", line 1 being without one: got {"question":"B?","answer":"x","split":"test"}`,
  ],
  [
    "a split up to the second row",
    row("B?", "test") + A,
    `Cannot read F as line 2 must have a "split", line 1 being with one: got {"question": "A?", "answer": "a"}`,
  ],
  [
    "two rows to split",
    A + B,
    "Cannot read F as it must have at least 3 questions, one for each split: got 2 and none for validation",
  ],
  [
    "three rows of which two are one",
    A + B + A,
    "Cannot read F as it must have at least 3 questions, one for each split: got 2 and none for validation",
  ],
  [
    "a split without rows",
    row("A?", "train") + row("B?", "test") + row("C?", "test"),
    "Cannot read F as it must have at least 3 questions, one for each split: got 3 and none for validation",
  ],
  [
    "lists nested deeply",
    `{"question": ${"[".repeat(1e5)}${"]".repeat(1e5)}, "answer": "a"}`,
    `Cannot read F as line 1 must have text in "question": got ${"[".repeat(100)}…`,
  ],
  [
    "a line that does not end",
    new Uint8Array(50 * 2 ** 20).fill(0x61),
    "Cannot read F as line 1 must be at most 16 MiB long: got more",
  ],
  [
    "a long line",
    `{"query": "${"\u202e💡".repeat(200)}"}`,
    `Cannot read F as line 1 must have "question": got {"query": "${"\\u202e💡".repeat(29)}\\u202e…`,
  ],
];

const BAD_CSV: [what: string, content: string, message: string][] = [
  ["an empty file", "", "Cannot read F as it must have at least 3 questions: got none"],
  ["a header alone", "question,answer\n", "Cannot read F as it must have at least 3 questions: got none"],
  [
    "another header",
    "Question,answer\nA?,a\n",
    `Cannot read F as line 1 must name the column "question": got ["Question","answer"] (did you mean "question"?)`,
  ],
  [
    "semicolons",
    "question;answer\nA?;a\n",
    `Cannot read F as line 1 must name the column "question": got ["question;answer"]`,
  ],
  ...["question,answer", "question,answer,split", "note,answer,question"].map((
    header,
  ): [string, string, string] => [
    `carriage returns for line ends below ${header}`,
    `${header}\rA?,a,train\rB?,b,train\rC?,c,train\r`,
    "Cannot read F as it must end its lines with line feeds: got carriage returns alone, save it anew",
  ]),
  [
    "a column twice",
    "question,answer,answer\nA?,a,b\n",
    `Cannot read F as line 1 must name each column once: got "answer" twice, call the second answer_2`,
  ],
  [
    "a cell too many",
    `question,answer\n"A\n?",a\nB, or C?,b\n`,
    "Cannot read F as line 4 must have 2 cells like the header: got 3 in B, or C?,b (a cell with a comma needs double quotes)",
  ],
  [
    "a cell too few",
    "question,answer\nA?\n",
    "Cannot read F as line 2 must have 2 cells like the header: got 1 in A?",
  ],
  ["a cell without answer", "question,answer\nA?,\n", `Cannot read F as line 2 must have "answer": got A?,`],
  [
    "a second answer without a first",
    "question,answer,answer_2\nA?,,a\n",
    `Cannot read F as line 2 must have "answer": got A?,,a`,
  ],
  [
    "an open quote",
    `question,answer\nA?,a\n"B?,b\nC?,c\n`,
    "Cannot read F as line 3 must have its quotes closed: got none to the end",
  ],
  [
    "a stray quote",
    `question,answer\nA?,a\n\n5" B?,b\n`,
    `Cannot read F as line 4 must have well-formed quotes: got a stray one, double it inside a quoted cell ("")`,
  ],
  [
    "text after a quote",
    `question,answer\n"A"?,a\n`,
    `Cannot read F as line 2 must have well-formed quotes: got a stray one, double it inside a quoted cell ("")`,
  ],
  [
    "a NUL",
    "question,answer\nA\0?,a\n",
    `Cannot read F as line 2 must have no NUL in "question": got "A\\u0000?"`,
  ],
  [
    "an unknown split",
    "question,answer,split\nA?,a,trian\n",
    `Cannot read F as line 2 must have train, validation or test in "split": got "trian" (did you mean "train"?)`,
  ],
  [
    "a split in some rows",
    "question,answer,split\nA?,a,train\nB?,b,\n",
    `Cannot read F as line 3 must have a "split", line 2 being with one: got B?,b,`,
  ],
];

for (const [what, content, message] of BAD_JSONL) {
  Deno.test(`readDataset() refuses JSONL with ${what}`, async () => {
    equal(await problem("x.jsonl", content), message);
  });
}

for (const [what, content, message] of BAD_CSV) {
  Deno.test(`readDataset() refuses CSV with ${what}`, async () =>
    equal(await problem("x.csv", content), message));
}

Deno.test("readDataset() refuses what is no question file", async () => {
  for (const name of ["x.json", "x", "x.jsonl.gz", "jsonl", "x.jsonl\n"]) {
    match(await problem(name, A), /^Cannot read \S+ as its name must end in \.jsonl or \.csv$/);
  }
  await withFile("x.jsonl", A, async (path) => {
    const says = (missing: string, message: RegExp) =>
      rejects(readDataset(missing, { seed: 1 }), { name: "DatasetError", message });
    await says(path.replace("x.jsonl", "y.jsonl"), /y\.jsonl as there is no such file$/);
    await says(`${path}/y.jsonl`, /y\.jsonl as the system refuses: /);
    await says("a\0.jsonl", /^Cannot read a\\u0000\.jsonl as the system refuses: /);
    await Deno.mkdir(`${path}.d.csv`);
    await says(`${path}.d.csv`, /d\.csv as it must be a file: got a directory$/);
  });
});

Deno.test("readDataset() reads or refuses whatever the bytes", async () => {
  const draws = random(1);
  const odd = [
    '"',
    "{",
    "}",
    "[",
    ",",
    "\\",
    "\n",
    "\r",
    "\0",
    "\ufeff",
    "\ud83d",
    "null",
    " ",
    "\\ud800",
    "split",
  ];
  const csv = `question,answer,split\n"A, ""a""?",x,train\nB?,x,validation\nC?,x,test\n`;
  for (const [name, valid] of [["x.jsonl", SPLIT], ["x.csv", csv]] as const) {
    const outcomes = new Set<boolean>();
    for (let i = 0; i < 300; i++) {
      const at = integer(valid.length, draws);
      const content = bytes(valid.slice(0, at), draws() < 0.2 ? [integer(256, draws)] : pick(odd, draws));
      const rest = new TextEncoder().encode(valid.slice(at + integer(3, draws)));
      outcomes.add(await problem(name, new Uint8Array([...content, ...rest])) === "nothing");
    }
    deepEqual(outcomes, new Set([true, false]));
  }
});

Deno.test("readDataset() names a file in full", async () => {
  const name = `${"long-".repeat(40)}\u202ename.jsonl`;
  await withFile(
    name,
    "",
    (path) =>
      rejects(
        readDataset(path, { seed: 1 }),
        ({ message }: Error) =>
          message.startsWith(`Cannot read ${path.replace("\u202e", "\\u202e")} as it must`),
      ),
  );
});

Deno.test("readDataset() says which file and line are to blame", async () => {
  await withFile("x.jsonl", A + "{}", async (path) => {
    await rejects(readDataset(path, { seed: 1 }), { name: "DatasetError", path, line: 2 });
  });
});

Deno.test("readDataset() splits by the file when the file does", async () => {
  const { name, train, validation, test, card } = await read("some.name.jsonl", SPLIT);
  deepEqual({ name, card }, { name: "some.name", card: {} });
  deepEqual(train, [{ id: "row-1", question: "A?", references: ["x"] }]);
  deepEqual(validation, [{ id: "row-2", question: "B?", references: ["x"] }]);
  deepEqual(test, [{ id: "row-3", question: "C?", references: ["x"] }]);
});

Deno.test("readDataset() reads the same from any layout", async () => {
  const { sha256, ...rest } = await read("x.jsonl", SPLIT);
  const csv = "question,answer,split\nA?,x,train\nB?,x,validation\nC?,x,test\n";
  const layouts: [string, string][] = [
    ["x.jsonl", SPLIT.trimEnd()],
    ["x.jsonl", "\ufeff" + SPLIT.replaceAll("\n", "\r\n\r\n  \r\n")],
    [
      "x.JSONL",
      SPLIT.replaceAll(/"question":("..")(.*)}/g, ` $2,"question" : $1, "note": [null], "id": null}`)
        .replaceAll(" ,", " "),
    ],
    ["x.csv", csv],
    ["x.csv", "\ufeff" + csv.replaceAll("\n", "\r\n").replaceAll("A?", '"A?"')],
    ["x.CSV", "note,split, question ,id,answer,answer_2\nn,train,A?,,x,\n\n,validation,B?,,x,\n,test,C?,,x,"],
  ];
  for (const [name, content] of layouts) {
    deepEqual(await read(name, content), { ...rest, sha256 }, content);
  }
});

Deno.test("readDataset() takes several answers from a list or from columns", async () => {
  const references = [["a", "b, c"], ["x"], ["y", "z"]];
  const list = references.map((answer, i) => JSON.stringify({ question: `${i}?`, answer })).join("\n");
  const columns = `question,answer,answer_2,answer_3\n0?,a,,"b, c"\n1?,x,,\n2?,y,z,\n`;
  const json = await read("x.jsonl", list);
  deepEqual([...json.train, ...json.validation, ...json.test].map((e) => e.references).sort(), references);
  deepEqual(await read("x.csv", columns), json);
});

Deno.test("readDataset() keeps a text as it is", async () => {
  const question = " Two\nlines, \t “quoted” \\ 💡 é e\u0301 \u2028 ";
  const json = await read("x.jsonl", SPLIT + JSON.stringify({ question, answer: " a ", split: "test" }));
  deepEqual(json.test[1], { id: "row-4", question, references: [" a "] });
  const csv = await read("x.csv", `question,answer\n"${question}", a \nB?,b\nC?,c\n`);
  deepEqual([...csv.train, ...csv.validation, ...csv.test].find(({ id }) => id === "row-1"), {
    id: "row-1",
    question,
    references: [" a "],
  });
});

Deno.test("readDataset() counts a question once that comes again with the same answers", async () => {
  const heard: ReadProgress[] = [];
  const again = `{"question": " a?", "answer": ["a", "a"], "id": "again"}\n`;
  const total = (A + B + C + again).length;
  const dataset = await withFile(
    "x.jsonl",
    A + B + C + again,
    (path) => readDataset(path, { seed: 1, onProgress: (progress) => heard.push(progress) }),
  );
  equal(dataset.train.length + dataset.validation.length + dataset.test.length, 3);
  deepEqual(heard, [{ bytes: total, totalBytes: total, rows: 4, repeated: 1 }]);
});

Deno.test("readDataset() signs questions, answers, ids and splits", async () => {
  const { sha256 } = await read("x.jsonl", SPLIT);
  // printf '%s\n' '["train","row-1","A?","x"]' '["validation","row-2","B?","x"]' '["test","row-3","C?","x"]' | sha256sum
  equal(sha256, "40bc0f36a8eae3a0886b3625499ab94d0dd09109ef63693a36d97b3dcd3fd0f6");
  const others = [
    SPLIT.replace("A?", "D?"),
    SPLIT.replace(`"x"`, `["x", "y"]`),
    SPLIT.replace(`{`, `{"id": "one",`),
    SPLIT.replace("train", "test").replace(/test"}\n$/, 'train"}\n'),
    SPLIT + row("D?", "test"),
  ];
  for (const other of others) notEqual((await read("x.jsonl", other)).sha256, sha256, other);
});

Deno.test("readDataset() splits another way for another seed, and the same for the same", async () => {
  const rows = Array.from({ length: 40 }, (_, i) => JSON.stringify({ question: `${i}?`, answer: `${i % 2}` }))
    .join("\n");
  equal((await read("x.jsonl", rows, 7)).sha256, (await read("x.jsonl", rows, "7")).sha256);
  notEqual((await read("x.jsonl", rows, 7)).sha256, (await read("x.jsonl", rows, 8)).sha256);
});

Deno.test("readDataset() holds a file of 100 MB about once", async () => {
  const size = 100 * 2 ** 20;
  const folder = await Deno.makeTempDir({ prefix: "dataset" });
  try {
    const path = `${folder}/large.jsonl`;
    const rows = await writeLarge(path, size);
    const script = `import { readDataset } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
      let rss = 0;
      const onProgress = () => rss = Math.max(rss, Deno.memoryUsage().rss);
      const { train, validation, test } = await readDataset(${JSON.stringify(path)}, { seed: 1, onProgress });
      onProgress();
      console.log(JSON.stringify({ rss, rows: train.length + validation.length + test.length }));`;
    await Deno.writeTextFile(`${folder}/main.ts`, script);
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--config", config, `${folder}/main.ts`],
    }).output();
    ok(success, new TextDecoder().decode(stderr));
    const result = JSON.parse(new TextDecoder().decode(stdout));
    equal(result.rows, rows);
    ok(result.rss < 4 * size, `${result.rss / 2 ** 20 | 0} MiB resident`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Writes rows of about 1 kB until the file has `size` bytes, and counts them. */
async function writeLarge(path: string, size: number): Promise<number> {
  using file = await Deno.open(path, { write: true, create: true });
  const filler = "a plain thing, ".repeat(64);
  let rows = 0;
  for (let written = 0; written < size;) {
    const batch = Array.from(
      { length: 1000 },
      () => `{"question": "${++rows}: ${filler}", "answer": "${rows % 7}"}\n`,
    );
    const bytes = new TextEncoder().encode(batch.join(""));
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    written += bytes.length;
  }
  return rows;
}
