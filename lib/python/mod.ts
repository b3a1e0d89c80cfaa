/**
 * Python for the parts that come as wheels: one environment, `.venv`, filled by groups of pinned requirements.
 *
 * ```ts
 * import { SetupError } from "./mod.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * equal(new SetupError("Cannot find Python", "Install it").fix, "Install it");
 * ```
 *
 * @module
 */
export {
  diskProblem,
  ensurePython,
  findPython,
  installedPython,
  type Python,
  type PythonOptions,
  SetupError,
} from "./ensure.ts";
export { sitePackages } from "./site_packages.ts";
