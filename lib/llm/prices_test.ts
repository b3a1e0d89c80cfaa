import { strictEqual as equal } from "node:assert/strict";
import prices from "../../data/prices.json" with { type: "json" };
import { costOf, type Price, priceOf } from "./prices.ts";

const openai = (model: string, endpoint = "https://api.openai.com/v1") =>
  priceOf({ identity: { provider: "openai", model, endpoint } });

const vertex = (model: string, location = "global") =>
  priceOf({ identity: { provider: "vertex", model, location } });

Deno.test("priceOf() knows listed models at their provider, and nothing else", () => {
  const rows: [Pick<Price, "prompt"> | null, bigint | undefined][] = [
    [openai("gpt-4o-mini"), 150_000n],
    [openai("gpt-5-nano"), 50_000n],
    [openai("gpt-4o-mini", "http://127.0.0.1:8080/v1"), undefined],
    [openai("gpt-4o-mini-2024-07-18"), undefined],
    [openai("constructor"), undefined],
    [openai("gpt-6-luna"), 125_000n], // 0.10 and the quarter for writing it into the cache
    [vertex("gemini-2.5-flash"), 300_000n],
    [vertex("gemini-2.5-flash", "us-central1"), 330_000n],
    [vertex("gemini-2.5-pro", "eu")?.above ?? null, 2_750_000n],
    [vertex("gemini-1.0"), undefined],
    [priceOf({ identity: { provider: "local", model: "SmolLM2" } }), 0n],
    [priceOf({ identity: {} }), undefined],
  ];
  for (const [price, prompt] of rows) equal(price?.prompt, prompt);
});

Deno.test("priceOf() knows models by the address of their server, and no other's", () => {
  const servers = { "https://api.groq.com/openai/v1": { "llama": { prompt: "0.59", completion: "0.79" } } };
  const rows: [model: string, endpoint: string, bigint | undefined][] = [
    ["llama", "https://api.groq.com/openai/v1", 590_000n],
    ["llama", "https://api.openai.com/v1", undefined],
    ["llama", "https://models.example/v1", undefined],
    ["gpt-4o-mini", "https://api.groq.com/openai/v1", undefined],
    ["llama", "constructor", undefined],
  ];
  for (const [model, endpoint, prompt] of rows) {
    equal(priceOf({ identity: { provider: "openai", model, endpoint } }, servers)?.prompt, prompt, endpoint);
  }
});

Deno.test("priceOf() reads every listed price, above zero", () => {
  for (const [provider, models] of Object.entries(prices.models)) {
    for (const model of Object.keys(models)) {
      const price = priceOf({ identity: { provider, model, endpoint: "https://api.openai.com/v1" } });
      equal(
        price !== null && price.prompt > 0n && price.completion >= price.prompt,
        true,
        `${provider}:${model}`,
      );
    }
  }
});

Deno.test("costOf() is exact over many calls, and takes the higher rate above a threshold", () => {
  const price = openai("gpt-4o-mini");
  let sum = 0n;
  for (let i = 0; i < 1_000_000; i++) sum += costOf({ promptTokens: 1, completionTokens: 1 }, price);
  equal(sum, 750_000_000_000n); // 0.15 + 0.60 USD to the last picodollar
  const tiered = openai("gpt-5.4");
  equal(costOf({ promptTokens: 272_000, completionTokens: 1 }, tiered), 272_000n * 2_500_000n + 15_000_000n);
  equal(costOf({ promptTokens: 272_001, completionTokens: 1 }, tiered), 272_001n * 5_000_000n + 22_500_000n);
  equal(costOf({ promptTokens: 5, completionTokens: 5 }, null), 0n);
});
