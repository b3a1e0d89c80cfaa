/**
 * How everything with an id is named: by that, by the beginning of it, or the newest one as `latest`.
 *
 * @module
 */
import type { Queryable } from "./db.ts";

/** What is looked for. */
export interface Wanted {
  /** In a message: `experiment`. */
  readonly what: string;
  /** `select … from …`, with a column `id`. */
  readonly select: string;
  /** Which rows may be `latest`; none unless given. @default {"false"} */
  readonly latest?: string;
  /** The newest first. @default {"id"} */
  readonly order?: string;
  /** The message when there is none. */
  readonly none: string;
}

/** The row with this id, or with one that begins so (8 characters or more), or `latest`; a RangeError when it is not one. */
export async function byId<Row>(
  db: Queryable,
  id: string,
  { what, select, latest = "false", order = "id", none }: Wanted,
): Promise<Row> {
  const { rows } = await db.query<Row>(
    `${select}
      where ($1 = 'latest' and ${latest}) or (length($1) >= 8 and starts_with(id::text, lower($1)))
      order by ${order}
      limit 2`,
    [id],
  );
  if (rows.length === 0) throw new RangeError(none);
  if (rows.length > 1 && id !== "latest") {
    throw new RangeError(
      `Cannot tell which ${what} ${JSON.stringify(id)} is as several begin like that: give more of it`,
    );
  }
  return rows[0]!;
}
