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
