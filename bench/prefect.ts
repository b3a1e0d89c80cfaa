/**
 * What a Prefect that fails costs: searches whose every step is told to a server that is away, answers 500, is slow, or accepts and
 * never answers, beside searches that tell nobody.
 */
import { fickle, type Mode } from "../flows/prefect_testing.ts";
import { essence, modelServer, parity, parityQuestions, printed, run } from "../flows/testing.ts";
import type { ExperimentResult } from "../lib/report/result.ts";
import type { Bench, Row } from "./row.ts";

const MODES: readonly Mode[] = ["down", "failing", "slow", "hung"];

/** The seconds are those of the search and its claim; what a command waits for at its end is a row of its own. */
export const bench: Bench = async ({ folder, quick, log }) => {
  const rounds = quick ? 1 : 5;
  await using models = modelServer(async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 20)); // as a model takes its time
    return parity(request);
  });
  await using nobody = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => Response.json({}));
  const questions = `${folder}/parity.jsonl`;
  await Deno.writeTextFile(questions, parityQuestions());
  const target = `http://127.0.0.1:${nobody.addr.port}/api`;
  const seconds = new Map<string, number[]>(), whole = new Map<string, number[]>();
  let differ = 0;
  for (let round = 0; round < rounds; round++) {
    let wanted: string | undefined;
    for (const mode of [undefined, ...MODES]) {
      const name = mode ?? "none";
      await using door = fickle(target, mode);
      const begun = performance.now();
      const result: ExperimentResult = printed(
        await run("optimize", [
          ...["--dataset", questions, ...models.models, "--max-calls", "300", "--seed", `${round}`, "--json"],
          ...["--threshold", "1", "--concurrency", "4"],
        ], {
          env: { QUINTET_HOME: `${folder}/${name}-${round}`, ...mode ? { PREFECT_API_URL: door.url } : {} },
        }),
      );
      whole.set(name, [...whole.get(name) ?? [], (performance.now() - begun) / 1000]);
      seconds.set(name, [...seconds.get(name) ?? [], result.seconds]);
      const got = JSON.stringify(essence(result));
      if (got !== (wanted ??= got)) differ++;
      log(`${name}: ${result.seconds.toFixed(2)} s`);
    }
  }
  const none = median(seconds.get("none")!);
  const row = (mode: Mode): Row => {
    const value = median(seconds.get(mode)!), ratio = value / none;
    return {
      ...{ name: `search told to a Prefect that is ${mode}`, value, unit: "s" },
      ...{ peer: "told to nobody", peer_value: none, ratio, bar: "<= 1.1 times", holds: ratio <= 1.1 },
    };
  };
  const alone = { peer: null, peer_value: null, ratio: null };
  const late = Math.max(...MODES.map((mode) => median(whole.get(mode)!))) - median(whole.get("none")!);
  return [
    ...MODES.map(row),
    {
      ...alone,
      name: "results that differ",
      value: differ,
      unit: "searches",
      bar: "0",
      holds: differ === 0,
    },
    {
      ...alone,
      name: "a command ends later, at most",
      value: late,
      unit: "s",
      bar: "<= 6",
      holds: late <= 6,
    },
  ];
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
