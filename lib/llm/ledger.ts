/**
 * The ledger: every call of every role goes through it, is paid for once, and never overshoots a cap.
 *
 * For each question it looks whether the answer was paid for before; if not, it reserves the worst case (one call, the
 * longest possible answer at its price) against the caps, writes an intent row, sends, and writes answer and bill before
 * anybody may use them. A cap is hard: what might overshoot is not sent. A call whose answer was lost (the process died
 * between answer and write) keeps its intent row and counts with all that was reserved for it.
 *
 * Other workers may want the same answer at the same moment. The journal grants an intent to one of them; the others wait
 * until that one has the answer, with nothing reserved and nothing in flight, and ask themselves when it failed or died.
 *
 * A question that was given up (refused, or failed as often as it may be sent) is not sent again: asked once more, in this
 * process or a later one, it meets the same failure. So what became of each question is a fact like any other, and a run
 * that goes on is the run that was cut off.
 *
 * The journal, where rows are durable, is an interface of this file: the store implements it with Postgres.
 *
 * @module
 */
import { hash } from "node:crypto";
import pLimit from "p-limit";
import { point } from "../cut.ts";
import {
  type Completion,
  type LanguageModel,
  type ModelRequest,
  ProviderError,
  type Role,
  type Usage,
} from "./model.ts";
import { costOf, type Price } from "./prices.ts";
import { breaker, isBlameless, isFinal, retry, type RetryOptions, wait } from "./retry.ts";
import { NOTHING } from "./usage.ts";

/** What an experiment may spend, over all roles and all resumptions. Absent means without limit. */
export interface Caps {
  /** Requests on the wire: retries and lost calls count. */
  readonly calls?: number | undefined;
  /** Prompt and completion tokens. */
  readonly tokens?: number | undefined;
  /** Picodollars (1e-12 USD). */
  readonly cost?: bigint | undefined;
  /** Seconds of running. */
  readonly seconds?: number | undefined;
}

/** What was spent so far, reservations of calls under way included. */
export interface Spending {
  readonly calls: number;
  readonly tokens: number;
  /** Picodollars. */
  readonly cost: bigint;
}

/** A call that is about to be sent. */
export interface Intent {
  /** A fresh uuid. */
  readonly id: string;
  readonly role: Role;
  readonly model: string;
  readonly key: string;
  /** Counted from 1. */
  readonly attempt: number;
  readonly reserved: { readonly tokens: number; readonly cost: bigint };
}

/** What became of a call. */
export interface Settlement {
  readonly id: string;
  readonly usage: Usage;
  readonly cost: bigint;
  readonly ms: number;
  readonly outcome:
    | { readonly kind: "answered"; readonly completion: StoredCompletion }
    | {
      readonly kind: "failed";
      readonly error: string;
      /**
       * Null where it says nothing of this question: the run was ended, the provider was asked too often, or every other
       * question would fail as well.
       */
      readonly failure: Failure | null;
    };
}

/** How a provider failed at a question. */
export interface Failure {
  /** Of HTTP, 0 without one. */
  readonly status: number;
  readonly retryable: boolean;
  /** Whether it is given up: not sent again. */
  readonly final: boolean;
}

/** What was tried at a question without an answer. */
export interface Tried extends Failure {
  /** Attempts that failed. */
  readonly attempts: number;
  /** Of the last one. */
  readonly error: string;
}

/** A completion with all that its key was made of. */
export interface StoredCompletion extends Completion {
  readonly key: string;
  readonly model: string;
  readonly identity: Readonly<Record<string, string>>;
  readonly request: ModelRequest;
}

/** What this experiment did in earlier processes. */
export interface History {
  readonly spent: Spending;
  /** Keys it paid for. */
  readonly keys: ReadonlySet<string>;
  /** By key, what has failed so far. */
  readonly tried: ReadonlyMap<string, Tried>;
}

/** Whether a call may be sent. Where not, nothing was written for it: its answer is there by now, or is another worker's to get. */
export type Intended =
  | { readonly kind: "granted" }
  | { readonly kind: "answered" }
  /** `ms`: milliseconds until the claim ends, unless it is renewed. */
  | { readonly kind: "claimed"; readonly ms: number }
  /** By a cap that several experiments have in common. `passing`: what calls under way have reserved may come back. */
  | {
    readonly kind: "refused";
    readonly cap: "calls" | "tokens" | "cost";
    readonly allowed: number | bigint;
    readonly spent: number | bigint;
    readonly passing: boolean;
  };

/** Where calls and completions are durable. Each promise resolves once its row would survive a crash. */
export interface Journal {
  history(): Promise<History>;
  find(key: string): Promise<Completion | null>;
  /** A granted intent claims its completion until it is settled, or its process dies. */
  intend(intent: Intent): Promise<Intended>;
  /** Milliseconds for which a completion is claimed, unless that is renewed; 0 where it is not: answered, failed or free. */
  claimed(key: string): Promise<number>;
  settle(settlement: Settlement): Promise<void>;
}

/** An answer, and where it came from. */
export interface Answer {
  readonly completion: Completion;
  readonly key: string;
  /** Paid now, paid earlier by this experiment, or by another one. */
  readonly origin: "paid" | "replayed" | "cached";
}

/** A cap does not allow the next call. Nothing was sent for it. */
export class BudgetError extends Error {
  override name = "BudgetError";
  /** The cap that was met. */
  readonly cap: keyof Caps;
  constructor(cap: keyof Caps, message: string) {
    super(message);
    this.cap = cap;
  }
}

/** What a ledger is opened with. */
export interface LedgerOptions {
  readonly models: Partial<Readonly<Record<Role, LanguageModel>>>;
  readonly journal: Journal;
  readonly caps: Caps;
  /** The price of each model; null lets it be used at an unknown price, which counts as nothing. */
  readonly priceOf: (model: LanguageModel) => Price | null;
  /** How failed attempts are repeated; each model gets a breaker of its own. */
  readonly retry: Omit<RetryOptions, "breaker" | "signal" | "failed" | "onWait">;
  /** Requests on the wire at most. */
  readonly concurrency: number;
  readonly newId: () => string;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsed: () => number;
  /** Seconds this experiment ran in earlier processes. @default {0} */
  readonly secondsBefore?: number;
  /** Told after every change. */
  readonly onChange?: (ledger: Ledger) => void;
}

/** Why and for how many milliseconds a model is not asked; 0 when it is asked again right now. */
export interface Wait {
  readonly model: string;
  readonly ms: number;
  readonly error: Error;
}

/** The ledger of one experiment. */
export interface Ledger {
  /**
   * The answer of the role's model. Throws BudgetError when a cap does not allow the call, ProviderError when the
   * provider gave no answer, now or when it was asked before, the reason of `stop` when the ledger was stopped.
   */
  ask(role: Role, request: ModelRequest): Promise<Answer>;
  /** Other caps from now on, never above those it was opened with: a phase leaves something for the next. */
  limit(caps: Caps): void;
  /** What is spent, reservations included. */
  spent(): Spending;
  /** Answers read back from other experiments. */
  cached(): number;
  /**
   * Why a model is not asked for now, if that is so: its provider is down, or every call waits for its next attempt or, for
   * seconds already, for another worker's answer. Then it is the pause that ends first.
   */
  paused(): Wait | undefined;
  /** Begins no further call: every `ask` that is not in flight throws `reason`. `abort` ends those in flight, too. */
  stop(reason: Error, options?: { abort?: boolean }): void;
  /** Resolves when no call is in flight. */
  idle(): Promise<void>;
}

/** The key of a completion: SHA-256 of everything that can change it. */
export const completionKey = (identity: Readonly<Record<string, string>>, request: ModelRequest): string =>
  hash(
    "sha256",
    JSON.stringify([
      Object.entries(identity).sort(([a], [b]) => a < b ? -1 : 1),
      request.messages.map(({ role, content }) => [role, content]),
      request.temperature,
      request.maxTokens,
      request.sample ?? 0,
      ...request.bias ? [{ bias: Object.entries(request.bias).sort(([a], [b]) => a < b ? -1 : 1) }] : [],
      ...request.firsts ? [{ firsts: true }] : [],
      ...request.choices ? [{ choices: request.choices.toSorted() }] : [],
    ]),
  );

/** Opens the ledger of one experiment: reads what it spent before, and counts on from there. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { models, journal, priceOf, elapsed, newId, secondsBefore = 0, onChange = () => {} } = options;
  const history = await journal.history();
  let { calls, tokens, cost } = history.spent; // reservations included
  let caps = options.caps;
  let inFlight = 0;
  let undecided = 0; // of these, calls whose intent is not granted yet
  let settled = Promise.withResolvers<void>(); // resolves when the next one is settled or decided on
  let stopped: Error | undefined;
  const abort = new AbortController(), halt = new AbortController();
  const wire = pLimit(options.concurrency), begin = pLimit(Math.floor(1.5 * options.concurrency));
  const { sleep = wait } = options.retry;
  const breakers = new Map(
    Object.values(models).map((model) => [model, breaker({ now: elapsed, sleep })]),
  );
  const waiting = new Map<string, Promise<Answer>>();
  const own = new Set(history.keys);
  const failed = new Map([...history.tried].map(([key, { attempts }]) => [key, attempts]));
  const givenUp = new Map(
    [...history.tried].filter(([, { final }]) => final).map(([key, { error, ...kind }]) =>
      [
        key,
        new ProviderError(error, { status: kind.status, retryable: kind.retryable, fatal: false }),
      ] as const
    ),
  );
  const cached = new Set<string>();
  const waits = new Set<{ readonly model: string; readonly error: Error; until: number }>();
  const begun = elapsed();
  const secondsLeft = () => (caps.seconds ?? Infinity) - secondsBefore - (elapsed() - begun) / 1000;

  const ledger: Ledger = {
    ask(role, request) {
      const model = models[role];
      if (!model) throw new TypeError(`Cannot ask the ${role} as no model plays that role`);
      const key = completionKey(model.identity, request);
      const underWay = waiting.get(key);
      if (underWay) return underWay; // asked twice at once, paid once
      const answer = answered(role, model, key, request).finally(() => waiting.delete(key));
      waiting.set(key, answer);
      return answer;
    },
    limit(next) {
      const least = <T extends number | bigint>(a: T | undefined, b: T | undefined) =>
        a === undefined || (b !== undefined && b < a) ? b : a;
      caps = {
        calls: least(next.calls, options.caps.calls),
        tokens: least(next.tokens, options.caps.tokens),
        cost: least(next.cost, options.caps.cost),
        seconds: least(next.seconds, options.caps.seconds),
      };
    },
    spent: () => ({ calls, tokens, cost }),
    cached: () => cached.size,
    paused() {
      const pauses = [...breakers].flatMap(([{ name: model }, breaker]): Wait[] => {
        const pause = breaker.pause();
        return pause ? [{ model, ...pause }] : [];
      });
      if (pauses.length === 0 && inFlight === 0) {
        for (const { until, ...wait } of waits) pauses.push({ ...wait, ms: Math.max(0, until - elapsed()) });
      }
      return pauses.sort((a, b) => a.ms - b.ms)[0];
    },
    stop(reason, { abort: now = false } = {}) {
      stopped ??= reason;
      halt.abort(stopped);
      if (now) abort.abort(stopped);
    },
    async idle() {
      while (inFlight > 0) await settled.promise;
    },
  };
  return ledger;

  async function answered(
    role: Role,
    model: LanguageModel,
    key: string,
    request: ModelRequest,
  ): Promise<Answer> {
    for (;;) {
      if (stopped) throw stopped;
      const failure = givenUp.get(key);
      if (failure) throw failure; // also where another experiment has the answer by now: this one went on without it
      const completion = await journal.find(key);
      if (completion !== null) {
        point("call: read back");
        const origin = own.has(key) ? "replayed" : "cached";
        if (origin === "cached") cached.add(key);
        onChange(ledger);
        return { completion, key, origin };
      }
      try {
        return await inPlace((leave) =>
          inTime(abort.signal, (signal) => bought(role, model, key, request, signal, leave))
        );
      } catch (error) {
        if (error instanceof Short) await inTime(halt.signal, (signal) => sleep(SHORT, signal));
        else if (!(error instanceof Elsewhere)) throw error;
        else await inTime(halt.signal, (signal) => unclaimed(model, key, error.ms, signal));
      }
    }
  }

  /**
   * Has `work` done in one of the places on the wire, which it leaves to the next call when it has an answer: that is written
   * meanwhile, so that a database that is far away keeps no place empty. Half as many more calls than there are places are begun
   * at most: where answers wait for the database, no more are bought, and with one place each is kept before the next begins.
   */
  function inPlace<T>(work: (leave: () => void) => Promise<T>): Promise<T> {
    return begin(async () => {
      const { promise, resolve: leave } = Promise.withResolvers<void>();
      await new Promise<void>((enter) => void wire(() => (enter(), promise)));
      try {
        return await work(leave);
      } finally {
        leave();
      }
    });
  }

  async function bought(
    role: Role,
    model: LanguageModel,
    key: string,
    request: ModelRequest,
    signal: AbortSignal,
    leave: () => void,
  ): Promise<Answer> {
    const completion = await retry((...tries) => paid(role, model, key, request, tries, signal, leave), {
      ...options.retry,
      failed: failed.get(key) ?? 0,
      breaker: breakers.get(model)!,
      signal,
      onWait({ ms, error }) {
        const wait = { error, model: model.name, until: elapsed() + ms };
        waits.add(wait);
        return { [Symbol.dispose]: () => void waits.delete(wait) };
      },
    });
    own.add(key);
    return { completion, key, origin: "paid" };
  }

  /** Waits while another worker has the key to itself, which is looked after at growing distances. */
  async function unclaimed(
    { name: model }: LanguageModel,
    key: string,
    ms: number,
    signal: AbortSignal,
  ): Promise<void> {
    const wait = { model, error: CLAIMED, until: 0 };
    try {
      for (let pause = SHORTEST_LOOK; ms > 0; pause = Math.min(LONGEST_LOOK, 1.5 * pause)) {
        wait.until = elapsed() + ms;
        if (pause === LONGEST_LOOK) waits.add(wait); // it takes its time
        await sleep(pause, signal);
        ms = await journal.claimed(key);
      }
    } finally {
      waits.delete(wait);
    }
  }

  /** Has `work` ended by `end`, or when the seconds are spent. */
  async function inTime<T>(end: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const left = Math.ceil(1000 * Math.max(0, secondsLeft()));
    const over = new AbortController();
    const ended = () => over.abort(end.reason);
    if (end.aborted) ended();
    // both undone with the call: `AbortSignal.any` and `timeout` would keep something of each call until the run ends
    end.addEventListener("abort", ended);
    const timer = left < LONGEST_TIMER ? setTimeout(() => over.abort(LATE), left) : undefined;
    try {
      return await work(over.signal);
    } catch (error) {
      throw error === LATE ? outOfTime() : error;
    } finally {
      end.removeEventListener("abort", ended);
      clearTimeout(timer);
    }
  }

  /** One request on the wire: reserved, announced, sent, settled. */
  async function paid(
    role: Role,
    model: LanguageModel,
    key: string,
    request: ModelRequest,
    [attempt, blameless]: readonly [attempt: number, blameless: number],
    signal: AbortSignal,
    leave: () => void,
  ): Promise<Completion> {
    const worst: Usage = {
      promptTokens: model.promptTokensAtMost(request),
      completionTokens: request.maxTokens,
    };
    const price = priceOf(model);
    const reserved = { tokens: worst.promptTokens + worst.completionTokens, cost: costOf(worst, price) };
    const id = newId();
    await reserve(reserved);
    point("call: before its intent");
    const news = () => {
      settled.resolve();
      settled = Promise.withResolvers();
    };
    const release = (usage: Usage) => {
      const actual = { tokens: usage.promptTokens + usage.completionTokens, cost: costOf(usage, price) };
      tokens += actual.tokens - reserved.tokens;
      cost += actual.cost - reserved.cost;
      inFlight--;
      news();
      onChange(ledger);
    };
    try {
      const intended = await journal.intend({ id, role, model: model.name, key, attempt, reserved });
      if (intended.kind === "refused") throw intended.passing ? new Short() : beyond(intended);
      if (intended.kind !== "granted") {
        throw new Elsewhere(intended.kind === "claimed" ? Math.max(1, intended.ms) : 0);
      }
      undecided--;
      if (calls >= (caps.calls ?? Infinity)) news(); // who waits for a call to come back waits in vain
    } catch (error) { // nothing was sent
      undecided--;
      calls--;
      release(NOTHING);
      throw error;
    }
    point("call: before it is sent");
    const sent = elapsed();
    const settle = async (usage: Usage, outcome: Settlement["outcome"]) => {
      try {
        await journal.settle({ id, usage, cost: costOf(usage, price), ms: elapsed() - sent, outcome });
      } catch (error) {
        stopped ??= error as Error; // no further call is sent while answers cannot be kept
        throw error;
      } finally {
        release(usage);
      }
    };
    let completion: Completion;
    try {
      if (secondsLeft() <= 0) throw outOfTime(); // the intent took its time
      completion = await model.complete(request, { signal });
    } catch (error) {
      // A refusal costs nothing. A call that broke off may have been billed in full, and nobody can tell.
      const refused = error instanceof ProviderError && error.status >= 400;
      const unsent = error instanceof BudgetError;
      const usage = (error instanceof ProviderError && error.usage) || (refused || unsent ? NOTHING : worst);
      const failure = error instanceof ProviderError && !error.fatal && !isBlameless(error, blameless)
        ? { status: error.status, retryable: error.retryable, final: isFinal(error, attempt, options.retry) }
        : null;
      const message = error instanceof Error ? error.message : String(error);
      await settle(usage, { kind: "failed", error: message, failure });
      if (failure) failed.set(key, attempt);
      if (failure?.final) givenUp.set(key, error as ProviderError);
      throw error;
    }
    point("call: answered");
    leave();
    const stored = { ...completion, key, model: model.name, identity: model.identity, request };
    await settle(completion.usage ?? worst, { kind: "answered", completion: stored });
    point("call: settled");
    return completion;
  }

  /** Takes the worst case from the caps. What other calls hold in reserve may come back, so that is waited for. */
  async function reserve(wanted: { tokens: number; cost: bigint }): Promise<void> {
    for (;;) {
      if (stopped) throw stopped;
      if (secondsLeft() <= 0) throw outOfTime();
      const tooMany = calls + 1 > (caps.calls ?? Infinity);
      if (tooMany && undecided === 0) {
        throw new BudgetError(
          "calls",
          `Cannot send another call as ${caps.calls} are allowed: ${calls} are spent`,
        );
      }
      const tooManyTokens = tokens + wanted.tokens > (caps.tokens ?? Infinity);
      const tooDear = caps.cost !== undefined && cost + wanted.cost > caps.cost;
      if (!tooMany && !tooManyTokens && !tooDear) break;
      if (inFlight > 0) {
        await settled.promise;
      } else if (tooManyTokens) {
        throw new BudgetError(
          "tokens",
          `Cannot send another call as ${caps.tokens} tokens are allowed: ${tokens} are spent, the call may take ${wanted.tokens}`,
        );
      } else {
        throw new BudgetError(
          "cost",
          `Cannot send another call as $${dollars(caps.cost!)} are allowed: $${dollars(cost)} are spent, ` +
            `the call may cost $${dollars(wanted.cost)}`,
        );
      }
    }
    calls++;
    tokens += wanted.tokens;
    cost += wanted.cost;
    inFlight++;
    undecided++;
    onChange(ledger);
  }

  function outOfTime(): BudgetError {
    return new BudgetError("seconds", `Cannot send another call as the run may take ${caps.seconds} seconds`);
  }
}

/** Ends calls under way when the seconds are spent. */
const LATE = new Error("The seconds are spent");

/** Milliseconds; a timer that is set for more goes off at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Milliseconds between two looks whether another worker's claim is over. */
const SHORTEST_LOOK = 20, LONGEST_LOOK = 1_000;

/** Goes through `retry`, which says nothing of the provider by it. */
class Elsewhere extends Error {
  /** Milliseconds to wait for at most before the next look. */
  readonly ms: number;
  constructor(ms: number) {
    super("Cannot send a call as another worker sent it");
    this.ms = ms;
  }
}

/** What several experiments may spend is reserved for calls under way; some may come back. */
class Short extends Error {}

/** Milliseconds after which is looked whether it did. */
const SHORT = 250;

function beyond({ cap, allowed, spent }: Extract<Intended, { kind: "refused" }>): BudgetError {
  const amount = (value: number | bigint) =>
    typeof value === "bigint" ? `$${dollars(value)}` : `${value} ${cap}`;
  return new BudgetError(
    cap,
    `Cannot send another call as ${amount(allowed)} are allowed to all experiments together: ${
      amount(spent)
    } are spent`,
  );
}

const CLAIMED = new Error("Cannot ask as another worker is asking the same");

/** Picodollars in dollars, for a message. */
const dollars = (cost: bigint): string => (Number(cost) / 1e12).toFixed(6).replace(/0{1,4}$/, "");
