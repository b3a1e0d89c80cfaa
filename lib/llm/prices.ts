/**
 * What tokens cost, in whole picodollars (1e-12 USD): sums are exact, whatever is added to whatever.
 *
 * ```ts
 * import { costOf, priceOf } from "./prices.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const price = priceOf({ identity: { provider: "openai", model: "gpt-4o-mini", endpoint: "https://api.openai.com/v1" } });
 * equal(costOf({ promptTokens: 1_000_000, completionTokens: 0 }, price), 150_000_000_000n); // $0.15
 * ```
 *
 * @module
 */
import type { LanguageModel, Usage } from "./model.ts";

/** Picodollars a token. */
interface Rate {
  readonly prompt: bigint;
  readonly completion: bigint;
}

/** What a model's tokens cost at most. */
export interface Price extends Rate {
  /** Another rate for all tokens of a call whose prompt is longer than `promptTokens`. */
  readonly above?: Rate & { readonly promptTokens: number };
}

const { models: LISTED, servers: SERVERS, elsewhere: ELSEWHERE }: {
  readonly models: Prices;
  readonly servers: Prices;
  readonly elsewhere: Readonly<Record<string, { readonly location: string; readonly percent: number }>>;
} = JSON.parse(Deno.readTextFileSync(new URL("../../data/prices.json", import.meta.url)));

/** The only endpoint that OpenAI's prices hold for. */
const OPENAI = "https://api.openai.com/v1";

/**
 * The price of a model by its identity, null when data/prices.json does not know it: a name that is not listed, or a listed
 * name served by somebody else. Those who serve OpenAI's language are listed by the address of their server. The embedded model
 * costs nothing.
 */
export function priceOf(
  { identity }: Pick<LanguageModel, "identity">,
  servers: Prices = SERVERS,
): Price | null {
  const { provider = "", model = "", endpoint = "", location } = identity;
  if (provider === "local") return { prompt: 0n, completion: 0n };
  const listed = provider === "openai" && endpoint !== OPENAI ? servers[endpoint] : LISTED[provider];
  if (!listed || !Object.hasOwn(listed, model)) return null;
  const { above, ...rate } = listed[model]!;
  const elsewhere = ELSEWHERE[provider];
  const percent = BigInt(elsewhere && elsewhere.location !== location ? elsewhere.percent : 100);
  return above
    ? { ...exact(rate, percent), above: { ...exact(above, percent), promptTokens: above.promptTokens } }
    : exact(rate, percent);
}

/** What a call costs in picodollars; nothing at an unknown price. */
export function costOf({ promptTokens, completionTokens }: Usage, price: Price | null): bigint {
  if (price === null) return 0n;
  const { prompt, completion } = price.above && promptTokens > price.above.promptTokens ? price.above : price;
  return BigInt(promptTokens) * prompt + BigInt(completionTokens) * completion;
}

interface Written {
  readonly prompt: string;
  readonly completion: string;
}
/** By provider or server, by model. */
type Prices = Readonly<Record<string, Readonly<Record<string, Listed>>>>;
type Listed = Written & { readonly above?: Written & { readonly promptTokens: number } };

const exact = ({ prompt, completion }: Written, percent: bigint): Rate => ({
  prompt: (picodollars(prompt) * percent + 99n) / 100n, // rounded up
  completion: (picodollars(completion) * percent + 99n) / 100n,
});

/** "0.15" USD per million tokens is 150,000 picodollars a token. */
function picodollars(text: string): bigint {
  const [, whole, fraction = ""] = /^(\d+)(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  if (whole === undefined) {
    throw new SyntaxError(`Cannot read data/prices.json as a price must be like "0.15": got "${text}"`);
  }
  return BigInt(whole + fraction.padEnd(6, "0"));
}
