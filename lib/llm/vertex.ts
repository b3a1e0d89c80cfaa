/**
 * Gemini on Vertex AI, through Google's own SDK and Application Default Credentials.
 *
 * The SDK is loaded when a model is opened and not before: a run without one downloads nothing of it. It builds requests and
 * signs them; what it would do beyond one request is off: its retries, and going on by itself where an answer was cut.
 * Requests leave through `exchange`, so that times, sizes and errors are those of every other provider.
 *
 * ```ts ignore
 * const model = await openVertex("gemini-2.5-flash", { project: "my-project" });
 * const { text } = await model.complete({ messages: [{ role: "user", content: "Hello" }], temperature: 0, maxTokens: 256 });
 * ```
 *
 * A model that thinks spends `maxTokens` on its thoughts, too, and they are billed as completion.
 *
 * @module
 */
import type { Content, GenerateContentResponse } from "npm:@google/genai@3.1.0";
import type { AuthClient } from "npm:google-auth-library@10.9.1";
import {
  errorOf,
  exchange,
  type Exchanged,
  type ExchangeOptions,
  notJson,
  parsed,
  patience,
  retryAfter,
  retryInfo,
  serverUrl,
  unlessAborted,
} from "./exchange.ts";
import {
  type Completion,
  type Finish,
  type LanguageModel,
  type ModelRequest,
  ProviderError,
} from "./model.ts";
import { toStorable } from "../text.ts";
import { visible, without } from "./text.ts";
import { NOTHING, promptTokensAtMost, usageOf } from "./usage.ts";

// Not written where they are imported: Deno downloads at the start what it can read in the source.
const SDK = "npm:@google/genai@3.1.0";
const AUTH = "npm:google-auth-library@10.9.1";

/** Where the models are, and who asks. */
export interface VertexOptions extends ExchangeOptions {
  /** Who pays: the id of a Google Cloud project. */
  readonly project: string;
  /** @default {"global"} */
  readonly location?: string | undefined;
  /** @default {Google's address for the location} */
  readonly baseUrl?: string | undefined;
  /**
   * A file with credentials (of a service account, of `gcloud auth application-default login`, …). Unless given, they
   * are looked for where every Google tool looks: GOOGLE_APPLICATION_CREDENTIALS, gcloud's folder, the machine's own.
   */
  readonly credentials?: string | undefined;
}

/**
 * The Gemini model `name`, as in `gemini-2.5-flash` or `projects/P/locations/L/endpoints/E`. Throws a TypeError when
 * project, location, base URL or credentials cannot be used; the credentials are tried at the first call.
 */
export async function openVertex(
  name: string,
  { project, location = "global", baseUrl, credentials, ...options }: VertexOptions,
): Promise<LanguageModel> {
  const endpoint = baseUrl === undefined ? undefined : serverUrl(baseUrl).href.replace(/\/+$/, "");
  for (const [what, text] of Object.entries({ project, location })) {
    if (!/^[\w.:-]+$/.test(text)) {
      throw new TypeError(
        `Cannot use ${visible(text)} as a ${what} of Google Cloud: it must be letters, digits, -`,
      );
    }
  }
  const authClient = await credentialsOf({ project, credentials, options });
  const { GoogleGenAI } = await load<typeof import("npm:@google/genai@3.1.0")>(SDK);
  const { models } = new GoogleGenAI({
    vertexai: true,
    project,
    location,
    apiVersion: "v1",
    googleAuthOptions: { authClient },
    // no retryOptions: without them the SDK sends once
    httpOptions: { fetch: sending(name, location, options), ...endpoint ? { baseUrl: endpoint } : {} },
  });
  return {
    name: `vertex:${name}`,
    identity: { provider: "vertex", model: name, location, ...endpoint ? { endpoint } : {} },
    promptTokensAtMost,
    async complete(request, { signal } = {}) {
      const { temperature, maxTokens: maxOutputTokens } = request;
      if (request.bias) {
        throw new ProviderError(`Cannot ask vertex:${name} with a bias as Gemini takes no logit_bias`, {
          ...{ retryable: false, fatal: true, usage: NOTHING },
        });
      }
      try {
        const answer = models.generateContent({
          model: name,
          ...turnsOf(request),
          config: {
            ...instructionOf(request),
            temperature,
            maxOutputTokens,
            automaticContinuation: false,
            ...signal ? { abortSignal: signal } : {},
          },
        });
        return completionOf(await unlessAborted(answer, signal));
      } catch (error) {
        signal?.throwIfAborted();
        throw providerError(error);
      }
    },
  };
}

/** What the SDK sends its requests with: one exchange, whose errors are ours. */
const sending =
  (name: string, location: string, options: ExchangeOptions): typeof fetch => async (url, init = {}) => {
    const secrets = [new Headers(init.headers).get("authorization")?.replace(/^Bearer /, "") ?? ""];
    const { maxOutputTokens } = parsed(String(init.body))?.generationConfig ?? {};
    const times = { answerTimeoutMs: patience(maxOutputTokens ?? 0) };
    const answer = await exchange(String(url), init, { ...times, ...options, secrets });
    const { status, text } = answer;
    if (status < 200 || status > 299) {
      throw refusal(answer, { name, location, secrets, now: options.now ?? Date.now });
    }
    if (parsed(text) === undefined) {
      throw new ProviderError(`Cannot read the answer as ${notJson(answer, secrets)}`, {
        status,
        retryable: true,
      });
    }
    const error = errorOf(text);
    if (error) {
      const code = Number(error.code);
      throw new ProviderError(
        `Cannot use the answer as it is an error: ${visible(error.message, ...secrets)}`,
        {
          ...code >= 400 && code <= 599 ? { status: code } : { status, retryable: true },
        },
      );
    }
    return new Response(without(text, secrets), { status });
  };

function refusal(
  { status, headers, text }: Exchanged,
  { name, location, secrets, now }: {
    name: string;
    location: string;
    secrets: readonly string[];
    now: () => number;
  },
): ProviderError {
  const error = errorOf(text);
  const said = visible(error?.message ?? text, ...secrets) || "nothing";
  const what = status >= 300 && status < 400
    ? `it redirects to ${visible(headers.get("location") ?? "nowhere", ...secrets)}, which is not followed`
    : `it answered ${status}: ${said}`;
  const retryAfterMs = retryAfter(headers, now()) ?? retryInfo(error);
  return new ProviderError(`Cannot ask vertex:${name} in ${location} as ${what}${HINTS.get(status) ?? ""}`, {
    status,
    // of the project or the place, so that every request meets it
    ...status < 400 || error?.status === "FAILED_PRECONDITION" ? { fatal: true } : {},
    ...retryAfterMs === undefined ? {} : { retryAfterMs },
  });
}

const HINTS = new Map([
  [401, "; sign in again: gcloud auth application-default login"],
  [403, "; the account needs the role Vertex AI User in the project of GOOGLE_CLOUD_PROJECT"],
  [404, "; check the name, and whether GOOGLE_CLOUD_LOCATION has the model"],
]);

/** The turns of a chat; Gemini calls the assistant `model` and takes what the system says elsewhere. */
const turnsOf = ({ messages }: ModelRequest): { contents: Content[] } => ({
  contents: messages.filter(({ role }) => role !== "system").map(({ role, content }) => ({
    role: role === "assistant" ? "model" : "user",
    parts: [{ text: content }],
  })),
});

const instructionOf = ({ messages }: ModelRequest): { systemInstruction?: Content } => {
  const parts = messages.filter(({ role }) => role === "system").map(({ content }) => ({ text: content }));
  return parts.length === 0 ? {} : { systemInstruction: { parts } };
};

const FINISH = new Map<unknown, Finish>([
  ["STOP", "stop"],
  ["MAX_TOKENS", "length"],
  ["CONTINUATION", "length"],
  ["SAFETY", "filter"],
  ["RECITATION", "filter"],
  ["BLOCKLIST", "filter"],
  ["PROHIBITED_CONTENT", "filter"],
  ["SPII", "filter"],
]);

/** The SDK's types are what Google promises; what came is checked like any foreign shape. */
function completionOf(response: GenerateContentResponse): Completion {
  const candidate = Array.isArray(response.candidates) ? response.candidates[0] : undefined;
  const parts: unknown = candidate?.content?.parts;
  const text = toStorable(
    (Array.isArray(parts) ? parts : []).map((part) =>
      typeof part?.text === "string" && part.thought !== true ? part.text : ""
    ).join(""),
  );
  // Protobuf leaves zeros out of its JSON.
  const { promptTokenCount, candidatesTokenCount = 0, thoughtsTokenCount = 0 } = response.usageMetadata ?? {};
  const usage = usageOf(promptTokenCount, sum(candidatesTokenCount, thoughtsTokenCount), text);
  const finish = candidate
    ? FINISH.get(candidate.finishReason) ?? "other"
    : response.promptFeedback?.blockReason
    ? "filter"
    : "other";
  if (text !== "" || finish === "filter" || finish === "length") return { text, finish, usage };
  // A model that says nothing still ends it with a mark, which is counted: without one nothing was generated.
  if (finish === "stop" && usage?.completionTokens) return { text, finish, usage };
  const why = visible(String(candidate?.finishReason ?? "no reason"));
  throw new ProviderError(
    `Cannot read the answer as ${candidate ? `its candidate is empty (${why})` : "it has no candidates"}`,
    { status: 200, retryable: true, usage },
  );
}

const sum = (a: unknown, b: unknown): unknown =>
  typeof a === "number" && typeof b === "number" && a >= 0 && b >= 0 ? a + b : undefined;

/** Finds credentials; Google is asked for a token when the first request needs one. */
async function credentialsOf(
  { project, credentials, options }: {
    project: string;
    credentials: string | undefined;
    options: ExchangeOptions;
  },
): Promise<AuthClient> {
  const { GoogleAuth } = await load<typeof import("npm:google-auth-library@10.9.1")>(AUTH);
  try {
    const json = credentials ? parsed(await Deno.readTextFile(credentials)) : undefined;
    if (credentials && !json) throw new SyntaxError();
    return await new GoogleAuth({
      projectId: project, // or it would be looked for, by running gcloud among other ways
      scopes: ["https://www.googleapis.com/auth/cloud-platform"],
      ...json ? { credentials: json } : {},
      clientOptions: {
        transporterOptions: {
          fetchImplementation: signingIn(json?.token_uri ?? TOKEN_URI, options),
          retryConfig: { retry: 0 },
        },
      },
    }).getClient();
  } catch (error) {
    // A SyntaxError of the library quotes what could not be read, and that is a key.
    const why = error instanceof SyntaxError ? "it is not JSON" : visible((error as Error).message);
    throw new TypeError(
      `Cannot use ${
        credentials ? `the key file ${visible(credentials)}` : "Google's credentials"
      }: ${why}; ` +
        "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
    );
  }
}

/** Where Google's library asks for tokens, whatever `token_uri` the credentials name. */
const TOKEN_URI = "https://oauth2.googleapis.com/token";

/** What the credentials are exchanged with: a refusal says what the sign-in said of them, and none of them. */
const signingIn = (tokenUri: string, options: ExchangeOptions): typeof fetch => async (url, init = {}) => {
  const { body } = init;
  const secrets = body instanceof URLSearchParams
    ? [...body].filter(([name]) => name !== "grant_type").map(([, value]) => value)
    : [];
  const ofToken = String(url) === TOKEN_URI;
  const target = ofToken ? tokenUri : String(url);
  const { status, headers, text } = await exchange(target, init, {
    answerTimeoutMs: 30_000,
    ...options,
    secrets,
  });
  const { host } = new URL(target);
  const { access_token, error, error_description: description } = parsed(text) ?? {};
  if (status >= 200 && status <= 299) {
    if (!ofToken || typeof access_token === "string") return new Response(text, { status, headers });
    throw new ProviderError(`${host} answered without a token`, { status, retryable: true });
  }
  const said = [error, description].filter((text) => typeof text === "string").join(": ") || text;
  const retryAfterMs = retryAfter(headers, (options.now ?? Date.now)());
  throw new ProviderError(`${host} answered ${status}: ${visible(said, ...secrets) || "nothing"}`, {
    status,
    ...status < 500 && status !== 429 ? { retryable: false, fatal: true } : {},
    ...retryAfterMs === undefined ? {} : { retryAfterMs },
  });
};

/** A call that was not sent, for want of a token. */
function signInError(why: string, { status = 0, retryable = true, fatal = false, retryAfterMs }: {
  status?: number;
  retryable?: boolean;
  fatal?: boolean;
  retryAfterMs?: number | undefined;
} = {}): ProviderError {
  const mend = fatal ? "; sign in again: gcloud auth application-default login" : "";
  return new ProviderError(`Cannot sign in to Google Cloud as ${why}${mend}`, {
    status,
    retryable,
    fatal,
    ...retryAfterMs === undefined ? {} : { retryAfterMs },
    usage: NOTHING,
  });
}

/**
 * Errors of ours as they are; one that comes wrapped is of the exchange for a token; any other is the SDK's, or of the
 * credentials that the machine has by itself, which come from a server that may be busy.
 */
function providerError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const { cause, message, status } = error as Error & { status?: unknown };
  if (cause instanceof ProviderError) return signInError(cause.message, cause);
  const isRefusal = typeof status === "number" && status >= 400 && status < 500 && status !== 429;
  return signInError(visible(message), {
    ...typeof status === "number" ? { status } : {},
    ...{ retryable: !isRefusal, fatal: isRefusal },
  });
}

async function load<Module>(specifier: string): Promise<Module> {
  try {
    return await import(specifier);
  } catch (error) {
    throw new TypeError(
      `Cannot load ${specifier}, which is fetched from npm when a vertex: model is opened for the first time: ` +
        visible((error as Error).message),
    );
  }
}
