/**
 * Tensors, and the types of their elements that Quintet's models use.
 *
 * @module
 */

/** Row-major numbers; what kind they are is told by their array: float32, int64 or uint8. */
export interface Tensor {
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** The arrays a tensor may have. */
export type TensorData =
  | Float32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** By name: the number of `TensorProto.DataType`, and the array. */
export const TYPES = {
  float32: { code: 1, array: Float32Array },
  uint8: { code: 2, array: Uint8Array },
  int64: { code: 7, array: BigInt64Array },
} as const;

/** The name of an element's type, as onnxruntime writes it. */
export type ElementType = keyof typeof TYPES;

/** What kind of numbers an array has. */
export const typeOf = (data: TensorData): ElementType =>
  (Object.keys(TYPES) as ElementType[]).find((type) => data instanceof TYPES[type].array)!;

/** The tensor of these numbers. Throws a RangeError unless there are as many as the dimensions say. */
export function tensor<Data extends TensorData>(
  data: Data,
  dims: readonly number[],
): Tensor & { readonly data: Data } {
  const wanted = dims.reduce((product, dim) => product * dim, 1);
  if (data.length !== wanted) {
    throw new RangeError(
      `Cannot make a tensor of [${dims}] as it must have ${wanted} numbers: got ${data.length}`,
    );
  }
  return { dims, data };
}
