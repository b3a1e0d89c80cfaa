import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { cardPath, readCard } from "./card.ts";

async function withCard(content: string | Uint8Array<ArrayBuffer>, body: (dataset: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "card" });
  try {
    await Deno.writeFile(
      `${folder}/x.card.json`,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    await body(`${folder}/x.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("cardPath() stands beside the dataset", () => {
  const rows = [
    ["data/tasks/capitals.jsonl", "data/tasks/capitals.card.json"],
    ["./a.b/c.d.CSV", "./a.b/c.d.card.json"],
    ["C:\\a.b\\c.csv", "C:\\a.b\\c.card.json"],
  ] as const;
  for (const [path, card] of rows) equal(cardPath(path), card);
});

Deno.test("readCard() reads every key, and no card as an empty one", async () => {
  const card = {
    metric: "exact_match",
    metricOptions: { ignoreCase: true, regexesToIgnore: ["^the "] },
    systemPrompt: "",
    outputPrompt: "One word.",
    origin: "Written by hand.",
    licence: "MIT",
  };
  await withCard("\ufeff" + JSON.stringify(card) + "\r\n", async (path) => {
    deepEqual(await readCard(path), card);
    deepEqual(await readCard(path.replace("x.jsonl", "y.jsonl")), {});
  });
});

const BAD: [content: string | Uint8Array<ArrayBuffer>, message: string][] = [
  ["", `it must be JSON: got  (Unexpected end of JSON input)`],
  [
    "{'a': 1}",
    `it must be JSON: got {'a': 1} (Expected property name or '}' in JSON at position 1 (line 1 column 2))`,
  ],
  ["[]", "it must be a JSON object: got []"],
  [
    `{"license": "MIT"}`,
    `it may hold metric, systemPrompt, outputPrompt, origin, licence, metricOptions: got "license" (did you mean "licence"?)`,
  ],
  [
    `{"system_prompt": "x"}`,
    `it may hold metric, systemPrompt, outputPrompt, origin, licence, metricOptions: got "system_prompt" (did you mean "systemPrompt"?)`,
  ],
  [
    `{"__proto__": "x"}`,
    `it may hold metric, systemPrompt, outputPrompt, origin, licence, metricOptions: got "__proto__"`,
  ],
  [`{"metric": ["bleu"]}`, `it must have text in "metric": got ["bleu"]`],
  [`{"origin": null}`, `it must have text in "origin": got null`],
  [`{"metricOptions": "ignoreCase"}`, `it must have an object in "metricOptions": got "ignoreCase"`],
  [`{"systemPrompt": "a\\u0000"}`, `it must have no NUL: got {"systemPrompt": "a\\u0000"}`],
  [
    `{"metricOptions": {"a": ["\\udc00"]}}`,
    `it must have no unpaired surrogate: got {"metricOptions": {"a": ["\\udc00"]}}`,
  ],
  [new Uint8Array([0x22, 0xff, 0x22]), "it must be UTF-8"],
];

Deno.test("readCard() says what is wrong with a card", async () => {
  for (const [content, message] of BAD) {
    await withCard(content, (path) =>
      rejects(readCard(path), {
        name: "DatasetError",
        path: cardPath(path),
        message: `Cannot read ${cardPath(path)} as ${message}`,
      }));
  }
});
