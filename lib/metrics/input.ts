/**
 * What a metric accepts: well-formed text, at least one reference, and as many lists of references as predictions.
 *
 * @module
 */

/** Throws a TypeError unless `text` is a string without lone surrogates. */
export function checkText(text: string, what: string): void {
  if (typeof text !== "string") {
    throw new TypeError(`Cannot score as ${what} must be a string: got ${kind(text)}`);
  }
  if (!text.isWellFormed()) {
    const at = [...text].findIndex((character) => !character.isWellFormed());
    throw new TypeError(
      `Cannot score as ${what} must be well-formed Unicode: character ${at} is a lone surrogate`,
    );
  }
}

/** Throws a TypeError unless `references` is a list of texts, a RangeError when it is empty. */
export function checkReferences(references: readonly string[]): void {
  if (!Array.isArray(references)) {
    throw new TypeError(`Cannot score as references must be a list of strings: got ${kind(references)}`);
  }
  if (references.length === 0) {
    throw new RangeError("Cannot score as there must be at least one reference: got none");
  }
  for (const reference of references) checkText(reference, "a reference");
}

/** Throws a TypeError or RangeError unless every prediction has its references, and there is one to score. */
export function checkCorpus(
  predictions: readonly string[],
  references: readonly (readonly string[])[],
): void {
  if (!Array.isArray(predictions) || !Array.isArray(references)) {
    throw new TypeError(
      `Cannot score a corpus as predictions and references must be lists: got ${kind(predictions)} and ${
        kind(references)
      }`,
    );
  }
  if (predictions.length !== references.length) {
    throw new RangeError(
      `Cannot score a corpus as every prediction must have its references: got ${predictions.length} predictions and ${references.length} lists of references`,
    );
  }
  if (predictions.length === 0) {
    throw new RangeError("Cannot score a corpus as it must have at least one prediction: got none");
  }
  for (const prediction of predictions) checkText(prediction, "a prediction");
  for (const list of references) checkReferences(list);
}

const kind = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
