/**
 * Our embedder against sentence-transformers, from texts to embeddings, with the same weights and one thread that computes:
 * `deno task bench embedding`.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { fileURLToPath } from "node:url";
import { type EmbeddingCache, layOutModel, openEmbedder } from "../lib/features/mod.ts";
import { expander, golden, type GoldenText } from "../lib/metrics/golden.ts";
import { random } from "../lib/random.ts";
import { beside } from "./beside.ts";
import type { Bench, Row, Tools } from "./row.ts";
import { sentencePairs } from "./texts.ts";

/** See row.ts. */
export const needs = "PyTorch and what it stands on, 5 GB";

const PEER = "sentence-transformers 6.2.0";
const TEXTS = 24;

/** Nothing is remembered: each round embeds anew. */
const FORGETFUL: EmbeddingCache = { get: () => undefined, set: () => new Map() };

/** Sentences of 10 to 40 words, as many as parts of prompts have. */
export const bench: Bench = async (tools) => {
  const python = await tools.python("learn");
  await tools.python("bench"); // what the peer stands on
  await using embedder = await openEmbedder(await layOutModel(python, tools.folder), { cache: FORGETFUL });
  const texts = sentencePairs(TEXTS, random("embedding")).map(([, text]) => text);
  const calls = (size: number) =>
    Array.from({ length: TEXTS / size }, (_, i) => texts.slice(size * i, size * (i + 1)));
  const theirs = {
    "embedding, a text a call": { calls: calls(1), size: 1 },
    "embedding, 8 texts a call": { calls: calls(8), size: 8 },
    [`embedding, ${TEXTS} texts a call, the peer's batches of 8`]: { calls: [texts], size: 8 },
  };
  const rows = await beside(tools, {
    ...{ group: "bench-torch", script: "embedding_peer.py", peer: PEER },
    ...{ texts: { clock: CLOCK, contests: theirs }, unit: `texts/s of ${CLOCK}`, atLeast: 2 },
    clock: CLOCK === "processor" ? () => processor(embedder.pid) : undefined,
    contests: Object.entries(theirs).map(([name, { calls }]) => ({
      name,
      items: TEXTS,
      work: async () => {
        const rows = [];
        for (const call of calls) rows.push(...await embedder.embed(call));
        return size(rows);
      },
    })),
  });
  const { long, cases } = golden<{ long: string[]; cases: [GoldenText, string][] }>("embedding");
  const all = [...texts, ...cases.map(([text]) => expander(long)(text))];
  return [...rows, await difference(tools, all, await embedder.embed(all))];
};

/**
 * Seconds of all processors, where the system tells them of a process that runs. Tokens are cut in this process while the model
 * runs in another: the wall's seconds would count the work of two as that of one, and on a shared machine tell who was let in.
 */
const CLOCK = Deno.build.os === "linux" ? "processor" : "wall";

const TICKS = 100; // a second, in /proc on every Linux

/** Seconds of all processors that this process and the one with `pid` have used. */
function processor(pid: number): number {
  const { user, system } = cpuUsage();
  const after = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" "); // the name may hold spaces
  return (user + system) / 1e6 + (Number(after[11]) + Number(after[12])) / TICKS;
}

/** The mean size of a component: another text has another. */
function size(rows: readonly Float32Array[]): number {
  const sum = rows.reduce((sum, row) => row.reduce((sum, value) => sum + Math.abs(value), sum), 0);
  return sum / (rows.length * rows[0]!.length);
}

/** By how much a component differs from the peer's, over these texts at most. */
async function difference(
  { python, folder, log }: Tools,
  texts: readonly string[],
  rows: readonly Float32Array[],
): Promise<Row> {
  log(`comparing ${texts.length} texts`);
  const [given, made] = [`${folder}/given.json`, `${folder}/made.f32`];
  await Deno.writeTextFile(given, JSON.stringify(texts));
  const script = fileURLToPath(new URL("embedding_peer.py", import.meta.url));
  const { success } = await new Deno.Command(await python("bench-torch"), {
    args: [script, "write", given, made],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot compare embeddings as the peer failed: see its message above");
  const wanted = new Float32Array((await Deno.readFile(made)).buffer);
  const width = rows[0]!.length;
  if (wanted.length !== rows.length * width) {
    throw new RangeError(
      `Cannot compare ${rows.length} embeddings of ${width} with ${wanted.length} numbers`,
    );
  }
  const value = rows.reduce(
    (most, row, i) => row.reduce((most, x, j) => Math.max(most, Math.abs(x - wanted[i * width + j]!)), most),
    0,
  );
  return {
    ...{ name: `embedding, largest difference over ${texts.length} texts`, value, unit: "of a component" },
    ...{ peer: PEER, peer_value: null, ratio: null, bar: "<= 1e-6", holds: value <= 1e-6 },
  };
}
