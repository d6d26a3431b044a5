"""Write the beginnings of an exercise: checks, a bank of mistakes, right variants, and its cells in a notebook.

What is written runs as it is, for a function that doubles its input; TODO stands wherever the author's words and code
belong. Nothing that is there is overwritten or edited, but for the file of variants, which grows at its end.
"""

import ast
import keyword
import re
from pathlib import Path
from string import Template

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursekit.notebooks import quiet_notebook, write

_POINTS = 2

_EXERCISE = Template('''"""`$name(x)`: TODO what it takes → what it gives, with shapes."""

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise

# TODO forbid the calls that students should write themselves: see coursekit/exercises/watch.py.
$module = Exercise("$name", forbids=())


def _reference(x: Tensor) -> Tensor:
    """TODO a right answer, better still the one in coursekit.ops, losses or metrics."""
    return 2 * x


@$module.check(points=0.5)
def two_by_two(answer: Answer, draw: Draw) -> None:
    """TODO a worked example, small enough to do by hand."""
    x = torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]])
    expect.close(answer(x), torch.tensor([[[[2.0, -4.0], [6.0, 8.0]]]]))


@$module.check(points=1)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, channels, height and width."""
    # TODO draw what tells mistakes apart: sides that differ, several channels, other strides, scales or classes.
    for _ in range(3):
        x = draw.distinct(draw.integer(2, 3), draw.integer(2, 4), draw.integer(3, 4), draw.integer(5, 7))
        expect.close(answer(x), _reference(x))


# TODO leave this out where the result has no dtype or gradient of its own.
properties.add_good_manners(
    $module,
    0.5,
    needs="any_shape",
    reference=_reference,
    arguments=lambda draw: (draw.normal(2, 3, 4, 5),),
)


# TODO at least eight mistakes that students really make; a docstring is the hint, and leads without giving it away.
@$module.mistake
def sign_lost(x: Tensor) -> Tensor:
    """TODO Negative values have become positive: where does the sign go?"""
    return _reference(x).abs()
''')

_ASSIGNMENT = Template('''"""Assignment $number: TODO what it is about, in a line."""

from coursekit.exercises.a$assignment.$module import $module
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of("$assignment", $module)
''')

_VARIANTS = Template('''"""Right answers to $assignment, in the styles that students use. Each keeps every point."""
''')

_VARIANT = Template("""

class $name:  # TODO at least three styles: a loop, vectorised, a class where a function is asked for
    def vectorised(x):
        return 2 * x

    def added(x):
        return x + x
""")

_TEXT = Template("""## TODO number · TODO title

`$name(x)`: TODO what it takes → what it gives, with shapes.

Difficulty ●○○ · importance ●●○ · TODO minutes · **$points points**

*Write it yourself:* TODO the calls that it forbids.

<details><summary>A first hint</summary>TODO</details>
<details><summary>A second hint</summary>TODO</details>""")

_ANSWER = Template('''def $name(x):
    """TODO what it gives, in a line."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION''')

_LEFT = Template("""
Two lines to add in coursekit/exercises/a$assignment/__init__.py, the second among the arguments of Assignment.of:

from coursekit.exercises.a$assignment.$module import $module
    $module,
""")

_CELLS = Template("""
Three cells to paste into solutions/$assignment/$assignment.ipynb. In JupyterLab's panel "Create Assignment" the second
is an "Autograded answer" with the id $name-answer, the third "Autograded tests", $name-check, $points points.

--- text
$text

--- answer
$answer

--- check
check("$name", $name)
""")


def new_exercise(name: str, assignment: str, root: Path) -> list[Path]:
    """Write the files of a new exercise, and those of its assignment where that is new too.

    Args:
        name: what the student defines, such as "bed_of_nails" or "UNet".
        assignment: such as "07_video", a new or an existing one.
        root: the repository's folder.

    Returns:
        the files written or, the variants, appended to.

    Raises:
        ValueError: a name is not fit to be one.
        FileNotFoundError: `root` is not the repository.
        FileExistsError: there is an exercise of that name; nothing was written.
    """
    words = _words(name, assignment)
    package = root / "coursekit" / "exercises"
    if not (package / "exercise.py").is_file():
        raise FileNotFoundError(f"{root} is not the course: it has no coursekit/exercises; go to its folder first")
    variants = root / "tests" / "exercises" / "variants" / f"v{assignment}.py"
    taken = sorted(package.glob(f"a[0-9][0-9]_*/{words['module']}.py"))
    if taken:
        raise FileExistsError(f"there is an exercise {name} already, in {taken[0].relative_to(root)}: choose a name")
    if variants.is_file() and name in _classes(variants):
        raise FileExistsError(f"{variants.relative_to(root)} has a class {name} already: choose a name, or remove it")

    texts = {package / f"a{assignment}" / f"{words['module']}.py": _EXERCISE.substitute(words)}
    if not (package / f"a{assignment}" / "__init__.py").exists():
        texts[package / f"a{assignment}" / "__init__.py"] = _ASSIGNMENT.substitute(words)
    before = variants.read_text(encoding="utf-8").rstrip() + "\n" if variants.is_file() else _VARIANTS.substitute(words)
    texts[variants] = before + _VARIANT.substitute(words)
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    notebook = _notebook_file(assignment, root)
    if notebook.exists():
        return list(texts)
    _write_notebook(words, notebook)
    return [*texts, notebook]


def left_to_do(name: str, assignment: str, root: Path) -> str:
    """What `new_exercise` leaves to its author, in files that it does not edit: lines and cells to paste."""
    words = _words(name, assignment)
    told = ""
    if words["module"] not in _imported(root / "coursekit" / "exercises" / f"a{assignment}" / "__init__.py"):
        told += _LEFT.substitute(words)
    if f'check("{name}", {name})' not in _notebook_file(assignment, root).read_text("utf-8").replace('\\"', '"'):
        told += _CELLS.substitute(words, text=_TEXT.substitute(words), answer=_ANSWER.substitute(words))
    return told + "\nThen write what the TODOs ask for; docs/writing-an-exercise.md goes through it.\n"


def _words(name: str, assignment: str) -> dict[str, str]:
    """What the templates are filled with."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name for a function or class: letters, digits and _ as in bed_of_nails")
    if not re.fullmatch(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*", assignment):
        raise ValueError(f"{assignment!r} is no name for an assignment: two digits and a topic, as in 01_unpooling")
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    number = assignment[:2]
    return {"name": name, "module": module, "assignment": assignment, "number": number, "points": str(_POINTS)}


def _classes(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)}


def _imported(file: Path) -> set[str]:
    nodes = ast.parse(file.read_text(encoding="utf-8")).body
    return {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


def _notebook_file(assignment: str, root: Path) -> Path:
    return root / "solutions" / assignment / f"{assignment}.ipynb"


def _write_notebook(words: dict[str, str], file: Path) -> None:
    """A solution notebook with the one exercise, its cells marked as nbgrader wants them."""
    name = words["name"]

    def mark(cell_id: str, **flags: bool | int) -> dict[str, object]:
        usual = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
        return {"nbgrader": {**usual, "grade_id": cell_id, **flags}}

    answer, check = f"{name}-answer", f"{name}-check"
    cells = [
        new_markdown_cell(f"# Assignment {int(words['number'])} · TODO title\n\nTODO what for, how long.", id="title"),
        new_code_cell("import torch\n\nfrom coursekit.exercises import check", id="imports"),
        new_markdown_cell(_TEXT.substitute(words), id=f"{name}-text"),
        new_code_cell(_ANSWER.substitute(words), id=answer, metadata=mark(answer, solution=True)),
        new_code_cell(
            f'check("{name}", {name})', id=check, metadata=mark(check, grade=True, locked=True, points=_POINTS)
        ),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    write(quiet_notebook(new_notebook(cells=cells)), file)
