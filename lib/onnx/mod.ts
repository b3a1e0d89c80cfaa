/**
 * Models as ONNX files: written here, run by onnxruntime in a process of its own.
 *
 * ```ts
 * import { graph, openSession, tensor } from "./mod.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const g = graph("double");
 * const x = g.input("x", "float32", ["n"]);
 * g.output("y", g.op("Add", [x, x]), "float32", ["n"]);
 *
 * await using session = await openSession(g.bytes());
 * const { y } = await session.run({ x: tensor(Float32Array.of(1, 2, 3), [3]) });
 * deepEqual([...y!.data], [2, 4, 6]);
 * ```
 *
 * @module
 */
export { type Attribute, type Dim, type External, float, type Graph, graph, type Value } from "./graph.ts";
export { type ElementType, type Tensor, tensor, type TensorData } from "./tensor.ts";
export { type Layer, network } from "./network.ts";
export { type BertConfig, sentenceEncoder } from "./bert.ts";
export { type Place, readSafetensors } from "./safetensors.ts";
export { openSession, type Session, type SessionOptions } from "./session.ts";
export type { Tensors } from "./messages.ts";
