/**
 * Money as PostgreSQL keeps it, and as we count it: exactly.
 *
 * @module
 */
const PICO = 1_000_000_000_000n;

/** Picodollars as PostgreSQL's numeric dollars. */
export const usd = (cost: bigint): string => `${cost / PICO}.${String(cost % PICO).padStart(12, "0")}`;

/** PostgreSQL's numeric dollars as picodollars. */
export function picodollars(text: string): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole) * PICO + BigInt(fraction.slice(0, 12).padEnd(12, "0"));
}
