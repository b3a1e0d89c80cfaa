/**
 * Learning from what is kept: features of scored prompts, the meta-model and the policy, and which of them a loop may use.
 *
 * ```ts ignore
 * const { trained } = await trainMetaModel({ db, embed, lightgbm, newId, elapsed });
 * const { model, because } = await chooseMetaModel(db, { context, dataset, seed });
 * ```
 *
 * @module
 */
export { type Observation, observations } from "./features.ts";
export {
  beatsTheMean,
  doubt,
  FEWEST_PROMPTS,
  foldsOf,
  told,
  type Training,
  trainMetaModel,
} from "./meta_model.ts";
export {
  type Choice,
  chooseMetaModel,
  type OpenSurrogate,
  openSurrogate,
  requireSoundMetaModel,
} from "./surrogate.ts";
export {
  beatsChance,
  choosePolicy,
  type OpenPolicy,
  openPolicy,
  type PolicyTraining,
  requireSoundPolicy,
  trainPolicy,
} from "./policy.ts";
export { UnusableModelError } from "./sound.ts";
