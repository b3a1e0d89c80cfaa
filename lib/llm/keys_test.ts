import { match, strictEqual as equal } from "node:assert/strict";
import { keysOf, keyVariable } from "./keys.ts";
import { openModel, parseModel } from "./open_model.ts";
import { openai } from "./openai.ts";
import { serve } from "./testing.ts";

const REQUEST = { messages: [{ role: "user", content: "Hi" }], temperature: 0, maxTokens: 4 } as const;

Deno.test("keysOf() gives each server its own key, and OpenAI's to nobody else on the net", () => {
  const { apiKeyOf } = keysOf({
    OPENAI_API_KEY: "sk-openai",
    OPENAI_API_KEY_API_GROQ_COM: "gsk-groq",
    OPENAI_API_KEY_10_0_0_7: "box",
    OPENAI_API_KEY_LOCALHOST: "",
  });
  const rows: [baseUrl: string, key: string | undefined][] = [
    ["https://api.openai.com/v1", "sk-openai"],
    ["https://eu.api.openai.com/v1", "sk-openai"],
    ["http://127.0.0.1:8080/v1", "sk-openai"],
    ["http://[::1]:8080/v1", "sk-openai"],
    ["http://localhost:11434/v1", ""], // one that is empty is none
    ["https://api.groq.com/openai/v1", "gsk-groq"],
    ["https://API.groq.com:8443/v1", "gsk-groq"],
    ["http://10.0.0.7:8000/v1", "box"],
    ["http://api.openai.com/v1", undefined], // anybody on the way could read it
    ["https://api.openai.com.example/v1", undefined],
    ["https://notopenai.com/v1", undefined],
    ["http://localhost.example/v1", undefined],
    ["http://127.0.0.1.example/v1", undefined],
    ["https://x.example/v1?api.openai.com", undefined],
  ];
  for (const [baseUrl, key] of rows) equal(apiKeyOf(baseUrl), key, baseUrl);
});

Deno.test("openModel() sends a server its own key, and an error names the variable of that", async () => {
  await using server = serve(() => Response.json({ error: { message: "no" } }, { status: 401 }));
  const python = () => Promise.reject(new Error("not needed"));
  const keys = keysOf({ OPENAI_API_KEY: "sk-openai", OPENAI_API_KEY_127_0_0_1: "sk-own" });
  const model = await openModel(parseModel(`openai:m@${server.url}`), { ...keys, python });
  match(`${await model.complete(REQUEST).catch(String)}`, /set OPENAI_API_KEY \(401: no\)/);
  const sent = server.requests.map(({ headers }) => headers.get("authorization"));
  equal([...new Set(sent)].join(), "Bearer sk-own");

  const far = openai("m", {
    baseUrl: "https://x-1.example/v1",
    fetch: () => Promise.resolve(new Response("no", { status: 401 })),
  });
  match(`${await far.complete(REQUEST).catch(String)}`, /set OPENAI_API_KEY_X_1_EXAMPLE \(401: no\)/);
  equal(keyVariable("https://x-1.example/v1"), "OPENAI_API_KEY_X_1_EXAMPLE");
});
