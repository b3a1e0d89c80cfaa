/**
 * Progress for people: one live line on a terminal, plain lines elsewhere, all on stderr.
 *
 * @module
 */

import { visible } from "../text.ts";

/** Where progress is shown. */
export interface Screen {
  write(text: string): void;
  /** Whether a line can be drawn over. */
  readonly live: boolean;
  readonly columns: () => number;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsed: () => number;
}

/** Shows how far a stage is. The last status stays when it is over; `passing`, behind it, does not. */
export type Say = (status: string, passing?: string) => void;

/** Runs `work` as a stage with a title. */
export type Stage = <T>(title: string, work: (say: Say) => Promise<T>) => Promise<T>;

/** A live line is redrawn so often at most, in milliseconds. */
const REDRAW = 100;
/** Without a live line, a stage speaks so often at most, in milliseconds. */
const REPEAT = 10_000;
/** A stage that is over sooner is not worth a line, in milliseconds. */
const WORTH_A_LINE = 1_000;

/** Stages shown on `screen`: a mark, the title, how far it is; at its end the time it took. Short ones leave no trace. */
export function stages(screen: Screen): Stage {
  return async (title, work) => {
    const begun = screen.elapsed();
    let status = "", passing = "";
    let drawn = -Infinity;
    const line = (mark: string) => {
      const told = [status, passing].filter((part) => part !== "").join(", ");
      return visible(`${mark} ${title}${told && `  ${told}`}`);
    };
    const clear = screen.live ? "\r\x1b[K" : "";
    const say: Say = (...words) => {
      [status, passing = ""] = words;
      const now = screen.elapsed();
      if (screen.live ? now - drawn < REDRAW : now - drawn < REPEAT || now - begun < WORTH_A_LINE) return;
      drawn = now;
      screen.write(screen.live ? clear + line("·").slice(0, screen.columns() - 1) : `${line("·")}\n`);
    };
    const end = (mark: string) => {
      const took = screen.elapsed() - begun;
      passing = "";
      const worth = mark === "✗" || took >= WORTH_A_LINE;
      screen.write(worth ? `${clear}${line(mark)}  (${duration(took / 1000)})\n` : clear);
    };
    if (screen.live) say("");
    try {
      const result = await work(say);
      end("✓");
      return result;
    } catch (error) {
      end("✗");
      throw error;
    }
  };
}

/** What is left is told from what was done in so many milliseconds: answers that are read back come a thousand times as fast. */
const RECENT = 20_000;
/** In less time, in milliseconds, nothing can be told. */
const TOO_SOON = 5_000;

/**
 * Tells how many seconds are left of something that is counted, as fast as it went of late; undefined while nothing is
 * known of that. `elapsed` gives milliseconds on a clock that never goes back.
 *
 * ```ts
 * import { pace } from "./progress.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * let now = 0;
 * const left = pace(() => now);
 * equal(left(0, 100), undefined);
 * now = 5_000;
 * equal(left(20, 100), 20); // four a second, and eighty to come
 * ```
 */
export function pace(elapsed: () => number): (done: number, of: number) => number | undefined {
  let marks: { readonly at: number; readonly done: number }[] = [];
  return (done, of) => {
    const at = elapsed();
    const from = marks.findLastIndex((mark) => at - mark.at >= RECENT);
    if (from > 0) marks = marks.slice(from);
    if (marks.length === 0 || at - marks.at(-1)!.at >= RECENT / 20) marks.push({ at, done });
    const [first] = marks;
    const took = at - first!.at;
    if (took < TOO_SOON || done <= first!.done) return undefined;
    return Math.max(0, of - done) * took / 1000 / (done - first!.done);
  };
}

/** Seconds left for a reader, rounded up, as they are an estimate: `40 s`, `3 min`, `1 h 10 min`. */
export function estimate(seconds: number): string {
  if (seconds <= 90) return `${Math.max(10, 10 * Math.ceil(seconds / 10))} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const tens = 10 * Math.ceil(minutes / 10);
  return `${Math.floor(tens / 60)} h${tens % 60 === 0 ? "" : ` ${tens % 60} min`}`;
}

/** Stages that show nothing. */
export const silent: Stage = async (_title, work) => await work(() => {});

/** Seconds for a reader: `8 s`, `2 min 05 s`, `1 h 02 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
}
