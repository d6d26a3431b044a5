"""The authors' tools: run a lecture and store its outputs, generate the assignments from the solutions.

Both write files that change only when their content does: no times, no progress bars, no widget ids.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

from coursekit.grading.course import course_config


def run(file: Path, timeout: int = 300) -> float:
    """Run a notebook in a fresh kernel, store its outputs, and return the seconds it took.

    Raises:
        FileNotFoundError: there is no such file.
        nbclient.exceptions.CellExecutionError: a cell failed; the file is left as it was.
    """
    notebook = nbformat.read(file, as_version=4)
    started = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=timeout,
        coalesce_streams=True,
        extra_arguments=["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"],
        resources={"metadata": {"path": str(file.parent)}},
    )
    client.execute()
    seconds = time.perf_counter() - started
    write(quiet_notebook(notebook), file)
    return seconds


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


def release(root: Path, target: Path | None = None) -> Iterator[Path]:
    """Generate every assignment from its solution with nbgrader, into `root`/assignments or another folder.

    Raises:
        FileNotFoundError: `root` is not a course.
        RuntimeError: nbgrader refused; the message is its log.
    """
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    target = target or root / "assignments"
    with tempfile.TemporaryDirectory() as scratch, chdir(root):
        config = course_config(root)
        config.CourseDirectory.db_url = f"sqlite:///{scratch}/gradebook.db"
        config.CourseDirectory.release_directory = scratch
        config.ClearOutput = Config()
        api = NbGraderAPI(CourseDirectory(config=config), config=config)
        api.log_level = logging.ERROR
        for assignment in sorted(api.get_source_assignments()):
            result: dict[str, Any] = api.generate_assignment(assignment)
            if not result["success"]:
                raise RuntimeError(f"{assignment} could not be generated:\n{result.get('error') or result.get('log')}")
            for made in sorted((Path(scratch) / assignment).glob("*.ipynb")):
                file = target / assignment / made.name
                file.parent.mkdir(parents=True, exist_ok=True)
                write(quiet_notebook(nbformat.read(made, as_version=4)), file)
                yield file
