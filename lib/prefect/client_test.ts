import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { prefectClient, PrefectError } from "./client.ts";

Deno.test("prefectClient() sends a request once, whatever becomes of its connection", async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      seen.push(request.url!);
      if (request.url === "/api/logs/") request.socket.destroy(); // taken, and no answer
      else response.setHeader("content-type", "application/json").end('"3.8.8"');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = prefectClient({ url: `http://127.0.0.1:${port}/api` });
  for (let round = 0; round < 2; round++) {
    await client.version();
    await rejects(
      client.call(client.api.POST("/logs/", { body: [] })),
      (error) => error instanceof PrefectError && error.retryable,
    );
  }
  deepEqual(seen, ["/api/admin/version", "/api/logs/", "/api/admin/version", "/api/logs/"]);
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("version() refuses what is no Prefect 3, and says how the address of one ends", async () => {
  const rows: [url: string, answer: () => Response, message: RegExp][] = [
    ["http://one/api", () => Response.json("2.20.4"), /as it must be Prefect 3: .* answered "2\.20\.4"$/],
    ["http://one/api", () => Response.json({ name: "other" }), /answered \{"name":"other"\}$/],
    ["http://one/api", () => new Response(null, { status: 204 }), /answered nothing$/],
    ["http://one", () => Response.json(1), /answered 1: PREFECT_API_URL must be .* ends in \/api$/],
    // Prefect's pages, which are there for every path
    ["http://one", () => new Response("<!doctype html>"), /^Cannot read what http:\/\/one .* ends in \/api$/],
  ];
  for (const [url, answer, message] of rows) {
    const { version } = prefectClient({ url, fetch: () => Promise.resolve(answer()) });
    await rejects(version(), { name: "PrefectError", message });
  }
});
