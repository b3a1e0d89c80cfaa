import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import type { Completion, ModelRequest, ProviderError } from "./model.ts";
import { type Answer, credentialsFile, google, granted, never, serve, timersOf, USER } from "./testing.ts";
import { openVertex, type VertexOptions } from "./vertex.ts";

// The shapes are those that Vertex AI answers with, as recorded in github.com/FirebaseExtended/vertexai-sdk-test-data
// (mock-responses/vertexai, commit 2d6adfd, April 2026; each row names its file) and as @google/genai 3.1.0 declares them.

const REQUEST: ModelRequest = {
  messages: [{ role: "user", content: "Where is Google's headquarters?" }],
  temperature: 0,
  maxTokens: 64,
};
const candidate = (parts: unknown, finishReason?: string) => ({
  content: { role: "model", parts },
  finishReason,
});
const answered = (parts: unknown, finishReason: string | undefined, usageMetadata?: unknown) =>
  Response.json({
    candidates: [candidate(parts, finishReason)],
    usageMetadata,
    modelVersion: "gemini-2.5-flash",
  });
const SHORT = { promptTokenCount: 6, candidatesTokenCount: 7, totalTokenCount: 13 };
const short = () => answered([{ text: "Mountain View" }], "STOP", SHORT); // unary-success-basic-reply-short
const refused = (code: number, status: string, message: string, details: unknown[] = [], headers = {}) =>
  Response.json({ error: { code, message, status, details } }, { status: code, headers });

/** One request to a local Vertex AI, signed in as a user of gcloud. */
async function ask(
  answer: Answer,
  options: Partial<VertexOptions> & { signIn?: Answer } = {},
  request = REQUEST,
) {
  await using server = google(answer, options.signIn ? { signIn: options.signIn } : {});
  await using file = await credentialsFile(server.credentials);
  const model = await openVertex("gemini-2.5-flash", {
    project: "my-project",
    credentials: file.path,
    baseUrl: server.url,
    ...options,
  });
  const outcome = await model.complete(request).then(
    (completion) => ({ completion, error: undefined }),
    (error: ProviderError) => ({ completion: undefined, error }),
  );
  return { ...outcome, asked: server.asked(), signIns: server.signIns() };
}

Deno.test("openVertex() sends one plain request, signed with the credentials' token", async () => {
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "France" },
    { role: "assistant", content: "Paris" },
    { role: "user", content: "Italy" },
  ] as const;
  const { completion, asked, signIns } = await ask(short, {}, { messages, temperature: 0.5, maxTokens: 20 });
  deepEqual(completion, {
    text: "Mountain View",
    finish: "stop",
    usage: { promptTokens: 6, completionTokens: 7 },
  });
  equal(asked.length, 1);
  const { path, headers, body } = asked[0]!;
  equal(
    path,
    "/v1/projects/my-project/locations/global/publishers/google/models/gemini-2.5-flash:generateContent",
  );
  equal(headers.get("authorization"), "Bearer ya29.local");
  deepEqual(body, {
    systemInstruction: { parts: [{ text: "Be brief." }] },
    contents: [
      { role: "user", parts: [{ text: "France" }] },
      { role: "model", parts: [{ text: "Paris" }] },
      { role: "user", parts: [{ text: "Italy" }] },
    ],
    generationConfig: { temperature: 0.5, maxOutputTokens: 20 },
  });
  deepEqual(Object.fromEntries(new URLSearchParams(signIns[0]!.body)), {
    grant_type: "refresh_token",
    client_id: USER.client_id,
    client_secret: USER.client_secret,
    refresh_token: USER.refresh_token,
  });
});

Deno.test("openVertex() finds Google's address for the location, or another one", async () => {
  const urls: string[] = [];
  const fake: typeof fetch = (url) => {
    if (String(url).includes("oauth2")) return Promise.resolve(granted("token"));
    urls.push(String(url));
    return Promise.resolve(short());
  };
  await using file = await credentialsFile(USER);
  const rows: [Partial<VertexOptions>, string, string?][] = [
    [{}, "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/m"],
    [
      { location: "us-central1" },
      "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/",
    ],
    [{ location: "eu" }, "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/"],
    [{ baseUrl: "http://localhost:8/vertex/" }, "http://localhost:8/vertex/v1/projects/p/locations/global/"],
    [
      {},
      "https://aiplatform.googleapis.com/v1/projects/q/locations/l/endpoints/7:generateContent",
      "projects/q/locations/l/endpoints/7",
    ],
  ];
  for (const [options, url, name = "m"] of rows) {
    const model = await openVertex(name, { project: "p", credentials: file.path, fetch: fake, ...options });
    await model.complete(REQUEST);
    equal(urls.at(-1)!.slice(0, url.length), url);
    equal(model.name, `vertex:${name}`);
  }
  equal(urls.length, rows.length);
  const { identity } = await openVertex("m", { project: "p", credentials: file.path, location: "eu" });
  deepEqual(identity, { provider: "vertex", model: "m", location: "eu" });
});

Deno.test("openVertex() waits longer where more may be said, as a model may think for long", async () => {
  for (const [maxTokens, ms] of [[4, 300_000], [8192, 1_638_400]] as const) {
    let error: unknown;
    const timers = await timersOf(async () => ({ error } = await ask(short, {}, { ...REQUEST, maxTokens })));
    equal(error, undefined);
    deepEqual(timers.filter((each) => each >= 300_000), [ms]);
  }
});

Deno.test("openVertex() signs in as a service account, once for many calls, and again when the token ends", async () => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    true,
    ["sign", "verify"],
  );
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey)).toBase64();
  let lifetime = 3600;
  await using server = google(short, { signIn: () => granted("ya29.account", lifetime) });
  await using file = await credentialsFile({
    type: "service_account",
    client_email: "quintet@my-project.iam.gserviceaccount.com",
    private_key: `-----BEGIN PRIVATE KEY-----\n${
      pkcs8.match(/.{1,64}/g)!.join("\n")
    }\n-----END PRIVATE KEY-----\n`,
    token_uri: `${server.url}/token`,
  });
  const open = () => openVertex("m", { project: "my-project", credentials: file.path, baseUrl: server.url });
  const model = await open();
  await Promise.all(Array.from({ length: 10 }, () => model.complete(REQUEST)));
  await model.complete(REQUEST);
  deepEqual([server.signIns().length, server.asked().length], [1, 11]);
  equal(server.asked().every(({ headers }) => headers.get("authorization") === "Bearer ya29.account"), true);

  const form = new URLSearchParams(server.signIns()[0]!.body);
  equal(form.get("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
  const [head = "", claims = "", signature = ""] = form.get("assertion")!.split(".");
  const decoded = (text: string) => Uint8Array.fromBase64(text, { alphabet: "base64url" });
  equal(
    await crypto.subtle.verify(
      "RSASSA-PKCS1-v1_5",
      publicKey,
      decoded(signature),
      new TextEncoder().encode(`${head}.${claims}`),
    ),
    true,
  );
  const { iss, scope, aud, exp, iat } = JSON.parse(new TextDecoder().decode(decoded(claims)));
  deepEqual([iss, scope, aud, exp - iat], [
    "quintet@my-project.iam.gserviceaccount.com",
    "https://www.googleapis.com/auth/cloud-platform",
    "https://oauth2.googleapis.com/token",
    3600,
  ]);

  lifetime = 1; // shorter than the five minutes before its end at which a token is renewed
  const other = await open();
  await other.complete(REQUEST);
  await other.complete(REQUEST);
  equal(server.signIns().length, 3);
});

Deno.test("openVertex() maps every form of an answer", async () => {
  const rows: [string, Response, Partial<Completion>][] = [
    [
      "unary-success-thinking-reply-thought-summary",
      answered([{ text: "I know this.", thought: true }, { text: "Mountain View" }], "STOP", {
        promptTokenCount: 13,
        candidatesTokenCount: 2,
        totalTokenCount: 54,
        trafficType: "ON_DEMAND",
        thoughtsTokenCount: 39,
      }),
      { text: "Mountain View", finish: "stop", usage: { promptTokens: 13, completionTokens: 41 } },
    ],
    ["MAX_TOKENS in the answer", answered([{ text: "Moun" }], "MAX_TOKENS", SHORT), {
      text: "Moun",
      finish: "length",
    }],
    [
      "MAX_TOKENS in the thoughts",
      answered(undefined, "MAX_TOKENS", { promptTokenCount: 6, thoughtsTokenCount: 60, totalTokenCount: 66 }),
      { text: "", finish: "length", usage: { promptTokens: 6, completionTokens: 60 } },
    ],
    [
      "unary-failure-finish-reason-safety-no-content",
      Response.json({
        candidates: [{ finishReason: "SAFETY", safetyRatings: [{ category: "HARM_CATEGORY_HARASSMENT" }] }],
        usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
      }),
      { text: "", finish: "filter", usage: { promptTokens: 8, completionTokens: 0 } },
    ],
    [
      "unary-failure-prompt-blocked-safety",
      Response.json({ promptFeedback: { blockReason: "SAFETY", safetyRatings: [] } }),
      { text: "", finish: "filter", usage: null },
    ],
    ["RECITATION", answered([], "RECITATION", { promptTokenCount: 8 }), { text: "", finish: "filter" }],
    ["unary-failure-unknown-enum-finish-reason", answered([{ text: "a" }], "FAKE", SHORT), {
      text: "a",
      finish: "other",
    }],
    ["constructor", answered([{ text: "a" }], "constructor", SHORT), { finish: "other" }],
    [
      "several parts",
      answered([{ text: "a" }, {}, { inlineData: { data: "" } }, { text: "b" }], "STOP", SHORT),
      {
        text: "ab",
      },
    ],
    ["hostile text", answered([{ text: "a\0b\ud800c" }], "STOP", SHORT), { text: "a\ufffdb\ufffdc" }],
    ["a silent model", answered([{ text: "" }], "STOP", { promptTokenCount: 6, candidatesTokenCount: 1 }), {
      text: "",
      finish: "stop",
    }],
    ["unary-success-partial-usage-metadata", answered([{ text: "a" }], "STOP", { promptTokenCount: 6 }), {
      usage: null,
    }],
    ["no usage", answered([{ text: "a" }], "STOP"), { usage: null }],
    ["a count as text", answered([{ text: "a" }], "STOP", { ...SHORT, promptTokenCount: "6" }), {
      usage: null,
    }],
    ["a negative count", answered([{ text: "a" }], "STOP", { ...SHORT, thoughtsTokenCount: -1 }), {
      usage: null,
    }],
    ["a huge count", answered([{ text: "a" }], "STOP", { ...SHORT, candidatesTokenCount: 1e12 }), {
      usage: null,
    }],
  ];
  for (const [row, response, expected] of rows) {
    const { completion, error } = await ask(() => response);
    equal(error, undefined, `${row}: ${error}`);
    for (const [key, value] of Object.entries(expected)) {
      deepEqual(completion![key as keyof Completion], value, row);
    }
  }
});

Deno.test("openVertex() asks once where the SDK would go on by itself", async () => {
  const cut = { ...candidate([{ text: "Moun" }], "CONTINUATION"), continuationToken: "more" };
  const pieces = [() => Response.json({ candidates: [cut], usageMetadata: SHORT }), short];
  const { completion, asked } = await ask(() => pieces.shift()!());
  deepEqual([completion!.text, completion!.finish, asked.length], ["Moun", "length", 1]);
});

Deno.test("openVertex() refuses a bias, and sends nothing", async () => {
  const { error, asked, signIns } = await ask(short, {}, { ...REQUEST, bias: { 7: 1 } });
  deepEqual([error!.name, error!.retryable, error!.fatal, error!.usage], [
    ...["ProviderError", false, true],
    { promptTokens: 0, completionTokens: 0 },
  ]);
  match(error!.message, /with a bias as Gemini takes no logit_bias/);
  deepEqual([asked.length, signIns.length], [0, 0]);
});

const ERROR_INFO = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "RATE_LIMIT_EXCEEDED" };
const retryInfo = (retryDelay: unknown) => ({
  "@type": "type.googleapis.com/google.rpc.RetryInfo",
  retryDelay,
});

Deno.test("openVertex() turns every fault into a ProviderError that says whether to try again", async () => {
  const exhausted = (details: unknown[], headers = {}) =>
    refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric", [ERROR_INFO, ...details], headers);
  const rows: [Response, Partial<ProviderError>, RegExp][] = [
    // unary-failure-quota-exceeded, with and without the google.rpc.RetryInfo of AIP-193
    [
      exhausted([]),
      { status: 429, retryable: true, fatal: false, retryAfterMs: undefined },
      /Quota exceeded/,
    ],
    [exhausted([retryInfo("27s")]), { status: 429, retryAfterMs: 27_000 }, /Quota exceeded/],
    [exhausted([retryInfo("1.5s")]), { retryAfterMs: 1500 }, /429/],
    [exhausted([retryInfo("-5s")]), { retryAfterMs: undefined }, /429/],
    [exhausted([retryInfo({ seconds: 5 })]), { retryAfterMs: undefined }, /429/],
    [exhausted([null, retryInfo("27s")], { "retry-after": "3" }), { retryAfterMs: 3000 }, /429/],
    // unary-failure-iam-permission-denied
    [
      refused(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource"),
      { status: 403, retryable: false, fatal: true },
      /answered 403: Permission .*; the account needs the role Vertex AI User/,
    ],
    [refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials"), {
      status: 401,
      retryable: false,
      fatal: true,
    }, /gcloud auth application-default login/],
    // unary-failure-model-not-found
    [
      refused(404, "NOT_FOUND", "models/x is not found"),
      { status: 404, fatal: true },
      /in global as it answered 404/,
    ],
    [refused(400, "INVALID_ARGUMENT", "Unable to submit request"), {
      status: 400,
      retryable: false,
      fatal: false,
    }, /Unable to submit/],
    // unary-failure-unsupported-user-location
    [refused(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), {
      status: 400,
      retryable: false,
      fatal: true,
    }, /location is not supported/],
    [refused(500, "INTERNAL", "Internal error"), { status: 500, retryable: true }, /500: Internal error$/],
    [refused(503, "UNAVAILABLE", "overloaded"), { status: 503, retryable: true }, /overloaded/],
    // unary-failure-invalid-location-url-not-found: a page, not JSON
    [new Response("<title>Error 404</title>", { status: 404 }), { status: 404, fatal: true }, /<title>/],
    [
      Response.json([{ error: { code: 503, message: "in a list" } }], { status: 503 }),
      { status: 503 },
      /in a list/,
    ],
    [
      Response.json({ error: { code: 503, message: "late" } }),
      { status: 503, retryable: true },
      /is an error: late/,
    ],
    [Response.json({ error: { message: "late" } }), { status: 200, retryable: true }, /is an error: late/],
    [new Response('{"candidates":[{"content"'), { status: 200, retryable: true }, /not JSON/],
    [new Response(""), { status: 200, retryable: true }, /not JSON.* 0 characters/],
    [Response.json({ candidates: [] }), { status: 200, retryable: true }, /no candidates/],
    [Response.json({ candidates: 5 }), { status: 200, retryable: true }, /no candidates/],
    // unary-failure-invalid-response
    [Response.json({ this: [{ is: "not a valid response" }] }), { retryable: true }, /no candidates/],
    // unary-failure-empty-content, unary-failure-malformed-content, unary-success-empty-text-part
    [Response.json({ candidates: [{ content: {}, index: 0 }] }), { retryable: true }, /empty \(no reason\)/],
    [Response.json({ candidates: [{ content: { invalid: true } }] }), { retryable: true }, /is empty/],
    [
      answered([{ text: "" }], "STOP", { promptTokenCount: 8, totalTokenCount: 8 }),
      { retryable: true, usage: { promptTokens: 8, completionTokens: 0 } },
      /is empty \(STOP\)/,
    ],
    [answered([], "MALFORMED_FUNCTION_CALL", SHORT), { retryable: true }, /MALFORMED_FUNCTION_CALL/],
    [new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } }), {
      status: 302,
      retryable: false,
      fatal: true,
    }, /redirects to http:\/\/127\.0\.0\.1:1\//],
  ];
  for (const [response, expected, message] of rows) {
    const { error, asked } = await ask(() => response);
    match(error!.message, message);
    equal(error!.name, "ProviderError");
    equal(asked.length, 1, "the SDK repeats nothing");
    for (const [key, value] of Object.entries(expected)) {
      deepEqual(error![key as keyof ProviderError], value, `${key} of ${error!.message}`);
    }
  }
});

Deno.test("openVertex() says what was wrong with the sign-in; nothing was sent, nothing is billed", async () => {
  const nothing = { promptTokens: 0, completionTokens: 0 };
  const rows: [() => Response | Promise<Response>, Partial<ProviderError>, RegExp][] = [
    [
      () =>
        Response.json({ error: "invalid_grant", error_description: "Token has been revoked." }, {
          status: 400,
        }),
      { status: 400, retryable: false, fatal: true },
      /Cannot sign in .* answered 400: invalid_grant: Token has been revoked\.; sign in again: gcloud/,
    ],
    [() => new Response("busy", { status: 503, headers: { "retry-after": "4" } }), {
      status: 503,
      retryable: true,
      fatal: false,
      retryAfterMs: 4000,
    }, /answered 503: busy$/],
    [() => new Response("slow down", { status: 429 }), { status: 429, retryable: true }, /slow down/],
    [() => Response.json({}), { status: 200, retryable: true }, /answered without a token$/],
    [() => new Response("<html>"), { status: 200, retryable: true }, /answered without a token$/],
    [never, { status: 0, retryable: true }, /did not answer within 0\.05 s/],
  ];
  for (const [signIn, expected, message] of rows) {
    const { error, asked, signIns } = await ask(short, { signIn, answerTimeoutMs: 50 });
    match(error!.message, message);
    deepEqual([error!.name, asked.length, signIns.length], ["ProviderError", 0, 1]);
    deepEqual(error!.usage, nothing);
    for (const [key, value] of Object.entries(expected)) {
      deepEqual(error![key as keyof ProviderError], value, `${key} of ${error!.message}`);
    }
  }
});

Deno.test("openVertex() outlives a hiccup of the machine's own credentials, and says so where they are refused", async () => {
  const flavour = { "metadata-flavor": "Google" };
  let token = () => new Response("starting", { status: 503, headers: flavour });
  await using server = serve(({ path }) =>
    path.includes("/token")
      ? token()
      : path.includes("generateContent")
      ? short()
      : new Response("ok", { headers: flavour })
  );
  const { host } = new URL(server.url);
  const asked = async () => {
    const script = `import { openVertex } from ${JSON.stringify(import.meta.resolve("./vertex.ts"))};
      const model = await openVertex("m", { project: "p", baseUrl: ${JSON.stringify(server.url)} });
      const said = await model.complete(${
      JSON.stringify(REQUEST)
    }).catch((error) => ({ ...error, text: error.message }));
      console.log(JSON.stringify(said));`;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
      cwd: import.meta.dirname!,
      env: {
        GCE_METADATA_HOST: host,
        GOOGLE_APPLICATION_CREDENTIALS: "",
        CLOUDSDK_CONFIG: "/nonexistent",
        METADATA_SERVER_DETECTION: "assume-present",
      },
    }).output();
    ok(stdout.length > 0, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  const down = await asked();
  deepEqual([down.status, down.retryable, down.fatal], [503, true, false]);
  ok(!down.text.includes("sign in again"), down.text);
  token = () => new Response("no such account", { status: 404, headers: flavour });
  const wrong = await asked();
  deepEqual([wrong.status, wrong.retryable, wrong.fatal], [404, false, true]);
  match(wrong.text, /sign in again/);
  token = () =>
    Response.json({ access_token: "ya29.machine", expires_in: 3599, token_type: "Bearer" }, {
      headers: flavour,
    });
  equal((await asked()).text, "Mountain View");
});

Deno.test("openVertex() gives up a server that hangs, and ends with the reason of the caller's signal", async () => {
  const { error } = await ask(never, { answerTimeoutMs: 50 });
  match(error!.message, /did not answer within 0\.05 s/);
  for (const [answer, signIn] of [[never, () => granted("token")], [short, never]] as const) {
    await using server = google(answer, { signIn });
    await using file = await credentialsFile(server.credentials);
    const model = await openVertex("m", { project: "p", credentials: file.path, baseUrl: server.url });
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("stopped")), 30);
    await rejects(model.complete(REQUEST, { signal: stop.signal }), { message: "stopped" });
  }
});

Deno.test("openVertex() refuses what it cannot use, and quotes no key", async () => {
  const canary = "canary-private-key-79";
  const rows: [Partial<VertexOptions>, unknown, RegExp][] = [
    [{ project: "a b" }, USER, /Cannot use a b as a project of Google Cloud/],
    [{ location: "x/../y" }, USER, /as a location of Google Cloud/],
    [{ baseUrl: "http://user:hush@x" }, USER, /Cannot use http:\/\/…@x as a base URL/],
    [{ credentials: "/nowhere/key.json" }, USER, /the key file \/nowhere\/key\.json: .*gcloud auth/],
    [{}, { type: "authorized_user", client_id: "id" }, /client_secret field; run gcloud auth/],
    [{}, { type: "service_account", private_key: canary }, /client_email field/],
    [{}, `{"private_key": ${canary}`, /: it is not JSON; run gcloud auth/],
    [{}, null, /: it is not JSON/],
  ];
  for (const [options, credentials, message] of rows) {
    await using file = await credentialsFile(credentials);
    const opening = openVertex("m", { project: "p", credentials: file.path, ...options });
    const error: Error = await opening.then(() => new Error("opened"), (error) => error);
    match(error.message, message);
    equal(error.name, "TypeError");
    equal(/hush|canary/.test(Deno.inspect(error, { depth: 10 })), false);
  }
});

Deno.test("openVertex() says how to sign in where nobody has", async () => {
  const nowhere = await Deno.makeTempDir();
  const source = `
    import { openVertex } from ${JSON.stringify(import.meta.resolve("./vertex.ts"))};
    import { GoogleAuth } from "npm:google-auth-library@10.9.1";
    const said = await openVertex("m", { project: "p" }).then(() => "opened", (error) => error.message);
    console.log(JSON.stringify({ said, ofGoogle: await new GoogleAuth()._checkIsGCE() }));`;
  const opened = async (env: Record<string, string>) => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", source],
      env: { CLOUDSDK_CONFIG: nowhere, METADATA_SERVER_DETECTION: "none", ...env },
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  const missing = await opened({ GOOGLE_APPLICATION_CREDENTIALS: `${nowhere}/key.json` });
  match(
    missing.said,
    /^Cannot use Google's credentials: .*GOOGLE_APPLICATION_CREDENTIALS.*does not exist.*; run gcloud/,
  );
  const { said, ofGoogle } = await opened({ GOOGLE_APPLICATION_CREDENTIALS: "" });
  const fix =
    /: Could not load the default credentials.*; run gcloud auth application-default login, or set GOOGLE_A/;
  match(said, ofGoogle ? /^opened$/ : fix); // a machine of Google's has credentials of its own
  await Deno.remove(nowhere);
});

Deno.test("openVertex() shows no part of the credentials, whatever the server echoes", async () => {
  const token = "ya29.canary-access-token-80";
  const echo: Answer = ({ headers, body }) =>
    Response.json({
      error: { code: 400, message: `${headers.get("authorization")} ${JSON.stringify(body)}` },
    }, {
      status: 400,
    });
  const rows: [Answer, Answer][] = [
    [echo, () => granted(token)],
    [({ headers }) => new Response(headers.get("authorization")), () => granted(token)],
    [
      ({ headers }) => answered([{ text: headers.get("authorization") }], "STOP", SHORT),
      () => granted(token),
    ],
    [short, ({ body }) => Response.json({ error: "e", error_description: body }, { status: 401 })],
    [short, ({ body }) => new Response([...new URLSearchParams(body).values()].join(" "), { status: 500 })],
  ];
  for (const [answer, signIn] of rows) {
    const { completion, error } = await ask(answer, { signIn });
    const shown = Deno.inspect([completion, error, error?.stack, error?.cause], {
      depth: 10,
      showHidden: true,
    });
    equal(/canary/.test(shown), false, shown);
    match(shown, /\[key\]/);
  }
});
