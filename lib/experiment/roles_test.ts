import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type FirstToken, type LanguageModel, openLedger, openLocal } from "../llm/mod.ts";
import { memory } from "../llm/testing.ts";
import type { Prompt } from "../optimize/mod.ts";
import { ensurePython } from "../python/mod.ts";
import { random } from "../random.ts";
import { answering, asking, takesBias, telling } from "./roles.ts";
import { apprentice, simulated } from "./testing.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The two roles that the primary model has, and the ledger's rows. */
async function roles(primary: LanguageModel) {
  const journal = memory();
  const ledger = await openLedger({
    ...{ models: { primary }, journal, caps: {}, priceOf: () => null, concurrency: 4 },
    ...{ retry: { random: random(1), maxRetries: 0 }, elapsed: () => performance.now() },
    newId: () => crypto.randomUUID(),
  });
  const ask = asking(ledger, () => {}), options = { answerTokens: 4, seed: 1, primary };
  return { answer: answering(ask, options, "search"), tell: telling(ask, options), journal };
}

const NINE = { id: "9", question: "nine", references: ["number"] };
const demo = (question: string, answer: string) => ({ question, answer });
const PROMPT: Prompt = {
  ...{ systemPrompt: "", outputPrompt: "" },
  demos: [demo("red", "colour"), demo("seven", "number"), demo("dog", "animal")],
};

Deno.test("answering() gives a prompt's bias to the model, and telling() what else the same answer might have been", async () => {
  await using model = await openLocal({ python: await ensurePython({ root, group: "local" }), context: 512 });
  equal(await takesBias(model, "number"), true);
  const { answer, tell, journal } = await roles(model);
  const rows: [bias: Prompt["bias"], expected: RegExp][] = [
    [undefined, /^number/],
    [{}, /^number/],
    [{ colour: 30 }, /^colour/],
    [{ colour: 30, "colour of the sky": -30, number: 0 }, /^number$/], // both begin with "colour", whose bias is the mean: nothing
    [{ number: -30, "colour of the sky": 30 }, /^colour of/],
    [{ animal: 0, colour: 0 }, /^(animal|colour)$/], // what a bias is for are all answers there are
  ];
  for (const [bias, expected] of rows) {
    const prompt = { ...PROMPT, ...bias ? { bias } : {} };
    const given = await answer(prompt, NINE), told = await tell(prompt, NINE);
    match(given!.text, expected);
    equal(told!.text, given!.text);
    notEqual(told!.completion, given!.completion); // another request, kept by itself
    const [{ likely }] = told!.firsts! as [FirstToken];
    deepEqual([given!.firsts, Object.keys(likely).length], [undefined, 20]);
    ok(likely["number"]! > (likely["colour"] ?? -Infinity), JSON.stringify(told)); // as the model sees it without a bias
    deepEqual(await tell(prompt, NINE), told);
  }
  equal(journal.intents.length, 2 * (rows.length - 1)); // nothing added is no bias, so the second row was asked before
});

Deno.test("answering() adds to answers that begin alike where they part", async () => {
  const rows: [bias: Prompt["bias"], tokens: Record<string, number>][] = [
    [{ a: 1, b: -2 }, { a: 1, b: -2 }],
    [{ x_a: 3, x_b: 1, c: 0 }, { x: 2, _a: 2, _b: 0, c: 0 }],
    [{ x_y_a: 3, x_y_b: 1 }, { x: 2, _a: 2, _b: 0 }], // nothing is added to "_y", which parts nothing
    [{ x_a: 1, x_b: 1, y_a: 4, y_b: 0 }, { x: 1, y: 2, _a: 2, _b: 0 }], // a token at two places: the mean
    [{ x: 1, x_a: 0, x_a_b: 8, c: 1 }, { x: 3, _a: 3, _b: 8, c: 1 }], // an answer that others go on with
    [{ x_a: 2 }, { x: 2 }],
  ];
  for (const [bias, tokens] of rows) {
    const model = simulated(apprentice);
    const tokensOf = (text: string) => Promise.resolve(text.split(/(?=_)/));
    const { answer } = await roles({ ...model, tokensOf });
    await answer({ ...PROMPT, bias: bias! }, NINE);
    deepEqual(model.asked.at(-1)!.bias, tokens);
  }
});

Deno.test("answering() asks nothing where a model cannot be given a prompt's bias", async () => {
  const rows: [tokensOf: LanguageModel["tokensOf"], what: RegExp][] = [
    [undefined, /Cannot ask local with this prompt's bias as it must tell the tokens of "colour": use /],
    [() => Promise.resolve(null), /the tokens of "colour"/],
    [(text) => Promise.resolve(text === "colour" ? ["7"] : null), /the tokens of "number"/],
  ];
  for (const [tokensOf, what] of rows) {
    const model = { ...simulated(apprentice), ...tokensOf ? { tokensOf } : {} };
    const { answer, tell } = await roles(model);
    const biased = { ...PROMPT, bias: { colour: 1, number: -1 } };
    for (const role of [answer, tell]) {
      await rejects(role(biased, NINE), {
        ...{ name: "ProviderError", retryable: false, fatal: true, message: what },
      });
    }
    equal(model.asked.length, 0);
    equal(await takesBias(model, "number"), false);
    ok(await answer(PROMPT, NINE));
  }
});
