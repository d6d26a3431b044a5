"""Read the sheet of a notebook: what is marked in it, and which of its cells each mark needs."""

import ast
import re
from collections.abc import Iterable
from functools import lru_cache

from nbformat import NotebookNode
from nbgrader import utils

from coursekit.grading.rebuild import LEFT_OUT
from coursekit.grading.sheet import Item, Sheet
from coursekit.grading.source import Names, names
from coursekit.grading.submission import is_check, mark


def read_sheet(notebook: NotebookNode, assignment: str, seed: int) -> Sheet:
    """The sheet of a rebuilt notebook."""
    above: list[str] = []
    items = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.get("id") == LEFT_OUT:
            continue
        if is_check(cell):
            exercise = checked(cell.source)
            needed = needed_cells(above, {exercise} if exercise else _uses(cell.source))
            facts = mark(cell)
            items.append(Item(str(facts.grade_id), float(facts.points), exercise, cell.source, tuple(needed)))
        elif not (utils.is_grade(cell) and utils.is_locked(cell)):
            above.append(cell.source)
    return Sheet(assignment, seed, tuple(items))


def checked(source: str) -> str | None:
    """The exercise of a cell that is just `check("name", name)`."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    call = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    match call:
        case ast.Call(func=ast.Name(id="check"), args=[ast.Constant(value=str(name)), ast.Name(id=same)]):
            return name if name == same else None
    return None


def needed_cells(above: list[str], wanted: Iterable[str]) -> list[str]:
    """The cells, in order, that define these names and, in turn, the names that those use.

    So the training that a notebook shows is not repeated for a mark, and an answer that does not come to its end
    harms only the exercises that call it.
    """
    wanted = set(wanted)
    known = [_names(source) for source in above]
    chosen: set[int] = set()
    while True:
        more = {i for i, cell in enumerate(known) if i not in chosen and (cell.opaque or cell.defines & wanted)}
        if not more:
            return [above[i] for i in sorted(chosen)]
        chosen |= more
        wanted |= {name for i in more for name in known[i].now | known[i].later}


@lru_cache(maxsize=4096)  # most cells of a class are those that were handed out
def _names(source: str) -> Names:
    try:
        return names(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A cell with a slip defines nothing; but whoever needs its names shall hear of the slip.
        found = re.findall(r"^\s*(?:def|class)\s+(\w+)|^(\w+)\s*=", source, re.M)
        return Names(frozenset(name for pair in found for name in pair if name))


def _uses(source: str) -> set[str]:
    found = _names(source)
    return set(found.now | found.later)
