/**
 * Scores on the locked test split, and the paired comparison that a claim is made on.
 *
 * ```ts
 * import { byMetric, compare, measure } from "./mod.ts";
 * import { metric } from "../metrics/mod.ts";
 * import { random } from "../random.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const questions = Array.from({ length: 8 }, (_, i) => ({ id: `${i}`, question: `${i} + 1?`, references: [`${i + 1}`] }));
 * const options = { split: "test", scorer: byMetric(metric("exact_match")), random: random(1) } as const;
 * const prompt = { systemPrompt: "", outputPrompt: "", demos: [] };
 * const wrong = await measure(prompt, questions, { ...options, answer: () => Promise.resolve({ text: "?", completion: "" }) });
 * const right = await measure(prompt, questions, {
 *   ...options,
 *   answer: (_, { references }) => Promise.resolve({ text: references[0]!, completion: "" }),
 * });
 * equal(right.value, 1);
 * equal(compare(wrong, right, random(1)).significant, true);
 * ```
 *
 * @module
 */
export { type Answer, compare, measure, measureEach, type Measurement, questionsOf } from "./measure.ts";
export { byJudge, byMetric, grade, type Scorer } from "./scorer.ts";
