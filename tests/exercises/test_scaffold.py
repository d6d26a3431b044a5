"""`coursekit exercise new`: what it writes runs at once, goes through the gate, and overwrites nothing."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from coursekit.exercises.scaffold import left_to_do, new_exercise

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path):
    """A copy of what a new exercise touches."""
    without = shutil.ignore_patterns("__pycache__")
    for folder in ("coursekit", "tests/exercises"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=without)
    shutil.copytree(ROOT / "solutions" / "01_unpooling", tmp_path / "solutions" / "01_unpooling", ignore=without)
    return tmp_path


def in_copy(repository, code):
    """What a fresh process with the copy's package prints, as JSON."""
    path = os.pathsep.join([str(repository), str(repository / "tests" / "exercises")])
    done = subprocess.run(
        [sys.executable, "-c", f"import json, gate, coursekit\n{code}"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def everything(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["new_thing", "NewThing"])
def test_a_new_assignment_goes_through_the_gate(repository, name):
    before = everything(repository)
    written = new_exercise(name, "99_scaffold", repository)
    after = everything(repository)
    assert set(written) == set(after) - set(before)
    assert {file: after[file] for file in before} == before
    told = in_copy(repository, f"print(json.dumps([coursekit.__file__, vars(gate.examine('99_scaffold', '{name}'))]))")
    assert told[0].startswith(str(repository))
    row = told[1]
    assert (row["survivors"], row["rejected"], row["equal"]) == ([], [], [])
    assert (row["mistakes"], row["variants"]) == (5, 2)  # one of its own, four of good manners
    assert row["killed"] >= 2
    left = left_to_do(name, "99_scaffold", repository)
    assert "to add" not in left
    assert "to paste" not in left


@pytest.mark.slow
def test_an_existing_assignment_is_told_what_to_add(repository):
    before = everything(repository)
    written = new_exercise("new_thing", "01_unpooling", repository)
    names = [str(file.relative_to(repository)) for file in written]
    assert names == ["coursekit/exercises/a01_unpooling/new_thing.py", "tests/exercises/variants/v01_unpooling.py"]
    after = everything(repository)
    assert {file for file in before if before[file] != after[file]} == {written[1]}
    assert after[written[1]].startswith(before[written[1]].rstrip())

    left = left_to_do("new_thing", "01_unpooling", repository)
    first, second = [line for line in left.splitlines() if line.strip().endswith(("import new_thing", "new_thing,"))]
    file = repository / "coursekit" / "exercises" / "a01_unpooling" / "__init__.py"
    file.write_text(add_to_assignment(before[file].decode(), first, second))
    notebook_file = repository / "solutions" / "01_unpooling" / "01_unpooling.ipynb"
    notebook = nbformat.read(notebook_file, as_version=4)
    for cell in left.split("--- ")[2:]:
        source = cell.split("\n", 1)[1].split("\n\nThen", 1)[0].strip()
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, notebook_file)
    row = in_copy(repository, "print(json.dumps(vars(gate.examine('01_unpooling', 'new_thing'))))")
    assert (row["survivors"], row["rejected"]) == ([], [])
    assert left_to_do("new_thing", "01_unpooling", repository).count("\n") == 2


def add_to_assignment(source, line, argument):
    """The two lines, where the instructions want them."""
    call = ast.parse(source).body[-1].value
    last = ast.get_source_segment(source, call.args[-1])
    head, tail = source.rsplit(last, 1)
    return head.replace("\nASSIGNMENT", f"{line}\n\nASSIGNMENT") + f"{last}, {argument.strip(' ,')}" + tail


def test_the_new_notebook_is_a_quiet_solution(repository):
    *_, file = new_exercise("new_thing", "99_scaffold", repository)
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    marks = {cell.id: cell.metadata.get("nbgrader", {}) for cell in notebook.cells}
    assert marks["new_thing-answer"].solution
    assert marks["new_thing-check"].locked
    assert marks["new_thing-check"].points == 2
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_what_is_written_is_in_the_house_style(repository):
    written = [str(file) for file in new_exercise("new_thing", "99_scaffold", repository) if file.suffix == ".py"]
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), *written]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert all("TODO" in Path(file).read_text() for file in written if "__init__" not in file)


@pytest.mark.parametrize(
    ("name", "assignment", "error", "told"),
    [
        ("bed_of_nails", "99_scaffold", FileExistsError, r"bed_of_nails already, in coursekit/exercises/a01_unpooling"),
        ("_unpool", "01_unpooling", ValueError, "'_unpool' is no name for a function"),
        ("two words", "01_unpooling", ValueError, "'two words' is no name for a function"),
        ("class", "01_unpooling", ValueError, "'class' is no name for a function"),
        ("new_thing", "unpooling", ValueError, "'unpooling' is no name for an assignment: two digits and a topic"),
        ("new_thing", "../07_x", ValueError, "is no name for an assignment"),
    ],
)
def test_errors_name_the_thing_and_write_nothing(repository, name, assignment, error, told):
    before = everything(repository)
    with pytest.raises(error, match=told):
        new_exercise(name, assignment, repository)
    assert everything(repository) == before


def test_a_variant_of_that_name_stays(repository):
    variants = repository / "tests" / "exercises" / "variants" / "v01_unpooling.py"
    variants.write_text(variants.read_text() + "\n\nclass new_thing:\n    pass\n")
    before = everything(repository)
    with pytest.raises(FileExistsError, match=r"v01_unpooling\.py has a class new_thing already"):
        new_exercise("new_thing", "01_unpooling", repository)
    assert everything(repository) == before


def test_another_folder_is_no_course(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not the course: it has no coursekit/exercises"):
        new_exercise("new_thing", "01_unpooling", tmp_path)
