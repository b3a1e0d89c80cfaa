/**
 * The page of `bench search`: for each task the score on test against calls, system by system, and the table behind it.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import { html } from "hono/html";
import { AXIS, type ChartOptions, frame, HALO, narrow, WIDTH } from "../../lib/report/charts/frame.ts";
import { framed } from "../../lib/report/frame.ts";
import { colour } from "../../lib/report/palette.ts";
import { figure, table } from "../../lib/report/sections/parts.ts";
import { count, percent, points } from "../../lib/report/text.ts";
import { at, type Cell, NAMES, type System } from "./cell.ts";
import {
  COLUMNS,
  type Contest,
  type Overheads,
  type Reached,
  scoreAt,
  spread,
  type Standing,
} from "./table.ts";

const STROKES: Readonly<Record<System, string>> = {
  quintet: colour("accent"),
  random: colour("rest"),
  bootstrap: colour("loss"),
  mipro: colour("ink"),
  gepa: colour("muted"),
};
const SHORT: Readonly<Record<System, string>> = {
  quintet: "Quintet",
  random: "random",
  bootstrap: "BootstrapRS",
  mipro: "MIPROv2",
  gepa: "GEPA",
};

/** Mean test score of each system's best prompt so far against its calls, at the points where it was measured. */
export function curves(cells: readonly Cell[], { width = WIDTH }: ChartOptions = {}): Plot.PlotOptions {
  const systems = [...new Set(cells.map(({ system }) => system))];
  const lines = systems.map((system) => {
    const own = cells.filter((cell) => cell.system === system);
    const steps = [
      ...new Set(
        own.flatMap(({ incumbents }) => incumbents.flatMap(({ test, calls }) => test ? [calls] : [])),
      ),
    ];
    const end = Math.max(...own.map((cell) => cell.count.calls));
    const dots = [...steps, end].sort((a, b) => a - b).flatMap((calls) => {
      const score = own.every(({ incumbents }) => at(incumbents, calls)?.test) ? scoreAt(own, calls) : null;
      return score === null ? [] : [{ x: calls, y: 100 * score, system }];
    });
    return { system, dots };
  });
  const all = lines.flatMap(({ dots }) => dots);
  return {
    ...frame(width),
    height: 300,
    ...{ marginLeft: 40, marginRight: narrow(width) ? 70 : 96, marginTop: 30, marginBottom: 44 },
    ariaLabel: `Test score against calls: ${
      lines.map(({ system, dots }) => `${SHORT[system]} ${dots.at(-1)?.y.toFixed(1) ?? "none"}`).join(", ")
    }`,
    x: {
      label: "model calls",
      ...AXIS,
      tickFormat: count,
      ticks: narrow(width) ? 4 : 8,
      domain: [0, Math.max(1, ...all.map(({ x }) => x))],
    },
    y: {
      label: "test score (points of 100)",
      labelArrow: "none",
      grid: true,
      domain: [0, Math.max(10, ...all.map(({ y }) => y))],
      nice: true,
      ticks: 5,
    },
    marks: [
      Plot.ruleY([0], { stroke: colour("muted") }),
      ...lines.flatMap(({ system, dots }) => [
        Plot.line(dots, {
          x: "x",
          y: "y",
          curve: "step-after",
          stroke: STROKES[system],
          strokeWidth: system === "quintet" ? 3 : 1.5,
        }),
        Plot.dot(dots, { x: "x", y: "y", r: 3, fill: STROKES[system] }),
        Plot.text(dots.slice(-1), {
          x: "x",
          y: "y",
          text: () => SHORT[system],
          textAnchor: "start",
          dx: 8,
          fontWeight: 600,
          ...HALO,
          fill: STROKES[system],
        }),
      ]),
    ],
  };
}

/** The whole page. */
export function page({ contests, cells, budgets, overheads }: {
  readonly contests: readonly Contest[];
  readonly cells: readonly Cell[];
  readonly budgets: readonly number[];
  readonly overheads: Overheads;
}): string {
  const apart = (searches: readonly number[]) => {
    const sd = spread(searches);
    return sd === null ? "" : `, seeds ${(100 * sd).toFixed(1)} apart`;
  };
  const score = ({ score, interval, searches, against }: Reached) =>
    interval === null
      ? html`<td>none</td>`
      : html`<td>${percent(score!)} [${percent(interval[0])}, ${percent(interval[1])}]${apart(searches)}${
        against
          ? html`<br>Quintet ${points(against.mean)}${against.significant ? "" : ", not significant"}`
          : ""
      }</td>`;
  const row = (standing: Standing) =>
    html`
      <tr>
        <td>${NAMES[standing.system]}</td>
        ${standing.reached.map(score)}
        <td>${Number.isFinite(standing.callsToMost) ? count(standing.callsToMost) : "never"}</td>
        <td>${count(Math.round(standing.calls))}</td>
        <td>${count(Math.round(standing.tokens))}</td>
        <td>${count(Math.round(standing.seconds))}</td>
        <td>${overheads.get(standing.system)?.toFixed(2) ?? "not measured"}</td>
        <td>${standing.failures.join("; ")}</td>
      </tr>
    `;
  const section = ({ task, kind, standings }: Contest) =>
    html`
      <section id="${task}">
        <h2>${task}${kind === "tuning" ? " (a tuning set)" : ""}</h2>
        ${figure(
          (options) => curves(cells.filter((cell) => cell.task === task), options),
          "Mean test score of the best prompt so far, over seeds.",
        )}
        ${table({
          ...{ id: `table-${task}`, label: `Scores of ${task}`, rows: standings.map(row) },
          columns: ["system", ...budgets.map((budget) => `${count(budget)} calls`), ...COLUMNS],
        })}
      </section>
    `;
  return framed({
    title: "Searches at equal calls",
    about: "searches at equal calls",
    first: html`
      <section id="result">
        <h1>Searches at equal calls</h1>
        <p>Points of 100 on the locked test split, with 95 % intervals over questions and the standard deviation of the seeds'
        scores; what is significant is so for the prompts that these searches found, question by question, which does not
        tell where other searches would end. The embedded model answers and rewrites; calls and tokens as the one server
        counted them. Calls to 90 % of the best: until the mean over seeds is nine
        tenths of what the best system ends with. Own milliseconds a call: from the first call to the last against a
        model that takes no time. Prompts of Quintet may have a bias for each label, to which a reply is then held; the
        server does that for everybody, and the others cannot say it.</p>
      </section>
    `,
    sections: contests.map((contest) => [contest.task, contest.task, section(contest)] as const),
    source: "the cells of the benchmark",
  });
}
