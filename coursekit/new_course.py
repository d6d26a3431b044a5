"""A ready course for an instructor who does not fork: lectures, solutions, glossary, configuration, a first page.

A wheel carries them in `coursekit/course`; in a clone of the repository they stand beside the package.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

_PACKAGE = Path(__file__).parent
_UNWANTED = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")


def new_course(folder: Path) -> Path:
    """Copy the course into a folder, whole or not at all.

    Raises:
        FileExistsError: there is something at `folder` already; nothing was touched.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not empty; name a folder that does not exist yet")
    packed = _PACKAGE / "course"
    source = packed if packed.is_dir() else _PACKAGE.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".new-course-") as scratch:
        course = Path(scratch) / "course"
        for part in ("lectures", "solutions"):
            shutil.copytree(source / part, course / part, ignore=_UNWANTED)
        shutil.copy(source / "nbgrader_config.py", course)
        (course / "docs").mkdir()
        shutil.copy(source / "docs/glossary.md", course / "docs")  # where the lectures' links lead
        shutil.copy(_PACKAGE / "new_course.md", course / "README.md")
        if folder.exists():
            folder.rmdir()
        return course.rename(folder)
