import { match, rejects, strictEqual as equal } from "node:assert/strict";
import { ensurePython, findPython, installedPython, type PythonOptions, SetupError } from "./ensure.ts";

const HELLO = { name: "quintet_hello", version: "1.0" };

/** A project in a temporary folder whose requirements name one small wheel, made here. */
async function project() {
  const root = await Deno.makeTempDir({ prefix: "quintet-python-" });
  await Deno.mkdir(`${root}/requirements`);
  const wheel = `${HELLO.name}-${HELLO.version}-py3-none-any.whl`;
  const made = await new Deno.Command("python3", { args: ["-I", "-c", WHEEL, `${root}/${wheel}`] }).output();
  equal(made.code, 0, new TextDecoder().decode(made.stderr));
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", await Deno.readFile(`${root}/${wheel}`)),
  );
  const require = (line: string) =>
    Deno.writeTextFile(`${root}/requirements/hello.txt`, `# a comment\n${line}\n`);
  await require(`quintet-hello==1.0 --hash=sha256:${digest.toHex()}`);
  const log: string[] = [];
  const options: PythonOptions = {
    root,
    group: "hello",
    log: (line) => log.push(line),
    pipArguments: ["--no-index", `--find-links=${root}`],
  };
  return {
    root,
    options,
    log,
    require,
    hash: digest.toHex(),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

const WHEEL = `
import sys, zipfile
info = "quintet_hello-1.0.dist-info/"
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("quintet_hello.py", "word = 'hello'")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: quintet-hello\\nVersion: 1.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "quintet_hello.py,,\\n" + "".join(info + n + ",,\\n" for n in ("METADATA", "WHEEL", "RECORD")))
`;

const says = async (python: string) => {
  const { stdout } = await new Deno.Command(python, {
    args: ["-c", "import quintet_hello; print(quintet_hello.word)"],
  })
    .output();
  return new TextDecoder().decode(stdout).trim();
};

Deno.test("ensurePython() installs what is pinned, once, whoever asks, and again after harm", async () => {
  await using made = await project();
  const { root, options, log, require, hash } = made;
  const asked = await Promise.all([ensurePython(options), ensurePython(options), ensurePython(options)]);
  const python = asked[0]!;
  equal(new Set(asked).size, 1);
  equal(await says(python), "hello");
  equal(log.filter((line) => line.startsWith("Installing")).length, 1);
  equal(await installedPython(options), python);
  const stamp = await Deno.readTextFile(`${root}/.venv/.installed-hello`);

  const fails = async (problem: RegExp, fix: RegExp, change: Partial<PythonOptions> = {}) => {
    equal(await installedPython(options), undefined);
    await rejects(ensurePython({ ...options, ...change }), (error: SetupError) => {
      equal(error.name, "SetupError");
      match(error.message, problem);
      match(error.fix, fix);
      equal(error.fix.includes("\n"), false);
      return true;
    });
  };
  await Deno.writeTextFile(`${root}/.venv/stays`, ""); // as what other groups brought does
  await require(`quintet-hello==1.0 --hash=sha256:${"0".repeat(64)}`);
  await fails(/hash differs/, /^Try again, as its download may have broken off; .*pip cache purge/, {
    pipArguments: [...options.pipArguments!, "--force-reinstall"],
  });
  await require(`quintet-absent==1.0 --hash=sha256:${hash}`);
  await fails(/no wheel of quintet-absent==1.0/, /CPython 3.10 to 3.14 .*your package index has the wheel/);
  await fails(/index was not reached/, /PIP_INDEX_URL/, {
    pipArguments: ["--isolated", "--index-url=http://127.0.0.1:1/simple"],
  });
  await fails(/pip failed: no such option: --wrong/, /Remove .*\.venv and try again/, {
    pipArguments: ["--wrong"],
  });

  await Deno.stat(`${root}/.venv/stays`);

  await require(`quintet-hello==1.0 --hash=sha256:${hash}`);
  await Deno.writeTextFile(`${root}/.venv/.installing`, "hello"); // as a killed installation leaves it
  await Deno.writeTextFile(`${root}/.venv/.installed-hello`, stamp + "of another time");
  await Deno.writeTextFile(`${root}/.venv/left_over`, "");
  equal(await says(await ensurePython(options)), "hello");
  await rejects(Deno.stat(`${root}/.venv/left_over`), Deno.errors.NotFound);

  await Deno.remove(python); // a link to a Python that was uninstalled
  await Deno.symlink("/nowhere/python3", python);
  equal(await installedPython(options), undefined);
  equal(await says(await ensurePython(options)), "hello");
});

/** Variables as they are here, in a test alone. */
function variables(values: Readonly<Record<string, string>>): Disposable {
  const before = Object.keys(values).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) {
        value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
      }
    },
  };
}

Deno.test("ensurePython() puts the wheels into its environment, whatever pip's files of settings say", async () => {
  await using made = await project();
  const { root, options } = made;
  const found = `no-index = true\nfind-links =\n    ${root}/none\n    ${root}\n`; // which is the user's affair
  const elsewhere = `${root}/elsewhere`;
  const rows = [
    `[global]\nfind-links = ${root}/none\nquiet = 3\n[install]\n${found}target = ${elsewhere}\n`,
    `[global]\n${found}prefix = ${elsewhere}\ndry-run = true\n`,
    `[install]\n${found}root = ${elsewhere}\nconstraint = ${root}/none.txt\nrequirement = ${root}/none.txt\n`,
  ];
  const settings = `${root}/pip.conf`;
  using _set = variables({ PIP_CONFIG_FILE: settings, PIP_FIND_LINKS: "", PIP_NO_INDEX: "" });
  for (const row of rows) {
    await Deno.writeTextFile(settings, row);
    await Deno.remove(`${root}/.venv`, { recursive: true }).catch(() => {});
    equal(await says(await ensurePython({ ...options, pipArguments: [] })), "hello", row);
  }
  await Deno.writeTextFile(settings, "no settings\n");
  await Deno.remove(`${root}/.venv/.installed-hello`);
  await rejects(ensurePython(options), { name: "SetupError", message: /no settings/ });
});

/** Has a script take the place of pip in an environment that is there, and its wheels be missing. */
async function scripted(root: string, install: string): Promise<void> {
  const [, version] = /^version = (\d+\.\d+)/m.exec(await Deno.readTextFile(`${root}/.venv/pyvenv.cfg`))!;
  const script = `case "$*" in *"-m pip install"*) ${install}; exit 1;; *) echo ${version};; esac`;
  const python = `${root}/.venv/bin/python`;
  await Deno.remove(`${root}/.venv/.installed-hello`).catch(() => {});
  await Deno.remove(python);
  await Deno.writeTextFile(python, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

Deno.test("ensurePython() tells a download that broke off, and makes anew what pip was changing when it failed", async () => {
  await using made = await project();
  const { root, options } = made;
  await ensurePython(options);
  // as pip 26.3 says it
  const incomplete =
    "× Download failed after 6 attempts because not enough bytes were received (417 bytes/834 bytes)\\n" +
    "note: This is an issue with network connectivity, not pip.\\n" +
    "hint: Use --resume-retries to configure resume attempt limit.\\n";
  await scripted(root, `printf 'error: incomplete-download\\n${incomplete}' >&2`);
  const broke = { name: "SetupError", message: /as a download broke off$/, fix: /^Try again/ };
  for (let tries = 0; tries < 2; tries++) await rejects(ensurePython(options), broke); // by the same script: nothing has changed
  await scripted(root, `echo "Installing collected packages: a, b"`);
  await rejects(ensurePython(options), { name: "SetupError", message: /pip failed/ });
  equal(await says(await ensurePython(options)), "hello");
});

/** A folder for PATH whose programs are shell scripts. */
async function fakes(root: string, programs: Record<string, string>): Promise<string> {
  const path = await Deno.makeTempDir({ dir: root });
  for (const [name, script] of Object.entries(programs)) {
    await Deno.writeTextFile(`${path}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return path;
}

Deno.test("ensurePython() tells what the machine lacks, and the line that mends it", async () => {
  const makes = (failure: string) =>
    `case "$*" in *"-m venv"*) echo "${failure}" >&2; exit 1;; *) echo 3.12; echo venv;; esac`;
  const rows: [Record<string, string>, RegExp, RegExp][] = [
    [{}, /Cannot find Python 3.10 or newer on PATH/, /apt install python3 python3-venv.*openai:NAME/],
    [{ python3: "echo 3.8" }, /Python 3.8 .*3.10 or newer/, /apt install python3/],
    [{ python3: "echo 2.7", "python3.11": "echo 3.9; echo venv" }, /Python 3.9|Python 2.7/, /apt install/],
    [
      { python3: "echo 3.11; echo \"ModuleNotFoundError: No module named 'ensurepip'\" >&2; exit 1" },
      /Python 3.11 as its venv module is not installed/,
      /apt install python3-venv/,
    ],
    [
      { python3: "echo 'Segmentation fault' >&2; exit 139" },
      /does not run: python3: Segmentation fault/,
      /apt install python3/,
    ],
    [
      {
        python3: makes(
          "The virtual environment was not created successfully because ensurepip is not available.",
        ),
      },
      /venv module is not complete/,
      /apt install python3-venv/,
    ],
    [{ python3: makes("OSError: [Errno 28] No space left on device") }, /disk is full/, /Free 500 MB/],
    [{ python3: makes("PermissionError: [Errno 13] Permission denied: '.venv'") }, /Cannot write/, /chown/],
    [{ python3: makes("Error: something else") }, /something else/, /python3 -m venv/],
    // a broken or old python3 does not hide a good one
    [
      { python3: "echo 3.8", "python3.12": makes("the right one was asked") },
      /the right one was asked/,
      /python3.12 -m venv/,
    ],
  ];
  await using made = await project();
  for (const [programs, problem, fix] of rows) {
    const path = await fakes(made.root, programs);
    await rejects(ensurePython({ ...made.options, path }), (error: SetupError) => {
      equal(error.name, "SetupError", String(error.stack));
      match(error.message, problem);
      match(error.fix, fix);
      return true;
    });
    equal(await installedPython(made.options), undefined);
  }
});

Deno.test("findPython() takes the first that wheels are there for, else what there is", async () => {
  await using made = await project();
  const rows: [programs: Record<string, string>, version: string, wanted?: readonly [number, number]][] = [
    [{ python3: "3.15", "python3.13": "3.13", "python3.14": "3.14" }, "3.14"],
    [{ python3: "3.10", "python3.12": "3.12" }, "3.12"], // Prefect takes no 3.10
    [{ python3: "3.12", "python3.14": "3.14" }, "3.12"],
    [{ python3: "3.14", "python3.13": "3.13" }, "3.13", [11, 13]],
    [{ python3: "3.15", "python3.10": "3.10" }, "3.10"],
    [{ python3: "3.15" }, "3.15"],
    [{ python3: "3.10" }, "3.10"],
  ];
  for (const [programs, version, wanted] of rows) {
    const scripts = Object.entries(programs).map(([name, version]) => [name, `echo ${version}; echo venv`]);
    const path = await fakes(made.root, Object.fromEntries(scripts));
    equal((await findPython(path, wanted)).version, version, JSON.stringify(programs));
  }
});

Deno.test("ensurePython() says which Python a group takes, and changes nothing for another", async () => {
  await using made = await project();
  const { root, options, require, hash } = made;
  await ensurePython(options);
  await require(`# Made for CPython 3.97 to 3.98.\nquintet-hello==1.0 --hash=sha256:${hash}`);
  await rejects(ensurePython(options), {
    name: "SetupError",
    message: /takes CPython 3\.97 to 3\.98: that of \S+\.venv is 3\.\d+$/,
    fix: /Put such a Python on PATH, remove \S+\.venv and try again/,
  });
  await Deno.stat(`${root}/.venv/.installed-hello`);
});

Deno.test("ensurePython() says that a file is in the way, or that the group does not exist", async () => {
  await using made = await project();
  await rejects(ensurePython({ ...made.options, group: "nothing" }), { name: "NotFound" });
  await Deno.remove(`${made.root}/.venv`, { recursive: true }).catch(() => {});
  await Deno.writeTextFile(`${made.root}/.venv`, "");
  await rejects(ensurePython(made.options), {
    name: "SetupError",
    message: /\.venv is a file/,
    fix: /Remove/,
  });
});
