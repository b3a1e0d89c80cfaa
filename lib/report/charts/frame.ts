/**
 * What charts have in common: a width, axes, places for labels.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import type { TrialRow } from "../../store/overview.ts";
import { colour } from "../palette.ts";
import { percent, plural, term } from "../text.ts";

/** How a chart is drawn. */
export interface ChartOptions {
  /** In pixels; under 500 labels get shorter. @default {784} */
  readonly width?: number;
}

/** Pixels of a chart unless it is told others. */
export const WIDTH = 784;
/** Whether labels must be short. */
export const narrow = (width: number): boolean => width < 500;
/** Pixels of a letter. */
export const FONT = 12;
/** Pixels of `text` at FONT in a sans-serif font, rather too many than too few. */
export const pixels = (text: string): number => 6.8 * text.length;
/** What every chart has in common. */
export const frame = (width: number): Plot.PlotOptions => ({ width, style: { fontSize: `${FONT}px` } });
/** A value axis along the bottom. */
export const AXIS = { labelAnchor: "center", labelArrow: "none", grid: true } as const;
/** Keeps a label readable where it crosses lines. */
export const HALO = { stroke: colour("paper"), strokeWidth: 4, fill: colour("ink") } as const;

/** What a trial was, for whoever points at its dot; in a narrow chart there is nothing to point with. */
export const pointed = (width: number) =>
  narrow(width) ? {} : { title: ({ trial }: { trial: TrialRow }) => story(trial) };

const story = (trial: TrialRow): string => {
  const scored = trial.validation === null
    ? ""
    : `: ${percent(trial.validation)} on ${plural(trial.questions_seen, "question")}`;
  return `#${trial.index} ${term(trial.operator, 48)}${scored}\n${trial.accepted ? "kept" : "not kept"}: ${
    term(trial.reason, 120)
  }`;
};

/** Where a label may stand about its point. */
const PLACES = [
  { textAnchor: "end", dx: -9, dy: -11 },
  { textAnchor: "start", dx: 9, dy: -11 },
  { textAnchor: "start", dx: 9, dy: 13 },
  { textAnchor: "end", dx: -9, dy: 13 },
] as const;

/** Labels at the first place that is free, in the order given but the last first; one that finds none is left out. */
export function placed<Label extends { readonly x: number; readonly y: number; readonly text: string }>(
  labels: readonly Label[],
  within: { left: number; right: number; top: number; bottom: number },
) {
  const taken: { left: number; right: number; top: number; bottom: number }[] = [];
  return labels.toReversed().flatMap((label) => {
    for (const place of PLACES) {
      const x = label.x + place.dx, y = label.y + place.dy, length = pixels(label.text);
      const left = place.textAnchor === "end" ? x - length : x;
      const box = { left, right: left + length, top: y - 8, bottom: y + 8 };
      const inside = box.left >= within.left && box.right <= within.right && box.top >= within.top &&
        box.bottom <= within.bottom;
      const free = taken.every((other) =>
        box.right < other.left || other.right < box.left || box.bottom < other.top || other.bottom < box.top
      );
      if (!inside || !free) continue;
      taken.push(box);
      return [{ ...label, place }];
    }
    return [];
  });
}

/** Draws labels at the places they were given. */
export const named = (
  labels: readonly {
    readonly text: string;
    readonly at: { readonly x: number; readonly y: number };
    readonly place: typeof PLACES[number];
  }[],
): Plot.Markish[] =>
  PLACES.map((place) =>
    Plot.text(labels.filter((label) => label.place === place), {
      x: ({ at }) => at.x,
      y: ({ at }) => at.y,
      text: "text",
      ...place,
      fontWeight: 600,
      ...HALO,
    })
  );
