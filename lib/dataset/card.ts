/**
 * The card beside a dataset, `NAME.card.json`: its metric, its seed prompt, where it comes from.
 *
 * @module
 */
import { DatasetError, didYouMean, shown, unstorable, visible } from "./dataset_error.ts";
import type { Card } from "./example.ts";

const TEXTS = ["metric", "systemPrompt", "outputPrompt", "origin", "licence"] as const;
const KEYS: readonly string[] = [...TEXTS, "metricOptions"] satisfies (keyof Card)[];

/** Where the card of the dataset at `path` would be. */
export const cardPath = (path: string): string => path.replace(/\.[^./\\]*$/, ".card.json");

/**
 * The card of the dataset at `path`: the file beside it, or an empty card when there is none.
 *
 * Keys are strict. What `metricOptions` may hold is for the metric to say. Throws a DatasetError.
 */
export async function readCard(path: string): Promise<Card> {
  const file = cardPath(path);
  const text = await readText(file);
  return text === undefined ? {} : parseCard(text, file);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof TypeError) {
      throw new DatasetError("it must be UTF-8", path, undefined, { cause: error });
    }
    const reason = error instanceof Error ? error.message : error;
    throw new DatasetError(`the system refuses: ${reason}`, path, undefined, { cause: error });
  }
}

function parseCard(text: string, path: string): Card {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new DatasetError(problem, path, undefined, { cause });
  };
  let wrong: string | undefined;
  const noteWrong = (key: string, value: unknown): unknown => {
    wrong ??= unstorable(key) ?? (typeof value === "string" ? unstorable(value) : undefined);
    return value;
  };
  const parsed = (): unknown => {
    try {
      return JSON.parse(text, noteWrong);
    } catch (error) {
      return refuse(`it must be JSON: got ${visible(text)} (${visible((error as Error).message)})`, error);
    }
  };
  const card = parsed();
  if (wrong) refuse(`it must have no ${wrong}: got ${visible(text)}`);
  if (!isObject(card)) return refuse(`it must be a JSON object: got ${shown(card)}`);
  for (const [key, value] of Object.entries(card)) {
    if (!KEYS.includes(key)) {
      refuse(`it may hold ${KEYS.join(", ")}: got "${visible(key)}"${didYouMean(key, KEYS)}`);
    }
    const isOptions = key === "metricOptions";
    if (isOptions ? !isObject(value) : typeof value !== "string") {
      refuse(`it must have ${isOptions ? "an object" : "text"} in "${key}": got ${shown(value)}`);
    }
  }
  return card;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
