import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { isLoopback, loopback } from "./loopback.ts";

Deno.test("isLoopback() knows the names of this machine, and no other", () => {
  const rows: [string, boolean][] = [
    ["http://localhost:4200/api", true],
    ["http://prefect.localhost/api", true],
    ["http://127.0.0.1:1", true],
    ["http://127.1.2.3", true],
    ["https://[::1]:8080/", true],
    ["http://127.0.0.1.example.org", false],
    ["http://localhost.example.org", false],
    ["http://10.0.0.1", false],
    ["http://example.org/localhost", false],
  ];
  for (const [url, expected] of rows) equal(isLoopback(url), expected, url);
});

Deno.test("loopback() sends what it is given, and gives what came", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method === "DELETE") return new Response(null, { status: 204 });
    const { headers } = request;
    return Response.json([request.method, headers.get("authorization"), await request.text()], {
      status: 418,
    });
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const answer = await loopback(url, { method: "POST", headers: { authorization: "me" }, body: "ä" });
  deepEqual([answer.status, answer.headers.get("content-type")], [418, "application/json"]);
  deepEqual(await answer.json(), ["POST", "me", "ä"]);
  equal((await loopback(url, { method: "DELETE" })).status, 204);
});

Deno.test("loopback() ends with its signal", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response()))),
  );
  const asked = loopback(`http://127.0.0.1:${server.addr.port}/`, { signal: AbortSignal.timeout(20) });
  await rejects(asked, { name: "TimeoutError" });
});

Deno.test("servers of this machine are asked past a proxy that the environment names", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json("3.8.8"), // as Prefect says its version
  );
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json("3.8.8 by the proxy"),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const script = `import { loopback } from ${JSON.stringify(import.meta.resolve("./loopback.ts"))};
    import { prefectClient } from ${JSON.stringify(import.meta.resolve("./prefect/client.ts"))};
    const { version } = prefectClient({ url: ${JSON.stringify(`${url}api`)} });
    console.log(await (await loopback(${JSON.stringify(url)})).json(), await version());`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    cwd: import.meta.dirname!,
    env: { HTTP_PROXY: `http://127.0.0.1:${proxy.addr.port}`, NO_PROXY: "" },
  }).output();
  equal(new TextDecoder().decode(stdout).trim(), "3.8.8 3.8.8", new TextDecoder().decode(stderr));
});
