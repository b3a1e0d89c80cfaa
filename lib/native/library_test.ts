import { match, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { ensurePython, SetupError } from "../python/mod.ts";
import { findLibrary, openLibrary } from "./library.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const path = await findLibrary("lightgbm", await ensurePython({ root: ROOT, group: "learn" }));
const symbols = { LGBM_GetLastError: { parameters: [], result: "pointer" } } as const;

Deno.test("openLibrary() opens what findLibrary() found, and leaves the environment as it was", () => {
  const before = Deno.env.get("OMP_WAIT_POLICY");
  const library = openLibrary(path, symbols);
  equal(
    Deno.UnsafePointerView.getCString(library.symbols.LGBM_GetLastError()!).length > 0,
    true,
  );
  library.close();
  equal(Deno.env.get("OMP_WAIT_POLICY"), before);
});

Deno.test("findLibrary() names the wheel that is missing", async () => {
  const folder = await Deno.makeTempDir({ prefix: "quintet-native-" });
  await Deno.mkdir(`${folder}/lib/python3.12/site-packages`, { recursive: true });
  for (const python of [`${folder}/bin/python`, `${folder}/nowhere/bin/python`]) {
    await rejects(findLibrary("lightgbm", python), {
      name: "SetupError",
      message: /Cannot find lightgbm\S+lib_lightgbm/,
      fix: /pip install .*requirements\/learn\.txt/,
    });
  }
  await Deno.remove(folder, { recursive: true });
});

/** The library with some of its bytes changed, as text where each byte is a character. */
const changed: readonly (readonly [string, (bytes: string) => string, RegExp, RegExp])[] = [
  ["empty", () => "", /too short|cut off/, /Remove \.venv/],
  ["text", () => "no library\n".repeat(100), /invalid ELF header/, /Remove \.venv/],
  ["cut in its header", (bytes) => bytes.slice(0, 80), /Cannot open/, /Remove \.venv/],
  ["cut in half", (bytes) => bytes.slice(0, bytes.length / 2), /cut off/, /Remove \.venv/],
  [
    "of other machines",
    (bytes) => bytes.slice(0, 18) + "\xf3" + bytes.slice(19),
    /Cannot open/,
    /Remove \.venv/,
  ],
  [
    "without the symbol",
    (bytes) => bytes.replace("\0LGBM_GetLastError\0", "\0LGBM_GetLastErrox\0"),
    /LGBM_GetLastError/,
    /Remove \.venv/,
  ],
  [
    "on a machine without OpenMP",
    (bytes) => bytes.replaceAll("libgomp.so.1", "libgomp.so.0"),
    /needs libgomp\.so\.0/,
    /apt install libgomp1/,
  ],
];

// The bytes are those of Linux; elsewhere the loader says what is wrong, and a missing file stays one.
const rows = Deno.build.os === "linux" ? changed : [];

Deno.test("openLibrary() says what is wrong with a library, and how to mend it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "quintet-native-" });
  const bytes = Buffer.from(await Deno.readFile(path)).toString("latin1");
  for (const [what, change, problem, fix] of rows) {
    const file = `${folder}/${what.replaceAll(" ", "_")}.so`;
    await Deno.writeFile(file, Buffer.from(change(bytes), "latin1"));
    throws(() => openLibrary(file, symbols).close(), (error: SetupError) => {
      equal(error instanceof SetupError, true, `${what}: ${error}`);
      match(error.message, problem, what);
      match(error.fix, fix, what);
      return true;
    });
  }
  throws(() => openLibrary(`${folder}/nothing.so`, symbols), { name: "SetupError", message: /nothing\.so/ });
  await Deno.remove(folder, { recursive: true });
});
