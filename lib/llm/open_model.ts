/**
 * Models by name, as on the command line: `local`, `openai:NAME`, `openai:NAME@BASE_URL`, `vertex:NAME`.
 *
 * ```ts
 * import { parseModel } from "./open_model.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
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
import { openVertex, type VertexOptions } from "./vertex.ts";
import { weightsOf } from "./weights.ts";

/** A model that was named, not opened yet. */
export type ModelSpec =
  | { readonly provider: "local"; readonly name: "local" }
  | { readonly provider: "openai"; readonly name: string; readonly model: string; readonly baseUrl: string }
  | { readonly provider: "vertex"; readonly name: string; readonly model: string };

/** A name names no model, or its key cannot be one; a flow that catches it ends with exit code 2. */
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
  if (provider === "vertex" && rest !== undefined) {
    if (!/^[\w.@-]+([/:][\w.@-]+)*$/.test(rest) || rest.includes("..")) {
      throw new ModelNameError(
        `Cannot open the model ${shown(name)}: it must be like vertex:gemini-2.5-flash`,
      );
    }
    return { provider, name, model: rest };
  }
  const guess = nearest(provider, ["local", "openai", "vertex"]);
  const hint = guess ? ` (did you mean ${guess === "local" ? guess : `${guess}:${rest || "NAME"}`}?)` : "";
  throw new ModelNameError(
    `Cannot open the model ${
      shown(name)
    }: it must be local, openai:NAME, openai:NAME@BASE_URL or vertex:NAME${hint}`,
  );
}

const shown = (name: string): string => `"${visible(name)}"`;

/** What opening a model may need. */
export interface OpenOptions {
  /** For `openai:`, the key for a server. */
  readonly apiKeyOf?: (baseUrl: string) => string | undefined;
  /** The server that OpenAI's own tools ask, where that is another one: then `openai:NAME` without a server is refused. */
  readonly openaiUrl?: string | undefined;
  /** For `vertex:`; without a project it cannot be opened. */
  readonly google?: Partial<VertexOptions>;
  /** The interpreter that runs the embedded model; called for `local` alone. */
  readonly python: () => Promise<string>;
  /** Whether a server is asked which weights are behind the name, for the model's identity. @default {true} */
  readonly identify?: boolean;
  /** Told what a user should know, a line at a time. */
  readonly notice?: (line: string) => void;
}

/** Opens a model; one that holds a process is disposable. Throws ModelNameError. */
export async function openModel(
  spec: ModelSpec,
  {
    apiKeyOf = () => undefined,
    openaiUrl = OPENAI_URL,
    google: { project, ...google } = {},
    python,
    identify = true,
    notice,
  }: OpenOptions,
): Promise<LanguageModel & Partial<AsyncDisposable>> {
  if (spec.provider === "local") {
    return await openLocal({ python: await python(), ...notice ? { notice } : {} });
  }
  const { provider } = spec;
  if (provider === "openai" && spec.baseUrl === OPENAI_URL) {
    requireMeant(spec.model, openaiUrl);
    if (!apiKeyOf(OPENAI_URL)) {
      throw new ModelNameError(`Cannot open the model ${shown(spec.name)} without a key: set OPENAI_API_KEY`);
    }
  }
  if (provider === "vertex" && !project) {
    throw new ModelNameError(
      `Cannot open the model ${shown(spec.name)} without a Google Cloud project: set GOOGLE_CLOUD_PROJECT`,
    );
  }
  try {
    return provider === "openai"
      ? await openServed(spec, { apiKey: apiKeyOf(spec.baseUrl), identify })
      : await openVertex(spec.model, { project: project!, ...google });
  } catch (error) { // a key that no header can carry, credentials that are not there
    throw new ModelNameError((error as Error).message, { cause: error });
  }
}

/**
 * Refuses to ask OpenAI where its own tools would ask another server: whoever set that up for them means that one. The server is
 * part of the name, as an experiment must find it again whatever its environment says by then.
 */
function requireMeant(model: string, openaiUrl: string): void {
  const meant = parseModel(`openai:${model}@${openaiUrl}`).name;
  if (meant === `openai:${model}`) return;
  throw new ModelNameError(
    `Cannot open the model ${
      shown(`openai:${model}`)
    } as OPENAI_BASE_URL names another server than OpenAI's: ` +
      `say ${visible(meant)}, or leave that variable out`,
  );
}

/** Where the name is somebody else's than OpenAI's, whose models stay what they are, the weights are part of the identity. */
async function openServed(
  { model, baseUrl }: { readonly model: string; readonly baseUrl: string },
  { apiKey, identify }: { apiKey: string | undefined; identify: boolean },
): Promise<LanguageModel> {
  const opened = openai(model, { baseUrl, apiKey });
  const served = identify && baseUrl !== OPENAI_URL
    ? await weightsOf(model, baseUrl, { apiKey: apiKey?.trim() })
    : undefined;
  return served === undefined ? opened : { ...opened, identity: { ...opened.identity, served } };
}
