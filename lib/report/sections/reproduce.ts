/**
 * How to get the same again: the command, and the hashes that say whether it was the same.
 *
 * @module
 */
import { html } from "hono/html";
import type { ExperimentRecord, ExperimentRow } from "../../store/overview.ts";
import { discreet, moment, term } from "../text.ts";
import type { Html } from "./parts.ts";

/** Settings that do not change the result, or are no flags. */
const LEFT_OUT = [
  "concurrency",
  "config",
  "json",
  "max_retries",
  "report",
  "require_target",
  "resume",
  "seed",
];

const SECRET = /key|secret|token|password|credential|auth|cookie|database|dsn/i;

/** The section. */
export function reproduce({ experiment, metrics }: ExperimentRecord): Html {
  const { id, dataset_sha256, seed, config, started_at } = experiment;
  const facts: [string, Html | string][] = [
    ["Experiment", html`<code>${id}</code>`],
    ["Begun", moment(started_at)],
    ["Seed", html`<code>${seed}</code>`],
    ["Dataset, SHA-256", html`<code>${term(dataset_sha256)}</code>`],
    ...[...new Set(metrics.map(({ signature }) => signature))].map((signature): [string, Html] => [
      "Metric, signature",
      html`<code>${term(signature, 400)}</code>`,
    ]),
  ];
  return html`
    <section id="reproduce" aria-labelledby="reproduce-title">
      <h2 id="reproduce-title">How to reproduce it</h2>
      <pre><code>${command(experiment)}</code></pre>
      <dl class="facts">${facts.map(([name, value]) =>
        html`
          <dt>${name}</dt>
          <dd>${value}</dd>
        `
      )}</dl>
      <p
        class="note">The same seed, data and completions give the same trials. Completions are kept in the database, so a second
    run there asks nothing twice; elsewhere a model at temperature 0 may still differ in a few answers.</p>
      <details>
        <summary>Configuration</summary>
        <dl class="facts">${Object.entries(config).sort(([a], [b]) => a < b ? -1 : 1)
          .map(([name, value]) =>
            html`
              <dt><code>${term(name)}</code></dt>
              <dd><code>${setting(name, value)}</code></dd>
            `
          )}</dl>
      </details>
    </section>
  `;
}

/** The command line that gives the same run, without secrets: a setting `max_calls` is the flag `--max-calls`. */
export function command(
  { kind, seed, config, dataset }: Pick<ExperimentRow, "kind" | "seed" | "config" | "dataset">,
): string {
  const settings: Record<string, unknown> = { dataset: `${dataset}.jsonl`, ...config };
  const flags = Object.entries(settings).sort(([a], [b]) => a < b ? -1 : 1).flatMap(([name, value]) => {
    if (LEFT_OUT.includes(name)) return [];
    const flag = argument(`--${name.replaceAll("_", "-")}`);
    if (value === true) return [flag];
    if (typeof value === "number") return [`${flag} ${value}`];
    const said = typeof value === "string" && value !== "" && !SECRET.test(name);
    return said ? [`${flag} ${argument(discreet(value))}`] : [];
  });
  return [`deno task ${kind}`, ...flags, `--seed ${seed}`].join(" \\\n  ");
}

/** A word of a POSIX shell. */
function argument(text: string): string {
  const word = term(text, 4_000);
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A setting as it may be shown. */
function setting(name: string, value: unknown): string {
  if (SECRET.test(name) && typeof value !== "number" && typeof value !== "boolean") return "(not shown)";
  const json = JSON.stringify(
    value,
    (key, inner) => SECRET.test(key) && typeof inner === "string" ? "(not shown)" : inner,
  );
  return term(discreet((json ?? "null").slice(0, 10_000)), 2_000);
}
