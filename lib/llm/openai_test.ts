import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ensurePython } from "../python/mod.ts";
import { retryAfter } from "./exchange.ts";
import { openLocal } from "./local.ts";
import type { Completion, ModelRequest, ProviderError } from "./model.ts";
import { openai, type OpenAIOptions } from "./openai.ts";
import { type Answer, broken, never, serve, timersOf } from "./testing.ts";

const CANARY = "sk-canary-5d1f0b7e";
const REQUEST: ModelRequest = {
  messages: [{ role: "user", content: "Hello" }],
  temperature: 0,
  maxTokens: 16,
};
const ANSWER = {
  choices: [{ message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
};

async function ask(answer: Answer, options: OpenAIOptions = {}, request = REQUEST) {
  await using server = serve(answer);
  const model = openai("m", { baseUrl: server.url, apiKey: CANARY, ...options });
  return await model.complete(request);
}

/** What `complete` throws; never with the key in it. */
async function failure(answer: Answer, options: OpenAIOptions = {}): Promise<ProviderError> {
  const error = await ask(answer, options).then(() => undefined, (error) => error);
  equal(error?.name, "ProviderError", String(error));
  const everything = `${error.message}${error.stack}${Deno.inspect(error, { depth: 10 })}`;
  equal(everything.includes(CANARY), false, everything);
  return error;
}

const json = (body: unknown, init?: ResponseInit) => Response.json(body, init);
const answered = (change: Record<string, unknown>) => json({ ...ANSWER, ...change });
const said = (message: unknown, finish_reason: unknown = "stop") =>
  answered({ choices: [{ message, finish_reason }] });

Deno.test("openai() sends one plain request, and the key as a bearer token only", async () => {
  await using server = serve(() => json(ANSWER));
  const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hello" }] as const;
  const model = openai("llama3:8b", { baseUrl: `${server.url}/v1/`, apiKey: ` ${CANARY}\n` });
  const completion = await model.complete({ messages, temperature: 0.5, maxTokens: 7, sample: 3 });
  deepEqual(completion, { text: "Hi", finish: "stop", usage: { promptTokens: 9, completionTokens: 2 } });
  equal(server.requests.length, 1);
  const { path, headers, body } = server.requests[0]!;
  equal(path, "/v1/chat/completions");
  equal(headers.get("authorization"), `Bearer ${CANARY}`);
  deepEqual(body, { model: "llama3:8b", messages: [...messages], temperature: 0.5, max_tokens: 7 });
  deepEqual(model.identity, { provider: "openai", model: "llama3:8b", endpoint: `${server.url}/v1` });
  equal(model.name, `openai:llama3:8b@${server.url}/v1`);
  equal(JSON.stringify(model).includes(CANARY), false);
});

Deno.test("openai() asks a server without a key, and OpenAI in its own dialect", async () => {
  await using server = serve(() => json(ANSWER));
  await openai("m", { baseUrl: server.url }).complete(REQUEST);
  equal(server.requests[0]!.headers.has("authorization"), false);
  let body: Record<string, unknown> = {}, url = "";
  const fake: typeof fetch = (input, init) => {
    url = String(input);
    body = JSON.parse(String(init!.body));
    return Promise.resolve(json(ANSWER));
  };
  const model = openai("gpt-4o-mini", { apiKey: CANARY, fetch: fake });
  await model.complete(REQUEST);
  deepEqual([url, body.max_completion_tokens, body.max_tokens], [
    "https://api.openai.com/v1/chat/completions",
    16,
    undefined,
  ]);
  equal(model.name, "openai:gpt-4o-mini");
});

Deno.test("openai() maps every form of an answer", async () => {
  const rows: [Response, Partial<Completion>][] = [
    [said({ content: "a" }, "length"), { text: "a", finish: "length" }],
    [said({ content: "a" }, "content_filter"), { finish: "filter" }],
    [said({ content: "a" }, "eos"), { finish: "stop" }],
    [said({ content: null }, "tool_calls"), { text: "", finish: "other" }],
    [said({ content: "a" }, null), { finish: "other" }],
    [said({ content: "a" }, "constructor"), { finish: "other" }],
    [said({ content: [{ type: "text", text: "a" }, { type: "image" }, { type: "text", text: "b" }] }), {
      text: "ab",
    }],
    [said({ content: null, refusal: "I cannot." }), { text: "I cannot.", finish: "filter" }],
    [said({ content: "  a \n" }), { text: "  a \n" }],
    [said({ content: "a\0b\ud800c" }), { text: "a\ufffdb\ufffdc" }],
    [said({ content: "" }), { text: "" }],
    [said({ content: "<think>\nRed? No.\n</think>\n\nblue" }), { text: "blue" }], // as R1 and Qwen3 come from some servers
    [said({ content: "Red? No.\n</think>\n\nblue" }), { text: "blue" }], // the template has said the first mark
    [said({ content: "<think>Red?</think>" }, "length"), { text: "", finish: "length" }],
    [said({ content: "<think>Red? N" }, "length"), { text: "<think>Red? N", finish: "length" }],
    [said({ content: "Write <think> before </think>." }), { text: "Write <think> before </think>." }],
    [answered({ choices: [{ message: { content: "<think>Red?</think>" } }], usage: null }), {
      text: "", // and yet something was generated
      usage: null,
    }],
    [answered({ usage: undefined }), { usage: null }],
    [answered({ usage: null }), { usage: null }],
    [answered({ usage: { prompt_tokens: 4 } }), { usage: null }],
    [answered({ usage: { prompt_tokens: -4, completion_tokens: 1 } }), { usage: null }],
    [answered({ usage: { prompt_tokens: 4, completion_tokens: 0.5 } }), { usage: null }],
    [answered({ usage: { prompt_tokens: "4", completion_tokens: "1" } }), { usage: null }],
    [answered({ usage: { prompt_tokens: 4, completion_tokens: 0 } }), { usage: null }],
    [answered({ usage: { prompt_tokens: 0, completion_tokens: 1 } }), { usage: null }],
    [answered({ usage: { prompt_tokens: 4, completion_tokens: 17 } }), {
      usage: { promptTokens: 4, completionTokens: 17 }, // of 16 that were allowed
    }],
    [answered({ usage: { prompt_tokens: 32, completion_tokens: 9, total_tokens: 235 } }), {
      usage: { promptTokens: 32, completionTokens: 203 }, // thoughts, as xAI counts them
    }],
    [answered({ usage: { prompt_tokens: 32, completion_tokens: 9, total_tokens: 0 } }), {
      usage: { promptTokens: 32, completionTokens: 9 },
    }],
    [answered({ usage: { prompt_tokens: 4, completion_tokens: 1, total_tokens: 1e9 } }), { usage: null }],
    [answered({ usage: { prompt_tokens: 1e9, completion_tokens: 1 } }), { usage: null }],
    [new Response(JSON.stringify(ANSWER), { headers: { "content-type": "text/plain" } }), { text: "Hi" }],
  ];
  for (const [response, expected] of rows) {
    const completion = await ask(() => response);
    for (const [key, value] of Object.entries(expected)) {
      deepEqual(completion[key as keyof Completion], value);
    }
  }
});

/** As Google's OpenAI endpoint puts it. */
const GEMINI_LIMIT = {
  error: {
    code: 429,
    message: "You exceeded your current quota, please check your plan and billing details.",
    status: "RESOURCE_EXHAUSTED",
    details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "31.5s" }],
  },
};

Deno.test("openai() turns every fault into a ProviderError that says whether to try again", async () => {
  const error = (status: number, body: unknown, headers = {}) => json(body, { status, headers });
  const rows: [Response, Partial<ProviderError>, RegExp][] = [
    [error(429, { error: { message: "slow down" } }, { "retry-after": "7" }), {
      status: 429,
      retryable: true,
      retryAfterMs: 7000,
    }, /slow down/],
    [error(429, { error: { message: "no money", code: "insufficient_quota" } }), {
      status: 429,
      retryable: false,
    }, /no money/],
    [error(429, [GEMINI_LIMIT]), { retryable: true, fatal: false, retryAfterMs: 31_500 }, /billing details/],
    [error(429, { error: { message: "Request too large for m on tokens per min (TPM): Limit 30000" } }), {
      retryable: false,
      fatal: false,
    }, /too large/],
    [error(429, { error: { message: "no", type: "billing_not_active" } }), { fatal: true }, /429: no/],
    [
      error(402, { error: { message: "Insufficient Balance" } }),
      { retryable: false, fatal: true },
      /Balance/,
    ],
    [error(500, { error: "boom" }), { status: 500, retryable: true }, /answered 500: boom$/],
    [error(503, { message: "loading" }), { status: 503, retryable: true }, /503: loading/],
    [new Response("<h1>Bad gateway</h1>", { status: 502 }), { status: 502, retryable: true }, /<h1>/],
    [new Response("", { status: 504 }), { status: 504, retryable: true }, /nothing/],
    [error(401, { error: { message: `Incorrect API key provided: ${CANARY}` } }), {
      status: 401,
      retryable: false,
    }, /OPENAI_API_KEY.*\[key\]/],
    [
      error(404, { error: { message: "model `m` not found" } }),
      { status: 404, retryable: false },
      /not found/,
    ],
    [error(400, { error: { message: "too long", code: "context_length_exceeded" } }), {
      status: 400,
      retryable: false,
    }, /too long/],
    [error(500, { error: { message: "too long", type: "exceed_context_size_error" } }), {
      status: 500,
      retryable: false,
    }, /too long/],
    [error(400, { object: "error", message: "This model's maximum context length is 10 tokens" }), {
      status: 400,
      retryable: false,
    }, /maximum context/],
    [json({ error: { message: "overloaded", code: 503 } }), { status: 503, retryable: true }, /overloaded/],
    [json({ error: { message: "overloaded" } }), { status: 200, retryable: true }, /overloaded/],
    [
      json({ error: { message: "no money", code: 429, type: "insufficient_quota" } }),
      { status: 429, retryable: false, fatal: true, blameless: false },
      /no money/,
    ],
    [
      json({ error: { message: "maximum context length is 9", code: 400 } }),
      { status: 400, retryable: false, fatal: false },
      /maximum context length/,
    ],
    [json({ choices: [], usage: ANSWER.usage }), {
      status: 200,
      retryable: true,
      usage: { promptTokens: 9, completionTokens: 2 },
    }, /no choices/],
    [json({}), { status: 200, retryable: true }, /no choices/],
    [said({ role: "assistant" }), { status: 200, retryable: true }, /no content/],
    [
      answered({
        choices: [{ message: { content: "" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 9, completion_tokens: 0 },
      }),
      { status: 200, retryable: true, usage: { promptTokens: 9, completionTokens: 0 } },
      /is empty, and not one token/,
    ],
    [new Response(""), { status: 200, retryable: true }, /not JSON.* 0 characters/],
    [broken('{"choices"'), { status: 200, retryable: true }, /the connection failed/],
    [
      new Response(JSON.stringify(ANSWER).slice(0, 40)),
      { status: 200, retryable: true },
      /not JSON.*40 characters/,
    ],
    [
      new Response("<html>", { headers: { "content-type": "text/html" } }),
      { status: 200, retryable: true },
      /text\/html/,
    ],
    [new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } }), {
      status: 302,
      retryable: false,
    }, /redirects to http:\/\/127\.0\.0\.1:1\/, which is not followed/],
    [new Response("x".repeat(5000), { status: 500 }), { status: 500 }, /^.{300,420}…$/],
    [
      new Response("\x1b[31mred\u202e\x07", { status: 500 }),
      { status: 500 },
      /\\u001b\[31mred\\u202e\\u0007$/,
    ],
  ];
  for (const [response, expected, message] of rows) {
    const thrown = await failure(() => response);
    match(thrown.message, message);
    for (const [key, value] of Object.entries(expected)) {
      deepEqual(thrown[key as keyof ProviderError], value, `${key} of ${thrown.message}`);
    }
  }
});

Deno.test("openai() learns a server's parameters from its refusals, one request at a time", async () => {
  const refusing = (...names: string[]): Answer => ({ body }) => {
    const param = names.find((name) => name in body);
    return param
      ? json({ error: { message: `Unsupported parameter: '${param}'`, param } }, { status: 400 })
      : json(ANSWER);
  };
  await using server = serve(refusing("max_tokens", "temperature"));
  const model = openai("m", { baseUrl: server.url });
  for (const attempt of [1, 2]) {
    await rejects(model.complete(REQUEST), { status: 400, retryable: true, retryAfterMs: 0 });
    equal(server.requests.length, attempt);
  }
  equal((await model.complete(REQUEST)).text, "Hi");
  deepEqual(Object.keys(server.requests[2]!.body), ["model", "messages", "max_completion_tokens"]);
  await using strict = serve(() =>
    json({ error: { message: "max_tokens must be at most 8", param: "max_tokens" } }, { status: 400 })
  );
  await rejects(openai("m", { baseUrl: strict.url }).complete(REQUEST), { status: 400, retryable: false });
});

const SURE: ModelRequest = { ...REQUEST, firsts: true };

Deno.test("openai() asks what an answer might have begun with, and reads it", async () => {
  const top = [
    ...[{ token: "Hi", logprob: -0.1 }, { token: "Ho\0", logprob: -2.5 }, { token: "Ho\ufffd", logprob: -4 }],
    ...[{ token: 7, logprob: -3 }, { token: "He", logprob: null }],
  ];
  const told = (content: unknown) => answered({ choices: [{ ...ANSWER.choices[0], logprobs: { content } }] });
  const ended = { token: "", logprob: 0, top_logprobs: [{ token: "", logprob: 0 }] };
  await using server = serve(() =>
    told([{ token: "Hi", logprob: -0.1, top_logprobs: top }, ended, {}, ended])
  );
  const model = openai("m", { baseUrl: server.url });
  deepEqual((await model.complete(SURE)).firsts, [
    { said: "Hi", likely: { Hi: -0.1, "Ho\ufffd": -2.5 } },
    { said: "", likely: { "": 0 } }, // what comes after one that cannot be read is left out
  ]);
  equal((await model.complete(REQUEST)).firsts, undefined); // who does not ask is not told
  deepEqual(server.requests.map(({ body }) => [body.logprobs, body.top_logprobs]), [[true, 20], [
    ...[undefined, undefined],
  ]]);
  for (const content of [null, [], [{}], [null], "x", [{ token: "x", top_logprobs: "x" }, ended]]) {
    equal((await ask(() => told(content), {}, SURE)).firsts, undefined);
  }
});

/** Asks servers that refuse `field` for `request` in these words, and once more: they are asked without it. */
async function doesWithout(
  field: string,
  { request, refusals }: { request: ModelRequest; refusals: readonly (readonly [number, string])[] },
): Promise<void> {
  for (const [status, message] of refusals) {
    await using server = serve(({ body }) =>
      field in body ? json({ error: { message } }, { status }) : json(ANSWER)
    );
    const model = openai("m", { baseUrl: server.url });
    await rejects(model.complete(request), { status, retryable: true, fatal: false }, message);
    const { text, firsts } = await model.complete(request);
    deepEqual([text, firsts], ["Hi", undefined]);
    equal(server.requests.length, 2);
  }
}

Deno.test("openai() does without first tokens where a server refuses to tell them", async () => {
  const refusals: [status: number, message: string][] = [
    [400, "logprobs is not supported with this model"],
    [400, "Unknown parameter: 'top_logprobs'"],
    [403, "You are not allowed to request logprobs from this model"],
    [422, "body.logprobs: Extra inputs are not permitted"],
    [500, "logprobs is not supported for models created with logits_all=False"],
  ];
  await doesWithout("logprobs", { request: SURE, refusals });
  const busy = await failure(() =>
    json({ error: { message: "Unexpected load: temperature" } }, { status: 500 })
  );
  deepEqual([busy.status, busy.retryAfterMs], [500, undefined]); // nothing is learnt of a parameter that was not refused
});

Deno.test("openai() sends a bias, and says what to do where a server refuses it", async () => {
  const biased = { ...REQUEST, bias: { 46292: 1.5, 7: -2 } };
  const refusals: [status: number, error: unknown, fatal: boolean][] = [
    [400, { message: "Unsupported parameter: 'logit_bias'", param: "logit_bias" }, true],
    [422, { message: "body.logit_bias: Extra inputs are not permitted" }, true],
    [400, { message: "logit_bias holds a token that is out of vocabulary" }, false],
  ];
  await using server = serve(() => json(ANSWER));
  await openai("m", { baseUrl: server.url }).complete(biased);
  deepEqual(server.requests[0]!.body.logit_bias, { "7": -2, "46292": 1.5 });
  for (const [status, error, fatal] of refusals) {
    await using server = serve(({ body }) =>
      "logit_bias" in body ? json({ error }, { status }) : json(ANSWER)
    );
    const model = openai("m", { baseUrl: server.url });
    for (const _ of [1, 2]) await rejects(model.complete(biased), { status, retryable: false, fatal });
    if (fatal) {
      await rejects(model.complete(biased), /refuses logit_bias \(4\d\d: .+\): use a server that takes it/);
    }
    equal((await model.complete(REQUEST)).text, "Hi");
  }
});

Deno.test("openai() tells what a reply may be, and does without where a server refuses that", async () => {
  const held = { ...REQUEST, choices: ["yes", 'so "so"'] };
  await using server = serve(() => json(ANSWER));
  const model = openai("m", { baseUrl: server.url });
  for (const request of [held, REQUEST]) await model.complete(request);
  deepEqual(server.requests.map(({ body }) => [body.grammar, body.structured_outputs]), [
    ['root ::= "yes" | "so \\x22so\\x22"', { choice: ["yes", 'so "so"'] }],
    [undefined, undefined],
  ]);
  const refusals: [status: number, message: string][] = [
    [400, "Unrecognized request argument supplied: grammar"],
    [422, "body.structured_outputs: Extra inputs are not permitted"],
  ];
  await doesWithout("grammar", { request: held, refusals });
});

Deno.test("tokensOf() of openai() asks the server's tokenizer in either form, once for each text", async () => {
  const llama: Answer = ({ body }) => json({ tokens: "content" in body ? [body.content.length, 9] : [] });
  const vllm: Answer = ({ body }) =>
    "prompt" in body
      ? json({ count: 2, max_model_len: 512, tokens: [body.prompt.length, 9] })
      : json({ object: "error", message: "prompt: Field required" }, { status: 400 });
  for (const [answer, each] of [[llama, [1, 1]], [vllm, [2, 1]]] as const) {
    await using server = serve(answer);
    const model = openai("m", { baseUrl: `${server.url}/v1`, apiKey: CANARY });
    const tokens = (text: string) => model.tokensOf!(text);
    deepEqual(await tokens("four"), ["4", "9"]);
    equal(server.requests.length, each[0]);
    const asked = await Promise.all(["seven", "four", "seven", ""].map(tokens));
    deepEqual(asked, [["5", "9"], ["4", "9"], ["5", "9"], null]);
    equal(server.requests.length, each[0] + each[1]);
    const { path, headers, body } = server.requests.at(-1)!;
    deepEqual([path, headers.get("authorization")], ["/tokenize", `Bearer ${CANARY}`]);
    deepEqual(
      body,
      answer === llama
        ? { content: "seven", add_special: false, parse_special: false }
        : { model: "m", prompt: "seven", add_special_tokens: false },
    );
  }
});

Deno.test("tokensOf() of openai() is null where a server tells no tokens, and asks it no more", async () => {
  const rows: Answer[] = [
    () => json({ error: "Not Found" }, { status: 404 }),
    () => json({ error: "Unexpected endpoint or method. (POST /tokenize). Returning 200 anyway" }),
    () => new Response("<html>"),
    () => json({ tokens: ["a"] }),
    () => json({ tokens: [-1] }),
    () => json({ tokens: [7, "b"] }),
    () => json({ tokens: [] }),
  ];
  for (const answer of rows) {
    await using server = serve(answer);
    const model = openai("m", { baseUrl: server.url });
    deepEqual([await model.tokensOf!("a"), await model.tokensOf!("b")], [null, null]);
    equal(server.requests.length, 2);
  }
  equal(openai("gpt-4o-mini", { apiKey: CANARY }).tokensOf, undefined); // OpenAI has no such thing
});

Deno.test("tokensOf() of openai() asks a server that was busy again, and ends with the caller's signal", async () => {
  let [busy, asked] = [2, 0];
  await using server = serve(() => asked++ < busy ? json({}, { status: 503 }) : json({ tokens: [7] }));
  const model = openai("m", { baseUrl: server.url });
  deepEqual(await model.tokensOf!("a"), ["7"]);
  [busy, asked] = [3, 0];
  await rejects(model.tokensOf!("b"), { name: "ProviderError", status: 503, retryable: true });
  deepEqual(await model.tokensOf!("b"), ["7"]);
  const ended = AbortSignal.abort(new Error("ended"));
  await rejects(model.tokensOf!("c", { signal: ended }), { message: "ended" });
});

Deno.test("openai() waits longer where more may be said, as a model may think for long", async () => {
  await using server = serve(() => json(ANSWER));
  const model = openai("m", { baseUrl: server.url });
  for (
    const [maxTokens, ms] of [[4, 300_000], [1500, 300_000], [2048, 409_600], [100_000, 3_600_000]] as const
  ) {
    const [first] = await timersOf(() => model.complete({ ...REQUEST, maxTokens }));
    equal(first, ms);
  }
});

Deno.test("openai() gives up a server that hangs, before its answer and in it", async () => {
  match((await failure(never, { answerTimeoutMs: 50 })).message, /did not answer within 0.05 s/);
  const stalled = new ReadableStream({
    start: (stream) => stream.enqueue(new TextEncoder().encode('{"choices"')),
  });
  match(
    (await failure(() => new Response(stalled), { bodyTimeoutMs: 50 })).message,
    /stopped and did not go on/,
  );
});

Deno.test("openai() reads no more than it may", async () => {
  const pieces = new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(65536).fill(32)) });
  const thrown = await failure(() => new Response(pieces), { maxBodyBytes: 1 << 20 });
  match(thrown.message, /longer than 1048576 bytes/);
  equal(thrown.retryable, false);
});

Deno.test("openai() calls a reset connection retryable, with and without an answer begun", async () => {
  for (
    const head of [
      "",
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"choices"',
    ]
  ) {
    using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const served = (async () => {
      using connection = await listener.accept();
      await connection.read(new Uint8Array(4096));
      await connection.write(new TextEncoder().encode(head));
    })();
    const model = openai("m", { baseUrl: `http://127.0.0.1:${listener.addr.port}`, apiKey: CANARY });
    await rejects(model.complete(REQUEST), {
      name: "ProviderError",
      retryable: true,
      status: head === "" ? 0 : 200,
    });
    await served;
  }
  const port = Deno.listen({ port: 0 });
  port.close();
  await rejects(openai("m", { baseUrl: `http://127.0.0.1:${port.addr.port}` }).complete(REQUEST), {
    retryable: true,
    status: 0,
  });
});

Deno.test("openai() ends with the reason of the caller's signal", async () => {
  await using server = serve(never);
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error("stopped")), 20);
  await rejects(openai("m", { baseUrl: server.url }).complete(REQUEST, { signal: stop.signal }), {
    message: "stopped",
  });
});

Deno.test("openai() refuses a base URL or key it cannot use, without showing the secret in it", () => {
  for (const baseUrl of ["localhost:8080", "ftp://x", "http://user:hush@x/v1", "http://x/v1?key=1", ""]) {
    throws(
      () => openai("m", { baseUrl }),
      (error: Error) => error instanceof TypeError && !/hush/.test(error.message),
      baseUrl,
    );
  }
  throws(() => openai("m", { apiKey: "two words" }), (error: Error) => !/two words/.test(error.message));
  const endpoints = ["http://x", "http://x/", "http://x/v1/", "http://x/v1/chat/completions"];
  for (const baseUrl of endpoints) equal(openai("m", { baseUrl }).identity.endpoint, "http://x/v1");
  equal(openai("m", { baseUrl: "https://x/openai/" }).identity.endpoint, "https://x/openai");
});

Deno.test("openai() never promises fewer prompt tokens than bytes can make", () => {
  const { promptTokensAtMost } = openai("m");
  for (const content of ["", "Hello", "日本語", "😀".repeat(100), "\0\ud800"]) {
    equal(
      promptTokensAtMost({ ...REQUEST, messages: [{ role: "user", content }] }) >=
        new TextEncoder().encode(content).length,
      true,
    );
  }
});

Deno.test("retryAfter() reads seconds, milliseconds and dates, and ignores the rest", () => {
  const now = Date.parse("2026-11-06T08:49:30Z");
  const rows: [Record<string, string>, number | undefined][] = [
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after-ms": "250", "retry-after": "7" }, 250],
    [{ "retry-after": "Fri, 06 Nov 2026 08:49:37 GMT" }, 7000],
    [{ "retry-after": "Fri, 06 Nov 2020 08:49:37 GMT" }, 0],
    [{ "retry-after": "99999999999" }, 99999999999000],
    [{ "retry-after": "-3" }, undefined],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ];
  for (const [headers, expected] of rows) {
    equal(retryAfter(new Headers(headers), now), expected, JSON.stringify(headers));
  }
});

// The shapes are those of OpenAI's API reference (developers.openai.com/api/reference, Chat Completions) and of errors that
// users of reasoning models report (github.com/johny-b/llmcomp/issues/69, github.com/decolua/9router/issues/560).
Deno.test("openai() speaks OpenAI's dialect", async () => {
  const bodies: Record<string, unknown>[] = [];
  const openaiError = (
    message: string,
    param: string | null,
    code: string | null,
    type = "invalid_request_error",
  ) => json({ error: { message, type, param, code } }, { status: 400 });
  const completion = (message: Record<string, unknown>, finish_reason: string, completion_tokens: number) =>
    json({
      id: "chatcmpl-1",
      object: "chat.completion",
      created: 1_741_569_952,
      model: "gpt-5-mini-2025-08-07",
      choices: [{
        index: 0,
        message: { role: "assistant", refusal: null, annotations: [], ...message },
        logprobs: null,
        finish_reason,
      }],
      usage: {
        prompt_tokens: 9,
        completion_tokens,
        total_tokens: 9 + completion_tokens,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0, cache_write_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: completion_tokens - 2, accepted_prediction_tokens: 0 },
      },
      service_tier: "default",
      system_fingerprint: null,
    });
  const answers = [
    openaiError(
      "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
      "temperature",
      "unsupported_value",
    ),
    completion({ content: "Hi" }, "stop", 12),
    completion({ content: "" }, "length", 16),
    completion({ content: null, refusal: "I'm sorry, I can't help." }, "stop", 9),
    completion({ content: "" }, "content_filter", 2),
    json({
      error: {
        message: "Rate limit reached for gpt-5-mini in organization org-x on requests per min (RPM): Limit 3",
        type: "requests",
        param: null,
        code: "rate_limit_exceeded",
      },
    }, { status: 429, headers: { "retry-after": "20", "retry-after-ms": "19412" } }),
    json({
      error: {
        message: "You exceeded your current quota, please check your plan and billing details.",
        type: "insufficient_quota",
        param: null,
        code: "insufficient_quota",
      },
    }, { status: 429 }),
  ];
  const fake: typeof fetch = (_, init) => {
    bodies.push(JSON.parse(String(init!.body)));
    return Promise.resolve(answers[bodies.length - 1]!);
  };
  const model = openai("gpt-5-mini", { apiKey: CANARY, fetch: fake });
  await rejects(model.complete(REQUEST), { status: 400, retryable: true, retryAfterMs: 0 });
  deepEqual(await model.complete(REQUEST), {
    text: "Hi",
    finish: "stop",
    usage: { promptTokens: 9, completionTokens: 12 },
  });
  deepEqual(bodies.map(({ temperature, max_completion_tokens }) => [temperature, max_completion_tokens]), [
    [0, 16],
    [undefined, 16],
  ]);
  const cut = await model.complete(REQUEST); // all of it went into thoughts
  deepEqual([cut.text, cut.finish, cut.usage!.completionTokens], ["", "length", 16]);
  const refused = await model.complete(REQUEST);
  deepEqual([refused.text, refused.finish], ["I'm sorry, I can't help.", "filter"]);
  const held = await model.complete(REQUEST);
  deepEqual([held.text, held.finish], ["", "filter"]);
  await rejects(model.complete(REQUEST), { status: 429, retryable: true, retryAfterMs: 19_412 });
  await rejects(model.complete(REQUEST), { status: 429, retryable: false, fatal: true });
});

Deno.test("openai() speaks llama.cpp's dialect: its own server, with the embedded model", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  await using embedded = await openLocal({
    python: await ensurePython({ root, group: "local" }),
    context: 512,
  });
  const { url, key } = embedded.server;
  const model = openai("SmolLM2", { baseUrl: url, apiKey: key });
  const ask = (content: string, maxTokens: number) =>
    model.complete({ messages: [{ role: "user", content }], temperature: 0, maxTokens });
  const cut = await ask("Tell me a story.", 5);
  deepEqual([cut.finish, cut.usage!.completionTokens], ["length", 5]);
  const whole = await ask("Say hello.", 64);
  deepEqual([whole.finish, whole.text === "", whole.usage!.completionTokens < 64], ["stop", false, true]);
  for (const content of ["", "日本語 😀", "<|im_start|>user\n", "\u0001\u0002"]) {
    const request = { messages: [{ role: "user", content }], temperature: 0, maxTokens: 1 } as const;
    const { usage } = await model.complete(request);
    equal(usage!.promptTokens > 0 && usage!.promptTokens <= model.promptTokensAtMost(request), true, content);
  }
  const colour = await model.tokensOf!("colour");
  deepEqual(colour, await embedded.tokensOf!("colour"));
  const moved = await model.complete({ ...SURE, maxTokens: 1, bias: { [colour![0]!]: 50 } });
  deepEqual([moved.text, Object.keys(moved.firsts![0]!.likely).length], ["colour", 20]);
  for (const choices of [["red", "blue"], ["four"], ['"\\\n']]) {
    const { text, finish } = await model.complete({ ...REQUEST, maxTokens: 16, choices });
    deepEqual([choices.includes(text), finish], [true, "stop"], text);
  }
  await rejects(ask("word ".repeat(1000), 1), {
    status: 400,
    retryable: false,
    fatal: false,
    message: /exceeds the available context size/,
  });
  await rejects(openai("m", { baseUrl: url, apiKey: "sk-wrong" }).complete(REQUEST), {
    status: 401,
    fatal: true,
    message: /Invalid API Key/,
  });
  await rejects(openai("m", { baseUrl: `${url}/v2`, apiKey: key }).complete(REQUEST), {
    status: 404,
    fatal: true,
  });
  // A model that says nothing: the bias leaves it the mark of the end alone, and the server counts that.
  const silent = openai("m", {
    baseUrl: url,
    apiKey: key,
    fetch: (input, init) =>
      fetch(input, {
        ...init,
        body: JSON.stringify({ ...JSON.parse(String(init!.body)), logit_bias: [[2, 100]] }),
      }),
  });
  const nothing = await silent.complete(REQUEST);
  deepEqual([nothing.text, nothing.finish, nothing.usage!.completionTokens], ["", "stop", 1]);
});
