/**
 * Lets the policy edit the prompt. The policy is a function given to the loop; without one this operator does not apply.
 *
 * @module
 */
import type { Random } from "../../random.ts";
import type { Candidate, Edit, Prompt } from "../candidate.ts";
import type { Context, Operator, Proposal } from "./operator.ts";

/** Whatever edits a prompt: returns the edited prompt and the edits in their order, none when it would leave it as it is. */
export type Policy = (
  candidate: Candidate,
  random: Random,
) => Promise<{ readonly prompt: Prompt; readonly edits: readonly Edit[] }>;

/** The operator that asks `policy`. */
export const edit = (policy: Policy | undefined): Operator => ({
  name: "edit",
  practises: 0,
  asks: 0,
  applies: () => policy !== undefined,
  async propose({ parent, random }: Context): Promise<Proposal> {
    const { prompt, edits } = await policy!(parent, random);
    if (edits.length === 0) return { refused: "the policy would leave the prompt as it is" };
    return { prompt, parents: [parent.index], note: edits.map(({ action }) => action).join(", "), edits };
  },
});
