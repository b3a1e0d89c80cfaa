/**
 * One zod schema is a flow's whole surface: flags, environment, configuration file, JSON Schema and help come from it.
 *
 * A property `max_calls` is the flag `--max-calls`, the variable `QUINTET_MAX_CALLS` (or the name in its `env` meta) and
 * the key `max_calls` of the file. Flag wins over environment, environment over file, file over default.
 *
 * ```ts
 * import { readOptions } from "./options.ts";
 * import { z } from "zod";
 * import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
 *
 * const schema = z.strictObject({ max_calls: z.int().min(1).optional(), json: z.boolean().default(false) });
 * deepEqual(readOptions(schema, { args: ["--max-calls", "9"] }).options, { max_calls: 9, json: false });
 * throws(() => readOptions(schema, { args: ["--max-cals", "9"] }), /did you mean --max-calls/);
 * ```
 *
 * @module
 */
import { z } from "zod";
import { nearest } from "../nearest.ts";
import { isStorable } from "../text.ts";

/** Wrong flags, configuration or environment: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Where options come from. */
export interface Sources {
  /** Arguments after the command's name. */
  readonly args: readonly string[];
  /** @default {{}} */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The parsed configuration file, when there is one, and its name for errors. */
  readonly file?: { readonly name: string; readonly values: unknown };
}

/** The part of a JSON Schema property that flags are made of. */
interface Property {
  readonly type?: "string" | "integer" | "number" | "boolean" | "array";
  readonly enum?: readonly string[];
  /** What a list is of. */
  readonly items?: Property;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  /** What stands for the value in the help. */
  readonly metavar?: string;
  /** The environment variable, when it is not QUINTET_NAME. */
  readonly env?: string;
  /** Whether it may stand without its flag: one word, or all words for a list. */
  readonly positional?: boolean;
}

/** Options, and which of them somebody gave. */
export interface Given<Values> {
  readonly options: Values;
  /** The options that are not just defaults, each with its source as errors call it: a flag, a variable, a field of the file. */
  readonly given: ReadonlyMap<string, string>;
}

/** Reads options from flags, environment and file. Throws UsageError that names the source and says what was wanted. */
export function readOptions<Schema extends z.ZodObject>(
  schema: Schema,
  { args, env = {}, file }: Sources,
): Given<z.output<Schema>> {
  const properties = propertiesOf(schema);
  const origins = new Map<string, string>(); // property -> how its source is called in an error
  const values: Record<string, unknown> = {};

  if (file) {
    if (typeof file.values !== "object" || file.values === null || Array.isArray(file.values)) {
      throw new UsageError(
        `Cannot read ${file.name} as it must hold one JSON object: got ${shown(file.values)}`,
      );
    }
    for (const [name, value] of Object.entries(file.values)) {
      if (name === "$schema") continue;
      if (!properties.has(name)) {
        throw new UsageError(unknown(`"${name}" in ${file.name}`, name, [...properties.keys()]));
      }
      values[name] = value;
      origins.set(name, `"${name}" in ${file.name}`);
    }
  }
  for (const [name, property] of properties) {
    const variable = property.env ?? `QUINTET_${name.toUpperCase()}`;
    const text = env[variable];
    if (text === undefined || text === "") continue;
    values[name] = converted(text, property, variable);
    origins.set(name, variable);
  }
  for (const { name, flag, text } of flags(args, properties)) {
    values[name] = converted(text, properties.get(name)!, flag);
    origins.set(name, flag);
  }

  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== "string" || isStorable(value)) continue;
    throw new UsageError(
      `Cannot read ${origins.get(name)} as it must have no NUL and no half of a surrogate pair: got ${
        shown(value)
      }`,
    );
  }
  const result = schema.safeParse(values);
  if (result.success) return { options: result.data, given: origins };
  const issue = result.error.issues[0]!, [, at] = issue.path;
  const name = String(issue.path[0] ?? "");
  if (name === "") throw new UsageError(issue.message);
  if (!(name in values)) {
    throw new UsageError(`Cannot run without ${flagOf(name)}: ${wanted(properties.get(name)!)} is needed`);
  }
  const { [name]: value } = values, { items } = properties.get(name)!;
  const [what, property, got] = items && Array.isArray(value) && typeof at === "number"
    ? ["each of the list", items, value[at]]
    : ["it", properties.get(name)!, value];
  throw new UsageError(
    `Cannot read ${origins.get(name)} as ${what} must be ${
      issue.code === "custom" ? issue.message : wanted(property, got)
    }: got ${shown(got)}`,
  );
}

/** The flags of a schema for a reader: one line each, aligned. What is on unless given is described by its `--no-` form. */
export function helpOf(schema: z.ZodObject): string {
  const rows = [...propertiesOf(schema)].map(([name, property]) => {
    const { type, description = "", metavar, positional, env, default: preset } = property;
    const value = type === "boolean"
      ? ""
      : ` ${metavar ?? property.enum?.join("|") ?? (type === "string" ? "TEXT" : "N")}`;
    const shownDefault = preset === undefined || type === "boolean" || preset === "" || Array.isArray(preset)
      ? ""
      : ` [${preset}]`;
    const named = flagOf(type === "boolean" && preset === true ? `no_${name}` : name);
    const flag = positional ? `[${named}]` : named;
    return [`  ${flag}${value}`, `${description}${env ? ` (or ${env})` : ""}${shownDefault}`] as const;
  });
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)) + 2);
  return rows.map(([left, right]) =>
    left.length < width ? left.padEnd(width) + right : `${left}\n${" ".repeat(width)}${right}`
  )
    .join("\n");
}

/** The published JSON Schema of a flow's configuration file. */
export const jsonSchemaOf = (schema: z.ZodObject): Record<string, unknown> =>
  z.toJSONSchema(schema, { io: "input" });

const propertiesOf = (schema: z.ZodObject): Map<string, Property> =>
  new Map(Object.entries(jsonSchemaOf(schema).properties as Record<string, Property>));

const flagOf = (name: string): string => `--${name.replaceAll("_", "-")}`;

/** `--name value`, `--name=value`, `--switch`, `--no-switch`, and words for the option that takes them; each option once. */
function flags(
  args: readonly string[],
  properties: ReadonlyMap<string, Property>,
): { name: string; flag: string; text: string }[] {
  const found: { name: string; flag: string; text: string }[] = [];
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [, flag, assigned] = args[i]!.match(/^(--[^=]+)(?:=([\s\S]*))?$/) ?? [];
    if (/^-[a-z]/i.test(args[i]!)) {
      throw new UsageError(unknown(args[i]!, `-${args[i]}`, [...properties.keys()].map(flagOf)));
    }
    if (flag === undefined) {
      words.push(args[i]!);
      continue;
    }
    const name = flag.slice(2).replaceAll("-", "_");
    const negated = name.startsWith("no_") && properties.get(name.slice(3))?.type === "boolean" &&
      !properties.has(name);
    const property = properties.get(negated ? name.slice(3) : name);
    if (!property) throw new UsageError(unknown(flag, flag, [...properties.keys()].map(flagOf)));
    if (negated && assigned !== undefined) {
      throw new UsageError(
        `Cannot use ${args[i]} as ${flag} says it all: leave the value out, or give it to ${
          flagOf(name.slice(3))
        }`,
      );
    }
    if (property.type === "boolean") {
      found.push({
        name: negated ? name.slice(3) : name,
        flag,
        text: negated ? "false" : assigned ?? "true",
      });
    } else {
      const text = assigned ?? args[++i];
      if (text === undefined) {
        throw new UsageError(`Cannot read ${flag} as a value must follow: ${wanted(property)} is needed`);
      }
      found.push({ name, flag, text });
    }
  }
  const [name, property] = [...properties].find(([, { positional }]) => positional) ?? [];
  const most = property === undefined ? 0 : property.type === "array" ? Infinity : 1;
  if (words.length > most) {
    throw new UsageError(`Cannot read ${shown(words[most])} as a flag was expected: flags begin with --`);
  }
  if (words.length > 0) found.push({ name: name!, flag: shown(words[0]), text: words.join(",") });
  for (const [i, { name, text }] of found.entries()) {
    const earlier = found.slice(0, i).find((one) => one.name === name);
    if (!earlier) continue;
    const { type } = properties.get(name)!;
    if (type === "boolean" && earlier.text === text) continue;
    throw new UsageError(
      `Cannot use ${flagOf(name)} twice: it was ${shown(earlier.text)}, then ${shown(text)}: give it once${
        type === "array" ? ", with a comma between its values" : ""
      }`,
    );
  }
  return found;
}

/** A text of the command line or the environment as its property's type. */
function converted(text: string, property: Property, origin: string): unknown {
  switch (property.type) {
    case "integer":
    case "number": {
      const value = text.trim() === "" ? NaN : Number(text);
      if (Number.isFinite(value)) return value;
      throw new UsageError(`Cannot read ${origin} as it must be ${wanted(property)}: got ${shown(text)}`);
    }
    case "boolean":
      if (["true", "1", "yes"].includes(text.toLowerCase())) return true;
      if (["false", "0", "no"].includes(text.toLowerCase())) return false;
      throw new UsageError(`Cannot read ${origin} as it must be true or false: got ${shown(text)}`);
    case "array":
      return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
    default:
      return text;
  }
}

/** What a property takes, in words; the end of the whole numbers that can be told apart only to who went beyond it. */
function wanted(
  { type, enum: choices, minimum, maximum, exclusiveMinimum, minItems = 0, minLength = 0 }: Property,
  value?: unknown,
): string {
  if (choices) return `one of ${choices.join(", ")}`;
  const kind = {
    integer: "a whole number",
    number: "a number",
    boolean: "true or false",
    array: minItems > 0 ? "a list of one at least" : "a list",
    string: minLength > 0 ? "a text that is not empty" : "a text",
  };
  const least = minimum !== undefined && minimum > -Number.MAX_SAFE_INTEGER ? ` of at least ${minimum}` : "";
  const above = exclusiveMinimum !== undefined ? ` above ${exclusiveMinimum}` : "";
  const most = maximum !== undefined && (maximum < Number.MAX_SAFE_INTEGER || Number(value) > maximum)
    ? ` ${least ? "and" : "of"} at most ${maximum}`
    : "";
  return kind[type ?? "string"] + least + above + most;
}

const unknown = (what: string, name: string, names: readonly string[]): string => {
  const close = nearest(name, names);
  return `Cannot use ${what} as there is no such option: ${
    close ? `did you mean ${close}?` : `there are ${names.join(", ")}`
  }`;
};

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 200) ?? String(value);
