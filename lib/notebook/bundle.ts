/**
 * What a value looks like: the same thing as HTML, as a picture and as text, for whoever can show which.
 *
 * Texts in tables come from models and may be hostile: in HTML they are escaped, and what cannot be seen is made visible.
 *
 * ```ts
 * import { bundleOf } from "./bundle.ts";
 * import { strictEqual as equal, match } from "node:assert/strict";
 *
 * const bundle = bundleOf([{ operator: "<b>edit</b>", gain: 0.125 }], { caption: "What an edit is worth" });
 * match(bundle["text/html"]!, /<td>&lt;b&gt;edit&lt;\/b&gt;<\/td>/);
 * equal(bundle["text/plain"], "What an edit is worth (1 row × 2 columns)\noperator      gain\n<b>edit</b>  0.125");
 * ```
 *
 * @module
 */
import { svg } from "../report/svg.ts";
import { aligned, count, plural, visible } from "../report/text.ts";

/** A value by media type. */
export interface Bundle {
  readonly "text/plain": string;
  readonly "text/html": string;
  /** Of a chart: a file of its own. */
  readonly "image/svg+xml"?: string;
}

/** A chart: options of Plot, as functions of lib/report give them. */
export type Chart = Parameters<typeof svg>[0];

/** What a table is shown of: a DataFrame of nodejs-polars is one. */
export interface Frame {
  readonly columns: readonly string[];
  toRecords(): readonly Readonly<Record<string, unknown>>[];
}

/** Rows, all with the columns of the first. */
export type Records = readonly Readonly<Record<string, unknown>>[];

/** What can be shown; a text is a paragraph. */
export type Showable = Chart | Frame | Records | string;

/** How it is shown. */
export interface ShowOptions {
  /** Said above it: what there is to see. */
  readonly caption?: string;
  /** Rows of a table at most. @default {20} */
  readonly limit?: number;
}

/** A value in every form it has. */
export function bundleOf(value: Showable, { caption, limit = 20 }: ShowOptions = {}): Bundle {
  if (typeof value === "string") return paragraph(value);
  if (isFrame(value)) return table(value.columns, value.toRecords(), { caption, limit });
  if (isRecords(value)) return table(Object.keys(value[0] ?? {}), value, { caption, limit });
  return picture(value, caption);
}

// Asked for, not looked for: a DataFrame of nodejs-polars is a proxy, in which `in` finds nothing.
const isFrame = (value: object): value is Frame => typeof (value as Partial<Frame>).toRecords === "function";
const isRecords = (value: object): value is Records => Array.isArray(value);

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text in HTML. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);

/** Of its own, as a cell of JupyterLab gives none that fit; a page sets the colours for light and dark. */
const FIGURE = "margin:0.5em 0;padding:0.75em;background:var(--paper,#fff);color:var(--ink,#1b1f24);" +
  "font-family:system-ui,sans-serif;overflow-x:auto";

const figure = (inside: string, caption?: string): string =>
  `<figure style="${FIGURE}">${
    caption === undefined
      ? ""
      : `<figcaption style="font-weight:600;margin-bottom:0.5em">${escaped(visible(caption))}</figcaption>`
  }${inside}</figure>`;

const paragraph = (text: string): Bundle => ({
  "text/plain": visible(text),
  "text/html": figure(
    `<p style="margin:0;white-space:pre-wrap;max-width:72ch">${escaped(visible(text))}</p>`,
  ),
});

function picture(options: Chart, caption?: string): Bundle {
  const drawn = svg(options);
  const file = drawn.replace(
    "<svg",
    '<svg xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" style="background:#fff"',
  );
  return {
    "text/plain": [caption, options.ariaLabel].filter(Boolean).join(": "),
    "text/html": figure(drawn, caption),
    "image/svg+xml": file,
  };
}

/** Characters of a cell. */
const LONGEST = 160;

/** A value as a cell of a table. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "bigint") return value.toLocaleString("en-US");
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return String(value);
    return Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(4)));
  }
  if (value instanceof Date) return value.toISOString().slice(0, 16).replace("T", " ");
  const text = visible(typeof value === "object" ? JSON.stringify(value) : String(value));
  return text.length > LONGEST ? `${text.slice(0, LONGEST).toWellFormed()}…` : text;
}

function table(
  columns: readonly string[],
  records: Records,
  { caption, limit }: { caption?: string | undefined; limit: number },
): Bundle {
  const shown = records.slice(0, limit);
  const numeric = columns.map((name) =>
    shown.some((row) => typeof row[name] === "number" || typeof row[name] === "bigint") &&
    shown.every((row) => ["number", "bigint"].includes(typeof row[name]) || row[name] == null)
  );
  const rows = shown.map((row) => columns.map((name) => cell(row[name])));
  const size = `${plural(records.length, "row")} × ${plural(columns.length, "column")}`;
  const more = records.length > limit ? `… and ${plural(records.length - limit, "row")} more` : "";
  const title = caption === undefined ? size : `${caption} (${size})`;

  const right = (i: number) =>
    numeric[i] ? ' style="text-align:right;font-variant-numeric:tabular-nums"' : "";
  const html = [
    '<table style="border-collapse:collapse;font-size:13px"><thead><tr>',
    ...columns.map((name, i) => `<th scope="col"${right(i)}>${escaped(visible(name))}</th>`),
    "</tr></thead><tbody>",
    ...rows.map((row) => `<tr>${row.map((text, i) => `<td${right(i)}>${escaped(text)}</td>`).join("")}</tr>`),
    "</tbody></table>",
    more && `<p style="margin:0.5em 0 0;color:var(--muted,#5b636d)">${more}</p>`,
  ].join("");

  const lines = [[...columns], ...rows].map((row) => row.map((text) => text.replace(/\s+/g, " ")));
  const plain = aligned(lines, (i) => numeric[i]!);
  return {
    "text/plain": [title, ...plain, ...more ? [more] : []].join("\n"),
    "text/html": figure(html, title),
  };
}
