/**
 * Sentence embeddings: a text as numbers, so that texts of like meaning lie close to each other (Reimers and Gurevych, 2019).
 *
 * Texts are cut into tokens here, a little at a time; the model runs in a process of its own (lib/onnx), so the event loop
 * stays free. Texts that wait are run together, as many of like length as make a batch. A text's embedding is the same to the
 * last bit whatever it is run with.
 *
 * ```ts ignore
 * await using embedder = await openEmbedder(await layOutModel(python, `${home}/models`));
 * const [a, b] = await embedder.embed(["Answer with one word.", "One word only."]);
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";
import { openSession, type Session, type SessionOptions, tensor } from "../onnx/mod.ts";
import { SetupError } from "../python/mod.ts";

/** A model of sentences while its process runs; disposing ends it. */
export interface Embedder extends AsyncDisposable {
  /** Of the process now running. */
  readonly pid: number;
  /**
   * The embedding of each text, of length 1; a text is read up to the model's limit (256 tokens for all-MiniLM-L6-v2).
   * The arrays are the caller's. Throws an Error when the process died twice.
   */
  embed(texts: readonly string[]): Promise<Float32Array<ArrayBuffer>[]>;
}

/** What has been embedded, by the SHA-256 of the text in hexadecimal digits. One cache is for one model. */
export type EmbeddingCache = Pick<Map<string, Float32Array<ArrayBuffer>>, "get" | "set">;

/** How to run the model. */
export interface EmbedderOptions extends SessionOptions {
  /** Remembers embeddings. @default {in memory, the last 10,000} */
  readonly cache?: EmbeddingCache;
  /** Tokens of a batch at most, with the padding of its shorter texts; a longer text is a batch of its own. @default {512} */
  readonly batchTokens?: number;
}

/** A text on its way. */
interface Job {
  readonly ids: readonly number[];
  readonly done: PromiseWithResolvers<Float32Array<ArrayBuffer>>;
}

/** What a run costs beside its tokens, in tokens (2.5 ms, where a token takes 0.125): more padding than that is a run of its own. */
const RUN = 20;
/** Characters that are cut into tokens before others get their turn: some milliseconds. */
const AT_ONCE = 10_000;

/**
 * Opens the model in `folder`, laid out as for transformers.js: `tokenizer.json`, `tokenizer_config.json`, `config.json`,
 * `onnx/model.onnx` and, for a limit on tokens below the model's, `sentence_bert_config.json`. A model that gives
 * `sentence_embedding` is believed; of any other the mean of `last_hidden_state` over the tokens is taken, brought to
 * length 1. Throws SetupError when a file is missing or damaged, or onnxruntime does not run here.
 */
export async function openEmbedder(
  folder: string,
  { threads, cache = remembering(10_000), batchTokens = 512 }: EmbedderOptions = {},
): Promise<Embedder> {
  const { encode, longest, padding } = await readFolder(folder);
  const session = await openSession(`${folder}/onnx/model.onnx`, { threads }).catch((error) => {
    throw error instanceof TypeError ? damaged(folder, "onnx/model.onnx", error) : error;
  });
  const missing = session.inputs.filter((name) => !(name in INPUTS));
  const output = ["sentence_embedding", "last_hidden_state"].find((name) => session.outputs.includes(name));
  if (missing.length > 0 || !output) {
    await session[Symbol.asyncDispose]();
    throw new SetupError(
      `Cannot use the model in ${folder} as it must give sentence_embedding or last_hidden_state for ${
        Object.keys(INPUTS).join(", ")
      }: it takes ${session.inputs.join(", ")} and gives ${session.outputs.join(", ")}`,
      "Use a model made for sentence embeddings, such as all-MiniLM-L6-v2",
    );
  }
  const queue: Job[] = [];
  const pending = new Map<string, Promise<Float32Array<ArrayBuffer>>>();
  let running = false;

  async function work(): Promise<void> {
    if (running) return;
    running = true;
    await Promise.resolve(); // calls made in the same turn share batches
    while (queue.length > 0) {
      queue.sort((a, b) => a.ids.length - b.ids.length);
      const jobs = queue.splice(0, batchOf(queue.map(({ ids }) => ids.length), batchTokens));
      try {
        const rows = await run(session, output!, jobs.map(({ ids }) => ids), padding);
        jobs.forEach(({ done }, i) => done.resolve(rows[i]!));
      } catch (error) {
        for (const { done } of jobs) done.reject(error);
      }
    }
    running = false;
  }

  async function embed(texts: readonly string[]): Promise<Float32Array<ArrayBuffer>[]> {
    const answers: (Float32Array<ArrayBuffer> | Promise<Float32Array<ArrayBuffer>>)[] = [];
    let characters = 0;
    for (const text of texts) {
      const key = createHash("sha256").update(text).digest("hex");
      const known = cache.get(key) ?? pending.get(key);
      if (known) {
        answers.push(known);
        continue;
      }
      const ids = idsOf(text, encode, longest);
      const done = Promise.withResolvers<Float32Array<ArrayBuffer>>();
      const kept = done.promise.then((row) => (cache.set(key, row), row)).finally(() => pending.delete(key));
      kept.catch(() => {}); // whoever waits for it is told
      pending.set(key, kept);
      answers.push(kept);
      queue.push({ ids, done });
      if ((characters += text.length) < AT_ONCE) continue;
      characters = 0;
      work();
      await new Promise((resolve) => setTimeout(resolve));
    }
    work();
    return (await Promise.all(answers)).map((row) => row.slice());
  }

  return {
    get pid() {
      return session.pid;
    },
    embed,
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** How many of texts with these many tokens, ascending, are best run together. */
function batchOf(lengths: readonly number[], most: number): number {
  let size = 1;
  for (; size < lengths.length; size++) {
    const next = lengths[size]!;
    if ((size + 1) * next > most || size * (next - lengths[size - 1]!) > RUN) break;
  }
  return size;
}

/** What a model may ask for, and what a token has there; `mask` is 1 for a token and 0 for padding. */
const INPUTS: Readonly<Record<string, (id: number, mask: 0 | 1) => number>> = {
  input_ids: (id) => id,
  attention_mask: (_, mask) => mask,
  token_type_ids: () => 0,
};

/** The embeddings of texts given as tokens. */
async function run(
  session: Session,
  output: string,
  texts: readonly (readonly number[])[],
  padding: number,
): Promise<Float32Array<ArrayBuffer>[]> {
  const length = Math.max(...texts.map((ids) => ids.length));
  const feed = (name: string) => {
    const data = new BigInt64Array(texts.length * length);
    const of = INPUTS[name]!;
    texts.forEach((ids, row) => {
      for (let i = 0; i < length; i++) {
        data[row * length + i] = BigInt(i < ids.length ? of(ids[i]!, 1) : of(padding, 0));
      }
    });
    return [name, tensor(data, [texts.length, length])] as const;
  };
  const results = await session.run(Object.fromEntries(session.inputs.map(feed)), [output]);
  const { data, dims } = results[output]!;
  const numbers = data as Float32Array<ArrayBuffer>;
  const width = dims.at(-1)!;
  if (output === "sentence_embedding") {
    return texts.map((_, row) => numbers.slice(row * width, (row + 1) * width));
  }
  return texts.map((ids, row) => pooled(numbers.subarray(row * length * width), ids.length, width));
}

/** The mean of the first `count` rows, brought to length 1. */
function pooled(rows: Float32Array, count: number, width: number): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(width);
  for (let i = 0; i < count * width; i++) sum[i % width]! += rows[i]!;
  const norm = Math.hypot(...sum);
  return Float32Array.from(sum, (each) => each / Math.max(norm, 1e-12));
}

/** Cuts a text into tokens, between [CLS] and [SEP] where the model has them. */
type Encode = (text: string) => readonly number[];

/** The tokens of a text; of too many the first and the very last, which is [SEP]. */
function idsOf(text: string, encode: Encode, longest: number): readonly number[] {
  const cut = (ids: readonly number[]) => [...ids.slice(0, longest - 1), ids.at(-1)!];
  // No token spans a space, so the beginning of a long text is enough where that gives more than can be used.
  for (let end = longest * 32; end < text.length; end *= 2) {
    const space = text.lastIndexOf(" ", end);
    const ids = space > 0 ? encode(text.slice(0, space)) : [];
    if (ids.length > longest) return cut(ids);
  }
  const ids = encode(text);
  return ids.length > longest ? cut(ids) : ids;
}

async function readFolder(
  folder: string,
): Promise<{ encode: Encode; longest: number; padding: number }> {
  const file = async (name: string, needed = true) => {
    try {
      return Object(JSON.parse(await Deno.readTextFile(`${folder}/${name}`)));
    } catch (error) {
      if (!needed && error instanceof Deno.errors.NotFound) return {};
      throw damaged(folder, name, error);
    }
  };
  const config = await file("config.json");
  const settings = await file("tokenizer_config.json");
  const { max_seq_length = Infinity } = await file("sentence_bert_config.json", false);
  const tokens = await file("tokenizer.json");
  const { Tokenizer } = await import("@huggingface/tokenizers");
  // The Rust tokenizers lower characters one by one, JavaScript a final sigma by its place
  const lowers = /"lowercase":true|"Lowercase"/.test(JSON.stringify(tokens.normalizer ?? null));
  let encode: Encode;
  try {
    const tokenizer = new Tokenizer(tokens, settings);
    encode = (text) => tokenizer.encode(lowers ? text.replaceAll("Σ", "σ") : text).ids;
    encode("a");
  } catch (error) {
    throw damaged(folder, "tokenizer.json", error);
  }
  const longest = Math.min(
    max_seq_length,
    settings.model_max_length ?? Infinity,
    config.max_position_embeddings ?? 512,
  );
  return { encode, longest, padding: config.pad_token_id ?? 0 };
}

function damaged(folder: string, name: string, cause: unknown): SetupError {
  return new SetupError(
    `Cannot use ${folder}/${name}: ${(cause as Error).message}`,
    `Remove ${folder} and try again: it is made anew; a model of your own must be put there anew`,
    { cause },
  );
}

/** A cache of the last `most` embeddings. */
function remembering(most: number): EmbeddingCache {
  const rows = new Map<string, Float32Array<ArrayBuffer>>();
  return {
    get: (key) => rows.get(key),
    set(key, row) {
      if (rows.size >= most) rows.delete(rows.keys().next().value!);
      return rows.set(key, row);
    },
  };
}
