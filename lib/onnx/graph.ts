/**
 * A computation written as an ONNX file: values are named strings, each operation gives one.
 *
 * ```ts
 * import { float, graph, tensor } from "./mod.ts";
 *
 * const g = graph("halves");
 * const x = g.input("x", "float32", ["batch", 2]);
 * const half = g.constant(tensor(Float32Array.of(0.5), []));
 * g.output("y", g.op("LeakyRelu", [g.op("Mul", [x, half])], { alpha: float(0.1) }), "float32", ["batch", 2]);
 * await Deno.writeFile(await Deno.makeTempFile({ suffix: ".onnx" }), g.bytes());
 * ```
 *
 * Operators and their attributes: https://onnx.ai/onnx/operators/ (opset 20). Numbers of fields: onnx.proto of onnx 1.15.
 *
 * @module
 */
import { bytes, concat, float as floatField, message, text, varint } from "./protobuf.ts";
import { type ElementType, type Tensor, typeOf, TYPES } from "./tensor.ts";

/** The name of a value in the graph. */
export type Value = string;

/** A size, or the name of one that is known only when the graph is run. */
export type Dim = number | string;

/** An attribute of an operator; a bare number is an integer. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** An attribute that is a floating-point number, also where it is whole. */
export const float = (value: number): Attribute => ({ float: value });

/** Where a constant lies outside of the ONNX file: a file in the same folder, from a byte on. */
export interface External {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** A graph while it is written. */
export interface Graph {
  /** A value that a run is given. */
  input(name: string, type: ElementType, dims: readonly Dim[]): Value;
  /** A value that is known now. */
  constant(value: Tensor): Value;
  /** A value that lies in a file of its own. */
  external(value: External): Value;
  /** What the operator makes of `inputs`. */
  op(operator: string, inputs: readonly Value[], attributes?: Readonly<Record<string, Attribute>>): Value;
  /** Gives the result of an operation out, under this name. */
  output(name: string, value: Value, type: ElementType, dims: readonly Dim[]): void;
  /** The ONNX file. */
  bytes(): Uint8Array<ArrayBuffer>;
}

const OPSET = 20, IR_VERSION = 9;

interface Node {
  readonly operator: string;
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A new graph. */
export function graph(name: string): Graph {
  const nodes: Node[] = [];
  const inputs: Uint8Array[] = [], outputs: Uint8Array[] = [], constants: Uint8Array[] = [];
  const renamed = new Map<Value, string>(); // what is given out has the name that was asked for
  const called = (value: Value) => renamed.get(value) ?? value;

  return {
    input(name, type, dims) {
      inputs.push(message(11, ...valueInfo(name, type, dims)));
      return name;
    },
    constant({ dims, data }) {
      const name = `constant_${constants.length}`;
      const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      constants.push(message(5, ...tensorProto(name, typeOf(data), dims), bytes(9, raw)));
      return name;
    },
    external({ type, dims, file, offset, length }) {
      const name = `constant_${constants.length}`;
      const places = Object.entries({ location: file, offset: String(offset), length: String(length) });
      constants.push(message(
        5,
        ...tensorProto(name, type, dims),
        ...places.map(([key, value]) => message(13, text(1, key), text(2, value))),
        varint(14, 1), // data_location: EXTERNAL
      ));
      return name;
    },
    op(operator, inputs, attributes = {}) {
      const output = `${operator}_${nodes.length}`;
      nodes.push({ operator, inputs, output, attributes });
      return output;
    },
    output(name, value, type, dims) {
      if (!nodes.some(({ output }) => output === value) || renamed.has(value)) {
        throw new TypeError(
          `Cannot give ${value} out as ${name}: it must be the result of an operation, given out once`,
        );
      }
      renamed.set(value, name);
      outputs.push(message(12, ...valueInfo(name, type, dims)));
    },
    bytes: () =>
      concat([
        varint(1, IR_VERSION),
        text(2, "quintet"),
        message(
          7,
          ...nodes.map((node) => nodeField(node, called)),
          text(2, name),
          ...constants,
          ...inputs,
          ...outputs,
        ),
        message(8, varint(2, OPSET)),
      ]),
  };
}

const nodeField = (
  { operator, inputs, output, attributes }: Node,
  called: (value: Value) => string,
): Uint8Array =>
  message(
    1,
    ...inputs.map((input) => text(1, called(input))),
    text(2, called(output)),
    text(3, output),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) => message(5, text(1, name), ...attribute(value))),
  );

/** The value's field, then the field that says which it is. */
function attribute(value: Attribute): Uint8Array[] {
  if (typeof value === "number") return [varint(3, value), varint(20, 2)];
  if (typeof value === "string") return [text(4, value), varint(20, 3)];
  if ("float" in value) return [floatField(2, value.float), varint(20, 1)];
  return [...value.map((each) => varint(8, each)), varint(20, 7)];
}

const tensorProto = (name: string, type: ElementType, dims: readonly number[]): Uint8Array[] => [
  ...dims.map((dim) => varint(1, dim)),
  varint(2, TYPES[type].code),
  text(8, name),
];

const valueInfo = (name: string, type: ElementType, dims: readonly Dim[]): Uint8Array[] => [
  text(1, name),
  message(2, message(1, varint(1, TYPES[type].code), message(2, ...dims.map(dimension)))),
];

const dimension = (dim: Dim): Uint8Array =>
  message(1, typeof dim === "number" ? varint(1, dim) : text(2, dim));
