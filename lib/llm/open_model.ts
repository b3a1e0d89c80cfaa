/**
 * Models by name, as on the command line: `local`, `openai:NAME`, `openai:NAME@BASE_URL`.
 *
 * ```ts
 * import { parseModel } from "./open_model.ts";
 * import { deepEqual } from "node:assert/strict";
 *
 * deepEqual(parseModel("openai:llama3:8b@http://localhost:11434"), {
 *   provider: "openai",
 *   name: "openai:llama3:8b@http://localhost:11434/v1",
 *   model: "llama3:8b",
 *   baseUrl: "http://localhost:11434/v1",
 * });
 * ```
 *
 * @module
 */
import { nearest } from "../nearest.ts";
import { openLocal } from "./local.ts";
import type { LanguageModel } from "./model.ts";
import { openai, OPENAI_URL } from "./openai.ts";
import { visible } from "./text.ts";

/** A model that was named, not opened yet. */
export type ModelSpec =
  | { readonly provider: "local"; readonly name: "local" }
  | { readonly provider: "openai"; readonly name: string; readonly model: string; readonly baseUrl: string };

/** A name names no model; a flow that catches it ends with exit code 2. */
export class ModelNameError extends Error {
  override name = "UsageError";
}

/** What `name` stands for. Throws ModelNameError. */
export function parseModel(name: string): ModelSpec {
  if (name === "local") return { provider: "local", name };
  const [, provider = name, rest] = /^([^:]*):(.*)$/s.exec(name) ?? [];
  if (provider === "openai" && rest !== undefined) {
    const [, bare = rest, baseUrl = OPENAI_URL] = /^(.+?)@([a-z]+:\/\/.*|[^@]+)$/s.exec(rest) ?? [];
    if (bare.trim() === "") {
      throw new ModelNameError(
        `Cannot open the model ${shown(name)}: a name is missing, as in openai:gpt-4o-mini`,
      );
    }
    try {
      const { name, identity } = openai(bare, { baseUrl });
      return { provider, name, model: bare, baseUrl: identity.endpoint! };
    } catch (error) {
      throw new ModelNameError((error as Error).message, { cause: error });
    }
  }
  const guess = nearest(provider, ["local", "openai"]);
  const hint = guess ? ` (did you mean ${guess === "openai" ? `openai:${rest || "NAME"}` : guess}?)` : "";
  throw new ModelNameError(
    `Cannot open the model ${shown(name)}: it must be local, openai:NAME or openai:NAME@BASE_URL${hint}`,
  );
}

const shown = (name: string): string => `"${visible(name)}"`;

/** What opening a model may need. */
export interface OpenOptions {
  /** For `openai:`. */
  readonly apiKey?: string | undefined;
  /** The interpreter that runs the embedded model; called for `local` alone. */
  readonly python: () => Promise<string>;
  /** Told what a user should know, a line at a time. */
  readonly notice?: (line: string) => void;
}

/** Opens a model; one that holds a process is disposable. */
export async function openModel(
  spec: ModelSpec,
  { apiKey, python, notice }: OpenOptions,
): Promise<LanguageModel & Partial<AsyncDisposable>> {
  if (spec.provider === "local") {
    return await openLocal({ python: await python(), ...notice ? { notice } : {} });
  }
  if (!apiKey && spec.baseUrl === OPENAI_URL) {
    throw new ModelNameError(`Cannot open the model ${shown(spec.name)} without a key: set OPENAI_API_KEY`);
  }
  return openai(spec.model, { baseUrl: spec.baseUrl, apiKey });
}
