/**
 * Replies that say nothing as their tokens ran out first: a model that thinks spends them on that before it answers. And, where
 * those are many, replies that were cut off while they said something, as what they would have come to was not heard, and
 * replies whose tokens were not told, as more is booked for them than they took. And requests that are all refused.
 *
 * ```ts
 * import { silenceOf } from "./silence.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const silence = silenceOf({ primary: "vertex:gemini-2.5-flash" });
 * const usage = { promptTokens: 9, completionTokens: 2 };
 * silence.heard("primary", { text: "odd", finish: "stop", usage }, 256);
 * silence.heard("primary", { text: "", finish: "length", usage }, 256);
 * silence.require(2); // one said something
 * deepEqual(silence.told(), [
 *   "vertex:gemini-2.5-flash said nothing in 1 of 2 answers: its 256 tokens ran out first (thinking takes them, too): " +
 *   "begin anew with --answer-tokens 2048",
 * ]);
 * ```
 *
 * @module
 */
import { type Completion, type LanguageModel, ProviderError, type Role } from "../llm/mod.ts";
import { UnreadableError } from "./roles.ts";

/** What the models of a run said nothing to, or refused, how often they were cut off or told no tokens; read back replies included. */
export interface Silence {
  /** A failure is no reply. */
  heard(role: Role, reply: Completion | ProviderError, maxTokens: number): void;
  /** Throws UnreadableError when `least` answers came or grades came at least, and not one of them says anything. */
  require(least: number): void;
  /** Throws ProviderError when `least` questions were refused at least, and not one was answered: nor will others be. */
  requireReplies(least: number): void;
  /** Lines for the roles in which a model said nothing at times, was often cut off, or often told no tokens. */
  told(): string[];
}

/** What models are called, by the role they play. */
export const namesOf = (models: Partial<Readonly<Record<Role, LanguageModel>>>): Names =>
  Object.fromEntries(Object.entries(models).map(([role, { name }]) => [role, name]));

type Names = Partial<Readonly<Record<Role, string>>>;

/** Keeps count of a run's replies; `names` are the models' by the role they play. */
export function silenceOf(names: Names): Silence {
  const counts = new Map<Role, Count>();
  return {
    heard(role, reply, tokens) {
      const count = counts.get(role) ?? NONE;
      if (reply instanceof ProviderError) {
        if (!reply.retryable) counts.set(role, { ...count, refused: count.refused + 1, refusal: reply });
        return;
      }
      const mute = isSilent(reply), ended = reply.finish === "length" && !mute;
      counts.set(role, {
        ...{ ...count, replies: count.replies + 1, tokens },
        ...{ silent: count.silent + (mute ? 1 : 0), cut: count.cut + (ended ? 1 : 0) },
        uncounted: count.uncounted + (reply.usage === null ? 1 : 0),
      });
    },
    require(least) {
      for (const role of NEEDED) {
        const { replies, silent, tokens } = counts.get(role) ?? NONE;
        if (silent < Math.max(1, least) || silent < replies) continue;
        throw new UnreadableError(
          `Cannot score anything as ${names[role]} said nothing in any of ${silent} ${spent(role, tokens)}`,
          { retryable: false, fatal: false },
        );
      }
    },
    requireReplies(least) {
      for (const role of NEEDED) {
        const { replies, refused, refusal } = counts.get(role) ?? NONE;
        if (replies > 0 || refused < least || !refusal) continue;
        throw new ProviderError(
          `Cannot go on as ${
            names[role]
          } refused each of ${refused} requests, the last one so: ${refusal.message}`,
          { status: refusal.status, retryable: false, fatal: false, cause: refusal },
        );
      }
    },
    told: () =>
      Array.from(counts).flatMap(([role, { replies, silent, cut, uncounted, tokens }]) => [
        ...silent === 0
          ? []
          : [`${names[role]} said nothing in ${silent} of ${replies} ${spent(role, tokens)}`],
        ...OFTEN * replies >= cut || names[role] === "local" || !TELLING.includes(role)
          ? []
          : [`${names[role]} was cut off in ${cut} of ${replies} ${shortened(role, tokens)}`],
        ...OFTEN * replies >= uncounted ? [] : [
          `${names[role]} did not tell the tokens of ${uncounted} of ${replies} ${ROLES[role].replies}: ` +
          "the most that each can have taken is booked, so that caps hold; they took less",
        ],
      ]),
  };
}

/** Share of replies that may be cut off, or not be counted, without a word about it. */
const OFTEN = 0.1;
/** Roles without whose replies nothing has a score. */
const NEEDED = ["primary", "grader"] as const;
/** Roles of which it is told. What a grader says is a grade or none; the embedded model is cut off where references end. */
const TELLING: readonly Role[] = ["primary", "optimizer"];

/** Replies of one role, what became of them, and the tokens they might have. */
interface Count {
  readonly replies: number;
  readonly silent: number;
  /** Those that said something, and were cut off. */
  readonly cut: number;
  /** Those whose tokens were not told. */
  readonly uncounted: number;
  readonly tokens: number;
  /** Requests that were refused, and the last refusal. */
  readonly refused: number;
  readonly refusal?: ProviderError;
}

const NONE: Count = { replies: 0, silent: 0, cut: 0, uncounted: 0, tokens: 0, refused: 0 };

/** Some servers hand on the thoughts, between marks of which the second never came. */
const isSilent = ({ text, finish }: Completion): boolean =>
  finish === "length" && /^\s*(<think>(?!.*<\/think>).*)?$/s.test(text);

/** Of what there are so many, why, and what to do. */
const spent = (role: Role, tokens: number): string =>
  `${ROLES[role].replies}: its ${tokens} tokens ran out first (thinking takes them, too): ` +
  `begin anew with ${ROLES[role].mend(Math.max(2048, 4 * tokens))}`;

/** The same of those that were cut off. */
const shortened = (role: Role, tokens: number): string =>
  `${ROLES[role].replies}, after ${tokens} tokens: where it is to say more, ` +
  `begin anew with ${ROLES[role].mend(4 * tokens)}`;

/** What a role's replies are called, and what gives it more room for them. */
const ROLES: Readonly<Record<Role, { readonly replies: string; readonly mend: (tokens: number) => string }>> =
  {
    primary: { replies: "answers", mend: (tokens) => `--answer-tokens ${tokens}` },
    optimizer: { replies: "proposals", mend: (tokens) => `--optimizer-tokens ${tokens}` },
    evaluator: { replies: "replies", mend: () => "another model" },
    grader: {
      replies: "grades",
      mend: () => "another model that grades (--optimizer), or with a metric (--metric)",
    },
  };
