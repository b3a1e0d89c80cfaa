/**
 * Experiments for tests: shipped questions, models that follow a rule, a real database.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type Dataset, readDataset } from "../dataset/mod.ts";
import type { LanguageModel, Message, ModelRequest } from "../llm/mod.ts";
import { metric } from "../metrics/mod.ts";
import { random } from "../random.ts";
import { beginExperiment, type Database, readExperiment, saveDataset } from "../store/mod.ts";
import { runExperiment, type Setup, type Surroundings } from "./mod.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The migrations that a test database needs. */
export const MIGRATIONS = path("../../sql");

/** The shipped question types, or the first of each split. */
export async function questionTypes(
  sizes?: Record<"train" | "validation" | "test", number>,
): Promise<Dataset> {
  const dataset = await readDataset(path("../../data/tasks/question_types.jsonl"), { seed: 1 });
  if (!sizes) return dataset;
  const { train, validation, test } = dataset;
  return {
    ...dataset,
    sha256: createHash("sha256").update(dataset.sha256 + JSON.stringify(sizes)).digest("hex"),
    train: train.slice(0, sizes.train),
    validation: validation.slice(0, sizes.validation),
    test: test.slice(0, sizes.test),
  };
}

/** A model that follows a rule and keeps for itself what it was asked and what it would bill. */
export interface Simulated extends LanguageModel {
  /** Requests in the order of their arrival. */
  readonly asked: ModelRequest[];
  /** Tokens of its answers, prompts included. */
  readonly served: { tokens: number };
}

/** What happens to a request before it is answered: it may take time, or throw. `n` counts requests from 1. */
export type Fate = (
  request: ModelRequest,
  n: number,
  signal: AbortSignal | undefined,
) => void | Promise<void>;

/** A model that replies by `rule`. Another `version` is another model: its answers are kept apart. */
export function simulated(
  rule: (messages: readonly Message[]) => string,
  { version = crypto.randomUUID(), fate = () => {} }: { version?: string; fate?: Fate } = {},
): Simulated {
  const asked: ModelRequest[] = [];
  const served = { tokens: 0 };
  const size = ({ messages }: ModelRequest) => JSON.stringify(messages).length;
  return {
    name: "local",
    identity: { provider: "rule", rule: rule.name, version },
    asked,
    served,
    promptTokensAtMost: (request) => Math.ceil(size(request) / 3),
    async complete(request, { signal } = {}) {
      asked.push(request);
      await fate(request, asked.length, signal);
      const whole = rule(request.messages), text = whole.slice(0, 4 * request.maxTokens);
      const usage = {
        promptTokens: Math.ceil(size(request) / 4),
        completionTokens: Math.ceil(text.length / 4),
      };
      served.tokens += usage.promptTokens + usage.completionTokens;
      return { text, finish: text === whole ? "stop" : "length", usage };
    },
  };
}

/**
 * Answers as the demo whose words are most like the question's, of which the first weighs most; without demos it chats. So
 * demos help it as they help a small language model, and nothing is invented.
 */
export function apprentice(messages: readonly Message[]): string {
  const chat = messages.filter(({ role }) => role !== "system");
  const asked = words(chat.at(-1)!.content);
  const likeness = (question: string) => {
    const shown = words(question);
    return asked.filter((word) => shown.includes(word)).length / (asked.length + shown.length) +
      (shown[0] === asked[0] ? 0.5 : 0) + (shown[0] === asked[0] && shown[1] === asked[1] ? 0.5 : 0);
  };
  const demos = chat.slice(0, -1).flatMap(({ role, content }, i) =>
    role === "user" ? [{ likeness: likeness(content), answer: chat[i + 1]!.content }] : []
  );
  const [best] = demos.toSorted((a, b) => b.likeness - a.likeness);
  return `${best?.answer ?? "That is an interesting question!"}\n`;
}

/** `model`, but where there is a `thought` it gives that for an answer, and is at its end. */
export function thoughtful(
  model: Simulated,
  thought: (request: ModelRequest) => string | undefined,
): Simulated {
  return {
    ...model,
    async complete(request, options) {
      const completion = await model.complete(request, options), text = thought(request);
      return text === undefined ? completion : { ...completion, text, finish: "length" };
    },
  };
}

/** `model`, but it says the first of `labels` in place of any other, if no bias is against that; and it tells so. */
export function leaning(model: Simulated, labels: readonly string[]): Simulated {
  return {
    ...model,
    tokensOf: (text) => Promise.resolve([`${labels.indexOf(text)}`]),
    async complete(request, options) {
      const completion = await model.complete(request, options), own = completion.text.trim();
      if (!labels.includes(own)) return completion;
      const likely = labels.map((label, i) => (label === own ? -2 : -5) + (i === 0 ? 4 : 0));
      const biased = likely.map((logprob, i) => logprob + (request.bias?.[i] ?? 0));
      return {
        ...completion,
        text: `${labels[biased.indexOf(Math.max(...biased))]}\n`,
        ...request.firsts
          ? {
            firsts: [{
              said: labels[likely.indexOf(Math.max(...likely))]!,
              likely: Object.fromEntries(labels.map((label, i) => [label, likely[i]!])),
            }],
          }
          : {},
      };
    },
  };
}

const words = (text: string): string[] => text.toLowerCase().match(/\p{L}+/gu) ?? [];

/** An optimizer model: a prompt in the form it was asked for, or, one time in three, something else. */
export function author(messages: readonly Message[]): string {
  const { length } = JSON.stringify(messages);
  if (length % 3 === 0) return "Sure! Here is a better prompt for you.";
  const rule = length % 2 === 0 ? "Name the kind of answer it asks for." : "Say what type the answer has.";
  return `<system_prompt>\nYou sort questions by the kind of answer they want. ${rule}\n</system_prompt>\n` +
    "<output_prompt>\nKind:\n</output_prompt>";
}

/** A judge: full marks for a reference word for word, none for anything else. */
export function judge(messages: readonly Message[]): string {
  const { references, answer } = JSON.parse(messages.at(-1)!.content);
  return JSON.stringify({ score: references.includes(answer) ? 10 : 0 });
}

/**
 * A model that no prompt helps: it knows the answer to a question by a chance that the question has, and above temperature 0
 * throws that die anew for each request and sample.
 */
export function gambler({ train, validation, test }: Dataset, version: string): LanguageModel {
  const answers = new Map(
    [...train, ...validation, ...test].map((row) => [row.question, row.references[0]!]),
  );
  return {
    name: "local",
    identity: { provider: "gambler", version },
    promptTokensAtMost: () => 1,
    complete({ messages, temperature, sample = 0 }) {
      const question = messages.at(-1)!.content.split("\n\n")[0]!;
      const chance = random(`${version} ${question}`)();
      const luck = random(JSON.stringify([version, messages, temperature > 0 ? sample : null]))();
      const text = luck < chance ? answers.get(question)! : "I would rather not say.";
      return Promise.resolve({ text, finish: "stop", usage: { promptTokens: 1, completionTokens: 1 } });
    },
  };
}

/** Runs experiments that can find nothing better: how many claim that they did, and how many kept another prompt at all. */
export async function fruitless(
  db: Database,
  { runs, version, maxIterations = 2 }: { runs: number; version: string; maxIterations?: number },
): Promise<{ claims: number; moved: number }> {
  const dataset = await questionTypes({ train: 24, validation: 20, test: 40 });
  const primary = gambler(dataset, version);
  let [claims, moved] = [0, 0];
  for (let seed = 1; seed <= runs; seed++) {
    const [setup, around] = await begun(db, {
      dataset,
      seed,
      primary,
      temperature: 1,
      optimizer: simulated(author, { version }),
      search: { target: 1, maxIterations },
      around: { concurrency: 64 },
    });
    await runExperiment(setup, around);
    const { experiment } = await readExperiment(db, setup.id);
    if (experiment.significant) claims++;
    if (experiment.after !== 0) moved++;
  }
  return { claims, moved };
}

/** Begins an experiment in `db`, with all that it depends on. */
export async function begun(
  db: Database,
  { kind = "optimize", config = {}, around = {}, ...setup }: Partial<Setup> & {
    kind?: "optimize" | "evaluate";
    config?: Record<string, unknown>;
    around?: Partial<Surroundings>;
  } = {},
): Promise<[Setup, Surroundings]> {
  const id = crypto.randomUUID();
  const dataset = setup.dataset ?? await questionTypes({ train: 40, validation: 40, test: 16 });
  const datasetId = await saveDataset(db, dataset);
  const primary = setup.primary ?? simulated(apprentice), optimizer = setup.optimizer ?? simulated(author);
  const seed = setup.seed ?? 1;
  await beginExperiment(db, { id, kind, datasetId, seed, config });
  return [{
    id,
    datasetId,
    dataset,
    seed,
    seedPrompt: { systemPrompt: "You are a helpful assistant.", outputPrompt: "", demos: [] },
    metric: metric(dataset.card.metric!, dataset.card.metricOptions),
    primary,
    optimizer,
    caps: { calls: 600 },
    answerTokens: 16,
    optimizerTokens: 64,
    search: { target: 1, maxIterations: 2 },
    ...setup,
  }, {
    db,
    priceOf: () => ({ prompt: 100_000n, completion: 400_000n }),
    retry: { random: random(1), maxRetries: 0 },
    concurrency: 16,
    newId: () => crypto.randomUUID(),
    elapsed: () => performance.now(),
    ...around,
  }];
}
