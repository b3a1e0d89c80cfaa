import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import pLimit from "p-limit";
import { random } from "../random.ts";
import { crowd } from "./crowd.ts";
import { openLedger } from "./ledger.ts";
import { type LanguageModel, ProviderError } from "./model.ts";
import { memory, timeline } from "./testing.ts";

/** A hundred questions to a model that works at `lanes` of them at once for about `seconds` each, and is waited for 300 s. */
async function askedOf(
  { lanes, seconds, concurrency }: { lanes: number; seconds: number; concurrency: number },
) {
  const { now, sleep, pass } = timeline(), draw = random(5);
  const lane = pLimit(lanes);
  const model: LanguageModel = {
    ...{ name: "openai:test", identity: {}, promptTokensAtMost: () => 10 },
    async complete() {
      const over = new AbortController(), ms = 1000 * seconds * (0.5 + draw());
      const work = lane(() => over.signal.aborted ? undefined : sleep(ms, over.signal)).then(() => false);
      const late = await Promise.race([work, sleep(300_000, over.signal).then(() => true)]);
      over.abort(); // a server that hears of it works no further
      await work.catch(() => {});
      if (late) throw new ProviderError("it did not answer within 300 s", { late });
      return { text: "yes", finish: "stop", usage: null };
    },
  };
  const ledger = await openLedger({
    ...{ models: { primary: model }, journal: memory(), caps: {}, priceOf: () => null },
    ...{ concurrency, elapsed: now, newId: () => crypto.randomUUID(), retry: { random: random(7), sleep } },
  });
  const ask = (i: number) =>
    ledger.ask("primary", { messages: [{ role: "user", content: `${i}` }], temperature: 0, maxTokens: 5 });
  const outcomes = await pass(Promise.allSettled(Array.from({ length: 100 }, (_, i) => ask(i))));
  return {
    answered: outcomes.filter(({ status }) => status === "fulfilled").length,
    ...{ calls: ledger.spent().calls, seconds: now() / 1000 },
  };
}

Deno.test("a provider that works at few questions at once loses none, in little more than the time it takes", async () => {
  const rows: [lanes: number, seconds: number, concurrency: number, calls: number][] = [
    [1, 5, 8, 100],
    [1, 50, 8, 125],
    [1, 50, 64, 180],
    [1, 150, 8, 130],
    [2, 50, 8, 110],
    [4, 100, 64, 180],
  ];
  for (const [lanes, seconds, concurrency, most] of rows) {
    const { answered, calls, seconds: took } = await askedOf({ lanes, seconds, concurrency });
    const row = `${lanes} at once, ${seconds} s each, asked ${concurrency}: ${calls} calls, ${took} s`;
    equal(answered, 100, row);
    ok(calls <= most, row);
    ok(took < 1.5 * 100 * seconds / lanes + 300, row);
  }
});

/** Comes in as often as is allowed, `n` at most, and says of each how it went. */
async function rush(
  { enter }: ReturnType<typeof crowd>,
  n: number,
  how: (i: number) => "answered" | "late" | undefined,
) {
  const inside: (() => void)[] = [];
  for (let i = 0; i < n; i++) {
    const left = new AbortController();
    const entered = enter(left.signal);
    const leave = await Promise.race([entered, new Promise<undefined>((resolve) => setTimeout(resolve))]);
    if (!leave) {
      left.abort(new Error("enough"));
      await rejects(entered, /enough/);
      break;
    }
    inside.push(() => leave(how(i)));
  }
  inside.forEach((leave) => leave());
  return inside.length;
}

Deno.test("crowd() takes no notice of one that is late by chance, nor of what was sent before it narrowed", async () => {
  let time = 0;
  const most = crowd({ now: () => time++ });
  for (let i = 0; i < 20; i++) await rush(most, 16, (i) => i === 3 ? "late" : "answered");
  equal(most.allowed(), Infinity);
  equal(await rush(most, 64, () => "late"), 64);
  equal(most.allowed(), 32);
  await rush(most, 64, () => undefined);
  equal(most.allowed(), 32);
});

Deno.test("crowd() is as large as what was answered meanwhile, and grows again, to less than what was too many", async () => {
  let time = 0;
  const most = crowd({ now: () => time++ });
  await rush(most, 40, (i) => i < 5 ? "answered" : "late");
  equal(most.allowed(), 5);
  const sizes: number[] = [];
  while (sizes.length < 60) sizes.push(await rush(most, 100, () => "answered"));
  deepEqual(sizes.slice(0, 5), [5, 6, 7, 8, 9]);
  equal(sizes.at(-1), 39);
  await rush(most, 100, (i) => i < 35 ? "answered" : "late");
  equal(most.allowed(), 19);
});

Deno.test("crowd() lets no place go when one who waits is aborted, before or after he came in", async () => {
  let time = 0;
  const { enter, allowed } = crowd({ now: () => time++ });
  const leave = await Promise.all([enter(), enter()]);
  leave[0]!("late");
  leave[1]!("late");
  equal(allowed(), 1);
  const first = await enter();
  const gone = new AbortController();
  const second = enter(gone.signal), third = enter();
  gone.abort(new Error("over"));
  await rejects(second, /over/);
  first();
  (await third)();
  await rejects(enter(gone.signal), /over/);
  (await enter())();
});
