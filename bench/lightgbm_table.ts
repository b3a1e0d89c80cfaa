/**
 * Rows to learn from, as prompts give them: many features, of which few matter.
 *
 * @module
 */
import type { Table } from "../lib/gbdt/mod.ts";
import { normal, random } from "../lib/random.ts";

/** `rows` of so many features; the label goes by five of them and by chance. */
export function table(rows: number, columns: number, seed: string): Table {
  const chance = random(seed);
  const values = Array.from({ length: rows }, () => Array.from({ length: columns }, () => normal(chance)));
  return {
    features: Array.from({ length: columns }, (_, i) => `feature_${i}`),
    rows: values,
    labels: values.map(([a, b, c, d, e]) =>
      a! + b! * c! / 2 + Math.abs(d!) + (e! > 1 ? 1 : 0) + normal(chance) / 2
    ),
  };
}
