import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { LanguageModel } from "../lib/llm/mod.ts";
import { asBegun, weightsOf } from "./weights.ts";

const model = (identity: Readonly<Record<string, string>>): LanguageModel => ({
  ...{ name: "test", identity, promptTokensAtMost: () => 1 },
  complete: () => Promise.reject(new Error("is not asked")),
});

Deno.test("asBegun() leaves the embedded model as it is: its weights were part of it before any server told its own", () => {
  const primary = model({ provider: "local", weights: "sha256 1" });
  const optimizer = model({ provider: "openai", model: "small", served: "digest 2" });
  const roles = { primary, optimizer };
  deepEqual(weightsOf({ primary, optimizer: primary }), undefined);
  deepEqual(weightsOf(roles), { primary: null, optimizer: "digest 2" });
  const before = asBegun(roles, undefined); // of an experiment that began before servers were asked
  deepEqual(before.primary.identity, primary.identity);
  deepEqual(before.optimizer.identity, { provider: "openai", model: "small" });
  deepEqual(asBegun(roles, weightsOf(roles)).optimizer.identity, optimizer.identity);
});
