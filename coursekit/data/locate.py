"""Where a set lies on this machine, and what to say when it does not."""

import os
from collections.abc import Sequence
from pathlib import Path

import pooch

__all__ = ["MissingSetError", "find", "places"]


class MissingSetError(FileNotFoundError):
    """A set is not on this machine; the message says where it was looked for and how to get it."""


def places(root: str | Path | None) -> list[Path]:
    """The folders in which sets are looked for, in order.

    A given `root` is the only one. Without it: `$COURSEKIT_DATA`, then the cache directory of the platform.
    """
    if root is not None:
        return [Path(root).expanduser()]
    environment = os.environ.get("COURSEKIT_DATA")
    cache = Path(pooch.os_cache("coursekit"))
    return [Path(environment).expanduser(), cache] if environment else [cache]


def find(folder: str, layouts: Sequence[Sequence[str]], root: str | Path | None = None) -> Path | None:
    """The first folder that holds all paths of one of the set's `layouts`, or None.

    Each place may be the parent of a folder called `folder` or the set's own folder.
    """
    for place in places(root):
        for candidate in (place / folder, place):
            if any(all((candidate / path).exists() for path in layout) for layout in layouts):
                return candidate
    return None
