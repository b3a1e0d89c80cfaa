/**
 * `vertex:` as users have it: Application Default Credentials, project and location from the environment, against a local
 * server that signs in and answers as Google's do, quota errors, safety blocks and cut answers among them. Nothing that is
 * written holds a credential.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EXIT } from "../lib/command/mod.ts";
import { credentialsFile, google, type Received, USER } from "../lib/llm/testing.ts";
import { filesWith, parity, place, printed, run, said } from "./testing.ts";

const TOKEN = "ya29.canary-access-token-81";
const CANARIES = [TOKEN, USER.client_secret, USER.refresh_token];
const MODEL = "/v1/projects/our-project/locations/europe-west4/publishers/google/models/gemini-2.5-flash";

/** `parity` in the words of Vertex AI. */
function gemini({ body }: Received): string {
  const turns: { role: string; parts: { text: string }[] }[] = body.contents;
  return parity({
    model: "gemini-2.5-flash",
    messages: turns.map(({ role, parts }) => ({
      role: role === "model" ? "assistant" : "user",
      content: parts[0]!.text,
    })),
    max_tokens: body.generationConfig.maxOutputTokens,
  });
}

Deno.test("optimize through vertex: counts what Vertex AI counts, and writes no credential anywhere", async () => {
  await using at = await place();
  const bill = { prompt: 0, completion: 0 };
  const counted = (promptTokenCount: number, candidatesTokenCount: number) => {
    bill.prompt += promptTokenCount;
    bill.completion += candidatesTokenCount;
    return {
      promptTokenCount,
      candidatesTokenCount,
      totalTokenCount: promptTokenCount + candidatesTokenCount,
    };
  };
  const times = new Map<string, number>();
  await using server = google((request) => {
    const question: string = request.body.contents.at(-1).parts[0].text;
    const text = JSON.stringify(request.body);
    times.set(text, (times.get(text) ?? 0) + 1);
    if (question.includes("3007")) { // never answered
      const message = `Quota exceeded of ${request.headers.get("authorization")}`;
      const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "0.01s" }];
      return Response.json({ error: { code: 503, message, status: "UNAVAILABLE", details } }, {
        status: 503,
      });
    }
    if (question.includes("2021")) {
      return Response.json({
        candidates: [{ finishReason: "SAFETY", safetyRatings: [] }],
        usageMetadata: { promptTokenCount: counted(20, 0).promptTokenCount, totalTokenCount: 20 },
      });
    }
    const isCut = question.includes("2014");
    return Response.json({
      candidates: [{
        content: { role: "model", parts: [{ text: isCut ? "ev" : gemini(request) }] },
        finishReason: isCut ? "MAX_TOKENS" : "STOP",
      }],
      usageMetadata: counted(20, 3),
      modelVersion: "gemini-2.5-flash",
    });
  }, { token: TOKEN });
  await using credentials = await credentialsFile(server.credentials);
  const env = {
    QUINTET_HOME: at.home,
    GOOGLE_CLOUD_PROJECT: "our-project",
    GOOGLE_CLOUD_LOCATION: "europe-west4",
    GOOGLE_VERTEX_BASE_URL: server.url,
    GOOGLE_APPLICATION_CREDENTIALS: credentials.path,
  };
  const args = [
    "--primary",
    "vertex:gemini-2.5-flash",
    "--max-iterations",
    "1",
    "--max-retries",
    "2",
    "--json",
  ];
  const ended = await run("optimize", ["--dataset", at.questions, ...args], { env });
  equal(ended.code, EXIT.done, ended.stderr);
  const { calls, tokens, baseline, best } = printed(ended);
  const asked = server.asked();
  deepEqual([...new Set(asked.map(({ path }) => path))], [`${MODEL}:generateContent`]);
  ok(asked.every(({ headers }) => headers.get("authorization") === `Bearer ${TOKEN}`));
  equal(server.signIns().length, 1);
  deepEqual([calls.total, calls.lost, tokens], [asked.length, 0, bill]);
  deepEqual([baseline.test.n, best.test.n], [39, 39]); // of 40, one without an answer
  deepEqual(
    [...times].filter(([text]) => text.includes("3007")).map(([, times]) => times),
    [3, 3], // under both prompts as often as it may be
  );
  match(
    said(ended),
    /^6 of \d+ calls failed, the last one with: Cannot ask vertex:\S+ in europe-west4 as it answered 503: /m,
  );

  const [, database = at.home] = /embedded PostgreSQL in (\S+)/.exec(ended.stderr) ?? []; // elsewhere where home is root's own
  for (const canary of CANARIES) {
    ok(!(ended.stdout + ended.stderr).includes(canary));
    for (const folder of [at.home, database]) deepEqual(await filesWith(folder, canary), []);
  }
  ok((await filesWith(database, "Quota exceeded of")).length > 0); // the database's files were among those read
  ok((await filesWith(`${at.home}/reports`, "Is 3000 even or odd?")).length > 0); // and the report
});
