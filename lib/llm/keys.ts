/**
 * What opens models of providers, by the variables that the providers' own tools read.
 *
 * ```ts
 * import { keysOf } from "./keys.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const { google, apiKeyOf } = keysOf({
 *   GOOGLE_CLOUD_PROJECT: "ours",
 *   GOOGLE_CLOUD_LOCATION: "",
 *   OPENAI_API_KEY: "sk-1",
 *   OPENAI_API_KEY_API_GROQ_COM: "gsk-2",
 * });
 * equal(google.project, "ours");
 * equal(google.location, undefined); // one that is empty is none
 * equal(apiKeyOf("https://api.openai.com/v1"), "sk-1");
 * equal(apiKeyOf("https://api.groq.com/openai/v1"), "gsk-2");
 * equal(apiKeyOf("https://elsewhere.example/v1"), undefined); // nobody gets another's
 * ```
 *
 * @module
 */

import { isLoopback } from "../loopback.ts";

/** Keys and places, of an environment. */
export const keysOf = (env: Readonly<Record<string, string | undefined>>) => ({
  apiKeyOf: (baseUrl: string): string | undefined => env[ownVariable(baseUrl)] ?? env[keyVariable(baseUrl)],
  /** Where OpenAI's own tools send what they ask. */
  openaiUrl: env.OPENAI_BASE_URL || undefined,
  google: {
    project: env.GOOGLE_CLOUD_PROJECT,
    location: env.GOOGLE_CLOUD_LOCATION || undefined,
    baseUrl: env.GOOGLE_VERTEX_BASE_URL || undefined,
    credentials: env.GOOGLE_APPLICATION_CREDENTIALS || undefined,
  },
});

/**
 * The variable of the key for a server. OPENAI_API_KEY is OpenAI's, and goes to servers on this machine, too; any other host
 * has one that is named by it, as nobody is to be sent another's key.
 */
export function keyVariable(baseUrl: string): string {
  const { protocol, hostname } = new URL(baseUrl);
  const isOpenAi = protocol === "https:" && hostname.endsWith(".openai.com");
  return isOpenAi || isLoopback(baseUrl) ? "OPENAI_API_KEY" : ownVariable(baseUrl);
}

/** OPENAI_API_KEY_API_GROQ_COM for api.groq.com, whatever the port. */
const ownVariable = (baseUrl: string): string =>
  `OPENAI_API_KEY_${new URL(baseUrl).hostname.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`;
