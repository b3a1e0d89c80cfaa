/**
 * LightGBM's C interface (`LightGBM/c_api.h` of 4.7), one thing at a time: nothing is defaulted, nothing is printed.
 *
 * Pointers stay in this file. LightGBM ends the process where a length, a handle or a model is wrong, so lengths and handles
 * are checked here, what others still use is freed with the last of them, and models must be checked by the caller.
 *
 * ```ts ignore
 * using lightgbm = new Lightgbm("/path/to/lib_lightgbm.so");
 * using dataset = lightgbm.dataset({ values, rows, columns }, { labels, names, params });
 * using training = lightgbm.training(dataset, params);
 * for (let round = 0; round < 100; round++) training.update();
 * using model = lightgbm.model(training.text(100));
 * const predictions = model.predict({ values, rows, columns }, params);
 * ```
 *
 * @module
 */
import { openLibrary } from "./library.ts";

const symbols = {
  LGBM_GetLastError: { parameters: [], result: "pointer" }, // const char*
  LGBM_DatasetCreateFromMat: {
    parameters: [
      "buffer", // const void* data
      "i32", // int data_type
      "i32", // int32_t nrow
      "i32", // int32_t ncol
      "i32", // int is_row_major
      "buffer", // const char* parameters
      "pointer", // const DatasetHandle reference
      "buffer", // DatasetHandle* out
    ],
    result: "i32",
  },
  LGBM_DatasetGetSubset: {
    parameters: [
      "pointer", // const DatasetHandle handle
      "buffer", // const int32_t* used_row_indices
      "i32", // int32_t num_used_row_indices
      "buffer", // const char* parameters
      "buffer", // DatasetHandle* out
    ],
    result: "i32",
  },
  LGBM_DatasetSetField: {
    parameters: [
      "pointer", // DatasetHandle handle
      "buffer", // const char* field_name
      "buffer", // const void* field_data
      "i32", // int num_element
      "i32", // int type
    ],
    result: "i32",
  },
  LGBM_DatasetSetFeatureNames: {
    parameters: [
      "pointer", // DatasetHandle handle
      "buffer", // const char** feature_names
      "i32", // int num_feature_names
    ],
    result: "i32",
  },
  LGBM_DatasetFree: { parameters: ["pointer"], result: "i32" }, // DatasetHandle handle
  LGBM_BoosterCreate: {
    parameters: [
      "pointer", // const DatasetHandle train_data
      "buffer", // const char* parameters
      "buffer", // BoosterHandle* out
    ],
    result: "i32",
  },
  LGBM_BoosterLoadModelFromString: {
    parameters: [
      "buffer", // const char* model_str
      "buffer", // int* out_num_iterations
      "buffer", // BoosterHandle* out
    ],
    result: "i32",
  },
  LGBM_BoosterAddValidData: {
    parameters: [
      "pointer", // BoosterHandle handle
      "pointer", // const DatasetHandle valid_data
    ],
    result: "i32",
  },
  LGBM_BoosterUpdateOneIter: {
    parameters: [
      "pointer", // BoosterHandle handle
      "buffer", // int* produced_empty_tree
    ],
    result: "i32",
  },
  LGBM_BoosterGetEvalCounts: {
    parameters: [
      "pointer", // BoosterHandle handle
      "buffer", // int* out_len
    ],
    result: "i32",
  },
  LGBM_BoosterGetEval: {
    parameters: [
      "pointer", // BoosterHandle handle
      "i32", // int data_idx
      "buffer", // int* out_len
      "buffer", // double* out_results
    ],
    result: "i32",
  },
  LGBM_BoosterGetNumFeature: {
    parameters: [
      "pointer", // BoosterHandle handle
      "buffer", // int* out_len
    ],
    result: "i32",
  },
  LGBM_BoosterCalcNumPredict: {
    parameters: [
      "pointer", // BoosterHandle handle
      "i32", // int num_row
      "i32", // int predict_type
      "i32", // int start_iteration
      "i32", // int num_iteration
      "buffer", // int64_t* out_len
    ],
    result: "i32",
  },
  LGBM_BoosterPredictForMat: {
    parameters: [
      "pointer", // BoosterHandle handle
      "buffer", // const void* data
      "i32", // int data_type
      "i32", // int32_t nrow
      "i32", // int32_t ncol
      "i32", // int is_row_major
      "i32", // int predict_type
      "i32", // int start_iteration
      "i32", // int num_iteration
      "buffer", // const char* parameter
      "buffer", // int64_t* out_len
      "buffer", // double* out_result
    ],
    result: "i32",
  },
  LGBM_BoosterSaveModelToString: {
    parameters: [
      "pointer", // BoosterHandle handle
      "i32", // int start_iteration
      "i32", // int num_iteration
      "i32", // int feature_importance_type
      "i64", // int64_t buffer_len
      "buffer", // int64_t* out_len
      "buffer", // char* out_str
    ],
    result: "i32",
  },
  LGBM_BoosterFeatureImportance: {
    parameters: [
      "pointer", // BoosterHandle handle
      "i32", // int num_iteration
      "i32", // int importance_type
      "buffer", // double* out_results
    ],
    result: "i32",
  },
  LGBM_BoosterFree: { parameters: ["pointer"], result: "i32" }, // BoosterHandle handle
} as const satisfies Deno.ForeignLibraryInterface;

/** C_API_DTYPE_FLOAT32 and C_API_DTYPE_FLOAT64. */
const FLOAT32 = 0, FLOAT64 = 1;
/** C_API_PREDICT_NORMAL: scores, not leaves or contributions. */
const NORMAL = 0;
/** C_API_FEATURE_IMPORTANCE_SPLIT and C_API_FEATURE_IMPORTANCE_GAIN. */
const IMPORTANCE = { split: 0, gain: 1 } as const;
const ROW_MAJOR = 1;
const FIRST_VALIDATION = 1; // data 0 is what it trains on
const ALL = -1;

/** Parameters by LightGBM's names. It ignores names that it does not know. */
export type NativeParams = Readonly<Record<string, string | number | boolean>>;

/** Numbers row by row; NaN is a missing value. */
export interface Matrix {
  /** `rows` times `columns` of them. */
  readonly values: Float64Array<ArrayBuffer>;
  readonly rows: number;
  readonly columns: number;
}

type C = Deno.StaticForeignLibraryInterface<typeof symbols>;
type Handle = Deno.PointerObject;

/** Where texts of models are written to: one for all, as garbage of this size would be collected too late. */
interface Page {
  bytes: Uint8Array<ArrayBuffer>;
}

/** Something of C's: freed once, with its owner or with the last thing that needs it. */
class Owned<Value> implements Disposable {
  readonly #what: string;
  readonly #value: Value;
  readonly #free: () => void;
  readonly #needs: Owned<unknown>[] = [];
  #freed = false;
  #users = 1;

  constructor(
    what: string,
    value: Value,
    free: () => void,
    needs: readonly Owned<unknown>[] = [],
  ) {
    this.#what = what;
    this.#value = value;
    this.#free = free;
    for (const owned of needs) this.need(owned);
  }

  /** Throws Deno.errors.BadResource once it was freed. */
  protected static use<Value>(owned: Owned<Value>): Value {
    if (owned.#freed) throw new Deno.errors.BadResource(`Cannot use ${owned.#what} as it was freed`);
    return owned.#value;
  }

  /** From now on `owned` is freed after this. */
  protected need(owned: Owned<unknown>): void {
    owned.#users++;
    this.#needs.push(owned);
  }

  /** Frees it; a second time nothing happens. */
  [Symbol.dispose](): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#leave();
  }

  #leave(): void {
    if (--this.#users > 0) return;
    this.#free();
    for (const owned of this.#needs) owned.#leave();
  }
}

/** LightGBM's library, open. It is closed after all that was made with it. */
export class Lightgbm extends Owned<C> {
  readonly #page: Page = { bytes: new Uint8Array(2 ** 20) };

  /** Throws SetupError as `openLibrary` does. */
  constructor(path: string) {
    const library = openLibrary(path, symbols);
    super("LightGBM's library", library.symbols, () => library.close());
  }

  /**
   * Puts numbers into bins: those of `reference` if it is given, as validation needs. There is a label for each row, kept with
   * 24 bits, and a name for each column.
   */
  dataset(
    matrix: Matrix,
    { labels, names, params, reference }: {
      readonly labels: ArrayLike<number>;
      readonly names: readonly string[];
      readonly params: NativeParams;
      readonly reference?: Dataset;
    },
  ): Dataset {
    const c = Owned.use(this);
    checkMatrix(matrix);
    checkLength("labels", labels.length, matrix.rows);
    checkLength("names", names.length, matrix.columns);
    if (reference) checkLength("columns", matrix.columns, reference.columns);
    const { values, rows, columns } = matrix;
    const base = reference ? Owned.use(reference) : null;
    const handle = created(
      c,
      (out) =>
        c.LGBM_DatasetCreateFromMat(values, FLOAT64, rows, columns, ROW_MAJOR, written(params), base, out),
    );
    using stack = new DisposableStack();
    const dataset = stack.use(new Dataset(this, c, handle, rows, columns));
    check(c, c.LGBM_DatasetSetField(handle, cString("label"), Float32Array.from(labels), rows, FLOAT32));
    nameFeatures(c, handle, names);
    stack.move();
    return dataset;
  }

  /** Begins a training, which gains a tree in each round. */
  training(dataset: Dataset, params: NativeParams): Training {
    const c = Owned.use(this);
    const data = Owned.use(dataset);
    const handle = created(c, (out) => c.LGBM_BoosterCreate(data, written(params), out));
    return new Training(this, c, handle, dataset, this.#page);
  }

  /** A model from LightGBM's own text, which must be sound: see above. */
  model(text: string): Model {
    const c = Owned.use(this);
    const rounds = new Int32Array(1);
    const handle = created(c, (out) => c.LGBM_BoosterLoadModelFromString(cString(text), rounds, out));
    return new Model(this, c, handle, rounds[0]!);
  }
}

/** Rows in bins, with their labels. */
export class Dataset extends Owned<Handle> {
  readonly rows: number;
  readonly columns: number;
  readonly #lightgbm: Lightgbm;

  /** For `Lightgbm` alone. */
  constructor(lightgbm: Lightgbm, c: C, handle: Handle, rows: number, columns: number) {
    super("the dataset", handle, () => c.LGBM_DatasetFree(handle), [lightgbm]);
    this.rows = rows;
    this.columns = columns;
    this.#lightgbm = lightgbm;
  }

  /** Some of the rows, by ascending index, in the same bins. */
  subset(indices: Int32Array<ArrayBuffer>, params: NativeParams): Dataset {
    const c = Owned.use<C>(this.#lightgbm), whole = Owned.use(this);
    const part = created(
      c,
      (out) => c.LGBM_DatasetGetSubset(whole, indices, indices.length, written(params), out),
    );
    return new Dataset(this.#lightgbm, c, part, indices.length, this.columns);
  }
}

/** A model that grows by a tree a round. */
export class Training extends Owned<Handle> {
  readonly #c: C;
  readonly #page: Page;

  /** For `Lightgbm` alone. */
  constructor(lightgbm: Lightgbm, c: C, handle: Handle, dataset: Dataset, page: Page) {
    super("the training", handle, () => c.LGBM_BoosterFree(handle), [lightgbm, dataset]);
    this.#c = c;
    this.#page = page;
  }

  /** Rows on which `loss` is measured; they have the training's bins. */
  validate(dataset: Dataset): void {
    check(this.#c, this.#c.LGBM_BoosterAddValidData(Owned.use(this), Owned.use(dataset)));
    this.need(dataset);
  }

  /** A round. Where no split was found, the tree is empty; a later round may find one. */
  update(): void {
    check(this.#c, this.#c.LGBM_BoosterUpdateOneIter(Owned.use(this), new Int32Array(1)));
  }

  /** The first metric on the rows given to `validate`. */
  loss(): number {
    const handle = Owned.use(this), metrics = new Int32Array(1);
    check(this.#c, this.#c.LGBM_BoosterGetEvalCounts(handle, metrics));
    const values = new Float64Array(metrics[0]!);
    check(this.#c, this.#c.LGBM_BoosterGetEval(handle, FIRST_VALIDATION, metrics, values));
    return values[0]!;
  }

  /** The model of the first `rounds`, all unless given, in LightGBM's own text. */
  text(rounds = ALL): string {
    const handle = Owned.use(this), size = new BigInt64Array(1);
    const write = () =>
      check(
        this.#c,
        this.#c.LGBM_BoosterSaveModelToString(
          ...[
            handle,
            0,
            rounds,
            IMPORTANCE.split,
            BigInt(this.#page.bytes.length),
            size,
            this.#page.bytes,
          ] as const,
        ),
      );
    write();
    if (size[0]! > this.#page.bytes.length) {
      this.#page.bytes = new Uint8Array(Number(size[0]!));
      write();
    }
    return new TextDecoder().decode(this.#page.bytes.subarray(0, Number(size[0]!) - 1)); // it ends with NUL
  }
}

/** Trees to predict with. */
export class Model extends Owned<Handle> {
  /** How many numbers a row has. */
  readonly columns: number;
  readonly rounds: number;
  readonly #c: C;

  /** For `Lightgbm` alone. */
  constructor(lightgbm: Lightgbm, c: C, handle: Handle, rounds: number) {
    super("the model", handle, () => c.LGBM_BoosterFree(handle), [lightgbm]);
    this.#c = c;
    this.rounds = rounds;
    const columns = new Int32Array(1);
    check(c, c.LGBM_BoosterGetNumFeature(handle, columns));
    this.columns = columns[0]!;
  }

  /** A number for each row. */
  predict(matrix: Matrix, params: NativeParams): Float64Array<ArrayBuffer> {
    const c = this.#c, handle = Owned.use(this), { values, rows, columns } = matrix;
    checkMatrix(matrix);
    checkLength("columns", columns, this.columns);
    const size = new BigInt64Array(1);
    check(c, c.LGBM_BoosterCalcNumPredict(handle, rows, NORMAL, 0, ALL, size));
    checkLength("predictions", Number(size[0]!), rows);
    const predictions = new Float64Array(rows);
    check(
      c,
      c.LGBM_BoosterPredictForMat(
        ...[handle, values, FLOAT64, rows, columns, ROW_MAJOR, NORMAL, 0, ALL] as const,
        ...[written(params), size, predictions] as const,
      ),
    );
    return predictions;
  }

  /** By column: how often it splits, or what its splits gained. */
  importance(kind: keyof typeof IMPORTANCE): Float64Array<ArrayBuffer> {
    const values = new Float64Array(this.columns);
    check(
      this.#c,
      this.#c.LGBM_BoosterFeatureImportance(Owned.use(this), ALL, IMPORTANCE[kind], values),
    );
    return values;
  }
}

/** The one check of a status. What LightGBM says is an error of ours: what a user can do wrong is checked before. */
function check(c: C, status: number): void {
  if (status === 0) return;
  const message = c.LGBM_GetLastError();
  throw new Error(`LightGBM refused: ${message ? Deno.UnsafePointerView.getCString(message) : "no reason"}`);
}

/** The handle that a call puts where it is told. */
function created(c: C, call: (out: BigUint64Array<ArrayBuffer>) => number): Handle {
  const out = new BigUint64Array(1);
  check(c, call(out));
  return Deno.UnsafePointer.create(out[0]!)!;
}

function nameFeatures(c: C, dataset: Handle, names: readonly string[]): void {
  const strings = names.map((name) => {
    const bytes = cString(name);
    const string = new Uint8Array(new ArrayBuffer(bytes.length)); // memory that does not move
    string.set(bytes);
    return string;
  });
  const pointers = BigUint64Array.from(
    strings,
    (string) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(string)),
  );
  check(c, c.LGBM_DatasetSetFeatureNames(dataset, pointers, strings.length)); // `strings` lives until here
}

/** Parameters as LightGBM reads them: `name=value` by spaces. */
const written = (params: NativeParams): Uint8Array<ArrayBuffer> =>
  cString(Object.entries(params).map(([name, value]) => `${name}=${value}`).join(" "));

const cString = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(`${text}\0`);

function checkMatrix({ values, rows, columns }: Matrix): void {
  checkLength("values", values.length, rows * columns);
}

function checkLength(what: string, got: number, wanted: number): void {
  if (got !== wanted) {
    throw new RangeError(`Cannot hand ${what} to LightGBM as there must be ${wanted}: got ${got}`);
  }
}
