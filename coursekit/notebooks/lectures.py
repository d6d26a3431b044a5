"""Run a lecture and store its outputs, and on its card what that cost."""

import json
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from coursekit.notebooks.card import BEGIN, MEASURE, Card
from coursekit.notebooks.files import quiet_notebook, write


def run(file: Path, timeout: int = 300) -> Card:
    """Run a notebook in a fresh kernel with one thread, store its outputs, renew its card, and return that.

    Raises:
        FileNotFoundError: there is no such file.
        nbclient.exceptions.CellExecutionError: a cell failed; the file is left as it was.
    """
    notebook = nbformat.read(file, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(MEASURE))
    client = NotebookClient(
        notebook,
        timeout=timeout,
        coalesce_streams=True,
        extra_arguments=[
            *("--HistoryManager.hist_file=:memory:", "--log-level=ERROR"),
            f"--InteractiveShellApp.exec_lines={BEGIN}",
        ],
        resources={"metadata": {"path": str(file.parent)}},
    )
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})
    measured = json.loads(notebook.cells.pop().outputs[-1].text)
    card = Card.of(notebook, **measured)
    card.put_on(notebook)
    write(quiet_notebook(notebook), file)
    return card
