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
