"""What an attack is: a submission of assignment 1, and the points that each of its checks must give.

Most are an honest submission of the first two exercises, worth 2 points each, with something hostile in place of the
third answer, which must earn nothing. What is not said to earn anything else earns nothing.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field

CHECKS = ("nearest-check", "nails-check", "pool-check", "unpool-check", "segnet-check", "autopsy-check")
HONEST = {
    "nearest-answer": "def nearest_unpool(x, scale):\n"
    "    return x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)",
    "nails-answer": "def bed_of_nails(x, scale):\n"
    "    n, c, h, w = x.shape\n"
    "    result = x.new_zeros(n, c, h * scale, w * scale)\n"
    "    result[:, :, ::scale, ::scale] = x\n"
    "    return result",
}
HONEST_POINTS = {"nearest-check": 2.0, "nails-check": 2.0}


@dataclass(frozen=True)
class Attack:
    """`build` makes the submitted file from the released notebook; `earns` are the points by check."""

    name: str
    build: Callable[[dict], bytes]
    earns: dict[str, float]
    finding: str = ""
    family: str = field(default="", compare=False)


class Family:
    """The attacks of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attacks: list[Attack] = []

    def source(self, name: str, answer: str, cell: str = "pool-answer", earns: dict[str, float] | None = None) -> None:
        """The honest submission, with this source in one more answer's cell."""

        def build(released: dict) -> bytes:
            return to_bytes(with_answers(released, HONEST | {cell: answer}))

        self.attacks.append(Attack(name, build, HONEST_POINTS if earns is None else earns, family=self.name))

    def notebook(self, name: str, earns: dict[str, float] | None = None, finding: str = "") -> Callable:
        """Decorates a function that changes the honest submission, as parsed JSON, in place or into another."""

        def add(change: Callable[[dict], dict | None]) -> Callable:
            def build(released: dict) -> bytes:
                sent = with_answers(released, HONEST)
                return to_bytes(change(sent) or sent)

            points = HONEST_POINTS if earns is None else earns
            self.attacks.append(Attack(name, build, points, finding, self.name))
            return change

        return add

    def file(self, name: str, earns: dict[str, float], finding: str = "") -> Callable:
        """Decorates a function that makes the file's bytes from the honest submission's."""

        def add(change: Callable[[bytes], bytes]) -> Callable:
            def build(released: dict) -> bytes:
                return change(to_bytes(with_answers(released, HONEST)))

            self.attacks.append(Attack(name, build, earns, finding, self.name))
            return change

        return add


def with_answers(released: dict, answers: dict[str, str]) -> dict:
    sent = copy.deepcopy(released)
    for cell in sent["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            cell["source"] = answers[grade_id]
    return sent


def cell_of(notebook: dict, grade_id: str) -> dict:
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


def to_bytes(notebook: dict) -> bytes:
    return json.dumps(notebook).encode()
