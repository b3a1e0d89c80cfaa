/**
 * With an optimizer model that can reason, the instruction carries the search: shown with a stand-in that follows the
 * prompts of `reflect` and `instruct` to the letter, and a primary model that knows nothing but the rules it is told. So
 * demos do not help, and a rule that was found is kept only where a rewrite builds on the one before.
 */
import { ok, strictEqual as equal } from "node:assert/strict";
import { type ChatRequest, modelServer, printed, run } from "./testing.ts";

const PLACES = [
  "Oslo",
  "Rome",
  "Lima",
  "Quito",
  "Dakar",
  "Tunis",
  "Osaka",
  "Perth",
  "Turin",
  "Bergen",
  "Seoul",
  "Lagos",
];
const LANES = ["red", "green", "blue", "white"];
const RULE = /parcels for (\w+) go to lane (\w+)/g;

const laneOf = (place: string): string => LANES[PLACES.indexOf(place) % LANES.length]!;

const questions = Object.entries({ train: 60, validation: 60, test: 60 }).flatMap(([split, n], s) =>
  Array.from({ length: n }, (_, i) => {
    const place = PLACES[i % PLACES.length]!;
    const question = `Which lane takes parcel ${1000 * (s + 1) + i}, bound for ${place}?`;
    return JSON.stringify({ id: `${split}-${i}`, split, question, answer: laneOf(place) });
  })
).join("\n");

/** Knows the rules of its system prompt and nothing else. */
function porter({ messages }: ChatRequest): string {
  const system = messages.find(({ role }) => role === "system")?.content ?? "";
  const place = /bound for (\w+)\?/.exec(messages.at(-1)!.content)?.[1];
  const rule = [...system.matchAll(RULE)].find(([, of]) => of === place);
  return rule?.[2] ?? "I was not told.";
}

/** Finds the rule behind each example that it is shown, and keeps those of the prompt that it is to improve. */
function analyst({ messages }: ChatRequest): string {
  const asked = messages.at(-1)!.content;
  const rules = new Set([...asked.matchAll(RULE)].map(([rule]) => rule));
  for (const line of asked.split("\n").filter((line) => line.startsWith('{"question"'))) {
    const { question, wanted, answer = wanted } = JSON.parse(line);
    rules.add(`parcels for ${/bound for (\w+)\?/.exec(question)![1]} go to lane ${answer}`);
  }
  return `<system_prompt>\n${
    [...rules].join("; ")
  }.\n</system_prompt>\n<output_prompt>\nName the lane.\n</output_prompt>`;
}

Deno.test("reflect carries a search whose optimizer model can reason", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using server = modelServer((request) =>
      request.model === "analyst" ? analyst(request) : porter(request)
    );
    await Deno.writeTextFile(`${folder}/parcels.jsonl`, questions);
    const ended = await run("optimize", [
      ...["--dataset", `${folder}/parcels.jsonl`, "--json", "--threshold", "1", "--patience", "10"],
      ...["--primary", `openai:porter@${server.url}`, "--optimizer", `openai:analyst@${server.url}`],
      ...["--max-iterations", "20", "--max-calls", "3000"],
    ], { env: { QUINTET_HOME: `${folder}/home` } });
    const { baseline, best, improvement, trials, stop_reason } = printed(ended);
    equal(stop_reason, "target");
    equal(baseline.test.score, 0);
    equal(best.test.score, 1);
    ok(improvement.significant);
    equal(
      new Set([...best.prompt.system_prompt.matchAll(RULE)].map(([, place]) => place)).size,
      PLACES.length,
    );
    const kept = trials.filter(({ accepted }: { accepted: boolean }) => accepted);
    ok(
      kept.filter(({ operator }: { operator: string }) => operator === "reflect").length >= 1,
      JSON.stringify(kept),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
