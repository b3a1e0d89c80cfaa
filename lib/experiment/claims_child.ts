/**
 * A process with a ledger of its own, which asks what others ask at the same moment, and may be killed: it reads one line of
 * JSON, a `Work`, and says which answers it has got.
 *
 * @module
 */
import { openai, openLedger } from "../llm/mod.ts";
import { random, shuffle } from "../random.ts";
import { journal, openDatabase } from "../store/mod.ts";

/** What the process is to do. */
export interface Work {
  /** Of the database. */
  readonly url: string;
  /** Of the provider. */
  readonly baseUrl: string;
  /** Its key says who asks. */
  readonly apiKey: string;
  readonly experiment: string;
  readonly questions: number;
  readonly concurrency: number;
  readonly leaseMs: number;
}

/** What it says. */
export interface Got {
  readonly texts: readonly string[];
  readonly paid: number;
  readonly cached: number;
  /** Requests by its own count. */
  readonly calls: number;
}

let line = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  if ((line += text).includes("\n")) break;
}
const work: Work = JSON.parse(line);
await using db = await openDatabase({ url: work.url });
using rows = journal(db, work.experiment, undefined, work);
const ledger = await openLedger({
  models: { primary: openai("m", work) },
  journal: rows,
  caps: {},
  priceOf: () => null,
  retry: { random: random(work.apiKey) },
  concurrency: work.concurrency,
  newId: () => crypto.randomUUID(),
  elapsed: () => performance.now(),
});
const questions = Array.from({ length: work.questions }, (_, i) => i);
const texts: string[] = [];
const origins = { paid: 0, cached: 0, replayed: 0 };
await Promise.all(
  shuffle(questions, random(work.apiKey)).map(async (i) => {
    const messages = [{ role: "user" as const, content: `Question ${i}` }];
    const { completion, origin } = await ledger.ask("primary", { messages, temperature: 0, maxTokens: 8 });
    texts[i] = completion.text;
    origins[origin]++;
  }),
);
const { paid, cached } = origins;
console.log(JSON.stringify({ texts, paid, cached, calls: ledger.spent().calls } satisfies Got));
