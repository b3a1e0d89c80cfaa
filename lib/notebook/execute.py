"""Runs a notebook in its kernel and writes it with its outputs; with a fourth argument also as an HTML page.

    python execute.py IN.ipynb OUT.ipynb SECONDS [OUT.html]

SECONDS is what a cell may take. Exit code 0: no cell failed; 3: one did, and what came before it is in OUT.
"""
import os
import queue
import subprocess
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, CellTimeoutError, DeadKernelError


class PatientClient(NotebookClient):
    """Deno's kernel says now and then that a cell is over before it sends what the cell has shown (2.9.6: two threads). Such
    late outputs are put where they belong; nbclient by itself drops them."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.asked = {}

    async def _async_poll_output_msg(self, parent_msg_id, cell, cell_index):
        self.asked[parent_msg_id] = (cell, cell_index)
        last = all(other.cell_type != "code" for other in self.nb.cells[cell_index + 1 :])
        patience = None
        while True:
            try:
                message = await self.kc.iopub_channel.get_msg(timeout=patience)
            except queue.Empty:
                return
            request = message["parent_header"].get("msg_id")
            if request not in self.asked:
                continue
            try:
                self.process_message(message, *self.asked[request])
            except CellExecutionComplete:
                if request == parent_msg_id:
                    patience = 1.0 if last else 0.05


def execute(source, target, seconds):
    notebook = nbformat.read(source, as_version=4)
    client = PatientClient(
        notebook,
        timeout=seconds,
        iopub_timeout=60,
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
