import { deepStrictEqual as deepEqual, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { keysOf } from "./keys.ts";
import { openModel, parseModel } from "./open_model.ts";
import { credentialsFile, USER } from "./testing.ts";

Deno.test("parseModel() reads names of models and of servers", () => {
  const openai = (model: string, baseUrl: string, name = `openai:${model}@${baseUrl}`) => ({
    provider: "openai",
    name,
    model,
    baseUrl,
  });
  const rows: [string, unknown][] = [
    ["local", { provider: "local", name: "local" }],
    ["openai:gpt-4o-mini", openai("gpt-4o-mini", "https://api.openai.com/v1", "openai:gpt-4o-mini")],
    ["openai:llama3:8b@http://localhost:11434", openai("llama3:8b", "http://localhost:11434/v1")],
    ["openai:org/m@https://x.example/openai/v1/", openai("org/m", "https://x.example/openai/v1")],
    ["openai:@cf/meta/llama@https://x.example/v1", openai("@cf/meta/llama", "https://x.example/v1")],
    ["openai:@cf/meta/llama", openai("@cf/meta/llama", "https://api.openai.com/v1", "openai:@cf/meta/llama")],
  ];
  for (
    const model of [
      "gemini-2.5-flash",
      "publishers/google/models/gemini@1",
      "projects/p/locations/l/endpoints/7",
    ]
  ) {
    rows.push([`vertex:${model}`, { provider: "vertex", name: `vertex:${model}`, model }]);
  }
  for (const [name, spec] of rows) deepEqual(parseModel(name), spec);
});

Deno.test("parseModel() says what is wrong, and what was meant", () => {
  const rows: [string, RegExp][] = [
    ["lokal", /"lokal".*did you mean local\?/],
    ["opnai:gpt-4o", /did you mean openai:gpt-4o\?/],
    ["openai", /did you mean openai:NAME\?/],
    ["openai:", /a name is missing, as in openai:/],
    ["openai:m@localhost:8080", /Cannot use localhost:8080 as a base URL/],
    ["openai:m@http://user:hush@x", /Cannot use http:\/\/…@x as a base URL/],
    ["vertx:gemini", /did you mean vertex:gemini\?/],
    ["vertex:", /must be like vertex:gemini-2\.5-flash/],
    ["vertex:../x", /"vertex:\.\.\/x": it must be like/],
    ["vertex:a?b", /must be like/],
    ["gpt-4o", /must be local, openai:NAME, openai:NAME@BASE_URL or vertex:NAME$/],
    ["", /Cannot open the model ""/],
    ["\x1b[31m", /"\\u001b\[31m"/],
  ];
  for (const [name, message] of rows) throws(() => parseModel(name), { name: "UsageError", message });
});

Deno.test("openModel() asks for a key where one is needed, and for Python where it is", async () => {
  let asked = 0;
  const python = () => Promise.reject(new Error(`python asked ${++asked}`));
  await rejects(openModel(parseModel("openai:gpt-4o"), { python }), {
    name: "UsageError",
    message: /set OPENAI_API_KEY/,
  });
  equal(
    (await openModel(parseModel("openai:gpt-4o"), { python, apiKeyOf: () => "sk-x" })).name,
    "openai:gpt-4o",
  );
  equal(
    (await openModel(parseModel("openai:m@http://localhost"), { python })).name,
    "openai:m@http://localhost/v1",
  );
  await rejects(openModel(parseModel("local"), { python }), { message: "python asked 1" });
});

Deno.test("openModel() asks for a project and for credentials, and opens Vertex AI with them", async () => {
  const spec = parseModel("vertex:gemini-2.5-flash");
  const python = () => Promise.reject(new Error("not needed"));
  await rejects(openModel(spec, { python }), { name: "UsageError", message: /set GOOGLE_CLOUD_PROJECT/ });
  await rejects(openModel(spec, { python, google: { project: "p", credentials: "/nowhere" } }), {
    name: "UsageError",
    message:
      /key file \/nowhere: .*gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS/,
  });
  await using file = await credentialsFile(USER);
  const { name, identity } = await openModel(spec, {
    python,
    google: { project: "p", credentials: file.path },
  });
  deepEqual([name, identity.location], ["vertex:gemini-2.5-flash", "global"]);
});

Deno.test("openModel() asks OpenAI only where its own tools would, and no other server but one that is named", async () => {
  const python = () => Promise.reject(new Error("not needed"));
  const open = (name: string, OPENAI_BASE_URL: string) =>
    openModel(parseModel(name), { ...keysOf({ OPENAI_API_KEY: "sk-x", OPENAI_BASE_URL }), python });
  for (const url of ["http://127.0.0.1:1/v1", "http://127.0.0.1:1/"]) {
    await rejects(open("openai:m", url), {
      name: "UsageError",
      message: 'Cannot open the model "openai:m" as OPENAI_BASE_URL names another server than OpenAI\'s: ' +
        "say openai:m@http://127.0.0.1:1/v1, or leave that variable out",
    });
    equal((await open("openai:m@http://127.0.0.1:1", url)).name, "openai:m@http://127.0.0.1:1/v1");
    equal((await open("openai:m@http://127.0.0.1:2", url)).name, "openai:m@http://127.0.0.1:2/v1");
  }
  await rejects(open("openai:m", "gpu-box:8000"), { name: "UsageError", message: /Cannot use gpu-box:8000/ });
  for (const url of ["", "https://api.openai.com/v1", "https://api.openai.com/v1/"]) {
    equal((await open("openai:m", url)).name, "openai:m");
  }
});
