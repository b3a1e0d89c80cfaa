import { deepStrictEqual as deepEqual, match, rejects } from "node:assert/strict";
import { DatasetError } from "./dataset_error.ts";
import { readPredictions } from "./predictions.ts";

async function read(text: string) {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    await Deno.writeTextFile(path, text);
    return await readPredictions(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("readPredictions() takes one reference or several, and empty texts", async () => {
  deepEqual(
    await read(
      '{"prediction": "a", "references": ["b", "c"]}\n\n{"prediction": "", "references": "d", "id": 7}\n{"prediction": "e", "reference": "f"}',
    ),
    [
      { prediction: "a", references: ["b", "c"] },
      { prediction: "", references: ["d"] },
      { prediction: "e", references: ["f"] },
    ],
  );
});

Deno.test("readPredictions() names line and field", async () => {
  const rows: [string, RegExp][] = [
    ["", /it must hold at least one prediction: got none$/],
    [
      '{"prediction": "a", "references": "b"}\n{"references": "b"}',
      /line 2 must have "prediction": got \{"references": "b"\}$/,
    ],
    ['{"prediction": "a"}', /line 1 must have "references"/],
    ['{"prediction": 1, "references": "b"}', /line 1 must have text in "prediction": got 1$/],
    ['{"prediction": "a", "references": []}', /at least one of "references"/],
    ['{"prediction": "a", "references": ["b", null]}', /must have text in "references": got null$/],
    ['{"prediction": "\\u0000", "references": "b"}', /must have no NUL in "prediction"/],
    ["prediction", /line 1 must be a JSON object/],
  ];
  for (const [text, message] of rows) {
    await rejects(read(text), (error: Error) => {
      match(error.message, message);
      return error instanceof DatasetError;
    });
  }
});
