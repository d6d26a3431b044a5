"""The assignments, generated from the solutions."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import nbformat
from traitlets.config import Config

from coursekit.grading.course import course_config
from coursekit.notebooks.files import quiet_notebook, write


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
