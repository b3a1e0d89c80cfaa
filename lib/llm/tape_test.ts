import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import type { LanguageModel, ModelRequest } from "./model.ts";
import { recorder, tapeModel } from "./tape.ts";
import { toStorable } from "../text.ts";
import { visible } from "./text.ts";

const echo: LanguageModel = {
  name: "openai:echo",
  identity: { provider: "openai", model: "echo" },
  promptTokensAtMost: ({ messages }) => messages.length,
  complete: ({ messages, sample }) =>
    messages.length === 0
      ? Promise.reject(new Error("nothing to say"))
      : Promise.resolve({ text: `${messages.at(-1)!.content} ${sample ?? 0}`, finish: "stop", usage: null }),
};

const request = (content: string, change: Partial<ModelRequest> = {}): ModelRequest => ({
  messages: [{ role: "user", content }],
  temperature: 0,
  maxTokens: 8,
  ...change,
});

Deno.test("tapeModel() plays what recorder() heard, through JSON, in an order of its own", async () => {
  const requests = [
    request("b"),
    request("a"),
    request("a", { sample: 1 }),
    request("a", { temperature: 1 }),
    request("a", { bias: { 7: 1, 12: -2 }, firsts: true }),
    request("a", { choices: ["a", "b"] }),
  ];
  const tapes = [];
  for (const order of [requests, requests.toReversed()]) {
    const recording = recorder(echo);
    for (const request of order) await recording.complete(request);
    await rejects(recording.complete({ ...request(""), messages: [] }), { message: "nothing to say" });
    tapes.push(JSON.stringify(recording.tape()));
  }
  equal(tapes[0], tapes[1]);
  const able: LanguageModel = { ...echo, tokensOf: () => Promise.resolve(["7"]) };
  equal("tokensOf" in recorder(able), false);
  const replay = tapeModel(JSON.parse(tapes[0]!));
  deepEqual([replay.name, replay.identity], [echo.name, echo.identity]);
  for (const request of requests) {
    deepEqual(await replay.complete(request), await echo.complete(request));
    equal(replay.promptTokensAtMost(request), 1);
  }
});

Deno.test("tapeModel() fails for any other request, and for an aborted one", async () => {
  const recording = recorder(echo);
  await recording.complete(request("a"));
  const replay = tapeModel(recording.tape());
  const others = [
    request("b"),
    request("a", { maxTokens: 9 }),
    request("a", { sample: 1 }),
    request("a", { firsts: true }),
    request("a", { bias: { 7: 1 } }),
    request("a", { choices: ["a", "b"] }),
    request("a", { messages: [{ role: "system", content: "a" }] }),
  ];
  for (const other of others) {
    await rejects(replay.complete(other), /Cannot replay a request as the tape of openai:echo/);
  }
  equal((await replay.complete(request("a", { sample: 0 }))).text, "a 0");
  await rejects(replay.complete(request("a"), { signal: AbortSignal.abort(new Error("stopped")) }), {
    message: "stopped",
  });
});

Deno.test("visible() and toStorable() keep a terminal and a database whole", () => {
  const rows: [string, string][] = [
    ["a\nb\t c", "a b c"],
    ["\x1b[31mred\x07", "\\u001b[31mred\\u0007"],
    ["\u202eevil\u200b", "\\u202eevil\\u200b"],
    ["😀".repeat(200), "😀".repeat(150) + "…"],
    ["x" + "😀".repeat(200), "x" + "😀".repeat(149) + "…"],
    ["the key is hush", "the key is [key]"],
  ];
  for (const [text, expected] of rows) equal(visible(text, "hush"), expected);
  equal(toStorable("a\0b\udc00😀\n"), "a\ufffdb\ufffd😀\n");
});
