"""Runs a notebook in its kernel and writes it with its outputs; with a fourth argument also as an HTML page.

    python execute.py IN.ipynb OUT.ipynb SECONDS [OUT.html]

SECONDS is what a cell may take. Exit code 0: no cell failed; 3: one did, and what came before it is in OUT.
"""
import os
import subprocess
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


def execute(source, target, seconds):
    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=seconds,
        kernel_name="deno",
        resources={"metadata": {"path": os.path.dirname(os.path.abspath(source))}},
    )
    problem = None
    try:
        # what a kernel itself prints is a warning of Deno's, and would stand among the reasons
        client.execute(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        # what cannot be read as code is no error among the outputs
        told = any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))
        problem = f"{error.ename}: {error.evalue}" if told else f"a cell is no code: {first_line(error)}"
    except (CellTimeoutError, DeadKernelError) as error:
        problem = str(error).split("\n")[0]
    nbformat.write(notebook, target)
    return notebook, problem


def first_line(error):
    lines = str(error).split("\n")
    return next((line for line in lines[lines.index("------------------") + 1 :] if line.strip()), "")


def export(notebook, title, target):
    from nbconvert import HTMLExporter

    here = os.path.dirname(os.path.abspath(__file__))
    exporter = HTMLExporter(extra_template_basedirs=[here], template_name="page", exclude_input_prompt=True)
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    draft = f"{target}.{os.getpid()}.draft"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(body)
    os.replace(draft, target)


if __name__ == "__main__":
    source, target, seconds, *page = sys.argv[1:]
    executed, problem = execute(source, target, int(seconds))
    if page:
        export(executed, os.path.splitext(os.path.basename(source))[0], page[0])
    if problem is not None:
        sys.exit(sys.stderr.write(problem + "\n") and 3)
