import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Intent, Settlement } from "../llm/ledger.ts";
import { BudgetError, type Caps, openLedger, type Usage } from "../llm/mod.ts";
import { random } from "../random.ts";
import { journal } from "./calls.ts";
import { saveDataset } from "./datasets.ts";
import type { Database } from "./db.ts";
import { beginExperiment, resumeExperiment } from "./experiments.ts";
import type { Allowance } from "./purse.ts";
import { createSweep, readSweep, setSweepCaps } from "./sweeps.ts";
import { testDatabase } from "./testing.ts";

const FOLDER = `${import.meta.dirname}/../../sql`;

/** A sweep of `n` experiments that have begun. */
async function sweep(db: Database, caps: Allowance, n = 2) {
  const example = (id: string) => ({ id, question: `${id}?`, references: ["yes"] });
  const splits = { train: [example("a")], validation: [example("b")], test: [example("c")] };
  const datasetId = await saveDataset(db, { name: "tiny", sha256: "0".repeat(64), card: {}, ...splits });
  const id = crypto.randomUUID();
  const experiments = Array.from({ length: n }, (_, seed) => ({
    ...{ experimentId: crypto.randomUUID(), dataset: "tiny", datasetId, seed, config: {} },
  }));
  await createSweep(db, { id, config: {}, caps, experiments });
  for (const { experimentId, ...plan } of experiments) {
    await beginExperiment(db, { ...plan, id: experimentId, kind: "optimize" });
  }
  const journals = experiments.map(({ experimentId }) => journal(db, experimentId));
  for (const one of journals) await one.history();
  return { id, journals, ids: experiments.map(({ experimentId }) => experimentId) };
}

const intent = (n: number): Intent => ({
  ...{
    id: crypto.randomUUID(),
    role: "primary",
    model: "test",
    key: n.toString(16).padStart(64, "0"),
    attempt: 1,
  },
  reserved: { tokens: 40, cost: 4_000_000_000_000n },
});

const failed = ({ id }: Intent, promptTokens: number): Settlement => ({
  ...{
    id,
    usage: { promptTokens, completionTokens: 0 },
    cost: BigInt(promptTokens) * 100_000_000_000n,
    ms: 1,
  },
  outcome: { kind: "failed", error: "busy", failure: null },
});

const kinds = (intended: readonly { kind: string }[]) => intended.map(({ kind }) => kind);
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

Deno.test("intend() grants as many calls as the purse of a sweep has, to all its journals together", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { id, journals, ids } = await sweep(db, { calls: 13 }, 3);
  const intended = await Promise.all(
    numbers(0, 30).map((n) => journals[n % 3]!.intend(intent(n))),
  );
  equal(intended.filter(({ kind }) => kind === "granted").length, 13);
  deepEqual(
    intended.filter(({ kind }) => kind !== "granted"),
    numbers(0, 17).map(() => (
      { kind: "refused", cap: "calls", allowed: 13, spent: 13, passing: false }
    )),
  );
  deepEqual((await readSweep(db, id)).spent, { calls: 13, tokens: 13 * 40, cost: 13n * 4_000_000_000_000n });

  await setSweepCaps(db, id, { calls: 14 });
  const [one, other] = [intent(100), intent(101)];
  deepEqual(kinds(await Promise.all([one, other].map(journals[0]!.intend))), ["granted", "refused"]);
  deepEqual(await journals[0]!.intend(one), { kind: "granted" }); // as after a lost connection: it costs nothing more
  const { rows } = await db.query("select from sweep_experiments where capped and experiment_id = $1", [
    ids[0],
  ]);
  equal(rows.length, 1);
});

Deno.test("a completion that another journal claims, or has, takes nothing from the purse", async () => {
  await using db = await testDatabase({ folder: FOLDER });
  const { id, journals: [mine, theirs] } = await sweep(db, { calls: 10 });
  const all = (who: typeof mine, from: number, to: number) =>
    Promise.all(numbers(from, to).map((n) => who!.intend(intent(n))));
  deepEqual(new Set(kinds(await all(mine, 0, 5))), new Set(["granted"]));
  deepEqual(new Set(kinds(await all(theirs, 0, 5))), new Set(["claimed"]));
  equal((await readSweep(db, id)).spent.calls, 5);
  deepEqual(kinds(await all(theirs, 3, 12)), [
    ...["claimed", "claimed", "granted", "granted", "granted", "granted", "granted", "refused", "refused"],
  ]);
});

Deno.test("what a call reserved of tokens or dollars and did not use comes back; of one that was lost it does not", async () => {
  for (const caps of [{ tokens: 100 }, { cost: 10_000_000_000_000n }]) {
    await using db = await testDatabase({ folder: FOLDER });
    const { id, ids, journals: [mine, theirs] } = await sweep(db, caps);
    const [first, lost, third] = [intent(1), intent(2), intent(3)];
    deepEqual(kinds(await Promise.all([mine!.intend(first), theirs!.intend(lost)])), ["granted", "granted"]);
    const refusal = async () => {
      const intended = await mine!.intend(third);
      return intended.kind === "refused" ? [intended.cap, intended.passing] : intended.kind;
    };
    const [cap] = Object.keys(caps);
    deepEqual(await refusal(), [cap, true]);
    await mine!.settle(failed(first, 5));
    equal(await refusal(), "granted"); // 5 + 40 + 40
    await mine!.settle(failed(third, 20));
    await resumeExperiment(db, ids[1]!, {}); // its process died, and another one has it now: 5 + 40 + 20 + 40 > 100
    const [fourth] = await Promise.all([mine!.intend(intent(4))]);
    deepEqual(fourth.kind === "refused" && [fourth.cap, fourth.passing], [cap, false]);
    equal((await readSweep(db, id)).spent.tokens, 65);
  }
});

Deno.test("what a provider counts above the reservation of a call is taken from the purse", async () => {
  for (const caps of [{ tokens: 130 }, { cost: 13_000_000_000_000n }]) {
    await using db = await testDatabase({ folder: FOLDER });
    const { journals: [mine, theirs] } = await sweep(db, caps);
    const [first, second] = [intent(1), intent(2)];
    deepEqual(kinds(await Promise.all([mine!.intend(first), theirs!.intend(second)])), [
      "granted",
      "granted",
    ]);
    await mine!.settle(failed(first, 60)); // 60 + 40 + 40 > 130
    equal((await theirs!.intend(intent(3))).kind, "refused");
    await theirs!.settle(failed(second, 30)); // 60 + 30 + 40
    equal((await theirs!.intend(intent(4))).kind, "granted");
  }
});

Deno.test("ledgers of a sweep spend what it may spend to the last call that fits, and never more", async () => {
  const BY: readonly { caps: Allowance; cap: keyof Caps; most: number }[] = [
    { caps: { calls: 50 }, cap: "calls", most: 50 },
    { caps: { tokens: 700 }, cap: "tokens", most: 700 },
    { caps: { cost: 700_000n }, cap: "cost", most: 700 },
  ];
  for (const { caps, cap, most } of BY) {
    await using db = await testDatabase({ folder: FOLDER });
    const { id, journals } = await sweep(db, caps, 4);
    const used: Usage = { promptTokens: 5, completionTokens: 2 };
    let served = 0;
    const errors = await Promise.all(journals.map(async (rows, i) => {
      const ledger = await openLedger({
        models: {
          primary: {
            ...{ name: "test", identity: { provider: "test" }, promptTokensAtMost: () => 20 },
            async complete() {
              served++;
              await delay(2);
              return { text: "yes", finish: "stop", usage: used };
            },
          },
        },
        ...{ journal: rows, caps: {}, retry: { random: random(1) }, concurrency: 4 },
        priceOf: () => ({ prompt: 1_000n, completion: 1_000n }),
        newId: () => crypto.randomUUID(),
        elapsed: () => performance.now(),
      });
      for (let n = 0;; n++) {
        const ask = (k: number) =>
          ledger.ask("primary", {
            messages: [{ role: "user", content: `${i % 2} ${n} ${k}` }], // two of each want the same
            ...{ temperature: 0, maxTokens: 20 },
          });
        const asked = await Promise.allSettled(numbers(0, 6).map(ask));
        const [error] = asked.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
        if (error) return error;
      }
    }));
    deepEqual(errors.map((error) => error instanceof BudgetError && error.cap), errors.map(() => cap));
    const { spent } = await readSweep(db, id);
    equal(spent.calls, served);
    const amount = cap === "calls" ? spent.calls : spent.tokens;
    ok(amount <= most, `${amount} of ${most}`);
    ok(amount > most - (cap === "calls" ? 1 : 40), `only ${amount} of ${most}`); // nothing more would fit
    equal(spent.cost, BigInt(spent.tokens) * 1_000n);
    for (const rows of journals) rows[Symbol.dispose]();
  }
});
