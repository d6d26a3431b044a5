"""`coursekit new-course`, from the repository and from a wheel that knows no repository."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from coursekit import __version__
from coursekit.grading.course import course_config
from coursekit.new_course import new_course

ROOT = Path(__file__).parents[1]


def files(folder):
    kept = (file for file in folder.rglob("*") if file.is_file() and ".ipynb_checkpoints" not in file.parts)
    return {file.relative_to(folder): file.read_bytes() for file in kept}


def is_whole(course):
    same = all(files(course / part) == files(ROOT / part) for part in ("lectures", "solutions"))
    names = {file.name for file in course.iterdir()}
    glossary = (course / "docs/glossary.md").read_bytes() == (ROOT / "docs/glossary.md").read_bytes()
    return same and glossary and names == {"lectures", "solutions", "docs", "nbgrader_config.py", "README.md"}


def test_a_new_course_has_everything_and_is_configured(tmp_path):
    course = new_course(tmp_path / "segmentation" / "autumn")
    assert is_whole(course)
    assert course_config(course).CourseDirectory.source_directory == "solutions"
    assert [file.name for file in course.parent.iterdir()] == ["autumn"]


def test_its_page_names_no_command_that_does_not_exist(tmp_path):
    from typer.main import get_command

    from coursekit.cli import app

    page = (new_course(tmp_path / "course") / "README.md").read_text()
    named = {line.split()[1] for line in page.splitlines() if line.startswith("coursekit ")}
    assert named
    assert named <= set(get_command(app).commands)


def test_an_empty_folder_will_do(tmp_path):
    assert is_whole(new_course(tmp_path))


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_left_alone(kind, tmp_path):
    there = tmp_path / "there"
    if kind == "folder":
        there.mkdir()
        (there / "mine.txt").write_text("mine")
    else:
        there.write_text("mine")
    with pytest.raises(FileExistsError, match="there"):
        new_course(there)
    kept = there / "mine.txt" if kind == "folder" else there
    assert kept.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


@pytest.mark.slow
def test_an_installed_wheel_makes_a_course_that_nbgrader_can_release(tmp_path):
    quiet = ["--quiet", "--no-deps", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", *quiet, "--no-build-isolation", "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.split("-")[1] == __version__
    assert not [name for name in ZipFile(wheel).namelist() if name.startswith(("tests/", "grading/"))]
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", *quiet, "--no-index", "--target", installed, wheel], check=True)

    elsewhere = os.environ | {"PYTHONPATH": str(installed)}
    course = tmp_path / "course"

    def run(*command, folder):
        ran = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env=elsewhere, check=False, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    where = "import coursekit; print(coursekit.__file__)"
    asked = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=elsewhere, check=True, capture_output=True, text=True
    )
    assert str(installed) in asked.stdout
    run("coursekit", "new-course", str(course), folder=tmp_path)
    assert is_whole(course)
    run("nbgrader", "generate_assignment", "01_unpooling", folder=course)
    released = (course / "assignments/01_unpooling/01_unpooling.ipynb").read_text()
    assert "YOUR CODE HERE" in released
    assert "BEGIN SOLUTION" not in released
