/**
 * A small neural network as an ONNX file: dense layers with tanh or ReLU between them, such as a policy from observation to logits.
 *
 * ```ts
 * import { network, openSession, tensor } from "./mod.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const identity = { weights: tensor(Float32Array.of(1, 0, 0, 1), [2, 2]), bias: tensor(Float32Array.of(0, 1), [2]) };
 * await using session = await openSession(network([identity]));
 * const { logits } = await session.run({ observation: tensor(Float32Array.of(3, 4), [1, 2]) });
 * deepEqual([...logits!.data], [3, 5]);
 * ```
 *
 * @module
 */
import { graph } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

/** One layer, x ↦ W x + b. */
export interface Layer {
  /** [out, in], float32. */
  readonly weights: Tensor;
  /** [out], float32. */
  readonly bias: Tensor;
}

/**
 * The ONNX file of the layers, one after another, with tanh or ReLU after each but the last. Its input is `observation`
 * [batch, in], its output `logits` [batch, out]. Throws a RangeError when a layer does not fit the one before it.
 */
export function network(
  layers: readonly Layer[],
  activation: "tanh" | "relu" = "tanh",
): Uint8Array<ArrayBuffer> {
  const sizes = [layers[0]?.weights.dims[1], ...layers.map(({ weights }) => weights.dims[0])] as number[];
  layers.forEach(({ weights, bias }, i) => {
    const wanted = `[${sizes[i + 1]},${sizes[i]}]`;
    if (`[${weights.dims}]` !== wanted || `[${bias.dims}]` !== `[${sizes[i + 1]}]`) {
      throw new RangeError(
        `Cannot join layer ${i} as its weights must be ${wanted} and its bias [${sizes[i + 1]}]: ` +
          `got [${weights.dims}] and [${bias.dims}]`,
      );
    }
  });
  const g = graph("network");
  let x = g.input("observation", "float32", ["batch", sizes[0]!]);
  layers.forEach(({ weights, bias }, i) => {
    if (i > 0) x = g.op(activation === "tanh" ? "Tanh" : "Relu", [x]);
    x = g.op("Gemm", [x, g.constant(weights), g.constant(bias)], { transB: 1 });
  });
  g.output("logits", x, "float32", ["batch", sizes.at(-1)!]);
  return g.bytes();
}
