import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal, throws } from "node:assert/strict";
import { z } from "zod";
import { EXIT, outcome } from "./exit.ts";
import { helpOf, jsonSchemaOf, readOptions, type Sources, UsageError } from "./options.ts";

const schema = z.strictObject({
  what: z.string().optional().describe("what to do").meta({ positional: true, metavar: "ID" }),
  max_calls: z.int().min(1).optional().describe("calls at most"),
  threshold: z.number().min(0).max(1).default(0.9).describe("when to end"),
  metric: z.enum(["exact_match", "f1"]).default("exact_match").describe("how to score"),
  names: z.array(z.string()).default([]).describe("several"),
  seeds: z.array(z.coerce.number().int().min(1)).min(1).optional().describe("numbers"),
  database: z.string().optional().describe("where").meta({ env: "DATABASE_URL" }),
  json: z.boolean().default(false).describe("as JSON"),
});
const read = (args: string[], rest: Partial<Sources> = {}) => readOptions(schema, { args, ...rest });

Deno.test("readOptions() takes flags in every form", () => {
  const rows: [string[], Record<string, unknown>][] = [
    [[], {}],
    [["--max-calls", "5"], { max_calls: 5 }],
    [["--max-calls=5"], { max_calls: 5 }],
    [["--json"], { json: true }],
    [["--json", "--json"], { json: true }],
    [["--no-json"], { json: false }],
    [["--json=false"], { json: false }],
    [["--metric", "f1", "--json"], { metric: "f1", json: true }],
    [["--names", "a, b,c"], { names: ["a", "b", "c"] }],
    [["--seeds", "3,1"], { seeds: [3, 1] }],
    [["latest"], { what: "latest" }],
    [["--threshold", "0"], { threshold: 0 }],
    [["--database", "postgres://a=b"], { database: "postgres://a=b" }],
    [["--database=postgres://a=b"], { database: "postgres://a=b" }],
  ];
  const defaults = { threshold: 0.9, metric: "exact_match", names: [], json: false };
  for (const [args, expected] of rows) {
    const { options, given } = read(args);
    deepEqual(options, { ...defaults, ...expected }, args.join(" "));
    deepEqual([...given.keys()], Object.keys(expected));
  }
});

Deno.test("readOptions() prefers flag, then environment, then file, then default", () => {
  const file = { name: "q.json", values: { threshold: 0.1, max_calls: 1, metric: "f1", $schema: "s.json" } };
  const env = {
    QUINTET_THRESHOLD: "0.2",
    QUINTET_MAX_CALLS: "2",
    DATABASE_URL: "postgres://db",
    QUINTET_JSON: "1",
  };
  const { options, given } = read(["--threshold", "0.3"], { env, file });
  deepEqual(Object.fromEntries(given), {
    threshold: "--threshold",
    max_calls: "QUINTET_MAX_CALLS",
    metric: '"metric" in q.json',
    database: "DATABASE_URL",
    json: "QUINTET_JSON",
  });
  deepEqual(options, {
    threshold: 0.3,
    max_calls: 2,
    metric: "f1",
    database: "postgres://db",
    json: true,
    names: [],
  });
});

Deno.test("readOptions() says what was wanted, what came and from where", () => {
  const rows: [string[], Partial<Sources>, RegExp][] = [
    [
      ["--max-cals", "5"],
      {},
      /^Cannot use --max-cals as there is no such option: did you mean --max-calls\?$/,
    ],
    [["--colour"], {}, /^Cannot use --colour as there is no such option: there are --what, --max-calls, /],
    [
      ["--max-calls", "many"],
      {},
      /^Cannot read --max-calls as it must be a whole number of at least 1: got "many"$/,
    ],
    [
      ["--seeds", "1,x"],
      {},
      /^Cannot read --seeds as each of the list must be a whole number of at least 1: got "x"$/,
    ],
    [["--seeds", "1,0"], {}, /as each of the list must be a whole number of at least 1: got "0"$/],
    [["--seeds", ","], {}, /^Cannot read --seeds as it must be a list of one at least: got \[\]$/],
    [["--max-calls", ""], {}, /a whole number of at least 1: got ""$/],
    [["--max-calls", "0"], {}, /a whole number of at least 1: got 0$/],
    [["--max-calls", "1e16"], {}, /a whole number of at least 1 and at most 9007199254740991: got 1/],
    [["--max-calls", "1.5"], {}, /a whole number of at least 1: got 1\.5$/],
    [["--max-calls"], {}, /^Cannot read --max-calls as a value must follow/],
    [
      ["--threshold", "2"],
      {},
      /^Cannot read --threshold as it must be a number of at least 0 and at most 1: got 2$/,
    ],
    [["--metric", "f2"], {}, /^Cannot read --metric as it must be one of exact_match, f1: got "f2"$/],
    [
      ["--threshold", "0.1", "--json", "--threshold=0.2"],
      {},
      /^Cannot use --threshold twice: it was "0\.1", then "0\.2": give it once$/,
    ],
    [["--max-calls", "5", "--max-calls", "5"], {}, /^Cannot use --max-calls twice: /],
    [["--json", "--no-json"], {}, /^Cannot use --json twice: it was "true", then "false": give it once$/],
    [["one", "--what", "two"], {}, /^Cannot use --what twice: it was "two", then "one": give it once$/],
    [
      ["--seeds", "1,2", "--seeds", "3"],
      {},
      /^Cannot use --seeds twice: it was "1,2", then "3": give it once, with a comma between its values$/,
    ],
    [
      ["--no-json=false"],
      {},
      /^Cannot use --no-json=false as --no-json says it all: leave the value out, or give it to --json$/,
    ],
    [["--json=maybe"], {}, /^Cannot read --json as it must be true or false: got "maybe"$/],
    [["one", "two"], {}, /^Cannot read "two" as a flag was expected/],
    [["-json"], {}, /^Cannot use -json as there is no such option: did you mean --json\?$/],
    [[], { env: { QUINTET_THRESHOLD: "high" } }, /^Cannot read QUINTET_THRESHOLD as it must be a number/],
    [
      [],
      { file: { name: "q.json", values: { treshold: 1 } } },
      /"treshold" in q\.json .* did you mean threshold\?$/,
    ],
    [
      [],
      { file: { name: "q.json", values: { threshold: "1" } } },
      /^Cannot read "threshold" in q\.json .*: got "1"$/,
    ],
    [
      [],
      { file: { name: "q.json", values: { what: "a\0" } } },
      /^Cannot read "what" in q\.json as it must have no NUL .*: got "a\\u0000"$/,
    ],
    [["--what", "\ud800"], {}, /^Cannot read --what as it must have no NUL .*: got "\\ud800"$/],
    [
      [],
      { file: { name: "q.json", values: [1] } },
      /^Cannot read q\.json as it must hold one JSON object: got \[1\]$/,
    ],
  ];
  for (const [args, rest, message] of rows) {
    throws(() => read(args, rest), (error) => {
      ok(error instanceof UsageError);
      match(error.message, message);
      return true;
    });
  }
});

Deno.test("a required option is named when it is missing", () => {
  throws(
    () => readOptions(z.strictObject({ dataset: z.string().describe("a file") }), { args: [] }),
    /^UsageError: Cannot run without --dataset: a text is needed$/,
  );
});

Deno.test("helpOf() and jsonSchemaOf() know every option", () => {
  const help = helpOf(schema);
  for (
    const name of [
      "--max-calls N",
      "--metric exact_match|f1",
      "[--what] ID",
      "or DATABASE_URL",
      "--json",
      "[0.9]",
    ]
  ) {
    ok(help.includes(name), `${name} in\n${help}`);
  }
  deepEqual(Object.keys(jsonSchemaOf(schema).properties as object), Object.keys(schema.shape));
});

Deno.test("outcome() gives each failure its exit code, and a stack to faults of ours alone", async () => {
  const named = (name: string, extra = {}) => Object.assign(new Error(`${name} says why`), { name }, extra);
  const rows: [unknown, number, RegExp][] = [
    [new UsageError("Cannot read --x"), EXIT.usage, /^Cannot read --x$/],
    [named("DatasetError"), EXIT.usage, /^DatasetError says why$/],
    [
      named("SetupError", { fix: "apt-get install python3" }),
      EXIT.usage,
      /says why\napt-get install python3$/,
    ],
    [named("ProviderError"), EXIT.provider, /^ProviderError says why$/],
    [named("DatabaseError"), EXIT.database, /^DatabaseError says why$/],
    [
      new TypeError("x is undefined"),
      EXIT.internal,
      /fault of Quintet[\s\S]*TypeError: x is undefined\n\s+at /,
    ],
    ["a thrown text", EXIT.internal, /a thrown text/],
  ];
  for (const [error, code, text] of rows) {
    const told: string[] = [];
    equal(await outcome(() => Promise.reject(error), (line) => told.push(line)), code);
    match(told.join("\n"), text);
  }
  equal(await outcome(() => Promise.resolve(3), () => {}), 3);
});
