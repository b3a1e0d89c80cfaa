import { ok, strictEqual as equal, throws } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ensurePython } from "../python/mod.ts";
import { normal, random } from "../random.ts";
import { type Blas, openBlas, plainBlas } from "./blas.ts";

const python = await ensurePython({ root: fileURLToPath(new URL("../..", import.meta.url)), group: "learn" });

/** m, n, k: rows and columns of the product, and what it sums over. */
const SHAPES = [
  [1, 1, 1],
  [1, 2, 4],
  [1, 64, 64],
  [2, 3, 5],
  [5, 1, 7],
  [7, 9, 1],
  [3, 4, 6],
  [64, 64, 4],
  [64, 64, 101],
  [17, 33, 66],
] as const;

/** The definition, in 53 bits. */
function product(
  ...[ta, tb, m, n, k, a, b]: [boolean, boolean, number, number, number, Float32Array, Float32Array]
) {
  return (i: number, j: number) => {
    let sum = 0;
    for (let l = 0; l < k; l++) sum += a[ta ? l * m + i : i * k + l]! * b[tb ? j * k + l : l * n + j]!;
    return sum;
  };
}

function check(blas: Blas): void {
  const chance = random(5);
  const draw = (size: number) => Float32Array.from({ length: size }, () => normal(chance));
  for (const [m, n, k] of SHAPES) {
    for (const [ta, tb] of [[false, false], [false, true], [true, false], [true, true]] as const) {
      const a = draw(m * k), b = draw(k * n), before = draw(m * n + 3);
      const wanted = product(ta, tb, m, n, k, a, b);
      for (const beta of [0, 1] as const) {
        const c = before.slice();
        if (beta === 0) c.fill(NaN, 0, m * n);
        blas.multiply(ta, tb, m, n, k, a, b, beta, c);
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            const sum = wanted(i, j) + (beta === 0 ? 0 : before[i * n + j]!);
            ok(
              Math.abs(c[i * n + j]! - sum) <= 1e-5 * (1 + k),
              `${blas.name} ${[m, n, k, ta, tb, beta]}: got ${c[i * n + j]} at ${i}, ${j}, wanted ${sum}`,
            );
          }
        }
        for (let i = m * n; i < c.length; i++) equal(c[i], before[i], "nothing behind C is written");
      }
    }
  }
}

Deno.test("multiply() gives op(A) op(B) + β C, by OpenBLAS and in TypeScript", async () => {
  using native = await openBlas(python);
  equal(native.name, "openblas");
  check(native);
  using plain = plainBlas();
  check(plain);
});

Deno.test("multiply() refuses arrays that are too short, where C would read beyond them", async () => {
  using native = await openBlas(python);
  for (const blas of [native, plainBlas()]) {
    for (
      const [m, n, k, a, b, c] of [[2, 2, 2, 3, 4, 4], [2, 2, 2, 4, 3, 4], [2, 2, 2, 4, 4, 3], [
        0,
        1,
        1,
        1,
        1,
        1,
      ]]
    ) {
      const array = (size: number) => new Float32Array(size);
      throws(
        () => blas.multiply(false, false, m!, n!, k!, array(a!), array(b!), 0, array(c!)),
        { name: "RangeError", message: /^Cannot multiply/ },
      );
    }
  }
});

Deno.test("openBlas() is TypeScript's where the wheel is missing", async () => {
  for (const nowhere of [undefined, "/nowhere/bin/python"]) {
    using blas = await openBlas(nowhere);
    equal(blas.name, "typescript");
  }
});

Deno.test("multiply() of a library that was closed throws, and ends no process", async () => {
  const native = await openBlas(python);
  native[Symbol.dispose]();
  native[Symbol.dispose]();
  const one = new Float32Array(1);
  throws(() => native.multiply(false, false, 1, 1, 1, one, one, 0, one), { name: "BadResource" });
});
