/**
 * How long it takes to go on with an experiment whose calls are all stored: a whole process, from start to report.
 *
 * @module
 */
import { modelServer, parity, parityQuestions, printed, run } from "../flows/testing.ts";
import type { Bench } from "./row.ts";

/** 5,000 calls of a model that answers at once are read back, none is made again. */
export const bench: Bench = async ({ folder, quick, log }) => {
  const calls = quick ? 500 : 5_000;
  await using server = modelServer(parity);
  const questions = `${folder}/parity.jsonl`;
  await Deno.writeTextFile(questions, parityQuestions({ train: 100, validation: calls, test: calls }));
  const env = { QUINTET_HOME: `${folder}/home` };
  const first = await run("optimize", [
    ...["--dataset", questions, "--primary", `openai:parity@${server.url}`, "--json", "--concurrency", "64"],
    ...["--max-calls", String(calls), "--threshold", "1", "--max-iterations", "1000", "--patience", "1000"],
  ], { env });
  const { experiment_id: id, calls: { total }, best } = printed(first);
  log(`${total} calls are stored`);

  const asked = server.asked.length;
  const begun = performance.now();
  const again = printed(await run("optimize", ["--resume", id, "--json"], { env }));
  const seconds = (performance.now() - begun) / 1000;
  if (JSON.stringify(again.best) !== JSON.stringify(best)) {
    throw new Error(`Cannot measure the resumption as it ended otherwise: ${JSON.stringify(again.best)}`);
  }
  const repeated = server.asked.length - asked;
  const row = { peer: null, peer_value: null, ratio: null };
  return [
    {
      ...row,
      name: `resume of ${total} stored calls`,
      value: seconds,
      unit: "s",
      bar: "< 3",
      holds: seconds < 3,
    },
    {
      ...row,
      name: "resume, calls made again",
      value: repeated,
      unit: "calls",
      bar: "0",
      holds: repeated === 0,
    },
  ];
};
