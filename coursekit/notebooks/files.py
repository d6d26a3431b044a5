"""Notebook files that change only when their content does: no times, no progress bars, no widget ids."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode


def quiet_notebook(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what a new run would change although nothing else has."""
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [kept for output in cell.outputs if (kept := _without_noise(output))]
    return notebook


def _without_noise(output: NotebookNode) -> NotebookNode | None:
    """No progress bars, no warnings; of a widget, which a stored notebook cannot show, the static picture."""
    if output.output_type == "stream" and output.name == "stderr":
        return None
    if output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None) and "image/png" not in output.data:
        return None
    return output


def write(notebook: NotebookNode, file: Path) -> None:
    """Write a notebook, whole or not at all."""
    nbformat.validate(notebook)
    beside = file.with_name(file.name + ".part")
    beside.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    beside.replace(file)
