/**
 * The one palette: from Okabe and Ito (2008), whose colours stay apart for every common colour blindness.
 *
 * A page sets the variables for light and dark; where nobody sets them, as in a notebook, the light ones hold.
 *
 * @module
 */

/** Each colour's light and dark value. Text is written in ink and muted, on paper and soft; the rest draws. */
export const PALETTE = {
  paper: ["#ffffff", "#14171a"],
  /** Paper of what stands apart: code, a table's head. */
  soft: ["#f4f5f6", "#1e2226"],
  ink: ["#1b1f24", "#e8eaec"],
  muted: ["#5b636d", "#a5adb6"],
  /** Hairlines and grids. */
  line: ["#dcdfe3", "#343a41"],
  /** What does not stand out: a tie, a trial that was not kept. */
  rest: ["#878f98", "#77808a"],
  /** Blue and sky blue: what was kept, what was won. */
  accent: ["#0072b2", "#56b4e9"],
  /** Vermillion and orange: what was lost. */
  loss: ["#d55e00", "#e69f00"],
  /** Grounds of added and removed words. */
  added: ["#d9ecf8", "#123a54"],
  removed: ["#fbe3d3", "#4d3204"],
} as const;

/** A colour's name. */
export type Colour = keyof typeof PALETTE;

/** A colour for a chart: the page's variable, or its light value. */
export const colour = (name: Colour): string => `var(--${name}, ${PALETTE[name][0]})`;
