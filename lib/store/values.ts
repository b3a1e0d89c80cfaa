/**
 * PostgreSQL's values as JavaScript's: see db.ts for what becomes what.
 *
 * @module
 */
// @ts-types="@types/pg"
import pg from "pg";

const asText = (text: string) => text;
const textArray: (text: string) => (string | null)[] = pg.types.getTypeParser(1009 as number);

/** By the type's oid, where pg's own reading is not exact or guesses a time zone. */
const PARSERS: Record<number, (text: string) => unknown> = {
  20: int8,
  1016: (text) => textArray(text).map((item) => item === null ? null : int8(item)),
  1082: asText, // date
  1114: asText, // timestamp
  1115: textArray, // timestamp[]
  1182: textArray, // date[]
  1231: textArray, // numeric[]
};

/** The reader of a type, as `pg.ClientConfig.types` wants it. */
export function getTypeParser(oid: number, format?: "text" | "binary") {
  return (format !== "binary" && PARSERS[oid]) || pg.types.getTypeParser(oid as number, format as "text");
}

function int8(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(
    `Cannot read an int8 as a number as it must be within 2^53: got ${text}; select it as text`,
  );
}
