"""A submission beside the notebook that was handed out: which cell is which, and what nbgrader will run."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

from coursekit.grading.source import Names, names


def read(file: Path) -> NotebookNode:
    """A notebook, unrepaired; one of format 3 as format 4, with `orig_nbformat` in its metadata.

    Raises:
        ValueError: it is none; the message says what to do.
    """
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{file.name} is not JSON, so it is no notebook: save it again from Jupyter") from None
    version = raw.get("nbformat") if isinstance(raw, dict) else None
    if not isinstance(version, int) or not isinstance(raw.get("cells", raw.get("worksheets")), list):
        raise ValueError(f"{file.name} is JSON, but not a notebook: save it again from Jupyter")
    if version not in (3, 4):
        raise ValueError(f"{file.name} has the notebook format {version}; 4 is needed: save it again from Jupyter")
    try:
        notebook = nbformat.from_dict(nbformat.convert(nbformat.reader.reads(json.dumps(raw)), 4))
        for cell in notebook.cells:
            cell.source, cell.cell_type, cell.metadata  # noqa: B018
    except (AttributeError, KeyError, TypeError, nbformat.ValidationError):
        raise ValueError(f"{file.name} has cells without their parts: save it again from Jupyter") from None
    return notebook


def mark(cell: NotebookNode) -> NotebookNode:
    """nbgrader's metadata of a cell."""
    found = cell.metadata.get("nbgrader")
    return found if isinstance(found, NotebookNode) else NotebookNode()


def is_known(cell: NotebookNode) -> bool:
    return any(mark(cell).get(flag) for flag in ("grade", "solution", "locked", "task"))


def is_manual(cell: NotebookNode) -> bool:
    """An answer that the marker gives points to."""
    return bool(utils.is_grade(cell) and utils.is_solution(cell))


def is_check(cell: NotebookNode) -> bool:
    """A cell whose value is the score of an answer."""
    return bool(utils.is_grade(cell) and not utils.is_solution(cell))


def same(left: NotebookNode, right: NotebookNode) -> bool:
    return left.source.strip() == right.source.strip()


def read_names(cell: NotebookNode) -> Names:
    try:
        return names(cell.source) if cell.cell_type == "code" else Names()
    except SyntaxError:
        return Names(opaque=True)


class Submission:
    """A submission beside the released notebook.

    `known` are the cells that nbgrader knows, by grade id; `marked` where a submission's cells carry that id;
    `recognised` where a cell without its mark is it all the same; `strangers` carry marks that are none of these.
    `graded` is the notebook as nbgrader will run it, `names` the names of its cells. `own` are the cells of the
    student's own: they are run here and, where marks are made from outside, left out.
    """

    def __init__(self, notebook: NotebookNode, released: NotebookNode) -> None:
        self.notebook, self.released = notebook, released
        self.known: dict[str, NotebookNode] = {mark(c).grade_id: c for c in released.cells if is_known(c)}
        ids = [mark(cell).get("grade_id") for cell in notebook.cells]
        self.marked = {name: [i for i, id_ in enumerate(ids) if id_ == name] for name in self.known}
        self.asked = self._asked()
        free = [i for i, id_ in enumerate(ids) if id_ not in self.known]
        found = {name: self._recognise(name, free) for name in self.known if not self.marked[name]}
        self.recognised = {name: i for name, i in found.items() if i is not None}
        self.strangers = [i for i in free if "nbgrader" in notebook.cells[i].metadata]
        self.own = self._own()
        self.graded = self._as_graded()
        self.names = [read_names(cell) for cell in self.graded.cells]

    def _asked(self) -> dict[str, tuple[str, str]]:
        """What answers must define: name → (grade id of the answer, grade id of its first check)."""
        answers = [(g, read_names(c).defines) for g, c in self.known.items() if utils.is_solution(c)]
        checks = [(g, read_names(c).now) for g, c in self.known.items() if is_check(c)]
        asked: dict[str, tuple[str, str]] = {}
        for (answer, defined), (check, used) in product(answers, checks):
            for name in sorted(defined & used):
                asked.setdefault(name, (answer, check))
        return asked

    def _recognise(self, name: str, free: list[int]) -> int | None:
        """The one cell that is this one by its source, by its id, or by what it defines; a locked one by its source."""
        cell = self.known[name]
        asked = {n for n, (answer, _) in self.asked.items() if answer == name}
        tells: list[Callable[[NotebookNode], bool]] = [lambda c: same(c, cell)]
        if utils.is_solution(cell):
            tells.append(lambda c: c.get("id") == cell.get("id", "?"))
            tells.append(lambda c: bool(asked) and asked <= read_names(c).defines)
        alike = [i for i in free if self.notebook.cells[i].cell_type == cell.cell_type]
        for tell in tells:
            found = [i for i in alike if tell(self.notebook.cells[i])]
            if len(found) == 1:
                return found[0]
        return None

    def _own(self) -> set[int]:
        """Code that is neither as it was handed out nor in the cell of an answer, by its mark or by its looks."""
        answers = {self.place(name) for name in self.known}
        given = {cell.source.strip() for cell in self.released.cells}
        cells = enumerate(self.notebook.cells)
        return {i for i, c in cells if c.cell_type == "code" and i not in answers and c.source.strip() not in given}

    def _as_graded(self) -> NotebookNode:
        """Locked cells and the kernel as they were released; of copies, the last one has the mark."""
        graded = deepcopy(self.notebook)
        for cell in graded.cells:
            cell.metadata.pop("nbgrader", None)
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        for name, places in self.marked.items():
            if places:
                cell, source = graded.cells[places[-1]], self.known[name]
                cell.metadata.nbgrader = deepcopy(source.metadata.nbgrader)
                if utils.is_locked(source) or cell.cell_type != source.cell_type:
                    text = source.source if utils.is_locked(source) else cell.source
                    graded.cells[places[-1]] = NotebookNode(deepcopy(source), source=text)
        graded.metadata.kernelspec = deepcopy(self.released.metadata.kernelspec)
        return graded

    def place(self, name: str) -> int | None:
        """Where the cell of a grade id is."""
        return self.marked[name][-1] if self.marked[name] else self.recognised.get(name)

    def title(self, position: int) -> str:
        """A cell's grade id, else its first line."""
        named = next((name for name in self.known if self.place(name) == position), None)
        lines = self.notebook.cells[position].source.strip().splitlines() or ["empty"]
        return named or f"“{lines[0][:40]}”"

    def is_answer(self, position: int) -> bool:
        return any(utils.is_solution(cell) and self.place(name) == position for name, cell in self.known.items())

    def copies_can_go(self, name: str) -> bool:
        """Not where parts of a written answer would be lost to the marker."""
        cells = [self.notebook.cells[i] for i in self.marked[name]]
        return not is_manual(self.known[name]) or all(same(cell, cells[-1]) for cell in cells)


def kernel(notebook: NotebookNode) -> str:
    return notebook.metadata.get("kernelspec", {}).get("name", "unknown")


def unsound_ids(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells whose id is missing, malformed, or that of a cell above."""
    seen: set[str] = set()
    unsound = []
    for cell in notebook.cells:
        name = str(cell.get("id", ""))
        if name in seen or not re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", name):
            unsound.append(cell)
        seen.add(name)
    return unsound
