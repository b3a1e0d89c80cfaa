/**
 * How a score says what made it, in sacrebleu's manner.
 *
 * @module
 */

/** Of the definitions in this room: it changes whenever a score of the same texts could. */
export const VERSION = "0.1.0";

/** `name|nrefs:1|key:value|…|version:0.1.0`; without `references` the part that counts them is left out. */
export function signature(
  name: string,
  settings: Readonly<Record<string, string>>,
  references?: readonly (readonly string[])[],
): string {
  const nrefs = references && new Set(references.map((list) => list.length));
  const parts = {
    ...(nrefs && { nrefs: nrefs.size === 1 ? [...nrefs][0] : "var" }),
    ...settings,
    version: VERSION,
  };
  return [name, ...Object.entries(parts).map(([key, value]) => `${key}:${value}`)].join("|");
}
