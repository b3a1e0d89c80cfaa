/**
 * CartPole-v1: keep a pole upright on a cart by pushing it left or right (Barto, Sutton and Anderson, 1983), with the numbers
 * of Gymnasium's: 1 for each step, an end where the cart leaves ±2.4 or the pole leans by 12 degrees, a limit of 500 steps.
 *
 * ```ts
 * import { cartPole } from "./cart_pole.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const pole = cartPole();
 * pole.reset(1);
 * let steps = 1;
 * while (!pole.step(0).terminated) steps++;
 * equal(steps < 12, true); // always pushed to one side, it falls
 * ```
 *
 * @module
 */
import { random } from "../random.ts";
import type { Environment, Step } from "./environment.ts";

const GRAVITY = 9.8;
const MASS_POLE = 0.1;
const TOTAL_MASS = MASS_POLE + 1;
const LENGTH = 0.5; // half the pole's
const POLE_MASS_LENGTH = MASS_POLE * LENGTH;
const FORCE = 10;
const TAU = 0.02; // seconds a step
const X_LIMIT = 2.4, THETA_LIMIT = 12 * 2 * Math.PI / 360;
const LIMIT = 500; // steps
const SPREAD = 0.05; // what an episode begins with is uniform in ± this

/** Where the cart is, how fast it goes, how far the pole leans in radians, and how fast that grows. */
export type CartPoleState = readonly [x: number, speed: number, theta: number, spin: number];

/** A CartPole that answers at once. */
export interface CartPole extends Environment {
  reset(seed: number): Float32Array;
  /** Begins an episode in a state of the caller's. */
  begin(state: CartPoleState): Float32Array;
  step(action: number): Step;
}

/** A CartPole. Its observation is its state in 24 bits; the actions are 0, a push to the left, and 1, to the right. */
export function cartPole(): CartPole {
  let x = 0, speed = 0, theta = 0, spin = 0, steps = 0;
  const observation = new Float32Array(4);
  function seen(): Float32Array {
    observation[0] = x;
    observation[1] = speed;
    observation[2] = theta;
    observation[3] = spin;
    return observation;
  }
  function begin(state: CartPoleState): Float32Array {
    [x, speed, theta, spin] = state;
    steps = 0;
    return seen();
  }
  return {
    observationSize: 4,
    actions: 2,
    begin,
    reset(seed) {
      const chance = random(seed);
      const draw = () => (2 * chance() - 1) * SPREAD;
      return begin([draw(), draw(), draw(), draw()]);
    },
    step(action) {
      const force = action === 1 ? FORCE : -FORCE;
      const cos = Math.cos(theta), sin = Math.sin(theta);
      const push = (force + POLE_MASS_LENGTH * (spin * spin) * sin) / TOTAL_MASS;
      const turn = (GRAVITY * sin - cos * push) /
        (LENGTH * (4 / 3 - MASS_POLE * (cos * cos) / TOTAL_MASS));
      const pull = push - POLE_MASS_LENGTH * turn * cos / TOTAL_MASS;
      x += TAU * speed; // Euler: each by what was before
      speed += TAU * pull;
      theta += TAU * spin;
      spin += TAU * turn;
      steps++;
      const terminated = x < -X_LIMIT || x > X_LIMIT || theta < -THETA_LIMIT || theta > THETA_LIMIT;
      return { observation: seen(), reward: 1, terminated, truncated: steps >= LIMIT };
    },
  };
}
