import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { parse } from "csv-parse/sync";
import { COLUMNS, type Row, type Table, TABLES } from "../store/export.ts";
import { cell, type Exported, exportText, type Format } from "./export.ts";
import { HOSTILE } from "./hostile.ts";

async function* given(rows: readonly Exported[]): AsyncGenerator<Exported> {
  yield* rows;
}

/** Rows as a text of a format. */
async function text(
  format: Format,
  rows: readonly Exported[],
  tables: readonly Table[] = TABLES,
): Promise<string> {
  const columns = new Map(tables.map((table) => [table, COLUMNS[table]]));
  return (await Array.fromAsync(exportText(given(rows), { format, columns }))).join("");
}

const answer = (answer: string): Exported => ({
  table: "answers",
  row: { version: 0, question: "=1+1", reference_texts: ["a", "b"], answer, score: 0.5 },
});

Deno.test("cell() makes no formula of a text, and of numbers what they are", () => {
  const rows: [unknown, string][] = [
    ["=1+1", `"'=1+1"`],
    ["+49 30 1234", `"'+49 30 1234"`],
    ["-1", `"'-1"`],
    ["@SUM(A1)", `"'@SUM(A1)"`],
    ["  =1+1", `"'  =1+1"`],
    ["\t=1+1", `"'\t=1+1"`],
    ["\n=1+1", `"'\n=1+1"`],
    ["\r=1+1", `"␍=1+1"`],
    ["＝1+1", `"'＝1+1"`],
    ["＠a", `"'＠a"`],
    ["|cmd", `"'|cmd"`],
    ['=cmd|" /C calc"!A0', `"'=cmd|"" /C calc""!A0"`],
    ["a=1", `"a=1"`],
    ["one, two\nthree", `"one, two\nthree"`],
    ['"', `""""`],
    ["\u001b[31mred\u202e", `"␛[31mred⟨U+202E⟩"`],
    ["", `""`],
    [-0.25, "-0.25"],
    [1e-7, "1e-7"],
    [true, "true"],
    [null, ""],
    [undefined, ""],
    [new Date(Date.UTC(2026, 10, 23)), "2026-11-23T00:00:00.000Z"],
    [["=a"], `"[""=a""]"`],
  ];
  for (const [value, expected] of rows) equal(cell(value), expected);
});

Deno.test("whatever a model says, each format can be read back, and CSV holds no formula", async () => {
  const rows = HOSTILE.map((payload) => answer(payload));
  const csv: string[][] = parse(await text("csv", rows, ["answers"]), { record_delimiter: "\r\n" });
  deepEqual(csv[0], COLUMNS.answers);
  equal(csv.length, HOSTILE.length + 1);
  for (const line of csv) {
    equal(line.length, COLUMNS.answers.length);
    for (const value of line) ok(!/^\s*[=+\-@\t\r]/.test(value), value.slice(0, 60));
  }
  const lines = (await text("jsonl", rows)).trimEnd().split("\n").map((line) => JSON.parse(line));
  deepEqual(lines.map(({ answer }) => answer), HOSTILE);
  const document = JSON.parse(await text("json", rows));
  deepEqual(document.answers.map(({ answer }: Row) => answer), HOSTILE);
  for (const format of ["csv", "jsonl", "json"] as const) {
    ok(
      !/[[\p{Cc}\p{Cf}]--[\n\r\t\u200c\u200d]]/v.test(await text(format, rows)),
      format,
    );
  }
});

Deno.test("exportText() has every table that is wanted, empty ones too", async () => {
  const experiment: Exported = { table: "experiment", row: { id: "x" } };
  const rows: [readonly Exported[], readonly Table[], unknown][] = [
    [[], TABLES, undefined],
    [[experiment], TABLES, { experiment: { id: "x" }, trials: [], scores: [], answers: [], calls: [] }],
    [[experiment], ["experiment"], { experiment: { id: "x" } }],
    [[], ["calls"], { calls: [] }],
    [[answer("a")], ["trials", "answers", "calls"], { trials: [], answers: [answer("a").row], calls: [] }],
    [[answer("a"), answer("b")], ["answers"], { answers: [answer("a").row, answer("b").row] }],
  ];
  for (const [given, tables, expected] of rows) {
    if (expected !== undefined) deepEqual(JSON.parse(await text("json", given, tables)), expected);
    const csv: string[][] = parse(await text("csv", given, tables));
    equal(csv.length, 1 + given.length);
    deepEqual(csv[0]![0], tables.length > 1 ? "table" : COLUMNS[tables[0]!][0]);
    deepEqual(
      csv.slice(1).map(([table]) => table),
      tables.length > 1 ? given.map(({ table }) => table) : csv.slice(1).map(([first]) => first),
    );
  }
});

Deno.test("exportText() shows no secret", async () => {
  const rows: Exported[] = [
    {
      table: "experiment",
      row: { config: { api_key: "canary", nested: ["https://me:canary@host/v1?key=canary"] } },
    },
    { table: "calls", row: { model: "openai:m@https://me:canary@host/v1", error: "Bearer canary" } },
  ];
  for (const format of ["csv", "jsonl", "json"] as const) {
    const shown = await text(format, rows);
    ok(!shown.includes("canary"), shown);
    match(shown, /https:\/\/host\/v1/);
  }
});

Deno.test("exportText() hands on what comes as it comes", async () => {
  let asked = 0;
  async function* endless(): AsyncGenerator<Exported> {
    for (;; asked++) yield answer("x".repeat(1000));
  }
  const columns = new Map([["answers", COLUMNS.answers]] as const);
  for (const format of ["csv", "jsonl", "json"] as const) {
    asked = 0;
    const pieces = exportText(endless(), { format, columns });
    const { value } = await pieces.next();
    ok(value.length < 70_000 && asked < 70, `${value.length} characters of ${asked} rows`);
    await pieces.return(undefined);
  }
});
