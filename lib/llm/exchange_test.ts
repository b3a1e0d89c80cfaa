import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
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

/** What a process of its own has to say: connections, proxies and authorities are a process's. */
async function inProcess(url: string, env: Record<string, string>): Promise<string> {
  const script = `import { exchange } from ${JSON.stringify(import.meta.resolve("./exchange.ts"))};
    const asked = exchange(${JSON.stringify(url)}, { method: "POST", body: "x" });
    console.log(await asked.then(({ text }) => text, ({ message, usage }) => message + JSON.stringify(usage)));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    cwd: import.meta.dirname!,
    env,
  }).output();
  return new TextDecoder().decode(stdout).trim();
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
  ok(kept <= 2, `${kept} connections for 20 calls`); // one may still be busy with the answer before
  for (let i = 0; i < 5; i++) equal((await post(`${server.url}last`, "x")).text, "an answer");
  ok(server.connections() >= kept + 3);
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
  const asked = (env: Record<string, string>) => inProcess(server.url, { NO_PROXY: "", ...env });
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

Deno.test("exchange() sends nothing by a proxy that refuses, nor to a server that speaks no TLS", async () => {
  await using server = await listen((request, response) => void (request.resume(), response.end("straight")));
  const refusing = createServer((_, response) => void response.writeHead(407).end());
  refusing.on("connect", (_, socket) => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
  await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  const proxy = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
  const env = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: "" };
  const secure = server.url.replace("http:", "https:");
  const rows = [[server.url, env, /407/], [secure, env, /407/], [secure, {}, /SSL/]] as const;
  for (const [url, env, why] of rows) {
    const said = await inProcess(url, env);
    match(said, why);
    match(said, /\{"promptTokens":0,"completionTokens":0\}$/);
  }
  await new Promise((resolve) => refusing.close(resolve));
});

Deno.test("exchange() believes the authority that the environment names, and no other", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert: CERTIFICATE, key: KEY, onListen() {} },
    () => new Response("by TLS"),
  );
  const url = `https://127.0.0.1:${server.addr.port}/`;
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(file, AUTHORITY);
  equal(await inProcess(url, { DENO_CERT: file }), "by TLS");
  match(
    await inProcess(url, {}),
    /^Cannot ask https:\S+ as the connection failed: .*certificate\{"promptTokens":0,"completionTokens":0\}/,
  );
  await Deno.remove(file);
});

/** Made for this test, for 127.0.0.1 alone, from 2020 to 2126; the authority's key is gone. */
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBNDCB2qADAgECAgEBMAoGCCqGSM49BAMCMBgxFjAUBgNVBAMMDVF1aW50ZXQg
dGVzdHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBgxFjAUBgNV
BAMMDVF1aW50ZXQgdGVzdHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS67S8z
XUKUPvqNelhXk1puwXgG+jRCI52Kci9iY78avr8dPpTxNtjMu8eprsupFW3A27Rh
mKWtTjwEfwin12ADoxMwETAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA
MEYCIQCu6isbaeOSUvTJW4+8/ifHIpYn/K//KK2K5saAque0jwIhAI/zGYL8ibV0
Qnx0J2NUbmUOgHUbzI77Jm30RAuaXDka
-----END CERTIFICATE-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBOzCB4aADAgECAgECMAoGCCqGSM49BAMCMBgxFjAUBgNVBAMMDVF1aW50ZXQg
dGVzdHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBQxEjAQBgNV
BAMMCTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHuLwkvfOTCw
aTLBjkFnUw6CJ5G+MtlI1DHK0YdLvDxT3UY2gA3XuUxD8yrDCPAtzih5jDbUr5zf
2zZ5AFwao7CjHjAcMA8GA1UdEQQIMAaHBH8AAAEwCQYDVR0TBAIwADAKBggqhkjO
PQQDAgNJADBGAiEA8RN5KVAbNDQKqG7LXkhP5AW2giBYkmn9AurI/amqOcQCIQCK
g+9fxZeO+O+Sxao6u8JI3l2ySbcL0ikmS3yvTqh87Q==
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwiotLTR25YJHgmk1
Mk+qm6wHLuEKZKfiK2pfbpl/23ahRANCAAR7i8JL3zkwsGkywY5BZ1MOgieRvjLZ
SNQxytGHS7w8U91GNoAN17lMQ/MqwwjwLc4oeYw21K+c39s2eQBcGqOw
-----END PRIVATE KEY-----`;
