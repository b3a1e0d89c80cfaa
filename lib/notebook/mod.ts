/**
 * What notebooks need beside the other rooms: one `show()` for the kernel, a script and a test, progress while a cell runs, their
 * parameters, their errors, the database and tools they work with; and what runs them without a reader.
 *
 * ```ts
 * import { bundleOf, parameters } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const { limit } = parameters({ limit: 2 }, {});
 * equal(bundleOf([{ n: 1 }, { n: 2 }, { n: 3 }], { limit })["text/plain"], "3 rows × 1 column\nn\n1\n2\n… and 1 row more");
 * ```
 *
 * @module
 */
export {
  type Bundle,
  bundleOf,
  type Chart,
  type Frame,
  type Records,
  type Showable,
  type ShowOptions,
} from "./bundle.ts";
export { printing, type Screen, screenHere, show } from "./screen.ts";
export { type Live, live, type LiveOptions, type News } from "./live.ts";
export { PARAMETERS, parameters } from "./parameters.ts";
export { type Watch, watchErrors } from "./watch.ts";
export { openWorkbench, type Workbench, type WorkbenchOptions } from "./workbench.ts";
export {
  type Cell,
  errorsOf,
  isBare,
  type Notebook,
  type Output,
  outputsOf,
  type Program,
  program,
  shownAs,
  whole,
} from "./notebook.ts";
export { execute, type Executed, type ExecuteOptions, typeErrors } from "./execute.ts";
export { installKernel, jupyterEnv } from "./jupyter.ts";
