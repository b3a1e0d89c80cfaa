/**
 * The embedded model: what driving it through `complete` costs against bare requests, and what ordering by prefix gains
 * against eight slots that are simply asked at once. Real questions of the shipped sets, twelve demos a prompt.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { readDataset } from "../lib/dataset/mod.ts";
import { type LocalModel, type ModelRequest, openLocal } from "../lib/llm/mod.ts";
import { messages, toDemo } from "../lib/optimize/mod.ts";
import { random, sample } from "../lib/random.ts";
import type { Bench, Row } from "./row.ts";

const SETS = ["question_types", "capitals", "extraction"];
const DEMOS = 12;
const QUESTIONS = 16;
const AT_ONCE = 8;
const FEW = 2; // questions of the one set of the small form

export const bench: Bench = async ({ python, quick, log }) => {
  const interpreter = await python("local");
  const sets = quick ? SETS.slice(0, 1) : SETS;
  const questions = quick ? FEW : QUESTIONS;
  const [first, second] = await Promise.all(
    [1, 2].map((part) => Promise.all(sets.map((set) => promptOf(set, part, questions)))),
  );
  const options = { python: interpreter, context: 2048 };
  await using ours = await openLocal(options);
  await using other = await openLocal(options);
  await using naive = await openLocal({ ...options, slots: AT_ONCE });

  const complete = (request: ModelRequest) => ours.complete(request).then(({ text }) => text);

  // Both sides are asked the same requests in turns, so that a busy machine is busy for both.
  let one = 0, bare = 0, many = 0, slots = 0, equal = 0;
  for (const [i, requests] of first!.entries()) {
    log(`${SETS[i]}: one after another`);
    for (const [j, request] of requests.entries()) {
      const sides = [
        async () => void (one += (await timed([request], 1, complete)).seconds),
        async () => void (bare += (await timed([request], 1, (request) => ask(other, request))).seconds),
      ];
      for (const side of j % 2 === 0 ? sides : sides.toReversed()) await side();
    }
  }
  for (const [i, requests] of second!.entries()) {
    log(`${SETS[i]}: ${AT_ONCE} at once`);
    const together = await timed(requests, AT_ONCE, complete);
    const naively = await timed(requests, AT_ONCE, (request) => ask(naive, request));
    many += together.seconds;
    slots += naively.seconds;
    equal += together.answers.filter((text, j) => text === naively.answers[j]).length;
  }
  const calls = sets.length * questions;
  log(`${calls} calls a side; ${equal} of ${calls} answers of the two sides in the second part are equal`);
  return [
    row(
      "calls a second, one after another, through complete",
      calls / one,
      "bare requests",
      calls / bare,
      0.9,
    ),
    row(
      `calls a second, new prompt of ${DEMOS} demos every ${questions} questions, ${AT_ONCE} at once`,
      calls / many,
      `${AT_ONCE} slots asked naively`,
      calls / slots,
      3,
    ),
  ];
};

function row(name: string, value: number, peer: string, peerValue: number, least: number): Row {
  const ratio = value / peerValue;
  return {
    name,
    value,
    unit: "calls/s",
    peer: `${peer}, llama.cpp's server of the same wheel`,
    peer_value: peerValue,
    ratio,
    bar: `ratio >= ${least}`,
    holds: ratio >= least,
  };
}

/** Questions of a set under one prompt of twelve demos. */
async function promptOf(set: string, part: number, questions: number): Promise<ModelRequest[]> {
  const { train, validation } = await readDataset(
    fileURLToPath(new URL(`../data/tasks/${set}.jsonl`, import.meta.url)),
    { seed: 0 },
  );
  const draws = random(`${set} ${part}`);
  const prompt = {
    systemPrompt: "You are a helpful assistant.",
    outputPrompt: "",
    demos: sample(train, DEMOS, draws).map(toDemo),
  };
  return sample(validation, questions, draws).map(({ question }) => ({
    messages: messages(prompt, question),
    temperature: 0,
    maxTokens: 16,
  }));
}

async function timed(
  requests: readonly ModelRequest[],
  atOnce: number,
  answer: (request: ModelRequest) => Promise<string>,
): Promise<{ seconds: number; answers: string[] }> {
  const answers: string[] = [];
  const begun = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < requests.length) {
      const i = next++;
      answers[i] = await answer(requests[i]!);
    }
  }));
  return { seconds: (performance.now() - begun) / 1000, answers };
}

/** The request as anybody would send it. */
async function ask(
  { server }: LocalModel,
  { messages, temperature, maxTokens }: ModelRequest,
): Promise<string> {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${server.key}` },
    body: JSON.stringify({ messages, temperature, max_tokens: maxTokens }),
  });
  return (await response.json()).choices[0].message.content;
}
