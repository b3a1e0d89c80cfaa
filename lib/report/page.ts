/**
 * The report of an experiment: one HTML page that needs nothing but itself.
 *
 * It is a function of the rows alone, without clock and chance: two renderings are the same bytes. Everything in the
 * rows is escaped and what cannot be seen in it is made visible, as most of it was written by a model. The page
 * forbids itself the network and every script and style but its own two, by their hashes.
 *
 * ```ts ignore
 * await Deno.writeTextFile("report.html", htmlReport(await readExperiment(db, id)));
 * ```
 *
 * @module
 */
import { html, raw } from "hono/html";
import { createHash } from "node:crypto";
import type { ExperimentRecord } from "../store/overview.ts";
import { PALETTE } from "./palette.ts";
import css from "./page.css" with { type: "text" };
import script from "./page.js" with { type: "text" };
import { cost } from "./sections/cost.ts";
import { prompt } from "./sections/prompt.ts";
import { questions } from "./sections/questions.ts";
import { reproduce } from "./sections/reproduce.ts";
import { result } from "./sections/result.ts";
import { search } from "./sections/search.ts";
import { moment, term } from "./text.ts";
import { verdict } from "./verdict.ts";

const style = `:root {\n${
  Object.entries(PALETTE).map(([name, [light, dark]]) => `  --${name}: light-dark(${light}, ${dark});\n`)
    .join("")
}}\n${css}`;

const digest = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy =
  `default-src 'none'; script-src ${digest(script)}; style-src ${digest(style)}; img-src data:; ` +
  "base-uri 'none'; form-action 'none'";

/** What a report is given beside the rows. */
export interface ReportOptions {
  /** Printed when given. */
  readonly generatedAt?: Date;
}

/** The page for `record`: under 2 MB for 2,000 test questions and 300 trials. */
export function htmlReport(record: ExperimentRecord, { generatedAt }: ReportOptions = {}): string {
  const { experiment, trials, bill } = record;
  const { title } = verdict(record);
  const sections = ([
    ["prompt", "Prompt", prompt(record)],
    ["lineage", "Search", search(trials)],
    ["questions", "Questions", questions(record)],
    ["cost", "Cost", cost(bill)],
    ["reproduce", "Reproduce", reproduce(record)],
  ] as const).filter(([, , section]) => section !== "");
  const page = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${policy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${term(experiment.dataset)}: ${title}</title>
        <link rel="icon" href="data:,">
        <style>${raw(style)}</style>
      </head>
      <body>
        <a class="skip" href="#result">Skip to the result</a>
        <header>
          <p><strong>Quintet</strong> <span>report ${experiment.id.slice(0, 8)}, ${moment(
            experiment.started_at,
          )}</span></p>
          <nav aria-label="Sections">${sections.map(([id, name]) =>
            html`
              <a href="#${id}">${name}</a>
            `
          )}</nav>
          <button type="button" id="theme" hidden aria-pressed="false">Dark</button>
        </header>
        <main>
    ${result(record)}
    ${sections.map(([, , section]) => section)}
        </main>
        <footer>
          <p>${generatedAt
            ? `Written ${moment(generatedAt)}. `
            : ""}Everything here comes from the experiment's rows in the database; the page loads nothing and sends nothing.</p>
        </footer>
        <script>${raw(script)}</script>
      </body>
    </html>
  `;
  return `${String(page).trim()}\n`;
}
