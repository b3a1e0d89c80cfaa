/**
 * Whether what was learned is still what was kept, before any of it is used: a database may be restored, edited or damaged.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { FEATURE_VERSION } from "../features/mod.ts";

/** A meta-model or policy of the database cannot be used; another one may be. Flows end with exit code 2 and show `fix`. */
export class UnusableModelError extends Error {
  override name = "UnusableModelError";
  /** The one line that mends it. */
  readonly fix: string;
  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    this.fix = fix;
  }
}

/** What mends each of them. */
const FIX = {
  "meta-model": "Train another (`deno task train-meta-model`), or begin without one: --no-surrogate, and " +
    "--no-policy where a policy was rewarded by it",
  policy: "Train another (`deno task train-policy`), or begin without one: --no-policy",
} as const;

/** The error that says why; `id` is the model's. */
export const unusable = (
  what: keyof typeof FIX,
  id: string,
  why: string,
  cause?: unknown,
): UnusableModelError => new UnusableModelError(`Cannot use ${what} ${id} as ${why}`, FIX[what], { cause });

/**
 * Throws an UnusableModelError unless the content has the checksum that was kept with it, and goes by the features that this
 * version makes.
 */
export function requireSound(
  what: keyof typeof FIX,
  { id, content, sha256, featureVersion }: {
    readonly id: string;
    readonly content: string | Uint8Array;
    readonly sha256: string;
    readonly featureVersion: number;
  },
): void {
  if (featureVersion !== FEATURE_VERSION) {
    throw unusable(
      what,
      id,
      `it goes by features of version ${featureVersion}: these are of ${FEATURE_VERSION}`,
    );
  }
  if (createHash("sha256").update(content).digest("hex") !== sha256) {
    throw unusable(what, id, "it is not what was kept: its checksum differs");
  }
}
