import { deepEqual, equal, rejects } from "node:assert/strict";
import { createServer } from "node:http";
import { exchange } from "./exchange.ts";
import { ProviderError } from "./model.ts";

Deno.test("exchange() sends a request once, whatever becomes of its connection", async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => body += piece);
    request.on("end", () => {
      bodies.push(body);
      if (body === "breaks") request.socket.destroy();
      else response.end("an answer"); // and the connection is kept, if who asks wants that
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const ask = (body: string) => exchange(`http://127.0.0.1:${port}/`, { method: "POST", body });
  for (let round = 0; round < 3; round++) {
    equal((await ask("stays")).text, "an answer");
    await rejects(ask("breaks"), (error) => error instanceof ProviderError && error.retryable);
  }
  deepEqual(bodies, ["stays", "breaks", "stays", "breaks", "stays", "breaks"]);
  await new Promise((resolve) => server.close(resolve));
});
