import { match, ok, strictEqual as equal } from "node:assert/strict";
import { openModel, parseModel } from "./open_model.ts";
import { type Answer, never, serve } from "./testing.ts";
import { weightsOf } from "./weights.ts";

/** As llama.cpp's server, vLLM and Ollama answer: what is looked at, and something beside. */
const META = { vocab_type: 2, n_vocab: 128256, n_ctx_train: 131072, n_embd: 4096, n_params: 8030261312 };
const llamaCpp = (meta: unknown, id = "models/llama-8b.gguf") => ({
  models: [{ name: id, model: id, modified_at: "", digest: "" }],
  object: "list",
  data: [{ id, object: "model", created: 1735142223, owned_by: "llamacpp", meta }],
});
const vllm = (...models: [id: string, root: string][]) => ({
  object: "list",
  data: models.map(([id, root]) => ({
    ...{
      id,
      object: "model",
      created: 1735142223,
      owned_by: "vllm",
      root,
      parent: null,
      max_model_len: 4096,
    },
  })),
});
const ollama = (...models: [name: string, digest: string][]) => ({
  models: models.map(([name, digest]) => ({ name, model: name, modified_at: "2025-05-04", size: 1, digest })),
});

/** Answers by path; what there is no answer for is 404. */
const pages = (answers: Readonly<Record<string, unknown>>): Answer => ({ path }) =>
  path in answers ? Response.json(answers[path]) : new Response("no such page", { status: 404 });

const LLAMA =
  "id models/llama-8b.gguf, n_params 8030261312, size 4912898304, n_vocab 128256, vocab_type 2, " +
  "n_embd 4096, n_ctx_train 131072";

Deno.test("weightsOf() tells what a server says of them, and nothing else of it", async () => {
  const [list, tags] = ["/v1/models", "/api/tags"];
  const llama = llamaCpp({ ...META, size: 4912898304, n_ctx: 512 });
  const rows: [what: string, answer: Answer, weights: string | undefined][] = [
    ["llama.cpp, by any name", pages({ [list]: llama, [tags]: llama }), LLAMA],
    ["llama.cpp, while it loads", pages({ [list]: llamaCpp(null) }), undefined],
    ["llama.cpp, by its alias", pages({ [list]: llamaCpp({ size: 7 }, "m") }), "size 7"],
    ["vLLM", pages({ [list]: vllm(["m", "org/model-8b"], ["l", "/lora"]) }), "root org/model-8b"],
    ["vLLM, by the model's own name", pages({ [list]: vllm(["m", "m"]) }), undefined],
    ["vLLM, without the model", pages({ [list]: vllm(["a", "/a"], ["b", "/b"]) }), undefined],
    [
      "Ollama",
      pages({
        [list]: { data: [{ id: "m:latest", owned_by: "library" }] },
        [tags]: ollama(["other:latest", "01"], ["m:latest", "ab12"]),
      }),
      "digest ab12",
    ],
    ["Ollama, without the model", pages({ [tags]: ollama(["m:7b", "ab12"]) }), undefined],
    ["no list at all", pages({}), undefined],
    ["a list of nothing", pages({ [list]: { data: [null, 7], models: {} }, [tags]: [] }), undefined],
    [
      "half an answer",
      ({ path }) => path === list ? Response.json(llama) : new Response("", { status: 503 }),
      undefined,
    ],
    ["no JSON", () => new Response("<html>"), undefined],
  ];
  for (const [what, answer, weights] of rows) {
    await using server = serve(answer);
    equal(await weightsOf("m", `${server.url}/v1`), weights, what);
    ok(server.requests.every(({ headers }) => !headers.has("authorization")), what);
  }
  const long = pages({ [list]: vllm(["m", "/".padEnd(300, "x")]) });
  const echo = pages({ [list]: vllm(["m", "sk-canary"]) });
  const hidden = pages({ [list]: vllm(["m", "\0\u202e"]) });
  for (const answer of [long, echo, hidden]) {
    await using server = serve(answer);
    match((await weightsOf("m", `${server.url}/v1`, { apiKey: "sk-canary" }))!, /^sha256 [0-9a-f]{64}$/);
    equal(server.requests[0]!.headers.get("authorization"), "Bearer sk-canary");
  }
});

Deno.test("weightsOf() waits for nobody for long", async () => {
  await using server = serve(never);
  const begun = performance.now();
  equal(await weightsOf("m", `${server.url}/v1`, { timeoutMs: 100 }), undefined);
  equal(await weightsOf("m", "http://127.0.0.1:1/v1"), undefined);
  ok(performance.now() - begun < 1_500);
});

Deno.test("openModel() tells another model behind the same name apart, unless nobody wants to know", async () => {
  const python = () => Promise.reject(new Error("not needed"));
  let size = 1;
  await using server = serve((request) => pages({ "/v1/models": llamaCpp({ size }, "m") })(request));
  const spec = parseModel(`openai:m@${server.url}`);
  const identity = async (identify?: boolean) =>
    (await openModel(spec, { python, ...identify === undefined ? {} : { identify } })).identity;
  equal((await identity()).served, "size 1");
  size = 2;
  equal((await identity()).served, "size 2");
  equal(server.requests.length, 4);
  equal("served" in await identity(false), false);
  equal(server.requests.length, 4);
});
