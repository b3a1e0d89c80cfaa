/**
 * Native libraries, called from here alone: where they lie, and what C they speak.
 *
 * ```ts ignore
 * using lightgbm = new Lightgbm(await findLibrary("lightgbm", python));
 * ```
 *
 * @module
 */
export { findLibrary, requireOpenMp } from "./library.ts";
export { type Blas, openBlas, plainBlas } from "./blas.ts";
export {
  type Dataset,
  Lightgbm,
  type Matrix,
  type Model,
  type NativeParams,
  type Training,
} from "./lightgbm.ts";
