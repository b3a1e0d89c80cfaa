/**
 * What tokens cost, in whole picodollars (1e-12 USD): sums are exact, whatever is added to whatever.
 *
 * ```ts
 * import { costOf, priceOf } from "./prices.ts";
 * import { equal } from "node:assert/strict";
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

/** What a model's tokens cost. */
export interface Price extends Rate {
  /** Another rate for all tokens of a call whose prompt is longer than `promptTokens`. */
  readonly above?: Rate & { readonly promptTokens: number };
}

const LISTED: Readonly<Record<string, Readonly<Record<string, Listed>>>> =
  JSON.parse(Deno.readTextFileSync(new URL("../../data/prices.json", import.meta.url))).models;

/** The only endpoint that OpenAI's prices hold for. */
const OPENAI = "https://api.openai.com/v1";

/**
 * The price of a model by its identity, null when data/prices.json does not know it: a name that is not listed, or
 * a listed name served by somebody else. The embedded model costs nothing.
 */
export function priceOf({ identity }: Pick<LanguageModel, "identity">): Price | null {
  const { provider, model = "", endpoint } = identity;
  if (provider === "local") return { prompt: 0n, completion: 0n };
  if (provider === "openai" && endpoint !== OPENAI) return null;
  const listed = LISTED[provider ?? ""];
  if (!listed || !Object.hasOwn(listed, model)) return null;
  const { above, ...rate } = listed[model]!;
  return above
    ? { ...exact(rate), above: { ...exact(above), promptTokens: above.promptTokens } }
    : exact(rate);
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
type Listed = Written & { readonly above?: Written & { readonly promptTokens: number } };

const exact = ({ prompt, completion }: Written): Rate => ({
  prompt: picodollars(prompt),
  completion: picodollars(completion),
});

/** "0.15" USD per million tokens is 150,000 picodollars a token. */
function picodollars(text: string): bigint {
  const [, whole, fraction = ""] = /^(\d+)(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  if (whole === undefined) {
    throw new SyntaxError(`Cannot read data/prices.json as a price must be like "0.15": got "${text}"`);
  }
  return BigInt(whole + fraction.padEnd(6, "0"));
}
