/**
 * The one error of the store that a catcher decides on.
 *
 * @module
 */

/**
 * The database cannot be started, reached or used as it is. A flow prints the message, which ends with what to do, and
 * leaves with exit code 5. It never holds a password.
 */
export class DatabaseError extends Error {
  override name = "DatabaseError";
}

/** The line that mends what the system or a program of PostgreSQL said, where it is known. */
export const mendOf = (said: string): string | undefined => MENDS.find(([sign]) => sign.test(said))?.[1];

const MENDS: [RegExp, string][] = [
  // unshare says so too, and means namespaces
  [
    /(?<!unshare failed: )no space left|disk quota/i,
    "the disk is full: make room, or set QUINTET_HOME to another disk",
  ],
  [
    /too many open files|insufficient file descriptors/i,
    "let more files be open (ulimit -n 1024), or set DATABASE_URL",
  ],
  [/read-only file system/i, "set QUINTET_HOME to a directory that can be written"],
  [
    /cannot be run as (root|"root")|\(os error (1|22)\)|unshare|effective user id/i,
    "run as an ordinary user, or set DATABASE_URL",
  ],
  [
    /failed to spawn.*permission denied/i,
    "let every user walk to it (chmod o+x what is above) and its disk run programs (no noexec), or set QUINTET_HOME to another directory",
  ],
];
