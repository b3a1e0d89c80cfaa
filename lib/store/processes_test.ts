import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { listedByPs, processesOf, runsAs } from "./processes.ts";

Deno.test("processesOf() and runsAs() know a process by its command line, until it dies", async () => {
  if (Deno.build.os === "windows") return deepEqual(processesOf("deno"), []);
  const tag = `tag-${crypto.randomUUID()}`;
  const process = await running(tag);
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

/** A process with `word` in its command line, until it is given a line or no more. */
async function running(word: string): Promise<Deno.ChildProcess> {
  const process = new Deno.Command("sh", {
    args: ["-c", "echo; read line", word],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await process.stdout.getReader().read(); // it runs
  return process;
}

Deno.test("processesOf() and runsAs() tell a name from one that it is the beginning or the end of", async () => {
  if (Deno.build.os === "windows") return;
  const tag = `tag-${crypto.randomUUID()}-3`;
  const rows: [word: string, own: boolean][] = [
    [`-c cluster_name=${tag} -c listen_addresses=`, true], // what pg_ctl is told
    [`cluster_name=${tag}`, true], // what the server is told
    [`postgres: ${tag}: checkpointer`, true], // what the server calls its children
    [`${tag}1`, false],
    [`a${tag}`, false],
    [`${tag}-1`, false],
  ];
  for (const [word, own] of rows) {
    const process = await running(word);
    equal(runsAs(tag, process.pid), own, word);
    deepEqual(processesOf(tag), own ? [process.pid] : [], word);
    await process.stdin.close();
    await process.status;
    await process.stdout.cancel().catch(() => {});
  }
});
