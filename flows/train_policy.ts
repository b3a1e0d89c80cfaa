/**
 * `deno task train-policy`: learns to edit prompts so that more is expected of them.
 *
 * @module
 */
import { z } from "zod";
import { EXIT } from "../lib/command/mod.ts";
import { readDataset } from "../lib/dataset/mod.ts";
import { beatsChance, trainPolicy } from "../lib/learning/mod.ts";
import { LIMITS } from "../lib/optimize/mod.ts";
import { random } from "../lib/random.ts";
import type { PolicyRow } from "../lib/store/mod.ts";
import { json as document } from "../lib/text.ts";
import { fenced } from "./artifacts.ts";
import { openLearning } from "./learning.ts";
import { common, database, databaseOption, main, type Setting } from "./setting.ts";
import { DATASET, seedPrompt, settled } from "./wiring.ts";

export const schema = z.strictObject({
  dataset: z.string().default(DATASET).describe("whose train questions may become worked examples")
    .meta({ metavar: "F" }),
  algorithm: z.enum(["ppo", "dqn"]).default("ppo").describe("by which it learns"),
  timesteps: z.int().min(1).default(5000).describe("edits to learn from; whole rollouts are made"),
  environments: z.int().min(1).max(256).default(8).describe("prompts that are edited side by side"),
  edits: z.int().min(1).max(100).default(8).describe("of a prompt at most"),
  learning_rate: z.number().gt(0).optional().describe("unless given the algorithm's own"),
  gamma: z.number().min(0).max(1).default(0.99).describe("what a reward is worth a step later"),
  seed: z.int().min(0).default(1).describe("of every random choice"),
  ...databaseOption,
  ...common,
});
type Options = z.output<typeof schema>;

async function run(options: Options, setting: Setting): Promise<number> {
  const { stage, print, tell, run: told } = setting;
  const dataset = await readDataset(options.dataset, { seed: options.seed });
  await using db = await database(options, setting);
  await using learning = openLearning(setting);
  const row = await stage("Policy", (say) =>
    told.task("rl-agent-step", "1", async () =>
      await trainPolicy({
        ...{ db, embed: learning.embed, lightgbm: learning.lightgbm, blas: await learning.blas() },
        ...{ train: dataset.train, limits: LIMITS },
        seedPrompt: seedPrompt(settled({ ...options, primary: "local" }, dataset)),
        random: random(options.seed),
        newId: () => crypto.randomUUID(),
        elapsed: () => performance.now(),
        keep: (write) => told.keep(db, write),
        algorithm: options.algorithm,
        timesteps: options.timesteps,
        environments: options.environments,
        edits: options.edits,
        options: {
          gamma: options.gamma,
          ...options.learning_rate === undefined ? {} : { learningRate: options.learning_rate },
        },
        onDoubt: (why) => tell(`Not rewarded by the newest meta-model: it ${why}.`),
        onProgress: ({ timesteps, totalTimesteps }, mean) =>
          say(
            `${timesteps} of ${totalTimesteps} edits` +
              (mean === null ? "" : `, mean return ${mean.toFixed(3)}`),
          ),
      }), { retries: 1 }));
  told.progress(100, `${row.timesteps} edits`);
  told.artifact({
    key: "policy",
    type: "markdown",
    data: fenced(text(row)),
    description: "What the policy is worth",
  });
  print(options.json ? document(resultOf(row)) : text(row));
  return EXIT.done;
}

/** The JSON document. */
const resultOf = (row: PolicyRow) => ({
  policy_id: row.id,
  used: beatsChance(row),
  algorithm: row.algorithm,
  timesteps: row.timesteps,
  mean_return: row.meanReturn,
  random_return: row.randomReturn,
  meta_model_id: row.metaModelId,
  history: row.history,
  best_prompts: row.bestPrompts,
  seconds: row.seconds,
});

/** Prompts shown. */
const SHOWN = 3;

function text(row: PolicyRow): string {
  const number = (value: number | undefined) => value === undefined ? "" : value.toFixed(3);
  return [
    `Policy ${row.id}: ${row.algorithm}, ${row.seconds.toFixed(1)} s, rewarded by ` +
    (row.metaModelId ? `meta-model ${row.metaModelId.slice(0, 8)}` : "the rule of thumb of clarity"),
    "",
    "    edits   episodes   mean return   mean length",
    ...row.history.slice(-10).map((line) =>
      [
        String(line.timesteps).padStart(9),
        String(line.episodes).padStart(10),
        number(line.mean_return).padStart(13),
        number(line.mean_length).padStart(13),
      ].join(" ")
    ),
    "",
    `Its edits, as a search draws them: mean return ${number(row.meanReturn)}; edits by chance: ${
      number(row.randomReturn)
    }; none: 0`,
    ...row.bestPrompts.length > 0 ? ["", "The prompts of which most is expected:"] : [],
    ...row.bestPrompts.slice(0, SHOWN).map(({ score, actions }) =>
      `  ${score.toFixed(3)}  ${actions.join(", ")}`
    ),
    "",
    beatsChance(row)
      ? "It edits better than chance: `deno task optimize` uses it."
      : "It does not edit better than chance: `deno task optimize` goes on without it.",
  ].join("\n");
}

if (import.meta.main) {
  await main({ name: "train-policy", flow: "train-policy", summary: "learn to edit prompts", schema, run });
}
