/**
 * A choice of demos with the bias that fits it. Which set is shown matters less once a bias has taken away what a model says too
 * often under it (calibration.ts).
 *
 * @module
 */
import { demonstrate } from "./demonstrate.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** Chooses demos as `demonstrate` does, and has them calibrated. */
export const calibrate: Operator = {
  name: "calibrate",
  practises: 0,
  asks: 0,
  applies: (situation) => situation.calibrates && demonstrate.applies(situation),
  async propose(context: Context): Promise<Proposal> {
    const proposal = await demonstrate.propose(context);
    return "refused" in proposal ? proposal : { ...proposal, prompt: { ...proposal.prompt, bias: {} } };
  },
};
