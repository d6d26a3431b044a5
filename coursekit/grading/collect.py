"""nbgrader's `collect`, for an exchange in which students own what they hand in and may change it at any time.

nbgrader's own copies it as the instructor, who may read more than they: it follows a link to the solutions, believes a
folder's name whoever owns it, and stops for the whole class at a pipe or at one submission that is too large.
"""

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect

DEEPEST = 16
"""Folders in folders that are followed: a thousand would stop whoever walks them."""


class Collect(ExchangeCollect):
    """Takes from each submission the files that are its owner's, and it for its owner's submission."""

    def _path_to_record(self, path: str) -> dict[str, Any]:
        import pwd  # which Windows has not

        record = super()._path_to_record(path)
        try:
            record["username"] = pwd.getpwuid(os.lstat(path).st_uid).pw_name
        except KeyError:  # in a pod, which knows only its own user
            self.log.warning("%s: nobody here knows its owner; its name is believed", record["filename"])
        return record

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        name, most = Path(src).name, 1000 * min(self.coursedir.max_file_size, self.coursedir.max_dir_size)
        with tempfile.TemporaryDirectory() as scratch:
            safe = Path(scratch, name)
            try:
                left_out = copy_own_files(Path(src), safe, most)
            except NotADirectoryError as error:
                self.log.error("%s is not collected: %s", name, error)
                return
            super().do_copy(str(safe), dest, log)
        for file, reason in left_out.items():
            self.log.warning("%s: %s is left out: %s", name, file, reason)


def copy_own_files(source: Path, target: Path, most: float) -> dict[str, str]:
    """Copy a folder's files, while its owner may put other things in their place.

    Args:
        most: bytes that all of them may have together.

    Returns:
        What was left out, and why: links, what is no file, files of somebody else's, unreadable,
        too large or too deep ones.

    Raises:
        NotADirectoryError: the source is no folder, but a link to one perhaps.
    """
    status = source.lstat()
    left_out: dict[str, str] = {}
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{source} is no folder")
    # With descriptors, not paths: a folder that becomes a link on the way is not followed.
    for folder, folders, names, descriptor in os.fwalk(source, follow_symlinks=False):
        inside = Path(folder).relative_to(source)
        (target / inside).mkdir()
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        left_out |= dict.fromkeys((str(inside / name) for name in linked), "it is a link")
        if len(inside.parts) == DEEPEST:
            left_out |= dict.fromkeys((str(inside / name) for name in folders), "it lies too deep")
            folders.clear()
        for name in names:
            try:
                content = _read_own(name, descriptor, status.st_uid, most)
            except OSError as error:
                left_out[str(inside / name)] = error.strerror or str(error)
            else:
                most -= (target / inside / name).write_bytes(content)
    return left_out


def _read_own(name: str, folder: int, owner: int, most: float) -> bytes:
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no file")
        if status.st_uid != owner:
            raise OSError("it belongs to somebody else")
        if status.st_size > most:
            raise OSError(f"it has {status.st_size / 1e6:.0f} MB, {most / 1e6:.0f} are left")
        return file.read(status.st_size)
