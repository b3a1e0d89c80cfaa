/**
 * What PostgreSQL can hold: text without U+0000 and without half a surrogate pair.
 *
 * A model's answer may have either, and JSON carries both in; PostgreSQL throws at `\u0000` in the middle of a batch, and
 * a lone surrogate would silently become U+FFFD on its way.
 *
 * ```ts
 * import { requireStorable } from "./storable.ts";
 * import { throws } from "node:assert/strict";
 *
 * requireStorable(["naïve 😀", 7, null]);
 * throws(() => requireStorable([{ answer: "end\u0000" }]), /parameter \$1\.answer/);
 * ```
 *
 * @module
 */

import { isStorable } from "../text.ts";

/**
 * Throws a RangeError naming the first parameter, or the place inside it, with text that cannot be stored. Looks into
 * arrays and into the keys and values of plain objects, as they become arrays and JSON.
 */
export function requireStorable(params: readonly unknown[]): void {
  params.forEach((value, index) => visit(value, () => `$${index + 1}`));
}

function visit(value: unknown, place: () => string): void {
  if (typeof value === "string") {
    if (isStorable(value)) return;
    const what = value.includes("\0") ? "U+0000" : "a lone surrogate";
    throw new RangeError(
      `Cannot store parameter ${place()} as text must be free of NUL and lone surrogates: it has ${what}`,
    );
  }
  if (typeof value !== "object" || value === null || value instanceof Date || ArrayBuffer.isView(value)) {
    return;
  }
  if (Array.isArray(value)) return value.forEach((item, index) => visit(item, () => `${place()}[${index}]`));
  for (const [key, item] of Object.entries(value)) {
    visit(key, () => `${place()} (a key)`);
    visit(item, () => `${place()}.${key}`);
  }
}
