"""Mend a submission where that is safe."""

import shutil
import uuid
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode
from nbgrader import utils

from coursekit.grading.submission import Submission, is_known, kernel, mark, read, same, unsound_ids
from coursekit.notebooks import write


def mend(file: Path, released: Path) -> list[str]:
    """Do what is safe, and never touch a student's code; the notebook as it was is kept as NAME.before.ipynb.

    Missing locked cells come back, lost marks of nbgrader's come back, copies go, cells get ids of their own, and the
    kernel is the course's.

    Returns:
        what was done, in sentences; nothing is written when there is nothing to do.

    Raises:
        ValueError: the file is not a notebook.
    """
    notebook, source = read(file), read(released)
    deeds = [*_mend_marks(notebook, source), *_mend_missing(notebook, source), *_mend_form(notebook, source)]
    if deeds:
        kept = file.with_suffix(".before.ipynb")
        while kept.exists():
            kept = kept.with_suffix(".before.ipynb")
        shutil.copy2(file, kept)
        write(notebook, file)
    return deeds


def _mend_marks(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    submission, deeds, gone = Submission(notebook, released), [], []
    for name, cell in submission.known.items():
        at = submission.place(name)
        if at is None:
            continue
        for key in ("nbgrader", "deletable", "editable"):
            if notebook.cells[at].metadata.get(key) != cell.metadata.get(key):
                if key in cell.metadata:
                    notebook.cells[at].metadata[key] = deepcopy(cell.metadata[key])
                deeds += [f"{name} has its mark again"] if key == "nbgrader" else []
        for i in submission.marked[name][:-1] if submission.copies_can_go(name) else []:
            if utils.is_locked(cell) and same(notebook.cells[i], cell):
                gone.append(i)
                deeds.append(f"a copy of {name} is gone")
            else:
                _free(notebook.cells[i])
                deeds.append(f"cell {i + 1} is no longer marked as {name}, and keeps its text")
    for i in submission.strangers:
        if i not in submission.recognised.values():
            _free(notebook.cells[i])
            deeds.append(f"cell {i + 1} has lost a mark that is not this assignment's")
    notebook.cells = [cell for i, cell in enumerate(notebook.cells) if i not in gone]
    return deeds


def _free(cell: NotebookNode) -> None:
    """The cell becomes an ordinary one of the student's."""
    for key in ("nbgrader", "deletable", "editable"):
        cell.metadata.pop(key, None)


def _mend_missing(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    """Locked cells come back below the cell that they stood below."""
    deeds, at = [], -1
    for cell in released.cells:
        name = mark(cell).get("grade_id") if is_known(cell) else None
        ids = [mark(c).get("grade_id") if name else c.get("id") for c in notebook.cells]
        here = [i for i, id_ in enumerate(ids) if id_ == (name or cell.get("id", "?"))]
        if here:
            at = here[-1]
        elif name and utils.is_locked(cell):
            at += 1
            notebook.cells.insert(at, deepcopy(cell))
            deeds.append(f"{name} is back")
    return deeds


def _mend_form(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    deeds = []
    if notebook.metadata.get("orig_nbformat", 4) < 4:
        deeds.append("the notebook has the format of today")
    if kernel(notebook) != kernel(released):
        notebook.metadata.kernelspec = deepcopy(released.metadata.kernelspec)
        deeds.append("the kernel is the course's")
    renamed = unsound_ids(notebook)
    for cell in renamed:
        cell.id = uuid.uuid4().hex[:8]
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    if renamed:
        deeds.append(f"each cell has an id of its own ({len(renamed)} new)")
    return deeds
