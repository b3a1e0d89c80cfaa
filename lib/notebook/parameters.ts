/**
 * A notebook's parameters. A kernel is given no arguments: they come by the environment, as `deno task notebooks --param
 * NAME=VALUE` sets it.
 *
 * @module
 */

/** The variable: a JSON object of texts. */
export const PARAMETERS = "QUINTET_NOTEBOOK_PARAMETERS";

type Value = string | number | boolean;
type Widened<T> = T extends string ? string : T extends number ? number : boolean;

/**
 * The parameters: what the environment says of them, else what stands here. Their kind is that of what stands here; a TypeError
 * where the environment gives another. Names that are not asked for belong to other notebooks.
 *
 * ```ts
 * import { parameters } from "./parameters.ts";
 * import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
 *
 * const env = { QUINTET_NOTEBOOK_PARAMETERS: '{"seed":"7"}' };
 * deepEqual(parameters({ seed: 1, dataset: "topics" }, env), { seed: 7, dataset: "topics" });
 * throws(() => parameters({ seed: true }, env), /Cannot use the parameter seed as it must be true or false: got "7"/);
 * ```
 */
export function parameters<const Defaults extends Readonly<Record<string, Value>>>(
  defaults: Defaults,
  env: Readonly<Record<string, string | undefined>> = Deno.env.toObject(),
): { readonly [Name in keyof Defaults]: Widened<Defaults[Name]> } {
  const given: Readonly<Record<string, string>> = JSON.parse(env[PARAMETERS] ?? "{}");
  return Object.fromEntries(
    Object.entries(defaults).map(([name, preset]) => [
      name,
      Object.hasOwn(given, name) ? read(name, given[name]!, preset) : preset,
    ]),
  ) as { readonly [Name in keyof Defaults]: Widened<Defaults[Name]> };
}

function read(name: string, text: string, preset: Value): Value {
  const refuse = (wanted: string) =>
    new TypeError(`Cannot use the parameter ${name} as it must be ${wanted}: got ${JSON.stringify(text)}`);
  if (typeof preset === "boolean") {
    if (text !== "true" && text !== "false") throw refuse("true or false");
    return text === "true";
  }
  if (typeof preset === "number") {
    if (text.trim() === "" || !Number.isFinite(Number(text))) throw refuse("a number");
    return Number(text);
  }
  return text;
}
