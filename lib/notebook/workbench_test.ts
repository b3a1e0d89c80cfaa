import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { credentialsFile, USER } from "../llm/testing.ts";
import { testDatabase } from "../store/testing.ts";
import { openWorkbench } from "./workbench.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;
const GEMINI = "vertex:gemini-2.5-flash";

Deno.test("a workbench opens a model once, and again when it could not be opened", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const folder = await Deno.makeTempDir();
  try {
    const GOOGLE_APPLICATION_CREDENTIALS = `${folder}/key.json`;
    const env = { DATABASE_URL: db.url, GOOGLE_CLOUD_PROJECT: "ours", GOOGLE_APPLICATION_CREDENTIALS };
    await using bench = await openWorkbench({ env });
    await rejects(bench.model(GEMINI), /Cannot use the key file/);
    await Deno.writeTextFile(GOOGLE_APPLICATION_CREDENTIALS, JSON.stringify(USER));
    const model = await bench.model(GEMINI);
    equal(model.name, GEMINI);
    equal(await bench.model(GEMINI), model);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a workbench opens Google's models where flows do", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  await using credentials = await credentialsFile(USER);
  const check = async (place: Readonly<Record<string, string>>, expected: object) => {
    const env = {
      ...{ DATABASE_URL: db.url, GOOGLE_CLOUD_PROJECT: "ours" },
      ...{ GOOGLE_APPLICATION_CREDENTIALS: credentials.path, ...place },
    };
    await using bench = await openWorkbench({ env });
    const { provider, model, ...at } = (await bench.model(GEMINI)).identity;
    deepEqual([provider, model, at], ["vertex", "gemini-2.5-flash", expected]);
  };
  await check({ GOOGLE_CLOUD_LOCATION: "" }, { location: "global" });
  await check({ GOOGLE_CLOUD_LOCATION: "europe-west4" }, { location: "europe-west4" });
  await check({ GOOGLE_VERTEX_BASE_URL: "http://localhost:9/" }, {
    ...{ location: "global", endpoint: "http://localhost:9" },
  });
});
