import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { listedByPs, processesOf, runsAs } from "./processes.ts";

Deno.test("processesOf() and runsAs() know a process by its command line, until it dies", async () => {
  if (Deno.build.os === "windows") return deepEqual(processesOf("deno"), []);
  const tag = `tag-${crypto.randomUUID()}`;
  const process = new Deno.Command("sh", {
    args: ["-c", "echo; read line", tag],
    stdin: "piped",
    stdout: "piped",
  })
    .spawn();
  await process.stdout.getReader().read(); // it runs
  deepEqual(processesOf(tag), [process.pid]);
  equal(runsAs(tag, process.pid), true);
  equal(runsAs(tag, Deno.pid), false);
  try {
    deepEqual(listedByPs(tag), [process.pid]);
  } catch (error) { // a slim image has no ps: it has /proc then
    equal((error as Error).name, "NotFound");
  }
  await process.stdin.close();
  await process.status;
  await process.stdout.cancel().catch(() => {});
  deepEqual(processesOf(tag), []);
  equal(runsAs(tag, process.pid), false);
});
