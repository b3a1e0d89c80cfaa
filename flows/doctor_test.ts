/** What a machine that lacks something is told: by doctor of each part, by optimize of Python alone. */
import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  strictEqual as equal,
} from "node:assert/strict";
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { each, freshClone, modelServer, parity, place, printed, run, said } from "./testing.ts";

const partsSchema = z.array(z.strictObject({
  part: z.string(),
  state: z.enum(["ok", "absent", "broken"]),
  detail: z.string().min(1),
  fix: z.string().min(1).nullable(),
}));

const PARTS = [
  ...["deno", "home", "disk", "memory", "python", "wheels", "openmp", "model", "lightgbm", "embedding"],
  ...["postgres", "database", "prefect", "keys"],
];

Deno.test("a bare machine is told what it lacks", async (t) => {
  await using at = await place();
  const root = await freshClone(at.folder); // without .venv
  const PATH = `${at.folder}/empty`;

  await t.step("doctor says of each part how it stands, and what mends it", async () => {
    const password = "sesame-4711";
    const away = `postgresql://ada:${password}@127.0.0.1:1/quintet`;
    const rows: {
      options: { env: Record<string, string>; root?: string };
      code: number;
      states: Record<string, string>;
      fixes: Record<string, RegExp>;
    }[] = [
      { // as the tests are run: whatever is needed is there, and tried
        options: { env: { QUINTET_HOME: `${at.folder}/new` } },
        code: EXIT.done,
        states: {
          home: "ok",
          python: "ok",
          postgres: "ok",
          database: "absent",
          prefect: "absent",
          keys: "absent",
        },
        fixes: {},
      },
      {
        options: { env: { ...at.env, OPENAI_API_KEY: password }, root },
        code: EXIT.done,
        states: {
          ...{ wheels: "absent", openmp: "ok", model: "absent", lightgbm: "absent", embedding: "absent" },
          postgres: "absent",
          database: "ok",
          keys: "ok",
        },
        fixes: {},
      },
      {
        options: {
          env: {
            QUINTET_HOME: `${at.questions}/home`,
            ...{ DATABASE_URL: away, PREFECT_API_URL: "http://127.0.0.1:1/api", PATH },
          },
          root,
        },
        code: EXIT.usage,
        states: {
          home: "broken",
          python: "broken",
          wheels: "absent",
          model: "absent",
          database: "broken",
          prefect: "broken",
        },
        fixes: {
          home: /^set QUINTET_HOME to a folder that is$/,
          python: /: (sudo )?apt install python3 python3-venv/,
          database: /^start it, or mend DATABASE_URL$/,
          prefect: /^deno task prefect, or mend PREFECT_API_URL$/,
        },
      },
    ];
    await each(rows, async ({ options, code, states, fixes }) => {
      const ended = await run("doctor", ["--json"], options);
      equal(ended.code, code, ended.stdout + ended.stderr);
      ok(!(ended.stdout + ended.stderr).includes(password));
      const parts = partsSchema.parse(printed(ended));
      deepEqual(parts.map(({ part }) => part), PARTS);
      for (const { part, state, detail, fix } of parts) {
        if (part in states) equal(state, states[part], `${part}: ${detail}`);
        if (part in fixes) match(fix!, fixes[part]!);
        else equal(fix, null, detail);
      }
    });

    const text = await run("doctor", [], { env: { ...at.env, PATH }, root });
    equal(text.code, EXIT.usage, text.stderr);
    match(text.stdout, /^broken +python +Cannot find Python 3\.10 or newer on PATH\n +Debian, .*$/m);
    match(text.stdout, /^ok +memory +\d+ MiB available$/m);
  });

  await t.step("optimize needs Python for the embedded model alone", async () => {
    await using server = modelServer(parity);
    const bare = { root, env: { ...at.env, PATH } };
    const asking = ["--dataset", at.questions, "--max-calls", "9"];

    const remote = await run("optimize", [...asking, ...server.models], bare);
    equal(remote.code, EXIT.budget, remote.stderr);
    notEqual(server.asked.length, 0);
    ok(![...Deno.readDirSync(root)].some(({ name }) => name === ".venv"));

    const local = await run("optimize", [...asking, "--primary", "local"], bare);
    equal(local.code, EXIT.usage, local.stderr);
    equal(local.stdout, "");
    match(
      said(local),
      /^Cannot find Python 3\.10 or newer on PATH\n.*: (sudo )?apt install python3 python3-venv.*\n$/,
    );
  });
});
