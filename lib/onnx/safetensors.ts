/**
 * Where the tensors of a safetensors file lie: eight bytes with the header's length, a JSON header, the numbers.
 *
 * Source: https://huggingface.co/docs/safetensors/index#format
 *
 * @module
 */

/** A tensor in its file, in bytes from the file's beginning. */
export interface Place {
  /** As `F32`. */
  readonly type: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** The header is read whole: a longer one is no header. */
const LONGEST = 100 * 2 ** 20;

/** The tensors of the file at `path`, by name. Throws a SyntaxError when it is none, or ends before its last tensor does. */
export async function readSafetensors(path: string): Promise<Map<string, Place>> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  const cannot = (why: string) => new SyntaxError(`Cannot read ${path} as safetensors: ${why}`);
  const start = new DataView((await read(file, 8)).buffer);
  const length = start.byteLength < 8 ? Infinity : Number(start.getBigUint64(0, true));
  if (length > Math.min(size - 8, LONGEST)) {
    throw cannot(`its header must end within the file: it has ${size} bytes`);
  }
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    const { __metadata__: _, ...tensors } = JSON.parse(new TextDecoder().decode(await read(file, length)));
    header = tensors;
  } catch (error) {
    throw cannot(`its header must be JSON: ${(error as Error).message}`);
  }
  const found = new Map<string, Place>();
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const offset = 8 + length + from;
    if (offset + to - from > size) {
      throw cannot(`${name} must end at byte ${8 + length + to}: the file has ${size} bytes`);
    }
    found.set(name, { type: dtype, dims: shape, offset, length: to - from });
  }
  return found;
}

async function read(file: Deno.FsFile, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const got = await file.read(bytes.subarray(at));
    if (got === null) break;
    at += got;
  }
  return bytes.slice(0, at);
}
