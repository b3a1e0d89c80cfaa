/**
 * What was learned from earlier searches: what a meta-model goes by, how near its predictions came, what a policy's edits
 * were worth. Of all that only what there is.
 *
 * @module
 */
import { html } from "hono/html";
import type { ExperimentRecord, TrialRow } from "../../store/overview.ts";
import type { LearnedRecord } from "../../store/learning.ts";
import { editedPrompts, featureImportance, predictedAgainstMeasured, strongest } from "../charts.ts";
import { type Edited, edited, foreseen, foresight } from "../rows.ts";
import { actionName, count, featureName, percent, plural, points, term } from "../text.ts";
import { figure, type Html, table, trialNumber } from "./parts.ts";

/** The section; nothing where nothing was learned, used or edited. Of the trials those that are `shown` are drawn. */
export function learned({ trials, learned }: ExperimentRecord, shown = trials): Html | string {
  const listed = new Set(shown.map(({ index }) => index));
  const parts = [predictions(trials, shown), importance(learned), policy(learned, listed)].filter((part) =>
    part !== ""
  );
  if (parts.length === 0) return "";
  return html`<section id="learned" aria-labelledby="learned-title">
<h2 id="learned-title">What was learned from earlier searches</h2>
${parts}
</section>`;
}

/** Predictions that can be compared with what was measured. */
function predictions(trials: readonly TrialRow[], shown: readonly TrialRow[]): Html | string {
  const rows = foreseen(trials);
  if (rows.length === 0) return "";
  const { error, rankCorrelation } = foresight(rows);
  const order = rankCorrelation === null
    ? ""
    : ` Their order agreed with a rank correlation of ${
      rankCorrelation.toFixed(2)
    } (1 is the same order, 0 is chance).`;
  return html`<h3>Predicted and measured scores</h3>
<p>Before prompts were raced, a meta-model predicted their scores. Of ${
    plural(rows.length, "raced prompt")
  } it was off by ${percent(error)} points on average.${order}</p>
${
    figure(
      (options) => predictedAgainstMeasured(shown, options),
      "Each dot is a trial; filled and named ones were kept. On the dashed line the prediction held, above it the prompt was " +
        "better than predicted. Bars are 95 % intervals of what was measured: long ones saw few questions.",
    )
  }`;
}

/** What the meta-model goes by, and what it is worth. */
function importance({ metaModel, metaModelUsed }: LearnedRecord): Html | string {
  if (metaModel === null || metaModel.importance.length === 0) return "";
  const { prompts, crossValidation: { rmse, meanRmse, folds }, contexts } = metaModel;
  const names = [...new Set(contexts.map(({ dataset }) => dataset))];
  const sets = names.slice(0, 8).map((name) => term(name, 40)).join(", ") + (names.length > 8 ? ", …" : "");
  return html`<h3>What the meta-model goes by</h3>
<p>${
    metaModelUsed
      ? "This search was guided by a meta-model"
      : "This search went without a meta-model; shown is the newest one"
  }, which predicts the score of a prompt from its features, learned from ${
    plural(prompts, "scored prompt")
  }${sets === "" ? "" : ` (${sets})`}. On prompts it had not seen its typical error was ${
    percent(rmse)
  } points, that of always saying the mean ${percent(meanRmse)} (${plural(folds, "fold")}).</p>
${
    figure(
      (options) => featureImportance(metaModel.importance, options),
      "How much each feature of a prompt adds to the prediction, the strongest first. More or less is better as far as " +
        "predictions go: that is no proof of a cause. Numbered meanings are dimensions of the texts' sentence embedding.",
    )
  }${rest(metaModel.importance)}`;
}

/** The features that the chart leaves out. */
function rest(importance: Importance): Html | string {
  const shown = new Set(strongest(importance));
  const others = importance.filter((row) => !shown.has(row)).sort((a, b) => b.value - a.value);
  const total = importance.reduce((sum, { value }) => sum + value, 0) || 1;
  return others.length === 0 ? "" : html`
    <details>
      <summary>${plural(others.length, "more feature")}</summary>
      <p class="note">${others.slice(0, 100).map(({ feature, value }) =>
        `${term(featureName(feature), 80)} ${percent(value / total)} %`
      ).join(", ")}</p>
    </details>
  `;
}

type Importance = NonNullable<LearnedRecord["metaModel"]>["importance"];

/** Edited prompts in the table. */
const EDITED = 300;

/** What the policy made of prompts, and what came of it. */
function policy({ policy, edits }: LearnedRecord, listed: ReadonlySet<number>): Html | string {
  const rows = edited(edits);
  if (policy === null || rows.length === 0) return "";
  const { algorithm, timesteps, meanReturn, randomReturn, metaModelId } = policy;
  const raced = rows.filter(({ measured }) => measured !== null);
  const gained = raced.filter(({ measured }) => measured! > 0).length;
  return html`<h3>Edits of the policy</h3>
<p>A policy (${term(algorithm.slice(0, 20)).toUpperCase()}, trained by ${
    count(timesteps)
  } edits, rewarded by ${metaModelId === null ? "a rule of thumb" : "a meta-model"}: ${
    meanReturn.toFixed(2)
  } a session, ${randomReturn.toFixed(2)} by chance) edited ${plural(rows.length, "prompt")}. ${
    raced.length === 0
      ? "None of them was raced."
      : `${count(raced.length)} of them met questions, ${
        count(gained)
      } answered them better than the prompt they were made from.`
  }</p>
${
    figure(
      (options) => editedPrompts(edits, options),
      "A ring is what a prompt's edits together were expected to bring, a dot what they brought, on the validation questions " +
        "that it and the prompt before answered. Without a dot it was not raced.",
    )
  }${
    table({
      id: "edits",
      label: "Edits of the policy",
      columns: ["Trial", "Edits, each with its expected gain", "Expected", "Measured"],
      rows: rows.slice(0, EDITED).map((row) => editRow(row, listed)),
    })
  }${
    rows.length > EDITED ? html`<p class="note">The first ${count(EDITED)} of ${count(rows.length)}.</p>` : ""
  }<p class="note">In points of 100.</p>`;
}

const editRow = (
  { version, actions, predicted, measured }: Edited,
  listed: ReadonlySet<number>,
): Html =>
  html`
    <tr>
      <th scope="row">${trialNumber(version, listed)}</th>
      <td>${actions.map(({ action, predicted }) => `${term(actionName(action), 60)} ${points(predicted)}`)
        .join(
          ", ",
        )}</td>
      <td class="n">${points(predicted)}</td>
      <td class="n">${measured === null ? "–" : points(measured)}</td>
    </tr>
  `;
