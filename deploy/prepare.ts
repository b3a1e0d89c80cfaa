/**
 * Installs, while an image is built, what Quintet otherwise installs at its first use: the Python wheels of the groups that
 * are named, and onnxruntime where there is learning.
 *
 * ```sh
 * deno run -A deploy/prepare.ts prefect local learn
 * ```
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { graph, openSession, tensor } from "../lib/onnx/mod.ts";
import { ensurePython } from "../lib/python/mod.ts";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");

for (const group of Deno.args) await ensurePython({ root, group, log: console.error });

if (Deno.args.includes("learn")) {
  const same = graph("same");
  const x = same.input("x", "float32", ["n"]);
  same.output("y", same.op("Identity", [x]), "float32", ["n"]);
  await using session = await openSession(same.bytes());
  await session.run({ x: tensor(Float32Array.of(1), [1]) });
}
