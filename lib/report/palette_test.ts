import { ok } from "node:assert/strict";
import { type Colour, PALETTE } from "./palette.ts";

/** Contrast of two colours (WCAG 2.2, relative luminance). */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const c = parseInt(colour.slice(at, at + 2), 16) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light! + 0.05) / (dark! + 0.05);
}

Deno.test("colours have the contrast that WCAG AA asks for, light and dark", () => {
  const check = (front: Colour, grounds: Colour[], least: number) => {
    for (const ground of grounds) {
      for (const theme of [0, 1] as const) {
        const actual = contrast(PALETTE[front][theme], PALETTE[ground][theme]);
        ok(
          actual >= least,
          `${front} on ${ground}, ${["light", "dark"][theme]}: ${actual.toFixed(2)} < ${least}`,
        );
      }
    }
  };
  check("ink", ["paper", "soft", "added", "removed"], 7);
  check("muted", ["paper", "soft"], 4.5);
  check("accent", ["paper", "soft"], 4.5);
  check("loss", ["paper"], 3); // drawn, and in large type
  check("rest", ["paper"], 3);
});
