"""What is to be marked, and the cells that each mark needs: plain data that can be sent to any worker."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

import coursekit

_JUDGING = ("exercises", "grading", "losses", "metrics", "models", "ops")


@dataclass(frozen=True)
class Item:
    """One graded code cell: a check of an exercise, or a test of the instructor's own, and the cells that it needs."""

    grade_id: str
    points: float
    exercise: str | None
    source: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """All that is marked by machine in one notebook."""

    assignment: str
    seed: int
    items: tuple[Item, ...] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Sheet":
        items = tuple(Item(**{**item, "cells": tuple(item["cells"])}) for item in data["items"])
        return cls(data["assignment"], data["seed"], items)

    def key(self) -> str:
        """By content: what was answered, what is asked, the seed, and the code that judges it."""
        text = json.dumps([self.to_dict(), code_digest()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_digest() -> str:
    """Of this package's code and the libraries under it: a mark is not carried over from other code."""
    digest = hashlib.sha256(torch.__version__.encode())
    package = Path(coursekit.__file__).parent
    for file in sorted(file for part in _JUDGING for file in (package / part).rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode() + file.read_bytes())
    return digest.hexdigest()
