/**
 * Reinforcement learning: environments, and agents that learn in them.
 *
 * @module
 */
export { type Environment, type Environments, type Episode, type Step, vectorize } from "./environment.ts";
