/**
 * Quintet in `bench search`, and random search over the same operators: whole experiments with ledger and database.
 *
 * Run by ../search.ts as `ours.ts SYSTEM` with a task on standard input (task.ts). The test split stays at home: an
 * experiment without test questions makes no claim and leaves every call to the search.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Dataset } from "../../lib/dataset/mod.ts";
import { runExperiment, type Setup } from "../../lib/experiment/mod.ts";
import { openai } from "../../lib/llm/mod.ts";
import { metric } from "../../lib/metrics/mod.ts";
import type { Candidate, Context, Operator, Proposal } from "../../lib/optimize/mod.ts";
import { calibrate } from "../../lib/optimize/operators/calibrate.ts";
import { constrainOutput } from "../../lib/optimize/operators/constrain_output.ts";
import { demonstrate } from "../../lib/optimize/operators/demonstrate.ts";
import { instruct } from "../../lib/optimize/operators/instruct.ts";
import { integer, pick, random } from "../../lib/random.ts";
import {
  beginExperiment,
  migrate,
  openDatabase,
  promptOf,
  readExperiment,
  saveDataset,
} from "../../lib/store/mod.ts";
import { type Incumbent, type Task, told } from "./task.ts";

/** Those that need neither a better prompt nor its failures. */
const OPERATORS = [demonstrate, calibrate, constrainOutput, instruct];
/** Operators of one random draw at most. */
const STEPS = 3;
/** Iterations without a better prompt: out of reach for all but a search that finds nothing new to race. */
const PATIENCE = 1_000;

/** One to three operators, one upon the other, from the seed prompt: nothing is learned from what came before. */
const draw: Operator = {
  name: "draw",
  practises: 0,
  asks: STEPS,
  applies: () => true,
  async propose(context: Context): Promise<Proposal> {
    const seed = context.pool[0]!;
    let parent: Candidate = { ...seed, results: new Map(), practice: new Map() };
    const notes: string[] = [];
    for (let steps = 1 + integer(STEPS, context.random); steps > 0; steps--) {
      const able = OPERATORS.filter((operator) => operator.applies({ ...context, parent }));
      const proposal = await pick(able, context.random).propose({ ...context, parent });
      if ("refused" in proposal) return proposal;
      parent = { ...parent, prompt: proposal.prompt };
      notes.push(proposal.note);
    }
    return { prompt: parent.prompt, parents: [seed.index], note: notes.join("; ") };
  },
};

/** How each system differs from a search as it comes. */
const SYSTEMS: Readonly<Record<string, (task: Task) => Setup["search"]>> = {
  quintet: () => ({}),
  random: ({ validation }) => ({
    operators: [draw],
    breadth: 1,
    opening: 1,
    course: { block: validation.length, alpha: 0 },
  }),
};

if (import.meta.main) {
  const task: Task = await new Response(Deno.stdin.readable).json();
  const search = SYSTEMS[Deno.args[0]!]!(task);
  await using db = await openDatabase({ home: task.folder });
  await migrate(db, fileURLToPath(new URL("../../sql", import.meta.url)));
  const dataset: Dataset = {
    name: "task",
    sha256: createHash("sha256").update(JSON.stringify([task.train, task.validation])).digest("hex"),
    ...{ train: task.train, validation: task.validation, test: [] },
    card: {},
  };
  const datasetId = await saveDataset(db, dataset);
  const id = crypto.randomUUID();
  await beginExperiment(db, { id, kind: "optimize", datasetId, seed: task.seed, config: {} });
  const model = openai("local", { baseUrl: `${task.url}/v1` });
  await runExperiment({
    ...{ id, datasetId, dataset, seed: task.seed, primary: model, optimizer: model },
    seedPrompt: { systemPrompt: task.system, outputPrompt: "", demos: [] },
    metric: metric("exact_match", task.metric_options),
    caps: { calls: task.calls },
    ...{ answerTokens: task.answer_tokens, optimizerTokens: task.optimizer_tokens, temperature: 0 },
    search: { target: 1, maxIterations: Infinity, patience: PATIENCE, ...search },
  }, {
    ...{ db, concurrency: 8, priceOf: () => null, retry: { random: random(task.seed), maxRetries: 0 } },
    newId: () => crypto.randomUUID(),
    elapsed: () => performance.now(),
  });
  const { trials } = await readExperiment(db, id);
  for (const trial of trials) {
    const { accepted, calls, validation } = trial;
    if (!accepted) continue;
    const prompt = told(promptOf(trial));
    console.log(JSON.stringify({ calls, validation: validation ?? 0, prompt } satisfies Incumbent));
  }
}
