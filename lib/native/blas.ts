/**
 * Products of matrices, by OpenBLAS or, where its wheel is missing, in TypeScript: the same interface, the same numbers to
 * rounding (OpenBLAS adds in 24 bits, TypeScript partly in 53).
 *
 * One thread: the products of small networks are too short to be shared out. A call costs OpenBLAS 0.04 to 0.1 µs before it
 * begins; from there, measured on an EPYC with AVX-512, rows x columns x inner, in µs:
 *
 * | product      | OpenBLAS | TypeScript |
 * | ------------ | -------- | ---------- |
 * | 1 x 2 x 4    | 0.04     | 0.02       |
 * | 1 x 64 x 64  | 0.16     | 1.4        |
 * | 64 x 2 x 64  | 0.67     | 5.7        |
 * | 64 x 64 x 4  | 0.64     | 7.7        |
 * | 64 x 64 x 64 | 4.8      | 86         |
 *
 * TypeScript wins where there is next to nothing to do, and by so little that no product is worth a choice.
 *
 * ```ts
 * import { plainBlas } from "./mod.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const a = Float32Array.of(1, 2, 3, 4), x = Float32Array.of(1, 1), y = new Float32Array(2);
 * using blas = plainBlas();
 * blas.multiply(false, false, 2, 1, 2, a, x, 0, y); // y = A x, A with 2 rows of 2
 * deepEqual([...y], [3, 7]);
 * ```
 *
 * @module
 */
import { SetupError } from "../python/mod.ts";
import { findLibrary, openLibrary } from "./library.ts";

type Floats = Float32Array<ArrayBuffer>;

/** Whatever multiplies matrices. */
export interface Blas extends Disposable {
  readonly name: "openblas" | "typescript";
  /**
   * C ← op(A) op(B) + β C, with C of m x n, op(A) of m x k, op(B) of k x n, all row by row without gaps, and op(X) = Xᵀ where
   * its flag is set, else X. Arrays may be longer than they need be; throws a RangeError where one is shorter. With β = 0 what C
   * held is of no meaning, NaN included.
   */
  multiply(
    transposeA: boolean,
    transposeB: boolean,
    ...rest: [m: number, n: number, k: number, a: Floats, b: Floats, beta: 0 | 1, c: Floats]
  ): void;
}

const symbols = {
  scipy_openblas_set_num_threads: { parameters: ["i32"], result: "void" }, // int num_threads
  scipy_cblas_sgemm: {
    parameters: [
      "i32", // CBLAS_LAYOUT layout
      "i32", // CBLAS_TRANSPOSE TransA
      "i32", // CBLAS_TRANSPOSE TransB
      "i32", // blasint M
      "i32", // blasint N
      "i32", // blasint K
      "f32", // float alpha
      "buffer", // const float* A
      "i32", // blasint lda
      "buffer", // const float* B
      "i32", // blasint ldb
      "f32", // float beta
      "buffer", // float* C
      "i32", // blasint ldc
    ],
    result: "void",
  },
  scipy_cblas_sgemv: {
    parameters: [
      "i32", // CBLAS_LAYOUT layout
      "i32", // CBLAS_TRANSPOSE trans
      "i32", // blasint M
      "i32", // blasint N
      "f32", // float alpha
      "buffer", // const float* A
      "i32", // blasint lda
      "buffer", // const float* X
      "i32", // blasint incX
      "f32", // float beta
      "buffer", // float* Y
      "i32", // blasint incY
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** CblasRowMajor, CblasNoTrans and CblasTrans. */
const ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112;

/**
 * OpenBLAS from the environment of `python`, its interpreter; TypeScript's products where the wheel is not there or does not
 * open, or there is no `python`.
 */
export async function openBlas(python?: string): Promise<Blas> {
  if (python === undefined) return plainBlas();
  try {
    return nativeBlas(await findLibrary("openblas", python));
  } catch (error) {
    if (error instanceof SetupError) return plainBlas();
    throw error;
  }
}

/** OpenBLAS in the library at `path`. Throws SetupError as `openLibrary` does. */
export function nativeBlas(path: string): Blas {
  const library = openLibrary(path, symbols);
  const c = library.symbols;
  c.scipy_openblas_set_num_threads(1);
  let open = true;
  return {
    name: "openblas",
    multiply(transposeA, transposeB, m, n, k, a, b, beta, out) {
      if (!open) throw new Deno.errors.BadResource("Cannot multiply as OpenBLAS was closed");
      check(m, n, k, a, b, out);
      // A row times a matrix: sgemv takes a fifth of sgemm's time.
      if (m === 1 && transposeB) {
        c.scipy_cblas_sgemv(ROW_MAJOR, PLAIN, n, k, 1, b, k, a, 1, beta, out, 1);
      } else if (m === 1) {
        c.scipy_cblas_sgemv(ROW_MAJOR, TRANSPOSED, k, n, 1, b, n, a, 1, beta, out, 1);
      } else {
        c.scipy_cblas_sgemm(
          ...[
            ROW_MAJOR,
            transposeA ? TRANSPOSED : PLAIN,
            transposeB ? TRANSPOSED : PLAIN,
            m,
            n,
            k,
            1,
          ] as const,
          ...[a, transposeA ? m : k, b, transposeB ? k : n, beta, out, n] as const,
        );
      }
    },
    [Symbol.dispose]() {
      if (open) library.close();
      open = false;
    },
  };
}

/** The products in TypeScript. */
export const plainBlas = (): Blas => ({
  name: "typescript",
  multiply(transposeA, transposeB, m, n, k, a, b, beta, c) {
    check(m, n, k, a, b, c);
    if (transposeB) dots(transposeA, m, n, k, a, b, beta, c);
    else rows(transposeA, m, n, k, a, b, beta, c);
  },
  [Symbol.dispose]() {},
});

/** C library and loops alike trust these lengths. */
function check(m: number, n: number, k: number, a: Floats, b: Floats, c: Floats): void {
  if (!(m >= 1 && n >= 1 && k >= 1) || a.length < m * k || b.length < k * n || c.length < m * n) {
    throw new RangeError(
      `Cannot multiply ${m} x ${k} and ${k} x ${n} numbers as there must be that many: ` +
        `got ${a.length} and ${b.length}, and room for ${c.length}`,
    );
  }
}

/** op(A) Bᵀ: each number is a product of two rows; four at a time, as their sums do not wait for each other. */
function dots(
  ...[transposeA, m, n, k, a, b, beta, c]: [boolean, number, number, number, Floats, Floats, 0 | 1, Floats]
): void {
  const across = transposeA ? 1 : k, along = transposeA ? m : 1;
  for (let i = 0; i < m; i++) {
    let j = 0;
    for (; j + 3 < n; j += 4) {
      const b0 = j * k, b1 = b0 + k, b2 = b1 + k, b3 = b2 + k;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let l = 0, at = i * across; l < k; l++, at += along) {
        const x = a[at]!;
        s0 += x * b[b0 + l]!;
        s1 += x * b[b1 + l]!;
        s2 += x * b[b2 + l]!;
        s3 += x * b[b3 + l]!;
      }
      const out = i * n + j;
      if (beta === 0) {
        c[out] =
          c[out + 1] =
          c[out + 2] =
          c[out + 3] =
            0;
      }
      c[out]! += s0;
      c[out + 1]! += s1;
      c[out + 2]! += s2;
      c[out + 3]! += s3;
    }
    for (; j < n; j++) {
      let s = 0;
      for (let l = 0, at = i * across; l < k; l++, at += along) s += a[at]! * b[j * k + l]!;
      c[i * n + j] = (beta === 0 ? 0 : c[i * n + j]!) + s;
    }
  }
}

/** op(A) B: each row is a sum of B's rows; four at a time, so that C is written a quarter as often. */
function rows(
  ...[transposeA, m, n, k, a, b, beta, c]: [boolean, number, number, number, Floats, Floats, 0 | 1, Floats]
): void {
  const across = transposeA ? 1 : k, along = transposeA ? m : 1;
  if (beta === 0) c.fill(0, 0, m * n);
  for (let i = 0; i < m; i++) {
    const out = i * n;
    let l = 0;
    for (; l + 3 < k; l += 4) {
      const at = i * across + l * along, from = l * n;
      const x0 = a[at]!, x1 = a[at + along]!, x2 = a[at + 2 * along]!, x3 = a[at + 3 * along]!;
      for (let j = 0; j < n; j++) {
        c[out + j]! += x0 * b[from + j]! + x1 * b[from + n + j]! + x2 * b[from + 2 * n + j]! +
          x3 * b[from + 3 * n + j]!;
      }
    }
    for (; l < k; l++) {
      const x = a[i * across + l * along]!;
      for (let j = 0; j < n; j++) c[out + j]! += x * b[l * n + j]!;
    }
  }
}
