/**
 * The frame of a page: head, header, sections, footer. What a page is made of is in sections/.
 *
 * The page forbids itself the network and every script and style but its own two, by their hashes.
 *
 * @module
 */
import { html, raw } from "hono/html";
import { createHash } from "node:crypto";
import { PALETTE } from "./palette.ts";
import css from "./frame.css" with { type: "text" };
import script from "./frame.js" with { type: "text" };
import type { Html } from "./sections/parts.ts";
import { moment } from "./text.ts";

const style = `:root {\n${
  Object.entries(PALETTE).map(([name, [light, dark]]) => `  --${name}: light-dark(${light}, ${dark});\n`)
    .join("")
}}\n${css}`;

const digest = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy =
  `default-src 'none'; script-src ${digest(script)}; style-src ${digest(style)}; img-src data:; ` +
  "base-uri 'none'; form-action 'none'";

/** What is in a page. */
export interface Content {
  /** In the browser's bar, and beside the name in the head. */
  readonly title: string;
  readonly about: string;
  /** The first screen. */
  readonly first: Html;
  /** The rest, each under its id and its name; empty ones are left out. */
  readonly sections: readonly (readonly [id: string, name: string, section: Html | string])[];
  /** Printed when given. */
  readonly generatedAt?: Date | undefined;
  /** Where all of it comes from. @default {"the experiment's rows in the database"} */
  readonly source?: string;
}

/** The page as text. */
export function framed(
  { title, about, first, sections, generatedAt, source = "the experiment's rows in the database" }: Content,
): string {
  const shown = sections.filter(([, , section]) => section !== "");
  const page = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${policy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${title}</title>
        <link rel="icon" href="data:,">
        <style>${raw(style)}</style>
      </head>
      <body>
        <a class="skip" href="#result">Skip to the result</a>
        <header>
          <p><strong>Quintet</strong> <span>${about}</span></p>
          <nav aria-label="Sections">${shown.map(([id, name]) =>
            html`
              <a href="#${id}">${name}</a>
            `
          )}</nav>
          <button type="button" id="theme" hidden aria-pressed="false">Dark</button>
        </header>
        <main>
    ${first}
    ${shown.map(([, , section]) => section)}
        </main>
        <footer>
          <p>${generatedAt
            ? `Written ${moment(generatedAt)}. `
            : ""}Everything here comes from ${source}; the page loads nothing and sends nothing.</p>
        </footer>
        <script>${raw(script)}</script>
      </body>
    </html>
  `;
  return `${String(page).trim()}\n`;
}
