/**
 * What session.ts and the process of runtime.ts say to each other through a pipe: a JSON head and tensors.
 *
 * A message is two numbers of four bytes, the lengths of head and body, then both; the body is the tensors' numbers, one
 * after another, as the head lists them.
 *
 * @module
 */
import { concat } from "./protobuf.ts";
import { type ElementType, type Tensor, typeOf, TYPES } from "./tensor.ts";

/** Tensors by name. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** One message. */
export interface Message<Head> {
  readonly head: Head;
  readonly tensors: Tensors;
}

/** What the parent asks for. */
export type Request =
  /** Without a path the model's bytes come as the tensor `model`. */
  | { readonly kind: "load"; readonly path: string | undefined; readonly threads: number }
  | { readonly kind: "run"; readonly fetches: readonly string[] };

/** What the process answers. */
export type Reply =
  | { readonly kind: "loaded"; readonly inputs: readonly string[]; readonly outputs: readonly string[] }
  | { readonly kind: "done" }
  /** `part` is what could not be used: onnxruntime on this machine, its process, the model, or what it was fed. */
  | {
    readonly kind: "failed";
    readonly part: "runtime" | "process" | "model" | "feeds";
    readonly message: string;
  };

interface Entry {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** The message as bytes. */
export function encode<Head>(head: Head, tensors: Tensors = {}): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(tensors);
  const list: Entry[] = entries.map(([name, { data, dims }]) => ({ name, type: typeOf(data), dims }));
  const json = new TextEncoder().encode(JSON.stringify({ head, tensors: list }));
  const body = concat(
    entries.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
  return concat([new Uint8Array(Uint32Array.of(json.length, body.length).buffer), json, body]);
}

/** The messages of a stream; one that is cut off at its end is dropped. */
export async function* decode<Head>(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Message<Head>> {
  let chunks: Uint8Array[] = [], held = 0, wanted = 8;
  for await (const chunk of stream) {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= wanted) {
      const all = concat(chunks);
      const [json, body] = new Uint32Array(all.slice(0, 8).buffer) as unknown as [number, number];
      wanted = 8 + json + body;
      if (held < wanted) {
        chunks = [all];
        break;
      }
      yield parse(all.subarray(8, 8 + json), all.slice(8 + json, wanted));
      chunks = [all.slice(wanted)];
      held -= wanted;
      wanted = 8;
    }
  }
}

function parse<Head>(json: Uint8Array, body: Uint8Array<ArrayBuffer>): Message<Head> {
  const { head, tensors }: { head: Head; tensors: Entry[] } = JSON.parse(new TextDecoder().decode(json));
  let at = 0;
  const read = ({ name, type, dims }: Entry): [string, Tensor] => {
    const { array } = TYPES[type];
    const length = dims.reduce((product, dim) => product * dim, 1) * array.BYTES_PER_ELEMENT;
    const data = new array(body.buffer.slice(at, at += length)); // a copy, as numbers must be aligned
    return [name, { dims, data }];
  };
  return { head, tensors: Object.fromEntries(tensors.map(read)) };
}
