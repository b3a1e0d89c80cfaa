/**
 * What opens models of providers, by the variables that the providers' own tools read.
 *
 * ```ts
 * import { keysOf } from "./keys.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const { google } = keysOf({ GOOGLE_CLOUD_PROJECT: "ours", GOOGLE_CLOUD_LOCATION: "" });
 * equal(google.project, "ours");
 * equal(google.location, undefined); // one that is empty is none
 * ```
 *
 * @module
 */

/** Keys and places, of an environment. */
export const keysOf = (env: Readonly<Record<string, string | undefined>>) => ({
  apiKey: env.OPENAI_API_KEY,
  google: {
    project: env.GOOGLE_CLOUD_PROJECT,
    location: env.GOOGLE_CLOUD_LOCATION || undefined,
    baseUrl: env.GOOGLE_VERTEX_BASE_URL || undefined,
    credentials: env.GOOGLE_APPLICATION_CREDENTIALS || undefined,
  },
});
