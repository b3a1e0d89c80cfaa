/**
 * How far 1,000 calls of the embedded model lift the score on the locked test split, from "You are a helpful assistant."
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Bench, Row } from "./row.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SETS = ["question_types", "capitals", "extraction"];
const CALLS = 1000;

/** Runs `deno task optimize` on each set, with a database of its own. */
export const bench: Bench = async ({ folder, quick, log }) => {
  const rows: Row[] = [];
  for (const set of quick ? SETS.slice(0, 1) : SETS) {
    log(set);
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "flows/optimize.ts", "--json", "--seed", "1"],
        ...["--dataset", `data/tasks/${set}.jsonl`, "--max-calls", String(quick ? 40 : CALLS)],
      ],
      cwd: ROOT,
      env: { QUINTET_HOME: `${folder}/home` },
      stderr: "inherit",
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (text === "") throw new Error(`Cannot measure ${set} as the run gave no result (success: ${success})`);
    const { baseline, best, improvement } = JSON.parse(text);
    rows.push({
      name: `lift ${set}`,
      value: best.test.score,
      unit: `test score of ${best.test.n}`,
      peer: "the seed prompt",
      peer_value: baseline.test.score,
      ratio: null,
      bar: "significantly above the seed prompt",
      holds: improvement.significant && improvement.mean > 0,
    });
  }
  return rows;
};
