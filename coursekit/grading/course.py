"""A course folder, as nbgrader sees it, in this process."""

from contextlib import chdir
from pathlib import Path

from traitlets.config import Config, PyFileConfigLoader

CONFIG = "nbgrader_config.py"


def course_config(root: Path) -> Config:
    """The configuration in a course's folder.

    Raises:
        FileNotFoundError: the folder holds no `nbgrader_config.py`.
    """
    if not (root / CONFIG).is_file():
        raise FileNotFoundError(f"{root} is not a course: it has no {CONFIG}; go to the course's folder first")
    with chdir(root):
        config = PyFileConfigLoader(CONFIG, path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    return config
