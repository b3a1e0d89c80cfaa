/**
 * Plot options as the text of an SVG element, without a browser.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

const { document } = parseHTML("<!doctype html><html></html>");

/** Attributes that hold geometry, whose digits beyond the hundredth nobody sees. */
const GEOMETRY = [
  "d",
  "x",
  "y",
  "x1",
  "x2",
  "y1",
  "y2",
  "cx",
  "cy",
  "r",
  "dx",
  "dy",
  "width",
  "height",
  "transform",
];

/** The SVG of a chart: one image to a screen reader, no styles of its own. A page gives `.plot` its few. */
export function svg(options: Plot.PlotOptions): string {
  const element = Plot.plot({ ...options, document, className: "plot" });
  element.querySelector("style")?.remove();
  element.setAttribute("role", "img");
  element.setAttribute("font-size", element.style.fontSize); // as a policy for styles may forbid the attribute
  element.removeAttribute("style");
  for (const part of element.querySelectorAll("*")) {
    for (const name of GEOMETRY) {
      const value = part.getAttribute(name);
      if (value?.includes(".")) {
        part.setAttribute(
          name,
          value.replace(/-?\d*\.\d{3,}(?:e-?\d+)?/g, (n) => String(Math.round(100 * Number(n)) / 100)),
        );
      }
    }
  }
  return element.outerHTML;
}
