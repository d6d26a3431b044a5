"""A course with assignment 1 released, and one warm process, for all tests of the grader."""

import shutil
import sys
from contextlib import chdir
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSIGNMENT = "01_unpooling"


@pytest.fixture(scope="session")
def warm():
    """The warm process, boxed; skipped where the kernel does not let a process be shut in."""
    from coursekit.grading.box.isolate import CannotIsolate
    from coursekit.grading.box.remote import Server

    if sys.platform != "linux":
        pytest.skip("the box needs Linux")
    with Server() as server:
        try:
            server.start()
        except CannotIsolate as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture
def course(tmp_path):
    """A course's folder with assignment 1, released by nbgrader."""
    from coursekit.grading.grade import Course

    folder = tmp_path / "course"
    shutil.copytree(ROOT / "solutions" / ASSIGNMENT, folder / "solutions" / ASSIGNMENT)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with chdir(folder):
        made = Course(folder)
        result = made.api.generate_assignment(ASSIGNMENT)
        assert result["success"], result
        yield made
