import { deepStrictEqual as deepEqual, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { float, graph } from "./graph.ts";
import { network } from "./network.ts";
import { varint } from "./protobuf.ts";
import { readSafetensors } from "./safetensors.ts";
import { openSession } from "./session.ts";
import { type Tensor, tensor } from "./tensor.ts";

const f32 = (...numbers: number[]) => tensor(Float32Array.from(numbers), [numbers.length]);

Deno.test("graph() writes every kind of attribute, constant and size", async () => {
  const g = graph("all");
  const x = g.input("x", "float32", ["rows", 3]);
  const turned = g.op("Transpose", [x], { perm: [1, 0] }); // integers
  const leaky = g.op("LeakyRelu", [turned], { alpha: float(0.5) }); // a number
  const padded = g.op("Pad", [leaky, g.constant(tensor(BigInt64Array.of(0n, 1n, 0n, 0n), [4]))], {
    mode: "edge",
  }); // a word
  const last = g.op("Softmax", [padded], { axis: -1 }); // a negative integer
  g.output("softmax", last, "float32", [3, "more"]);
  g.output("padded", padded, "float32", [3, "more"]);
  g.output("sum", g.op("Add", [padded, g.constant(tensor(Float32Array.of(0.5), []))]), "float32", [
    3,
    "more",
  ]);
  g.output("uint8", g.op("Cast", [g.op("Abs", [padded])], { to: 2 }), "uint8", [3, "more"]);
  g.output("int64", g.op("Shape", [padded]), "int64", [2]);
  await using session = await openSession(g.bytes());
  deepEqual([session.inputs, session.outputs], [["x"], ["softmax", "padded", "sum", "uint8", "int64"]]);

  const results = await session.run({ x: tensor(Float32Array.of(1, -2, 3, 1, -2, 3), [2, 3]) });
  deepEqual(results.padded, tensor(Float32Array.of(1, 1, 1, -1, -1, -1, 3, 3, 3), [3, 3]));
  deepEqual(results.sum, tensor(Float32Array.of(1.5, 1.5, 1.5, -0.5, -0.5, -0.5, 3.5, 3.5, 3.5), [3, 3]));
  deepEqual(results.uint8, tensor(Uint8Array.of(1, 1, 1, 1, 1, 1, 3, 3, 3), [3, 3]));
  deepEqual(results.int64, tensor(BigInt64Array.of(3n, 3n), [2]));
  deepEqual(Object.keys(await session.run({ x: tensor(new Float32Array(3), [1, 3]) }, ["int64"])), ["int64"]);
});

Deno.test("graph() reads constants out of another file", async () => {
  const folder = await Deno.makeTempDir({ prefix: "quintet-onnx-" });
  try {
    await Deno.writeFile(`${folder}/weights`, new Uint8Array(Float32Array.of(9, 10, 20).buffer));
    const g = graph("outside");
    const weights = g.external({ type: "float32", dims: [2], file: "weights", offset: 4, length: 8 });
    g.output("y", g.op("Add", [g.input("x", "float32", [2]), weights]), "float32", [2]);
    await Deno.writeFile(`${folder}/model.onnx`, g.bytes());
    {
      await using session = await openSession(`${folder}/model.onnx`);
      deepEqual((await session.run({ x: f32(1, 2) })).y, f32(11, 22));
    }
    await Deno.truncate(`${folder}/weights`, 10);
    await rejects(openSession(`${folder}/model.onnx`), {
      name: "TypeError",
      message: /^Cannot load the model: [^]*given file_length: 10/,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("graph() refuses to give out what is no result, or twice", () => {
  const g = graph("wrong");
  const x = g.input("x", "float32", [1]);
  throws(() => g.output("y", x, "float32", [1]), { name: "TypeError", message: /Cannot give x out as y/ });
  const y = g.op("Neg", [x]);
  g.output("y", y, "float32", [1]);
  throws(() => g.output("z", y, "float32", [1]), TypeError);
});

Deno.test("tensor() refuses numbers that do not fill its dimensions", () => {
  throws(() => tensor(new Float32Array(5), [2, 3]), { message: /must have 6 numbers: got 5/ });
});

Deno.test("varint() writes numbers as protocol buffers do", () => {
  const check = (value: number | bigint, ...bytes: number[]) =>
    deepEqual(varint(1, value), Uint8Array.of(0x08, ...bytes));
  check(0, 0);
  check(127, 127);
  check(128, 0x80, 1);
  check(-1, ...Array(9).fill(0xff), 1);
  check(-(2n ** 63n), ...Array(9).fill(0x80), 1);
  check(2 ** 53 - 1, ...Array(7).fill(0xff), 15);
});

/** A layer of numbers between -1 and 1. */
function layer(out: number, ins: number, seed: number) {
  let state = seed;
  const draw = () => (state = state * 48271 % 2147483647) / 2147483647 * 2 - 1;
  const of = (...dims: number[]) =>
    tensor(Float32Array.from({ length: dims.reduce((a, b) => a * b) }, draw), dims);
  return { weights: of(out, ins), bias: of(out) };
}

Deno.test("network() computes what plain arithmetic does, to 1e-6", async () => {
  const layers = [layer(64, 101, 1), layer(64, 64, 2), layer(10, 64, 3)];
  await using session = await openSession(network(layers));
  deepEqual([session.inputs, session.outputs], [["observation"], ["logits"]]);
  const { weights: observation } = layer(7, 101, 4);
  const { logits } = await session.run({ observation });
  deepEqual(logits!.dims, [7, 10]);
  for (let row = 0; row < 7; row++) {
    let x = [...observation.data.slice(row * 101, (row + 1) * 101)];
    layers.forEach(({ weights: { data: w }, bias }, i) => {
      if (i > 0) x = x.map(Math.tanh);
      x = [...bias.data].map((b, out) =>
        x.reduce((sum, value, j) => sum + w[out * x.length + j]! * value, b)
      );
    });
    const scale = Math.max(...x.map(Math.abs)); // float32 keeps seven digits
    x.forEach((wanted, j) => {
      const got = logits!.data[row * 10 + j] as number;
      equal(Math.abs(got - wanted) <= 1e-6 * Math.max(1, scale), true, `${got} and ${wanted}`);
    });
  }
});

Deno.test("network() refuses layers that do not fit", () => {
  const refused = (...layers: { weights: Tensor; bias: Tensor }[]) =>
    throws(() => network(layers), RangeError);
  refused(layer(4, 3, 1), layer(2, 5, 1));
  refused({ ...layer(4, 3, 1), bias: layer(3, 1, 1).bias });
});

Deno.test("readSafetensors() refuses what is none", async () => {
  const file = await Deno.makeTempFile();
  const header = (json: string, length = json.length) => {
    const bytes = new Uint8Array(8 + json.length);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
    bytes.set(new TextEncoder().encode(json), 8);
    return bytes;
  };
  const entry = (to: number) =>
    `{"__metadata__":{},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,${to}]}}`;
  const wrong: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /its header must end within the file: it has 0 bytes/],
    [new Uint8Array(7), /must end within the file/],
    [header("{}", 3), /must end within the file: it has 10 bytes/],
    [header("{}", 2 ** 52), /must end within the file/],
    [header("{]"), /its header must be JSON/],
    [header(entry(8)), /a must end at byte \d+: the file has \d+ bytes/],
  ];
  try {
    for (const [bytes, message] of wrong) {
      await Deno.writeFile(file, bytes);
      await rejects(readSafetensors(file), { name: "SyntaxError", message });
    }
    const whole = header(entry(8));
    await Deno.writeFile(file, whole);
    await Deno.writeFile(file, new Uint8Array(8), { append: true });
    deepEqual(
      [...await readSafetensors(file)],
      [["a", { type: "F32", dims: [2], offset: whole.length, length: 8 }]],
    );
  } finally {
    await Deno.remove(file);
  }
});
