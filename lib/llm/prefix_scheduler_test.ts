import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { integer, random, shuffle } from "../random.ts";
import { prefixScheduler } from "./prefix_scheduler.ts";

const turn = () => new Promise((resolve) => setTimeout(resolve));

/** A scheduler whose jobs wait to be released one by one. */
function slot(patience = 64) {
  const served: string[] = [];
  const releases: (() => void)[] = [];
  let most = 0, now = 0;
  const ask = prefixScheduler<string, string>({
    prefixOf: (job) => job,
    patience,
    serve: async (job, { signal }) => {
      served.push(job);
      most = Math.max(most, ++now);
      await new Promise<void>((resolve) => {
        releases.push(resolve);
        signal?.addEventListener("abort", () => resolve());
      });
      now--;
      signal?.throwIfAborted();
      if (job.endsWith("!")) throw new Error(`cannot serve ${job}`);
      return `answer to ${job}`;
    },
  });
  return {
    ask,
    served,
    most: () => most,
    async release() {
      releases.shift()!();
      await turn();
    },
  };
}

Deno.test("prefixScheduler() serves one at a time, prompts that begin alike together", async () => {
  const { ask, served, release, most } = slot();
  const prompts = shuffle(
    ["a", "b", "c"].flatMap((p) => [1, 2, 3, 4].map((q) => `${p.repeat(20)}${q}`)),
    random(3),
  );
  const answers = prompts.map((prompt) => ask(prompt));
  await turn();
  for (const _ of prompts) await release();
  deepEqual(await Promise.all(answers), prompts.map((prompt) => `answer to ${prompt}`));
  equal(most(), 1);
  const groups = served.map((prompt) => prompt[0]);
  equal(groups.filter((group, i) => group !== groups[i - 1]).length, 3);
});

Deno.test("prefixScheduler() lets nobody starve", async () => {
  const { ask, served, release } = slot(5);
  const answers = [ask("aaaa 0")];
  await turn();
  answers.push(ask("b"));
  for (let i = 1; i < 20; i++) {
    answers.push(ask(`aaaa ${i}`)); // a caller that always has one more question
    await release();
  }
  for (let i = 0; i < 2; i++) await release();
  await Promise.all(answers);
  equal(served.indexOf("b"), 6);
});

Deno.test("prefixScheduler() goes on after a failure", async () => {
  const { ask, release } = slot();
  const failed = ask("a!"), well = ask("b");
  const told = rejects(failed, { message: "cannot serve a!" });
  await turn();
  await release();
  await release();
  await told;
  equal(await well, "answer to b");
});

Deno.test("prefixScheduler() drops what is aborted, waiting or begun", async () => {
  const { ask, served, release } = slot();
  const stop = new AbortController();
  const begun = ask("a", stop.signal), waiting = ask("b", stop.signal), other = ask("c");
  const told = [begun, waiting].map((answer) => rejects(answer, { message: "stopped" }));
  await turn();
  stop.abort(new Error("stopped"));
  await Promise.all(told);
  await turn();
  await release();
  await release();
  equal(await other, "answer to c");
  deepEqual(served, ["a", "c"]);
  await rejects(ask("d", stop.signal), { message: "stopped" });
});

Deno.test("prefixScheduler() answers every request once, whatever the order of arrival", async () => {
  const draws = random(11);
  const served: number[] = [];
  const ask = prefixScheduler<{ id: number; text: string }, number>({
    prefixOf: ({ text }) => text,
    serve: async ({ id }) => {
      served.push(id);
      if (integer(3, draws) === 0) await turn();
      return id;
    },
    patience: 8,
  });
  const answers: Promise<number>[] = [];
  for (let id = 0; id < 300; id++) {
    answers.push(ask({ id, text: `${integer(5, draws)}`.repeat(10) + id }));
    if (integer(10, draws) === 0) await turn();
  }
  deepEqual(await Promise.all(answers), [...Array(300).keys()]);
  deepEqual(served.toSorted((a, b) => a - b), [...Array(300).keys()]);
});
