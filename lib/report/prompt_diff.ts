/**
 * What changed from one prompt to another: words of its texts, places of its demos.
 *
 * ```ts
 * import { wordDiff } from "./prompt_diff.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(wordDiff("Answer in one word.", "Answer in two words."), [
 *   { kind: "same", text: "Answer in " },
 *   { kind: "removed", text: "one word" },
 *   { kind: "added", text: "two words" },
 *   { kind: "same", text: "." },
 * ]);
 * ```
 *
 * @module
 */
import { diffArrays, diffWordsWithSpace } from "diff";
import type { TrialRow } from "../store/overview.ts";
import { biasTerms } from "./text.ts";

type Demo = TrialRow["demos"][number];

/** A run of words. */
export interface Piece {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

/** Changed words beyond which two texts are taken for unlike, as finding what they share would take too long. */
const MOST_CHANGES = 1000;
/** Two texts that share less than this part of the longer one are shown as replaced: crumbs in common say nothing. */
const LEAST_SHARED = 0.25;

/** How `before` became `after`, by words. */
export function wordDiff(before: string, after: string): Piece[] {
  if (before === after) return before === "" ? [] : [{ kind: "same", text: before }];
  const changes = diffWordsWithSpace(before, after, { maxEditLength: MOST_CHANGES }) ?? [];
  const pieces = joined(changes.map(({ added, removed, value }): Piece => ({
    kind: added ? "added" : removed ? "removed" : "same",
    text: value,
  })));
  const shared = pieces.reduce((sum, { kind, text }) => sum + (kind === "same" ? text.length : 0), 0);
  if (shared >= LEAST_SHARED * Math.max(before.length, after.length)) return pieces;
  return joined([{ kind: "removed", text: before }, { kind: "added", text: after }]);
}

/** One removal and one addition between two runs in common; white space alone is no such run. */
function joined(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  let removed = "", added = "";
  const flush = () => {
    if (removed !== "") out.push({ kind: "removed", text: removed });
    if (added !== "") out.push({ kind: "added", text: added });
    removed = added = "";
  };
  pieces.forEach(({ kind, text }, i) => {
    const inside = removed + added !== "" && i < pieces.length - 1 && text.trim() === "";
    if (kind !== "added" && (kind === "removed" || inside)) removed += text;
    if (kind !== "removed" && (kind === "added" || inside)) added += text;
    if (kind !== "same" || inside) return;
    flush();
    out.push({ kind, text });
  });
  flush();
  return out;
}

/** How the bias of each answer became another, by answer: what it was, and what it is. */
export function biasDiff(before: TrialRow["bias"], after: TrialRow["bias"]): Piece[] {
  const [old, now] = [before, after].map((bias) => new Map(Object.entries(bias ?? {})));
  const piece = (kind: Piece["kind"], answer: string, nats: number | undefined): Piece[] =>
    nats === undefined ? [] : biasTerms({ [answer]: nats }).map((text) => ({ kind, text }));
  return [...new Set([...old!.keys(), ...now!.keys()])].sort().flatMap((answer) => {
    const [was, is] = [old!.get(answer), now!.get(answer)];
    if (was === is) return piece("same", answer, is);
    return [...piece("removed", answer, was), ...piece("added", answer, is)];
  });
}

/** A demo with what became of it; places are counted from 1, null where it is not. */
export interface DemoChange {
  readonly kind: "kept" | "moved" | "added" | "removed";
  readonly demo: Demo;
  readonly before: number | null;
  readonly after: number | null;
}

/** The demos of `after` in their order, then those of `before` that are gone. Kept are those whose order held. */
export function demoDiff(before: readonly Demo[], after: readonly Demo[]): DemoChange[] {
  const print = ({ question, answer }: Demo) => JSON.stringify([question, answer]);
  const gone: { print: string; place: number }[] = [];
  const come: { print: string; place: number }[] = [];
  const kept = new Map<number, number>(); // place after -> place before
  let [old, now] = [0, 0];
  for (const { added, removed, value } of diffArrays(before.map(print), after.map(print))) {
    for (const print of value) {
      if (removed) gone.push({ print, place: ++old });
      else if (added) come.push({ print, place: ++now });
      else kept.set(++now, ++old);
    }
  }
  const moved = new Map<number, number>();
  for (const { print, place } of come) {
    const at = gone.findIndex((other) => other.print === print);
    if (at >= 0) moved.set(place, gone.splice(at, 1)[0]!.place);
  }
  return [
    ...after.map((demo, i): DemoChange => {
      const place = i + 1;
      const kind = kept.has(place) ? "kept" : moved.has(place) ? "moved" : "added";
      return { kind, demo, before: kept.get(place) ?? moved.get(place) ?? null, after: place };
    }),
    ...gone.map(({ place }): DemoChange => ({
      kind: "removed",
      demo: before[place - 1]!,
      before: place,
      after: null,
    })),
  ];
}
