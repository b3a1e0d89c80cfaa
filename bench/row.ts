/**
 * What a benchmark prints: one figure a row, beside its peer's figure from the same run.
 *
 * A benchmark is a file `bench/NAME.ts` that exports `bench`; `deno task bench NAME` runs it. One that would fetch gigabytes
 * exports `needs`, too, which says what: it runs when it is named, and is left out by `deno task bench`.
 *
 * @module
 */

/** One figure. Without a peer, `ratio` compares the figure with its bar. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Whom it is measured against, with version, in the same run. */
  readonly peer: string | null;
  readonly peer_value: number | null;
  readonly ratio: number | null;
  /** What must hold, in words: `ratio >= 10`. */
  readonly bar: string;
  readonly holds: boolean;
}

/** What a benchmark is given: it opens nothing of its own. */
export interface Tools {
  /**
   * The Python interpreter of `.venv`, or another environment, with the wheels of `requirements/GROUP.txt` in it, installed
   * when they are missing.
   */
  python(group: string, environment?: string): Promise<string>;
  /** An empty folder of this run, removed afterwards. */
  readonly folder: string;
  /** A folder that stays, for what takes hours and is gone on with; made by whoever writes into it. */
  readonly kept: string;
  /** What the user asked of this benchmark's own options, by name. */
  readonly options: Readonly<Record<string, number | readonly string[] | readonly number[] | undefined>>;
  /** Whether the small form will do: it shows that the benchmark runs, not what it measures. */
  readonly quick: boolean;
  /** Progress, on stderr. */
  log(line: string): void;
}

/** A benchmark: real work, measured in one run. */
export type Bench = (tools: Tools) => Promise<Row[]>;

/** What a file of this folder exports when it is a benchmark. */
export interface Benchmark {
  readonly bench: Bench;
  /** What it fetches first, and how much, where that is gigabytes: `PyTorch, 5 GB`. */
  readonly needs?: string;
}
