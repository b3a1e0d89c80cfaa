import {
  deepStrictEqual as deepEqual,
  notDeepStrictEqual as notDeepEqual,
  ok,
  strictEqual as equal,
} from "node:assert/strict";
import type { ModelRequest } from "../llm/mod.ts";
import { type Database, readExperiment } from "../store/mod.ts";
import { testDatabase } from "../store/testing.ts";
import { runExperiment, runMeasurement } from "./mod.ts";
import { apprentice, author, begun, type Fate, fruitless, MIGRATIONS, simulated } from "./testing.ts";

Deno.test("runExperiment() claims nothing where no prompt is better, though it keeps those that had luck", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { claims, moved } = await fruitless(db, { runs: 24, version: "1" });
  ok(moved > 12, `${moved} of 24 searches kept another prompt`);
  ok(claims <= 1, `${claims} of 24 experiments made a claim`);
});

const models = (fate: Fate = () => {}) => ({
  primary: simulated(apprentice, { version: "warm", fate }),
  optimizer: simulated(author, { version: "warm", fate }),
});

/** Runs an experiment with a primary model that is asked at `temperature`. */
async function run(db: Database, { temperature, seed }: { temperature: number; seed: number }) {
  const { primary, optimizer } = models();
  const [setup, around] = await begun(db, { primary, optimizer, seed, temperature });
  await runExperiment(setup, around);
  return { setup, asked: primary.asked, record: await readExperiment(db, setup.id) };
}

const texts = (asked: readonly ModelRequest[]) => asked.map((request) => JSON.stringify(request)).sort();

Deno.test("above temperature 0 the search, and each version in the claim, have draws of their own", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { setup: { dataset, seedPrompt }, asked, record } = await run(db, { temperature: 0.7, seed: 1 });
  ok(record.experiment.after! > 0);
  const questions = new Set(dataset.test.map(({ question }) => question));
  const uses = Map.groupBy(asked, ({ messages }) => {
    if (!questions.has(messages.at(-1)!.content.split("\n\n")[0]!)) return "search";
    return messages[0]!.content === seedPrompt.systemPrompt && messages.length === 2 ? "before" : "after";
  });
  const samples = (["search", "before", "after"] as const).map((
    use,
  ) => [...new Set(uses.get(use)!.map(({ sample }) => sample))]);
  deepEqual(samples.map(({ length }) => length), [1, 1, 1]);
  equal(new Set(samples.flat()).size, 3);
  ok(samples.flat().every((sample) => Number.isSafeInteger(sample)));

  // The same seed finds its own draws again, another one draws anew.
  equal((await run(db, { temperature: 0.7, seed: 1 })).asked.length, 0);
  const other = await run(db, { temperature: 0.7, seed: 2 });
  deepEqual(texts(other.asked).filter((text) => texts(asked).includes(text)), []);
  equal(other.record.experiment.cached, 0);
  notDeepEqual(other.asked[0]!.sample, asked[0]!.sample);

  // At temperature 0 there is nothing to draw: whatever the seed, an answer is paid for once.
  const [cold, again] = [
    await run(db, { temperature: 0, seed: 1 }),
    await run(db, { temperature: 0, seed: 2 }),
  ];
  ok([...cold.asked, ...again.asked].every((request) => !("sample" in request)));
  ok(again.record.experiment.cached >= 16);
});

Deno.test("runMeasurement() draws for its seed, and what a claim drew for the same prompt is read back", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const { setup } = await run(db, { temperature: 0.7, seed: 1 });
  for (const [seed, asked] of [[1, 0], [2, 16], [2, 0]] as const) {
    const { primary } = models();
    const [{ seedPrompt: prompt, ...measured }, around] = await begun(db, {
      kind: "evaluate",
      primary,
      seed,
    });
    await runMeasurement({ ...measured, split: "test", prompt, temperature: 0.7 }, around);
    equal(primary.asked.length, asked, `seed ${seed}`);
  }
  equal(setup.dataset.test.length, 16);
});

Deno.test("runExperiment() above temperature 0 is resumed with the draws it had", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const stop = new AbortController();
  let calls = 0;
  const first = models(() => {
    if (++calls === 100) stop.abort();
  });
  const [setup, around] = await begun(db, { ...first, temperature: 0.7, around: { stop: stop.signal } });
  equal(await runExperiment(setup, around), "interrupted");
  const second = models();
  const { stop: _, ...others } = around;
  await runExperiment({ ...setup, ...second }, others);
  const sent = [first, second].map(({ primary, optimizer }) => texts([...primary.asked, ...optimizer.asked]));
  deepEqual(sent[1]!.filter((text) => sent[0]!.includes(text)), []);
  equal((await readExperiment(db, setup.id)).experiment.status, "finished");
});
