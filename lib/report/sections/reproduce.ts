/**
 * How to get the same again: the command, and the hashes that say whether it was the same.
 *
 * @module
 */
import { html } from "hono/html";
import type { BillRow, ExperimentRecord, ExperimentRow } from "../../store/overview.ts";
import { commanded } from "../rows.ts";
import { discreet, modelName, moment, term } from "../text.ts";
import type { Html } from "./parts.ts";

/** Options that both flows have and that change what a run comes to; where it runs and what is written is left out. */
const COMMON = [
  ...["dataset", "metric", "ignore_case", "ignore_punctuation", "ignore_numbers", "primary", "optimizer"],
  ...["temperature", "answer_tokens", "max_calls", "max_tokens", "max_usd", "max_seconds", "allow_unpriced"],
];

/** The flags of each flow that its configuration can be given back by. */
const FLAGS: Readonly<Record<ExperimentRow["kind"], readonly string[]>> = {
  optimize: [
    ...COMMON,
    ...["optimizer_tokens", "system_prompt", "output_prompt", "threshold", "max_iterations", "patience"],
    ...["surrogate", "meta_model", "policy", "policy_model"],
  ].sort(),
  evaluate: [...COMMON, "split", "prompt"].sort(),
};

/** What a model did, by the role it played. */
const DEEDS: Readonly<Record<BillRow["role"], string>> = {
  primary: "answered",
  optimizer: "wrote prompts",
  evaluator: "scored",
  grader: "graded",
};

/** `that answered and wrote prompts`; nothing of a model whose answers were all read back. */
function deedsOf(model: string, bill: readonly BillRow[]): string[] {
  const deeds = bill.filter((row) => row.model === model).map(({ role }) => DEEDS[role]);
  return deeds.length === 0 ? [] : [`that ${[...new Set(deeds)].join(" and ")}`];
}

const SECRET = /key|secret|token|password|credential|auth|cookie|database|dsn/i;

/** The section. */
export function reproduce({ experiment, bill, metrics, models, learned }: ExperimentRecord): Html {
  const { id, dataset_sha256, seed, config, started_at } = experiment;
  const changed = commanded(experiment) ? command(experiment).changed : [];
  const facts: (readonly [string, Html | string])[] = [
    ["Experiment", html`<code>${id}</code>`],
    ["Begun", moment(started_at)],
    ...versions(config),
    ["Seed", html`<code>${seed}</code>`],
    ["Dataset, SHA-256", html`<code>${term(dataset_sha256)}</code>`],
    ...[...new Set(metrics.map(({ signature }) => signature))].map((signature): [string, Html] => [
      "Metric, signature",
      html`<code>${term(signature, 400)}</code>`,
    ]),
    ...models.slice(0, MODELS).map(({ model, identity }): [string, Html] => [
      ["Model", ...deedsOf(model, bill)].join(" "),
      html`<code>${identityText(identity)}</code>`,
    ]),
    ...learned.metaModel !== null && learned.metaModelUsed
      ? [["Meta-model, SHA-256", hashed(learned.metaModel.id, learned.metaModel.modelSha256)] as const]
      : [],
    ...learned.policy === null
      ? []
      : [["Policy, SHA-256", hashed(learned.policy.id, learned.policy.onnxSha256)] as const],
  ];
  return html`
    <section id="reproduce" aria-labelledby="reproduce-title">
      <h2 id="reproduce-title">How to reproduce it</h2>
      ${commandOf(experiment)}
      <dl class="facts">${facts.map(([name, value]) =>
        html`
          <dt>${name}</dt>
          <dd>${value}</dd>
        `
      )}</dl>
      <p
        class="note">The same seed, data and completions give the same trials. Completions are kept in the database, so a second
    run there asks nothing twice; elsewhere a model at temperature 0 may still differ in a few answers.${changed
        .length === 0
      ? ""
      : ` Too long, unprintable or perhaps secret, and so not shown as it was: ${changed.join(", ")}.`}</p>
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

/** The command that gives the same experiment, or that there is none. */
export const commandOf = (experiment: ExperimentRow): Html =>
  commanded(experiment)
    ? html`<pre><code>${command(experiment).text}</code></pre>`
    : html`<p>It was begun by a program of its own, and can be run again by that alone.</p>`;

/** Models shown. */
const MODELS = 20;

/** What ran, as it was kept with the experiment. */
function versions({ versions }: ExperimentRow["config"]): [string, Html][] {
  if (typeof versions !== "object" || versions === null) return [];
  const parts = Object.entries(versions).map(([name, version]) => `${term(name)} ${term(String(version))}`);
  return parts.length === 0 ? [] : [["Versions", html`<code>${term(parts.join(", "), 400)}</code>`]];
}

/** Provider, model, digest, endpoint: what an answer depended on. */
const identityText = (identity: Readonly<Record<string, unknown>>): string =>
  Object.entries(identity).slice(0, 20).map(([name, value]) =>
    `${term(name)} ${modelName(String(value), 240)}`
  ).join(", ");

const hashed = (id: string, sha256: string): Html =>
  html`<code>${term(sha256)}</code> <span>(${term(id)})</span>`;

/**
 * The command line that gives the same run: an option `max_calls` is the flag `--max-calls`. `changed` are the flags whose
 * value cannot be shown as it was.
 */
export function command(
  { kind, seed, config, dataset }: Pick<ExperimentRow, "kind" | "seed" | "config" | "dataset">,
): { readonly text: string; readonly changed: readonly string[] } {
  const settings: Record<string, unknown> = {
    dataset: `${dataset}.jsonl`,
    ...config,
    ...ignoring(config),
    // By itself a run takes the newest that was learned
    surrogate: config.meta_model === null ? false : undefined,
    policy: config.policy_model === null ? false : undefined,
  };
  const changed: string[] = [];
  const flags = FLAGS[kind].flatMap((name) => {
    const [flag, value] = [`--${name.replaceAll("_", "-")}`, settings[name]];
    if (typeof value === "boolean") {
      const isDefault = !value && name === "allow_unpriced";
      return isDefault ? [] : [value ? flag : flag.replace("--", "--no-")];
    }
    if (typeof value !== "string" && typeof value !== "number") return [];
    const shown = term(discreet(String(value)), LONGEST);
    if (shown !== String(value)) changed.push(flag);
    return [`${flag} ${quoted(shown)}`];
  });
  return { text: [`deno task ${kind}`, ...flags, `--seed ${seed}`].join(" \\\n  "), changed };
}

/** Bytes of a value in the command; a whole prompt should fit. */
const LONGEST = 20_000;

/** What exact match ignored, as the flags say it: the card that said so may say something else by now. */
function ignoring({ metric, metric_options }: ExperimentRow["config"]): Record<string, unknown> {
  if (metric !== "exact_match" || typeof metric_options !== "object" || metric_options === null) return {};
  const { ignoreCase, ignorePunctuation, ignoreNumbers } = metric_options as Record<string, unknown>;
  return {
    ...ignoreCase === undefined ? {} : { ignore_case: ignoreCase },
    ...ignorePunctuation === undefined ? {} : { ignore_punctuation: ignorePunctuation },
    ...ignoreNumbers === undefined ? {} : { ignore_numbers: ignoreNumbers },
  };
}

/** A word of a POSIX shell. */
const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A setting as it may be shown. */
export function setting(name: string, value: unknown): string {
  if (SECRET.test(name) && typeof value !== "number" && typeof value !== "boolean") return HIDDEN;
  return term((JSON.stringify(withoutSecrets(value)) ?? "null").slice(0, 10_000), 2_000);
}

const HIDDEN = "(not shown)";

/** `value` without what gives access, whatever it is made of. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === "string") return discreet(value);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET.test(name) && typeof inner === "string" ? HIDDEN : withoutSecrets(inner),
    ]),
  );
}
