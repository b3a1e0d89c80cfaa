/**
 * Parts that several sections are made of.
 *
 * @module
 */
import type { PlotOptions } from "@observablehq/plot";
import { html, raw } from "hono/html";
import type { ChartOptions } from "../charts.ts";
import { svg } from "../svg.ts";
import { count, shortened, visible } from "../text.ts";

/** A piece of a page, escaped. */
export type Html = ReturnType<typeof html>;

/** A chart in two sizes, of which the page shows the one that fits, with a line that says how to read it. */
export const figure = (chart: (options: ChartOptions) => PlotOptions, caption: Html | string): Html =>
  html`
    <figure>
      <div class="wide">${raw(svg(chart({ width: 784 })))}</div>
      <div class="narrow">${raw(svg(chart({ width: 360 })))}</div>
      <figcaption>${caption}</figcaption>
    </figure>
  `;

/** A table that scrolls within its frame, by keyboard too. */
export const table = (
  { id, label, columns, rows }: {
    id: string;
    label: string;
    columns: readonly string[];
    rows: readonly Html[];
  },
): Html =>
  html`
    <div class="scroll" role="region" aria-label="${label}" tabindex="0">
      <table id="${id}">
        <thead>
          <tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr>
        </thead>
        <tbody>${rows}</tbody>
      </table>
    </div>
  `;

/** A trial's number, and a link where the page lists it. */
export const trialNumber = (index: number, listed: ReadonlySet<number>): Html | string =>
  listed.has(index) ? html`<a href="#trial-${index}">#${index}</a>` : `#${index}`;

/** Bytes of the mark that a text is cut. */
const MARK = 40;

/**
 * A text that somebody else wrote, of which at most `most` bytes get into the page: the first `open` of them at once,
 * more of it folded, the length said of what is cut.
 */
export function quoted(text: string, most: number, open = 280): Html {
  if (text === "") return html`<i>empty</i>`;
  const whole = shortened(visible(text.slice(0, most + 1)), most);
  const cut = whole.rest !== "" || text.length > most;
  const shown = cut ? shortened(whole.shown, most - MARK).shown : whole.shown;
  const end = cut ? html`<i>… (${count(text.length)} characters)</i>` : "";
  const parts = shortened(shown, open);
  if (parts.rest === "") return html`${shown}${end}`;
  return html`<details><summary>${parts.shown}<i> …</i></summary>${parts.rest}${end}</details>`;
}
