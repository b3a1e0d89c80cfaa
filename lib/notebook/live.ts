/**
 * Progress that is seen while a cell runs: a bar, the score so far as a curve, what it has cost.
 *
 * @module
 */
import { scoreWhileRunning } from "../report/charts/research.ts";
import { svg } from "../report/svg.ts";
import { count, percent, visible } from "../report/text.ts";
import { type Bundle, escaped } from "./bundle.ts";
import { type Screen, screenHere } from "./screen.ts";

/** What a run says of itself. */
export interface News {
  /** How much of the whole is done. */
  readonly done: number;
  /** What the curve shows: a score in [0, 1] or a return; nothing before there is one. */
  readonly value?: number | undefined;
  /** What it is doing, and what it has cost, in words. */
  readonly doing?: string;
  readonly cost?: string;
}

/** A run in view. */
export interface Live {
  /** Shows the news; of news that come faster than they can be shown the newest. */
  tell(news: News): void;
  /** Resolves when the last news are shown. */
  end(): Promise<void>;
}

/** How a run is shown. */
export interface LiveOptions {
  readonly title: string;
  /** How much the whole is, and of what: `200`, `"calls"`. */
  readonly of: number;
  readonly unit: string;
  /** What the curve shows. @default {"score"} */
  readonly value?: "score" | "mean return";
  /** @default {the cell, or stdout} */
  readonly screen?: Screen;
}

/** Shows a run from now on. */
export async function live(
  { title, of, unit, value = "score", screen = screenHere() }: LiveOptions,
): Promise<Live> {
  const name = `live-${crypto.randomUUID()}`;
  const curve: { done: number; value: number }[] = [];
  const view = (news: News): Bundle => {
    const done = Math.min(of, news.done), share = of > 0 ? done / of : 1;
    const figures = [
      `${count(done)} of ${count(of)} ${unit}`,
      ...news.value === undefined
        ? []
        : [value === "score" ? `best score ${percent(news.value)}` : `${value} ${news.value.toFixed(3)}`],
      ...news.cost ? [news.cost] : [],
      ...news.doing ? [news.doing] : [],
    ].map((text) => visible(text)).join(" · ");
    return { "text/plain": `${title}: ${figures}`, "text/html": page(title, figures, share) };
  };
  const page = (title: string, figures: string, share: number) =>
    `<div role="status" style="font-family:system-ui,sans-serif;background:var(--paper,#fff);` +
    `color:var(--ink,#1b1f24);padding:0.75em;max-width:784px"><strong>${escaped(visible(title))}</strong>` +
    `<div style="height:8px;border-radius:4px;margin:0.5em 0;background:var(--line,#dcdfe3)">` +
    `<div style="height:8px;border-radius:4px;width:${(100 * share).toFixed(1)}%;` +
    `background:var(--accent,#0072b2)"></div></div>${escaped(figures)}` +
    `${curve.length > 1 ? svg(scoreWhileRunning(curve, { of, unit, value })) : ""}</div>`;

  let next: News | undefined, showing: Promise<void> | undefined, failed: unknown;
  await screen.display(view({ done: 0 }), name);
  const pump = async () => {
    while (next !== undefined) {
      const news = next;
      next = undefined;
      await screen.update(view(news), name);
    }
    showing = undefined;
  };
  return {
    tell(news) {
      const last = curve.at(-1);
      if (news.value !== undefined && (last?.value !== news.value || last.done !== news.done)) {
        if (last?.done === news.done) curve.pop();
        curve.push({ done: news.done, value: news.value });
      }
      next = news;
      showing ??= Promise.resolve().then(pump).catch((error) => failed ??= error);
    },
    async end() {
      await showing;
      if (failed !== undefined) throw failed;
    },
  };
}
