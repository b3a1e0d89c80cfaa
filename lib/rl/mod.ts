/**
 * Reinforcement learning: environments, and agents that learn in them.
 *
 * ```ts
 * import { cartPole, finish, ppo, vectorize } from "./mod.ts";
 * import { openBlas } from "../native/mod.ts";
 * import { random } from "../random.ts";
 *
 * using blas = await openBlas(); // with the path of .venv's Python: OpenBLAS
 * const environments = vectorize([cartPole()], random("environments"));
 * const training = ppo(environments, { totalTimesteps: 512, nSteps: 256, blas, random: random("training") });
 * const policy = await finish(training, ({ timesteps }) => timesteps);
 * await Deno.writeFile("/dev/null", policy.onnx());
 * ```
 *
 * @module
 */
export { type Environment, type Environments, type Episode, type Step, vectorize } from "./environment.ts";
export { type CartPole, cartPole, type CartPoleState } from "./cart_pole.ts";
export {
  type Best,
  evaluatePolicy,
  finish,
  finishBest,
  linear,
  type Policy,
  type Progress,
  type Schedule,
  type Training,
} from "./training.ts";
export { ppo, PPO_DEFAULTS, type PpoOptions } from "./ppo.ts";
export { act, type Action, ACTIONS } from "./edits/edit.ts";
export type { AnswerSpace, Demo, Prompt, Task } from "./edits/prompt.ts";
export { clarity } from "./clarity.ts";
export { type Look, OBSERVATION_SIZE, observer, type ObserverOptions, type View } from "./observation.ts";
export {
  type EditJournal,
  editJournal,
  type MadeEdit,
  type PromptEnv,
  promptEnv,
  type PromptEnvOptions,
  type Reached,
} from "./prompt_env.ts";
export {
  type Edited,
  editEpisodes,
  type Editor,
  editPolicy,
  type EditPolicyOptions,
  type ExpectedEdit,
} from "./edit_policy.ts";
export { dqn, type DqnOptions } from "./dqn.ts";
