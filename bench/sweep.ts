/**
 * How a sweep grows with its workers: many experiments against a model that answers at once, by 1, 2 and 4 processes.
 *
 * @module
 */
import { modelServer, parity, parityQuestions, printed, run } from "../flows/testing.ts";
import type { SweepResult } from "../lib/report/sweep.ts";
import type { Bench, Row } from "./row.ts";

const WORKERS = [1, 2, 4];

/** Calls and experiments in the time of the whole command; nothing is shared, so that each call is a request. */
export const bench: Bench = async ({ folder, quick, log }) => {
  const experiments = quick ? 4 : 16;
  const calls = quick ? 60 : 600;
  await using server = modelServer(parity);
  await Deno.writeTextFile(
    `${folder}/parity.jsonl`,
    parityQuestions({ train: 60, validation: calls / 4, test: calls / 10 }),
  );
  const env = { QUINTET_HOME: `${folder}/home` };
  printed(await run("show", ["--json"], { env })); // makes the database
  const rates: { workers: number; calls: number; experiments: number }[] = [];
  for (const workers of WORKERS) {
    const before = server.asked.length;
    const begun = performance.now();
    const { totals }: SweepResult = printed(
      await run("sweep", [
        ...[
          "--datasets",
          `${folder}/parity.jsonl`,
          "--workers",
          `${workers}`,
          "--json",
          "--concurrency",
          "16",
        ],
        ...["--seeds", Array.from({ length: experiments }, (_, i) => i + 1).join()],
        ...["--primary", `openai:parity-${workers}@${server.url}`], // another model for each: nothing is read back
        ...["--temperature", "1"], // draws of its own for each seed: nothing is shared
        ...["--threshold", "1", "--max-calls", `${calls}`, "--max-iterations", "1000", "--patience", "1000"],
      ], { env }),
    );
    const seconds = (performance.now() - begun) / 1000;
    const asked = server.asked.length - before;
    if (totals.statuses.finished !== experiments || totals.calls !== asked) {
      throw new Error(
        `Cannot measure the sweep as it ended otherwise: ${JSON.stringify(totals)}, ${asked} requests`,
      );
    }
    rates.push({ workers, calls: asked / seconds, experiments: 60 * experiments / seconds });
    log(`${workers} workers: ${(asked / seconds).toFixed(0)} calls a second`);
  }
  const [alone] = rates;
  return rates.flatMap(({ workers, ...rate }) =>
    (["calls", "experiments"] as const).map((what): Row => {
      const ratio = rate[what] / alone![what];
      return {
        name: `sweep, ${workers} ${workers === 1 ? "worker" : "workers"}`,
        value: rate[what],
        unit: what === "calls" ? "calls/s" : "experiments/min",
        ...workers === 1
          ? { peer: null, peer_value: null, ratio: null, bar: "> 0", holds: rate[what] > 0 }
          : { peer: "1 worker", peer_value: alone![what], ratio, bar: "ratio > 1", holds: ratio > 1 },
      };
    })
  );
};
