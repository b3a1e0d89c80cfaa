import { deepStrictEqual as deepEqual, match, rejects, strictEqual as equal } from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { exchange } from "./exchange.ts";
import { ProviderError } from "./model.ts";

/** A server on loopback, and how many connections it was asked by. */
async function listen(answer: RequestListener) {
  const server = createServer(answer);
  let connections = 0;
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const piece of request) body += piece;
  return body;
}

const post = (url: string, body: string) => exchange(url, { method: "POST", body });

Deno.test("exchange() sends a request once, whatever becomes of a connection that was kept", async () => {
  const seen: string[] = [];
  await using server = await listen(async (request, response) => {
    const body = await bodyOf(request);
    seen.push(body);
    if (body === "breaks") request.socket.destroy();
    else if (body === "breaks off") request.socket.end("HTTP/1.1 20");
    else response.end("an answer");
  });
  for (const broken of ["breaks", "breaks off", "breaks"]) {
    for (let i = 0; i < 3; i++) equal((await post(server.url, "stays")).text, "an answer");
    await rejects(post(server.url, broken), (error) => error instanceof ProviderError && error.retryable);
  }
  const stays = ["stays", "stays", "stays"];
  deepEqual(seen, [...stays, "breaks", ...stays, "breaks off", ...stays, "breaks"]);
});

Deno.test("exchange() keeps a connection from call to call, and opens another when it was closed meanwhile", async () => {
  await using server = await listen((request, response) => {
    request.resume();
    response.setHeader("connection", request.url === "/last" ? "close" : "keep-alive").end("an answer");
  });
  for (let i = 0; i < 20; i++) equal((await post(server.url, "x")).text, "an answer");
  const kept = server.connections();
  equal(kept <= 2, true, `${kept} connections for 20 calls`); // one may still be busy with the answer before
  for (let i = 0; i < 5; i++) equal((await post(`${server.url}last`, "x")).text, "an answer");
  equal(server.connections() >= kept + 3, true);
});

Deno.test("exchange() reads an answer that comes compressed, though nobody asked for that", async () => {
  await using server = await listen((request, response) => {
    request.resume();
    response.setHeader("content-encoding", "gzip").end(gzipSync("an answer \u2026"));
  });
  const { text, headers } = await post(server.url, "x");
  equal(text, "an answer \u2026");
  equal(headers.get("content-encoding"), null);
});

Deno.test("exchange() goes by the proxy that the environment names, and past it", async () => {
  await using server = await listen((request, response) => void (request.resume(), response.end("straight")));
  await using proxy = await listen((request, response) => {
    request.resume();
    response.end(`by the proxy to ${request.url}, as ${request.headers["proxy-authorization"]}`);
  });
  const { host } = new URL(proxy.url);
  const asked = async (env: Record<string, string>) => { // by a process of its own: connections are kept
    const script = `import { exchange } from ${JSON.stringify(import.meta.resolve("./exchange.ts"))};
      console.log((await exchange(${JSON.stringify(server.url)}, { method: "POST", body: "x" })).text);`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
      cwd: import.meta.dirname!,
      env: { NO_PROXY: "", ...env },
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  const named = { HTTP_PROXY: `http://me:secret@${host}` };
  equal(await asked(named), `by the proxy to ${server.url}, as Basic ${btoa("me:secret")}`);
  equal(await asked({ ...named, NO_PROXY: "example.org,127.0.0.1" }), "straight");
  equal(await asked({}), "straight");
});

Deno.test("exchange() says why no connection came about, and that nothing was sent", async () => {
  const url = await (async () => {
    await using server = await listen(() => {});
    return server.url;
  })();
  await rejects(post(url, "x"), (error) => {
    match((error as Error).message, /^Cannot ask http:\S+ as the connection failed: connect ECONNREFUSED /);
    deepEqual((error as ProviderError).usage, { promptTokens: 0, completionTokens: 0 });
    return true;
  });
  await using server = await listen((request) => void request.socket.destroy());
  await rejects(post(server.url, "x"), (error) => {
    equal((error as ProviderError).usage, null, "nobody can tell");
    return true;
  });
});
