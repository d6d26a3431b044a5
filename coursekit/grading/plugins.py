"""What `nbgrader_config.py` plugs into nbgrader: `nbgrader autograde` and formgrader's button mark with these.

nbgrader reads submissions through the exporter and finds the marks where the preprocessor puts them, as outputs of the
graded cells; gradebook, late penalties, feedback and export stay its own.
"""

import atexit
import os
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Unicode

from coursekit.exercises.report import ExerciseReport
from coursekit.grading.box.remote import Server
from coursekit.grading.marking import IN_PROCESS, Mark, mark_sheet
from coursekit.grading.reading import read_sheet
from coursekit.grading.rebuild import read_sent, rebuild
from coursekit.grading.store import Store


class SubmissionExporter(NotebookExporter):
    """Reads a submission as the released notebook with the submission's answers, whatever state its file is in."""

    def from_file(self, file_stream: Any, resources: Any = None, **options: Any) -> tuple[Any, Any]:
        converter: Any = self.parent
        if not converter._sanitizing:
            return super().from_file(file_stream, resources, **options)
        facts = resources["nbgrader"]
        released = released_notebook(converter.coursedir, facts["assignment"], facts["notebook"])
        rebuilt = rebuild(released, read_sent(Path(file_stream.name)))
        for finding in rebuilt.findings:
            self.log.warning("%s: %s", facts["student"], finding)
        return self.from_notebook_node(rebuilt.notebook, resources=resources, **options)


def released_notebook(coursedir: Any, assignment: str, notebook: str) -> NotebookNode:
    """The notebook as it was handed out.

    Raises:
        NbGraderException: it has not been released.
    """
    file = Path(
        coursedir.root, coursedir.format_path(coursedir.release_directory, ".", assignment), f"{notebook}.ipynb"
    )
    if not file.is_file():
        raise NbGraderException(f"no {file}: run `nbgrader generate_assignment {assignment}` first")
    return nbformat.read(file, as_version=4)


class MarkOutside(NbGraderPreprocessor):
    """Marks a rebuilt notebook; takes the place of nbgrader's Execute."""

    box = Bool(True, help="Shut every submission in; without, it can do all that you can.").tag(config=True)
    results = Unicode("grading/results", help="Where marks are kept by content, from the course's root.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        sheet = read_sheet(nb, resources["nbgrader"]["assignment"], instructors_seed())
        store = Store(Path(self.results))
        marks = store.get(sheet)
        if marks is None:
            marks = mark_sheet(sheet, warm_server(self.box))
            store.put(sheet, marks)
        write_marks(nb, marks)
        return nb, resources


def instructors_seed() -> int:
    return int(os.environ.get("COURSEKIT_SEED", "0"))


@cache
def warm_server(boxed: bool) -> Server:
    """One for this process, started when the first submission needs it."""
    server = Server(boxed)
    server.start()
    atexit.register(server.close)
    return server


def write_marks(notebook: NotebookNode, marks: list[Mark]) -> None:
    """Put each mark where nbgrader looks for it: into the outputs of its cell."""
    by_id = {mark.grade_id: mark for mark in marks}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.cell_type == "code" and grade_id in by_id:
            cell.outputs = _outputs(by_id[grade_id])


def _outputs(mark: Mark) -> list[NotebookNode]:
    if mark.report:
        report = ExerciseReport.from_dict(mark.report)
        shown = {"text/html": report._repr_html_(), "text/plain": str(report)}
    else:
        note = (
            "\nThis test ran beside the answer, which could have interfered with it." if mark.how == IN_PROCESS else ""
        )
        shown = {"text/plain": f"{mark.message or 'passed'}{note}"}
    return [
        new_output("display_data", data=shown),
        new_output("execute_result", data={"text/plain": repr(float(mark.points))}, execution_count=None),
    ]
