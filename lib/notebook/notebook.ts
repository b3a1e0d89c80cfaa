/**
 * Notebooks as files: what is in their cells, what their outputs say, and their code as one program that can be checked.
 *
 * ```ts
 * import { errorsOf, program } from "./notebook.ts";
 * import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
 *
 * const code = (source: string) => ({ cell_type: "code", source, outputs: [] }) as const;
 * const cells = [{ cell_type: "markdown", source: "# One" } as const, code("const a = 1;"), code("const b: string = a;")];
 * const made = program({ cells }, "file:///project/notebooks/");
 * equal(made.text.split("\n")[made.lineOf(2, 0)], "const b: string = a;");
 * deepEqual(made.cellAt(made.lineOf(2, 0)), { cell: 2, line: 0 });
 * deepEqual(errorsOf({ cells }), []);
 * ```
 *
 * @module
 */

/** A media bundle as notebooks keep it; a text may be cut into lines. */
export type Data = Readonly<Record<string, unknown>>;

/** What a cell has put out. */
export type Output =
  | { readonly output_type: "stream"; readonly name: string; readonly text: string | readonly string[] }
  | { readonly output_type: "display_data" | "execute_result"; readonly data: Data }
  | {
    readonly output_type: "error";
    readonly ename: string;
    readonly evalue: string;
    readonly traceback: readonly string[];
  };

/** A cell. */
export type Cell =
  | { readonly cell_type: "markdown" | "raw"; readonly source: string | readonly string[] }
  | {
    readonly cell_type: "code";
    readonly source: string | readonly string[];
    readonly outputs: readonly Output[];
    readonly execution_count?: number | null;
  };

/** What is used of the format (nbformat 4). */
export interface Notebook {
  readonly cells: readonly Cell[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A text that may be cut into lines. */
export const whole = (text: string | readonly string[]): string =>
  typeof text === "string" ? text : text.join("");

/** All outputs, in the order of cells. */
export const outputsOf = ({ cells }: Notebook): readonly Output[] =>
  cells.flatMap((cell) => cell.cell_type === "code" ? cell.outputs : []);

/** The errors among the outputs, as `cell 3: TypeError: …`; cells are counted from 1, the texts among them. */
export const errorsOf = ({ cells }: Notebook): string[] =>
  cells.flatMap((cell, i) =>
    cell.cell_type !== "code"
      ? []
      : cell.outputs.flatMap((output) =>
        output.output_type === "error" ? [`cell ${i + 1}: ${output.ename}: ${output.evalue}`] : []
      )
  );

/** The texts of one media type that a notebook has shown. */
export const shownAs = (notebook: Notebook, type: string): string[] =>
  outputsOf(notebook).flatMap((output) =>
    "data" in output && output.data[type] !== undefined ? [whole(output.data[type] as string)] : []
  );

/** The code of a notebook as one module. */
export interface Program {
  readonly text: string;
  /** The line of the program, from 0, on which a line of a cell stands. */
  lineOf(cell: number, line: number): number;
  /** Where a line of the program comes from. */
  cellAt(line: number): { readonly cell: number; readonly line: number } | undefined;
}

/** Puts the code cells one after another; what they import relative to the notebook is found from `base`, its folder. */
export function program({ cells }: Notebook, base: string): Program {
  const lines: string[] = [], from: ({ cell: number; line: number } | undefined)[] = [];
  cells.forEach((cell, i) => {
    if (cell.cell_type !== "code") return;
    whole(cell.source).split("\n").forEach((text, line) => {
      lines.push(
        text.replace(
          /(from\s+|import\s*\(?\s*)"(\.[^"]*)"/g,
          (_, before, path) => `${before}"${new URL(path, base).href}"`,
        ),
      );
      from.push({ cell: i, line });
    });
  });
  lines.push("export {};"); // a module, even when it imports nothing
  return {
    text: `${lines.join("\n")}\n`,
    lineOf: (cell, line) => from.findIndex((at) => at?.cell === cell && at.line === line),
    cellAt: (line) => from[line],
  };
}

/** What a notebook that was committed must not hold: outputs and counts of runs. */
export const isBare = ({ cells }: Notebook): boolean =>
  cells.every((cell) =>
    cell.cell_type !== "code" || cell.outputs.length === 0 && cell.execution_count == null
  );
