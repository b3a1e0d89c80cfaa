/**
 * Where things are shown: in a cell of Deno's kernel, and outside of one as text.
 *
 * The kernel alone has `Deno.jupyter`; what libraries write to stdout is lost there, what goes through here is not.
 *
 * @module
 */
import { type Bundle, bundleOf, type Showable, type ShowOptions } from "./bundle.ts";

/** What shows bundles. */
export interface Screen {
  /** Shows something; what has a name can be replaced by what is shown under it later. */
  display(bundle: Bundle, name?: string): Promise<void>;
  /** Replaces what was shown under a name. */
  update(bundle: Bundle, name: string): Promise<void>;
}

/** What is used of the kernel. */
interface Kernel {
  broadcast(type: string, content: Readonly<Record<string, unknown>>): Promise<void>;
}

/** The kernel's, or one that prints text. */
export function screenHere(): Screen {
  const kernel = kernelHere();
  return kernel === undefined ? printing((text) => console.log(text)) : cellOf(kernel);
}

/** Outside the kernel `Deno.jupyter` is not there, or throws when it is asked for. */
function kernelHere(): Kernel | undefined {
  try {
    return (Deno as unknown as { jupyter?: Kernel }).jupyter;
  } catch {
    return undefined;
  }
}

/**
 * Milliseconds for the kernel's other thread to send what it was given: a cell that ends before is said to be over first, and
 * what comes after that is dropped by its reader.
 */
const SENDING = 20;

const cellOf = (kernel: Kernel): Screen => {
  const send = (type: string) => async (data: Bundle, name?: string) => {
    await kernel.broadcast(type, {
      ...{ data, metadata: {} },
      transient: name === undefined ? {} : { display_id: name },
    });
    await new Promise((resolve) => setTimeout(resolve, SENDING));
  };
  return { display: send("display_data"), update: send("update_display_data") };
};

/** A screen that prints text, for scripts; of what changes only what is new. */
export function printing(print: (text: string) => void): Screen {
  const last = new Map<string, string>();
  const show = (bundle: Bundle, name = "") => {
    const text = bundle["text/plain"];
    if (name === "" || last.get(name) !== text) print(text);
    last.set(name, text);
    return Promise.resolve();
  };
  return { display: show, update: show };
}

/**
 * Shows a chart, a table or a text: as picture and HTML in a notebook, as text in a script.
 *
 * ```ts
 * import { type Bundle, show } from "./mod.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const shown: Bundle[] = [];
 * const keep = (bundle: Bundle) => Promise.resolve(void shown.push(bundle));
 * await show([{ run: "a", score: 0.5 }], { screen: { display: keep, update: keep } });
 * deepEqual(shown.map((bundle) => bundle["text/plain"]), ["1 row × 2 columns\nrun  score\na      0.5"]);
 * ```
 */
export async function show(
  value: Showable,
  { screen = screenHere(), ...options }: ShowOptions & { readonly screen?: Screen } = {},
): Promise<void> {
  await screen.display(bundleOf(value, options));
}
