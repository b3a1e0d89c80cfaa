/**
 * Which weights an experiment was begun with: its answers are kept under them, and go on being found whatever its server says
 * of them later, or does not say.
 *
 * @module
 */
import { type LanguageModel, ProviderError } from "../lib/llm/mod.ts";
import type { Models } from "./setting.ts";

/** Who answers and who proposes. */
export type Roles = Pick<Models, "primary" | "optimizer">;

/** By role, what a server said of its weights, as it is kept with the experiment; null where it said nothing. */
export type Weights = Readonly<Record<keyof Roles, string | null>>;

/** What the servers say now, if one of them says anything. */
export function weightsOf(roles: Roles): Weights | undefined {
  const [primary = null, optimizer = null] = [roles.primary, roles.optimizer].map(({ identity }) =>
    identity.served
  );
  return primary === null && optimizer === null ? undefined : { primary, optimizer };
}

/**
 * The models as they were when an experiment began; one that was begun before weights were looked at had none. Throws
 * ProviderError where a server has others by now, as two models' answers would be mixed into one score.
 */
export function asBegun({ primary, optimizer }: Roles, begun: Weights | undefined): Roles {
  const first = withWeights(primary, begun?.primary ?? null);
  return {
    primary: first,
    optimizer: optimizer === primary ? first : withWeights(optimizer, begun?.optimizer ?? null),
  };
}

/** The models as if they were other ones: no answer of another experiment than `id` is theirs. */
export function afresh({ primary, optimizer }: Roles, id: string): Roles {
  const salted = (model: LanguageModel) => ({ ...model, identity: { ...model.identity, fresh: id } });
  const first = salted(primary);
  return { primary: first, optimizer: optimizer === primary ? first : salted(optimizer) };
}

function withWeights(model: LanguageModel, begun: string | null): LanguageModel {
  const { served = begun, ...identity } = model.identity;
  if (begun === null) return { ...model, identity };
  if (served !== begun) {
    throw new ProviderError(
      `Cannot go on as ${model.name} has other weights than when this experiment began (${served} instead of ${begun}): ` +
        "have those served and go on, or begin a new experiment",
      { retryable: false, fatal: false },
    );
  }
  return { ...model, identity: { ...identity, served } };
}
