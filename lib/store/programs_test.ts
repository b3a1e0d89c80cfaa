import { deepStrictEqual as deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { DatabaseError } from "./database_error.ts";
import { findPrograms } from "./programs.ts";

async function withDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "quintet-" });
  try {
    await act(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const names = async (directory: string) =>
  (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();

/** A package as npm lays it out, whose programs are scripts; `postgres` says the version it is told. */
async function pack(directory: string, version: string): Promise<{ postgres: string }> {
  const native = `${directory}/${version}/native`;
  for (const part of ["bin", "lib/postgresql/pgxs", "share"]) {
    await Deno.mkdir(`${native}/${part}`, { recursive: true });
  }
  await Deno.writeTextFile(`${directory}/${version}/package.json`, JSON.stringify({ version }));
  for (const name of ["initdb", "pg_ctl", "postgres"]) {
    const text = `#!/bin/sh\necho "${name} (PostgreSQL) ${version}"\n`;
    await Deno.writeTextFile(`${native}/bin/${name}`, text, { mode: 0o755 });
  }
  for (const name of ["libpq.so.5.18", "libpq.a"]) {
    await Deno.writeTextFile(`${native}/lib/${name}`, name, { mode: 0o600 });
  }
  const link = { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" };
  await Deno.writeTextFile(`${native}/pg-symlinks.json`, JSON.stringify([link]));
  return { postgres: `${native}/bin/postgres` };
}

Deno.test("findPrograms() lays a package out once, whole and readable for all, and drops older ones", () =>
  withDirectory(async (directory) => {
    if (Deno.build.os === "windows") return; // the scripts would not run
    const into = `${directory}/into`;
    await Deno.mkdir(`${into}/program-draft/bin`, { recursive: true }); // what a killed process left
    const old = await pack(directory, "18.3");
    const first = await findPrograms(into, { load: () => Promise.resolve(old) });
    deepEqual(first, { bin: `${into}/program-18.3/bin`, version: "18.3", major: 18 });
    deepEqual(await findPrograms(into, { load: () => Promise.resolve(old) }), first);
    deepEqual(await names(`${first.bin}/../lib`), ["libpq.so.5", "libpq.so.5.18", "postgresql"]);
    deepEqual(await names(`${first.bin}/../lib/postgresql`), []);
    equal(await Deno.readTextFile(`${first.bin}/../lib/libpq.so.5`), "libpq.so.5.18");
    equal((await Deno.stat(`${first.bin}/../lib/libpq.so.5`)).mode! & 0o444, 0o444);
    const next = await pack(directory, "18.4");
    await findPrograms(into, { load: () => Promise.resolve(next) });
    deepEqual(await names(into), ["program-18.4"]);
  }));

Deno.test("findPrograms() says what it looked at when nothing will do", () =>
  withDirectory(async (directory) => {
    if (Deno.build.os === "windows") return;
    const package18 = await pack(directory, "18.4");
    const { postgres } = await pack(directory, "8.4");
    const path = postgres.replace(/\/postgres$/, "");
    await rejects(
      findPrograms(directory, { load: () => Promise.resolve(package18), major: 9, path }),
      (error: Error) => {
        ok(error instanceof DatabaseError);
        match(
          error.message,
          /^Cannot find PostgreSQL 9 \(the npm package has 18.4; .*8.4\/native\/bin has 8.4.*\): install it/,
        );
        return true;
      },
    );
  }));
