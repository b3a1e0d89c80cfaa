/**
 * Texts to be scored, with their references: `{"prediction": "…", "references": "…" | ["…", …]}`, a line each.
 *
 * @module
 */
import { DatasetError, shown, unstorable, visible } from "./dataset_error.ts";
import { readJsonl, type Row } from "./rows.ts";

/** One text and what counts as right; either may be empty text, as metrics have a score for that, too. */
export interface Prediction {
  readonly prediction: string;
  readonly references: readonly string[];
}

/** Reads a JSONL file of predictions; `reference` may stand for `references`. Throws a DatasetError that names line and field. */
export async function readPredictions(path: string): Promise<Prediction[]> {
  const predictions: Prediction[] = [];
  await readJsonl(path, (row) => predictions.push(checked(row, path)), () => {});
  if (predictions.length === 0) {
    throw new DatasetError("it must hold at least one prediction: got none", path);
  }
  return predictions;
}

function checked({ line, fields, text: whole }: Row, path: string): Prediction {
  const refuse = (problem: string): never => {
    throw new DatasetError(problem, path, line);
  };
  const text = (field: string, value: unknown): string => {
    if (value === undefined) return refuse(`must have "${field}": got ${visible(whole)}`);
    if (typeof value !== "string") return refuse(`must have text in "${field}": got ${shown(value)}`);
    const wrong = unstorable(value);
    return wrong ? refuse(`must have no ${wrong} in "${field}": got ${shown(value)}`) : value;
  };
  const given = fields.references ?? fields.reference;
  if (Array.isArray(given) && given.length === 0) refuse(`must have at least one of "references": got []`);
  return {
    prediction: text("prediction", fields.prediction),
    references: (Array.isArray(given) ? given : [given]).map((one) => text("references", one)),
  };
}
