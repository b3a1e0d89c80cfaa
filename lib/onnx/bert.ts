/**
 * A sentence encoder of the BERT family (Devlin et al., 2019; Reimers and Gurevych, 2019) as an ONNX graph beside its weights:
 * the graph is 24 KB, the weights stay in their safetensors file.
 *
 * ```ts ignore
 * const places = await readSafetensors("onnx/model.safetensors");
 * await Deno.writeFile("onnx/model.onnx", sentenceEncoder(config, places, "model.safetensors"));
 * ```
 *
 * Inputs: `input_ids` and `attention_mask`, int64 [batch, sequence]. Outputs: `last_hidden_state`
 * [batch, sequence, hidden] and `sentence_embedding` [batch, hidden], the mean over the tokens of a text, of length 1.
 *
 * @module
 */
import { float, graph, type Value } from "./graph.ts";
import type { Place } from "./safetensors.ts";
import { tensor } from "./tensor.ts";

/** The numbers of a BERT model's config.json. */
export interface BertConfig {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly layer_norm_eps: number;
  readonly hidden_act: string;
}

/**
 * The ONNX file of the model whose tensors lie at `places` of `file`, which must stand in the ONNX file's folder. Throws
 * a TypeError when a tensor is missing or is not float32, or when the model is of another kind.
 */
export function sentenceEncoder(
  config: BertConfig,
  places: ReadonlyMap<string, Place>,
  file: string,
): Uint8Array<ArrayBuffer> {
  const { hidden_size: H, num_hidden_layers: layers, num_attention_heads: heads } = config;
  if (config.hidden_act !== "gelu" || H % heads !== 0) {
    throw new TypeError(
      `Cannot write the model of ${file} as it must use gelu and heads of equal size: ` +
        `got ${config.hidden_act} and ${H} / ${heads}`,
    );
  }
  const g = graph("sentence encoder");
  const ints = (...values: number[]) =>
    g.constant(tensor(BigInt64Array.from(values, BigInt), [values.length]));
  const scalar = (value: number) => g.constant(tensor(Float32Array.of(value), []));
  const weight = (name: string) => {
    const place = places.get(name);
    if (place?.type !== "F32") {
      throw new TypeError(
        `Cannot write the model of ${file} as ${name} must be float32: got ${place?.type ?? "nothing"}`,
      );
    }
    return g.external({ ...place, type: "float32", file });
  };
  // weights lie as [out, in]: transB spares turning them
  const linear = (x: Value, name: string) =>
    g.op("Gemm", [x, weight(`${name}.weight`), weight(`${name}.bias`)], { transB: 1 });
  const normalized = (x: Value, name: string) =>
    g.op("LayerNormalization", [x, weight(`${name}.weight`), weight(`${name}.bias`)], {
      epsilon: float(config.layer_norm_eps),
    });

  const ids = g.input("input_ids", "int64", ["batch", "sequence"]);
  const mask = g.op("Cast", [g.input("attention_mask", "int64", ["batch", "sequence"])], { to: 1 });
  const shape = g.op("Shape", [ids]);
  const length = g.op("Shape", [ids], { start: 1 });
  const positions = g.op("Slice", [
    weight("embeddings.position_embeddings.weight"),
    ints(0),
    length,
    ints(0),
  ]);
  const segment = g.op("Slice", [
    weight("embeddings.token_type_embeddings.weight"),
    ints(0),
    ints(1),
    ints(0),
  ]);
  const words = g.op("Gather", [weight("embeddings.word_embeddings.weight"), ids]);
  const embedded = normalized(
    g.op("Add", [g.op("Add", [words, segment]), positions]),
    "embeddings.LayerNorm",
  );

  const rows = ints(-1, H); // activations are matrices [batch · sequence, hidden] between attentions
  const apart = g.op("Concat", [shape, ints(heads, H / heads)], { axis: 0 });
  const hidden = g.op("Mul", [
    g.op("Unsqueeze", [g.op("Sub", [scalar(1), mask]), ints(1, 2)]),
    scalar(-3.4028234663852886e38),
  ]);
  const scale = scalar(Math.sqrt(H / heads));

  const attention = (x: Value, name: string) => {
    const part = (which: string, perm: number[]) =>
      g.op("Transpose", [g.op("Reshape", [linear(x, `${name}.self.${which}`), apart])], { perm });
    const scores = g.op("Div", [
      g.op("MatMul", [part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1])]),
      scale,
    ]);
    const weights = g.op("Softmax", [g.op("Add", [scores, hidden])], { axis: -1 });
    const context = g.op("MatMul", [weights, part("value", [0, 2, 1, 3])]);
    const joined = g.op("Reshape", [g.op("Transpose", [context], { perm: [0, 2, 1, 3] }), rows]);
    return normalized(
      g.op("Add", [linear(joined, `${name}.output.dense`), x]),
      `${name}.output.LayerNorm`,
    );
  };

  let x = g.op("Reshape", [embedded, rows]);
  for (let i = 0; i < layers; i++) {
    const name = `encoder.layer.${i}`;
    x = attention(x, `${name}.attention`);
    const wide = g.op("Gelu", [linear(x, `${name}.intermediate.dense`)]);
    x = normalized(g.op("Add", [linear(wide, `${name}.output.dense`), x]), `${name}.output.LayerNorm`);
  }

  const last = g.op("Reshape", [x, g.op("Concat", [shape, ints(H)], { axis: 0 })]);
  // The sum over tokens is a product of matrices, as ReduceSum adds in an order that depends on the batch; of two equal rows,
  // as that of a vector and a matrix depends on the padding.
  const present = g.op("Unsqueeze", [mask, ints(1)]);
  const sums = g.op("MatMul", [g.op("Concat", [present, present], { axis: 1 }), last]);
  const sum = g.op("Squeeze", [g.op("Slice", [sums, ints(0), ints(1), ints(1)]), ints(1)]);
  const count = g.op("Clip", [g.op("ReduceSum", [mask, ints(1)]), scalar(1e-9)]);
  const mean = g.op("Div", [sum, count]);
  const norm = g.op("Clip", [g.op("ReduceL2", [mean, ints(1)]), scalar(1e-12)]);
  g.output("last_hidden_state", last, "float32", ["batch", "sequence", H]);
  g.output("sentence_embedding", g.op("Div", [mean, norm]), "float32", ["batch", H]);
  return g.bytes();
}
