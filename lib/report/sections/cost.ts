/**
 * What every role cost and how long its calls took.
 *
 * @module
 */
import { html } from "hono/html";
import type { BillRow, ExperimentRow } from "../../store/overview.ts";
import { latencies } from "../charts.ts";
import { count, dollars, latency, modelName } from "../text.ts";
import { figure, type Html, table } from "./parts.ts";

/** The bill; nothing where nothing was paid for. What a run that goes on waits for counts among the lost. */
export function cost(bill: readonly BillRow[], { status }: Pick<ExperimentRow, "status">): Html | string {
  if (bill.length === 0) return "";
  const timed = bill.some(({ p50_ms }) => p50_ms !== null);
  const time = (ms: number | null) => ms === null ? "–" : latency(ms);
  return html`<section id="cost" aria-labelledby="cost-title">
<h2 id="cost-title">Cost and latency</h2>
${
    table({
      id: "bill",
      label: "The bill by role and model",
      columns: [
        "Role",
        "Model",
        "Calls",
        "Failed",
        status === "running" ? "Under way" : "Lost",
        "Tokens read",
        "Tokens written",
        "Cost",
        "Median",
        "95th percentile",
      ],
      rows: bill.map((row) =>
        html`<tr><th scope="row">${row.role}</th><td>${modelName(row.model)}</td>${
          [
            count(row.calls),
            count(row.failed),
            count(row.lost),
            count(row.prompt_tokens),
            count(row.completion_tokens),
            dollars(row.cost_usd),
            time(row.p50_ms),
            time(row.p95_ms),
          ].map((text) => html`<td class="n">${text}</td>`)
        }</tr>`
      ),
    })
  }
<p class="note">${
    status === "running"
      ? "A call that is under way, or whose answer never arrived, counts with all that it may cost."
      : "A lost call was sent, but its answer never arrived; it counts with all that it may have cost."
  }</p>
${
    timed
      ? figure(
        (options) => latencies(bill, options),
        "Time of a call on the wire. Waiting in line is not counted, but for the embedded model, which has a line of its own.",
      )
      : ""
  }
</section>`;
}
